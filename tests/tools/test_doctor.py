"""``lead12 doctor``: in order on a laptop, and each thing that can be wrong found and named."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from device import doctor as examination
from device.config import Config, ConfigError
from device.segment import create
from firmware.fixedpoint import BiquadBank
from firmware.network import Network, NetworkError
from hal import linux_gpio
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.faults import Faults
from hal.clock import VirtualClock
from hal.frontend import Check
from hal.linux_gpio import Pins
from hal.patient.presets import preset
from tests.hal.fake_board import Board, with_gpiod
from tests.hal.fake_gpiod import FakeGpiod
from tools.doctor import doctor

ALWAYS = {"python", "packages", "fixed point", "network", "model store", "SPI", "front end"}
ALWAYS |= {"shared memory", "real-time priority", "timer", "serial", "display", "disk"}
ALWAYS |= {"buttons", "indicators", "serial key"}


def found(
    changes: dict[str, object] | None = None, utc: datetime | None = None
) -> dict[str, Check]:
    """Findings by name for the default settings with ``changes``; no real time passes."""
    checks = examination.checks(Config().override(changes or {}), VirtualClock(), utc)
    for check in checks:
        assert check.evidence
        assert check.ok or check.act, f"{check.name} failed without saying what to do"
        assert "\n" not in check.evidence + check.act
    return {check.name: check for check in checks}


@pytest.fixture(autouse=True)
def _laptop(monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPIO, no spidev module, wherever the tests run."""
    monkeypatch.setitem(sys.modules, "spidev", None)
    monkeypatch.setitem(sys.modules, "gpiod", None)


def test_a_laptop_is_in_order_and_says_what_is_not_here() -> None:
    checks = found()
    assert set(checks) >= ALWAYS
    assert {name: check.evidence for name, check in checks.items() if not check.ok} == {}
    for name in ("SPI", "GPIO"):
        assert checks[name].evidence.startswith("not here")
    assert "golden vectors right" in checks["network"].evidence
    assert "AVDD" in checks["supplies"].evidence


def test_command_prints_evidence_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].endswith("all ok")
    assert any(line.startswith("ok") and "ADS1298 id 0x92" in line for line in lines)


def test_json_is_one_object_a_line_and_failure_ends_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text('[model]\npath = "/nonexistent.l12"\n')
    assert doctor(config, as_json=True) == 1
    checks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(set(check) == {"name", "ok", "evidence", "act"} for check in checks)
    assert [check["name"] for check in checks if not check["ok"]] == ["network"]


def test_failures_are_printed_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text('[serial]\nport = "/dev/ttyNONE"\n')
    assert doctor(config) == 1
    out = capsys.readouterr().out
    assert "FAIL  serial" in out
    assert "/dev/ttyNONE does not exist" in out
    assert "→ plug the cable in" in out
    assert "1 failed" in out


def test_unknown_settings_are_refused(tmp_path: Path) -> None:
    config = tmp_path / "lead12.toml"
    config.write_text("[frontend]\nbackends = 1\n")
    with pytest.raises(ConfigError, match=r"frontend\.backends"):
        doctor(config)


def test_hardware_that_is_asked_for_must_be_there() -> None:
    checks = found({"frontend.backend": "ads1298"})
    assert not checks["SPI"].ok
    assert "/dev/spidev0.0" in checks["SPI"].evidence
    assert not checks["GPIO"].ok
    assert not checks["front end"].ok
    assert "supplies" not in checks


def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults) -> dict[str, Check]:
    """Findings on a Pi with a chip that has ``faults``."""
    clock = VirtualClock()
    chip = SimulatedChip(preset("sinus-70"), clock, 0, faults)
    with_gpiod(Board(chip, clock, Pins()), monkeypatch, tmp_path)
    config = Config().override({"frontend.backend": "ads1298"})
    return {check.name: check for check in examination.checks(config, clock)}


def test_a_board_is_examined_over_its_own_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = board(tmp_path, monkeypatch, Faults())
    assert "gpiochip0 is behind the header" in checks["GPIO"].evidence
    assert checks["front end"].ok
    assert "/dev/spidev0.0" in checks["front end"].evidence
    assert checks["test signal"].ok
    assert checks["input noise"].ok


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (Faults(chip_id=0x90), "ADS1294"),
        (Faults(miso_stuck=0x00), "no chip answers"),
        (Faults(miso_stuck=0xFF), "no chip answers"),
        (Faults(drdy_stops_at=0), "no data-ready edge"),
    ],
)
def test_a_sick_board_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults, words: str
) -> None:
    checks = board(tmp_path, monkeypatch, faults)
    failed = [c for c in checks.values() if not c.ok and words in c.evidence]
    assert len(failed) == 1
    assert failed[0].act


class Panel:
    """Levels of the outputs, in the order in which they were driven."""

    def __init__(self) -> None:
        self.driven: list[tuple[int, bool]] = []

    def wait_edge(self, timeout_ns: int) -> list[int]:
        return []

    def drive(self, line: int, high: bool) -> None:
        self.driven.append((line, high))


def test_buttons_and_lights_are_tried_where_they_are_wired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired = {"buttons.page": 24, "buttons.ok": 25, "indicators.red": 12, "indicators.buzzer": 26}
    for name in ("buttons", "indicators"):  # a laptop has no such lines
        assert not found(wired)[name].ok
    panel = Panel()
    fake = FakeGpiod(panel)
    monkeypatch.setitem(sys.modules, "gpiod", fake)
    monkeypatch.setattr(linux_gpio, "DEV", tmp_path)
    (tmp_path / "gpiochip0").touch()
    checks = found(wired)
    assert checks["buttons"].evidence == "page on GPIO 24 up, ok on GPIO 25 up"
    assert checks["indicators"].ok
    assert [line for line, high in panel.driven if high] == [12, 26]
    assert dict(panel.driven) == {12: False, 26: False}
    fake.low.add(25)
    down = found(wired)["buttons"]
    assert not down.ok
    assert "ok on GPIO 25 DOWN" in down.evidence
    assert not fake.held


def test_wrong_options_and_recordings_fail_the_front_end(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("not,a,recording\n")
    for changes in (
        {"frontend.backend": "ads1289"},
        {"frontend.options": {"speed": 1}},
        {"patient.preset": "nobody"},
        {"patient.record": str(broken)},
    ):
        assert not found(changes)["front end"].ok


def test_arithmetic_that_loses_its_low_bits_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow(BiquadBank):
        """State of 32 bits, as plain q31 filters have."""

        def process(self, x: np.ndarray) -> np.ndarray:
            y, out = 0, np.empty_like(x)
            for n, value in enumerate(x[0].tolist()):
                y += (value - y) >> 10
                out[0, n] = y
            return out

    monkeypatch.setattr(examination, "BiquadBank", Narrow)
    check = found()["fixed point"]
    assert not check.ok
    assert "1023 short" in check.evidence


def test_a_damaged_or_absent_network_is_found_and_none_is_allowed(tmp_path: Path) -> None:
    damaged = tmp_path / "model.l12"
    damaged.write_bytes(b"PK\x03\x04 no more")
    for path in (str(damaged), str(tmp_path / "absent.l12")):
        assert not found({"model.path": path})["network"].ok
    assert found({"model.path": "none"})["network"].ok


def test_a_network_that_fails_its_golden_vectors_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(network: Network) -> None:
        raise NetworkError("self-test af: the network is off by 99 steps")

    monkeypatch.setattr(Network, "self_test", wrong)
    check = found()["network"]
    assert not check.ok
    assert "99 steps" in check.evidence


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "PACKAGES", ("numpy", "no-such-package"))
    check = found()["packages"]
    assert not check.ok
    assert "no-such-package" in check.evidence


def test_real_time_refused_matters_only_with_a_real_front_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert found()["real-time priority"].ok
    assert not found({"frontend.backend": "ads1298"})["real-time priority"].ok


class LateClock(VirtualClock):
    """Every tenth wake-up is 3 ms late."""

    _wakes = 0

    def sleep_until_ns(self, t_ns: int) -> None:
        self._wakes += 1
        super().sleep_until_ns(t_ns + (3_000_000 if self._wakes % 10 == 0 else 0))


def test_a_late_timer_is_measured() -> None:
    for backend, ok in (("simulated", True), ("ads1298", False)):
        config = Config().override({"frontend.backend": backend})
        (check,) = (c for c in examination.checks(config, LateClock()) if c.name == "timer")
        assert "25 of 250 edges missed" in check.evidence
        assert "3000 µs p99" in check.evidence
        assert check.ok is ok
        assert check.act


def test_ring_folder_that_does_not_exist(tmp_path: Path) -> None:
    check = found({"ring.path": str(tmp_path / "absent" / "ring")})["shared memory"]
    assert not check.ok
    assert "absent" in check.evidence


def test_serial_ports() -> None:
    master, slave = os.openpty()
    try:
        assert found({"serial.port": os.ttyname(slave)})["serial"].ok
    finally:
        os.close(master)
        os.close(slave)
    assert found({"serial.port": "pty"})["serial"].ok
    assert "enable_uart=1" in found({"serial.port": "/dev/serial7"})["serial"].act
    assert found({"serial.port": "socket://127.0.0.1:1"})["serial"].ok


def test_displays(tmp_path: Path) -> None:
    assert found({"display.device": f"png:{tmp_path}"})["display"].ok
    for spec in ("ssd1306", "ssd1322", "ssd9999"):
        assert not found({"display.device": spec})["display"].ok


def test_the_disk_is_that_of_the_records_and_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, records = tmp_path / "state", tmp_path / "records"
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    records.mkdir()
    asked: list[Path] = []

    def usage(folder: Path) -> object:
        asked.append(folder)
        return type("Usage", (), {"free": 300_000_000})()

    monkeypatch.setattr("device.records.health.shutil.disk_usage", usage)
    settings = {"records.folder": str(records), "records.min_free_mb": 299}
    assert found(settings)["disk"].ok
    (tmp_path / "file").touch()
    for inside in ("file", "file/records"):
        check = found(settings | {"records.folder": str(tmp_path / inside)})["disk"]
        assert not check.ok
        assert check.evidence.startswith(f"{tmp_path}/file is not a folder")
    full = found(settings | {"records.min_free_mb": 301})["disk"]
    assert not full.ok
    assert full.evidence == f"300 MB free in {records}, at least 301 wanted"
    assert "continuous_hours" in full.act
    assert found()["disk"].evidence.startswith(f"300 MB free in {tmp_path}, at least 20")


def test_a_read_only_disk_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs

    def statvfs(folder: Path) -> object:
        found = real(folder)
        told = {name: getattr(found, name) for name in dir(found) if name.startswith("f_")}
        return SimpleNamespace(**told | {"f_flag": os.ST_RDONLY if folder == tmp_path else 0})

    monkeypatch.setattr("device.records.health.os.statvfs", statvfs)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    check = found({"records.folder": str(tmp_path / "records")})["disk"]
    assert not check.ok
    assert check.evidence == f"{tmp_path} is on a read-only disk: nothing is kept"
    assert "[records] folder" in check.act


def test_a_folder_of_another_user_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = f"{tmp_path} belongs to root", f"sudo chown -R lead12:lead12 {tmp_path}"
    monkeypatch.setattr("device.records.health.owner_fault", lambda folder: told)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "models"))

    monkeypatch.setattr(examination, "store_check", denied)
    checks = found()  # and none of them ends the others
    assert not checks["owner"].ok
    assert checks["owner"].act == told[1]
    assert "Permission denied" in checks["model store"].evidence
    assert "disk" in checks


def test_on_the_device_the_priority_is_that_of_acquire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError  # this shell may not, and need not

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    ring = tmp_path / "ring"
    settings = {"frontend.backend": "ads1298", "ring.path": str(ring)}

    def priority() -> Check:
        return found(settings)["real-time priority"]

    assert priority().ok
    assert "acquire does not run" in priority().evidence
    segment = create(ring, 1024)
    try:
        assert not priority().ok
        assert f"process {os.getpid()}" in priority().evidence
        assert "systemctl restart lead12-acquire" in priority().act
        monkeypatch.setattr(os, "sched_getscheduler", lambda pid: os.SCHED_FIFO)
        assert priority().ok
    finally:
        segment.close()
    assert "acquire does not run" in priority().evidence


def test_a_pseudo_terminal_is_no_port_of_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    check = found({"serial.port": "pty"})["serial"]
    assert not check.ok
    assert "lead12 run only" in check.evidence


def test_a_bad_key_is_told_without_a_port_too(tmp_path: Path) -> None:
    file = tmp_path / "serial.key"
    settings = {"serial.access": "keyed", "serial.key_file": str(file)}
    told = "no port is configured; the key would be refused: "
    check = found(settings)["serial key"]
    assert check.ok
    assert check.evidence.startswith(f"{told}{file}: No such file")
    file.write_text("a" * 64)
    file.chmod(0o640)
    assert "would be refused" not in found(settings)["serial key"].evidence
