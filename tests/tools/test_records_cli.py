"""``lead12 records``: what is listed, and damage that is found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from device.config import ConfigError
from device.records.interface import Why
from firmware.events import Beat
from hal.errors import RecordingError
from hal.patient.recording import read_recording
from tests.device.records_kit import call, feed, keeper, records, samples
from tools.classify import classify
from tools.key_files import KeysError
from tools.records_cli import app
from tools.study import read_study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    keep = keeper(tmp_path)
    feed(keep, samples(6000))
    for event in (Beat(5500), Beat(5900), call(5999)):
        keep.event(event)
    keep.snapshot(Why.COMMAND, 6000)
    keep.close()
    return tmp_path


def run(*arguments: object) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output.splitlines()


def test_a_full_disk_leaves_no_empty_folder_for_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeysError, match="No space left"):
        run("key", "new", tmp_path / "safe" / "keys")
    assert list(tmp_path.iterdir()) == []


def test_list_names_every_record_with_its_time_length_reason_and_call(folder: Path) -> None:
    code, lines = run("list", folder)
    assert code == 0
    assert lines[0].startswith("2026-11-21T11:23:12.500Z     12.0 s  continuous  call AFIB 0.93")
    assert lines[1].startswith("2026-11-21T11:23:14.500Z     10.0 s  command     call AFIB 0.93")
    code, lines = run("list", folder, "--json")
    assert [json.loads(line)["beats"] for line in lines] == [2, 2]


def _high_byte(data: bytearray) -> bytes:
    """Of one sample, in format 24 and in format 32; the sum modulo 65536 is as it was."""
    data[3 * 4 * 1000 - 1] ^= 0x10
    return bytes(data)


def _beat(data: bytearray) -> bytes:
    """Two samples later: annotations as good as any."""
    at = data.index(bytes.fromhex("9005"))  # "N", 400 samples behind the one before
    data[at] += 2
    return bytes(data)


def _cut(data: bytearray) -> bytes:
    return bytes(data[:-40])


def _other_sum(data: bytearray) -> bytes:
    line = data.decode().splitlines()[1]
    fields = line.split()
    fields[6] = str(int(fields[6]) ^ 1)
    return data.decode().replace(line, " ".join(fields)).encode()


def _unsealed(data: bytearray) -> bytes:
    return bytes(data).replace(b"crc32", b"crc33")


USE = "use another copy, or none"
DAMAGES = [
    (".dat", _high_byte, f"its samples are damaged; {USE}"),
    (".dat", _cut, f"its samples end after 4999 of 5000; {USE}"),
    (".atr", _beat, f"its annotations are damaged; {USE}"),
    (".atr", _cut, f"its annotations are damaged; {USE}"),
    (".hea", _cut, f"its header cannot be read; {USE}"),
    (".hea", _unsealed, f"its header names no CRC-32; {USE}"),
    (".hea", _other_sum, f"its header is damaged; {USE}"),
    (".dat", None, "its .dat is missing; put it back"),
    (".atr", None, "its .atr is missing; put it back"),
    (".hea", None, "its .hea is missing; put it back, or the monitor's next start deletes it"),
]


@pytest.mark.parametrize(("suffix", "damage", "says"), DAMAGES)
def test_check_finds_damage(
    folder: Path, suffix: str, damage: Callable[[bytearray], bytes] | None, says: str
) -> None:
    assert run("check", folder) == (0, ["2 records, 0 damaged"])
    record = records(folder / "snapshots")[0]
    path = record.with_suffix(suffix)
    data = bytearray(path.read_bytes())
    path.unlink()
    if damage is not None:
        path.write_bytes(damage(data))
    assert run("check", folder) == (1, [f"{record}: {says}", "2 records, 1 damaged"])
    _, lines = run("list", folder)
    assert f"{record}  [{says.partition(';')[0]}]" in lines[1]


def test_a_sample_that_has_moved_is_seen_in_the_continuous_record_too(folder: Path) -> None:
    record = records(folder / "continuous")[0]
    data = bytearray(record.with_suffix(".dat").read_bytes())
    record.with_suffix(".dat").write_bytes(_high_byte(data))
    read_recording(record)  # as far as WFDB knows it is whole
    code, lines = run("check", folder)
    assert (code, lines[0]) == (1, f"{record}: its samples are damaged; {USE}")


@pytest.mark.parametrize(("suffix", "damage"), [(".dat", _high_byte), (".atr", _beat)])
def test_nothing_is_said_of_a_record_that_is_not_what_was_written(
    folder: Path, suffix: str, damage: Callable[[bytearray], bytes]
) -> None:
    header = records(folder / "snapshots")[0].with_suffix(".hea")
    path = header.with_suffix(suffix)
    path.write_bytes(damage(bytearray(path.read_bytes())))
    says = f"{header.stem}: its {'samples' if suffix == '.dat' else 'annotations'} are damaged"
    (said,) = classify([header])
    assert said["error"].startswith(says)
    for name in (header, header.with_suffix("")):
        with pytest.raises(RecordingError, match=says):
            read_study(name)


def test_the_folder_is_that_of_the_settings(folder: Path, tmp_path: Path) -> None:
    settings = tmp_path / "lead12.toml"
    settings.write_text("[records]\nfolder = '.'\n")
    assert run("check", "--config", settings) == (0, ["2 records, 0 damaged"])
    assert run("list", "--config", settings) == run("list", folder)
    settings.write_text("[frontend]\nbackend = 'simulated'\n")
    with pytest.raises(ConfigError, match="keeps no records"):
        run("check", "--config", settings)


def test_a_record_that_grows_is_no_damage(tmp_path: Path) -> None:
    keep = keeper(tmp_path)
    feed(keep, samples(2000))
    code, lines = run("check", tmp_path)
    assert code == 0
    assert lines[0].endswith(": open; the monitor's next start ends it")
    keep.close()


def test_a_folder_without_records_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no records"):
        run("list", tmp_path)
    with pytest.raises(FileNotFoundError, match=f"a part of the records; name {tmp_path}"):
        run("list", tmp_path / "snapshots")
