"""``lead12 hil capture`` and ``replay``: the same digest twice, and every fault told."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from device.config import Config, ConfigError
from device.fast import run_fast
from hal.ads1298 import driver as driver_module
from hal.capture_file import CaptureReader, Settings
from hal.errors import FrontendError
from hal.frontend import FrameBlock
from tests.device.host import Wire
from tests.tools.test_classify import lead12
from tools.capture import Tally, capture, replay


@pytest.fixture
def file(tmp_path: Path) -> Path:
    assert capture(tmp_path / "x.l12cap", preset="af-90", duration_s=3) == 0
    return tmp_path / "x.l12cap"


def test_capture_and_replay_report_the_same_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.l12cap"
    assert capture(file, preset="af-90", duration_s=3) == 0
    captured = capsys.readouterr()
    assert replay(file) == 0
    replayed = capsys.readouterr()
    size, *report = captured.out.splitlines()
    assert re.fullmatch(rf"{file}: {file.stat().st_size} bytes, \d+ MB per hour", size)
    assert replayed.out.splitlines() == report
    assert report[0] == "1172 samples, 0 lost, 0 faults"
    assert "replayed from x.l12cap" in replayed.err
    assert "the recording has ended" in replayed.err


def block(first: int, n: int, **changed: int) -> FrameBlock:
    """Samples that differ from one another; ``changed`` is added to the last one's fields."""
    index = first + np.arange(n)
    columns = {
        "t_ns": 5_000 + index * 2_000_000,
        "counts": (index[:, None] * 8 + np.arange(8)).astype(np.int32),
        "status": np.full(n, 0xC00000, np.uint32),
        "electrodes_off": np.zeros(n, np.uint16),
    }
    for name, by in changed.items():
        columns[name][-1] += by
    return FrameBlock(first, **columns)


def digest(*blocks: FrameBlock) -> str:
    tally = Tally()
    for part in blocks:
        tally.write(part)
    return tally.digest


def test_the_digest_covers_every_field_and_no_cut() -> None:
    whole = digest(block(0, 10))
    assert digest(block(0, 3), block(3, 7)) == whole
    for changed in ("t_ns", "counts", "status", "electrodes_off"):
        assert digest(block(0, 10, **{changed: 1})) != whole
    assert digest(block(0, 3), block(4, 6)) != whole
    later = block(0, 10)
    later.t_ns[:] += 77  # another clock: the same signal
    assert digest(later) == whole


def test_the_settings_are_those_of_the_file(tmp_path: Path) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text("[frontend]\ngain = 2\nrl_check_every = 100\n")
    file = tmp_path / "x.l12cap"
    assert capture(file, config_file=config, duration_s=2) == 0
    (fields,) = [event.fields for event in CaptureReader(file) if isinstance(event, Settings)]
    assert (fields["gain"], fields["rl_check_every"]) == (2, 100)
    assert replay(file) == 0


def test_a_driver_that_departs_is_exit_code_1_and_one_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_for = driver_module.settings_for
    monkeypatch.setattr(driver_module, "settings_for", lambda c: settings_for(c) | {"LOFF": 1})
    capsys.readouterr()
    assert replay(file) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "this driver sends WREG LOFF 01, the captured one sent WREG LOFF 03" in line


def test_a_cut_off_capture_is_replayed_and_told(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_bytes(file.read_bytes()[:-9])
    assert replay(file) == 0
    assert f"{file} is cut off within its last block; this is what came before" in (
        capsys.readouterr().err
    )


def test_what_cannot_be_captured_or_replayed_is_refused(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = file.read_bytes()
    with pytest.raises(ConfigError, match="captures are not written over; name another file"):
        capture(file, duration_s=1)
    assert file.read_bytes() == before
    with pytest.raises(ConfigError, match="linux-iio has no SPI bus to capture; use simulated"):
        capture(tmp_path / "y", frontend="linux-iio", duration_s=1)
    with pytest.raises(FrontendError, match="no simulated patient"):
        capture(tmp_path / "y", preset="nobody", duration_s=1)
    assert not (tmp_path / "y").exists()
    capsys.readouterr()
    assert capture(tmp_path / "no" / "y", duration_s=1) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert replay(tmp_path / "y") == 1
    assert (
        capsys.readouterr().err == f"{tmp_path / 'y'}: No such file or directory; name a capture\n"
    )


def test_a_replayed_run_says_what_the_captured_run_said(tmp_path: Path) -> None:
    file, wires = tmp_path / "x.l12cap", [Wire(), Wire()]
    common = {"serial.port": "wire", "display.device": "none", "model.path": "none"}
    runs = (
        {"frontend.backend": "simulated", "frontend.options": {"capture": str(file)}},
        {"frontend.backend": "replay", "frontend.options": {"file": str(file)}},
    )
    for wire, settings in zip(wires, runs, strict=True):
        done = run_fast(Config().override({**common, **settings}), 12.0, port=wire.port)
        assert (done.samples, done.lost) == (6000, 0)
        wire.host.read()
    captured, replayed = (wire.host.messages for wire in wires)
    assert len(captured) > 12
    assert [m for m in captured if m["type"] != "hello"] == [
        m for m in replayed if m["type"] != "hello"
    ]
    assert "replayed from x.l12cap" in str(replayed[0])


def test_the_commands_are_those_of_lead12_hil(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.l12cap"
    assert lead12(capsys, "hil", "capture", file, "--duration", "1")[0] == 0
    assert lead12(capsys, "hil", "replay", file)[0] == 0
    dump = tmp_path / "x.vcd"
    assert (
        lead12(capsys, "hil", "vcd", file, "-o", dump, "--from", "0.6", "--seconds", "0.1")[0] == 0
    )
    assert dump.read_text().startswith("$version lead12")
    code, out, err = lead12(
        capsys, "hil", "vcd", tmp_path / "none.l12cap", "-o", tmp_path / "y.vcd"
    )
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert not (tmp_path / "y.vcd").exists()
