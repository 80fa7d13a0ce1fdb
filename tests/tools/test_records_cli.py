"""``lead12 records``: what is listed, and damage that is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from device.records.interface import Why
from firmware.events import Beat
from tests.device.records_kit import call, feed, keeper, records, samples
from tools.records_cli import app


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


def test_list_names_every_record_with_its_time_length_reason_and_call(folder: Path) -> None:
    code, lines = run("list", folder)
    assert code == 0
    assert lines[0].startswith("2026-11-21T11:23:12.500Z     12.0 s  continuous  call AFIB 0.93")
    assert lines[1].startswith("2026-11-21T11:23:14.500Z     10.0 s  command     call AFIB 0.93")
    code, lines = run("list", folder, "--json")
    assert [json.loads(line)["beats"] for line in lines] == [2, 2]


def _flip(data: bytearray) -> bytes:
    data[len(data) // 2] ^= 0x10
    return bytes(data)


def _cut(data: bytearray) -> bytes:
    return bytes(data[:-40])


@pytest.mark.parametrize(
    ("suffix", "damage", "says"),
    [
        (".dat", _flip, "checksum of signal"),
        (".dat", _cut, "is truncated, 4999 of 5000 samples"),
        (".atr", _cut, "its annotations are damaged"),
        (".hea", _cut, "is not of this instrument"),
    ],
)
def test_check_finds_damage(
    folder: Path, suffix: str, damage: Callable[[bytearray], bytes], says: str
) -> None:
    assert run("check", folder) == (0, ["2 records, 0 damaged"])
    path = records(folder / "snapshots")[0].with_suffix(suffix)
    path.write_bytes(damage(bytearray(path.read_bytes())))
    code, lines = run("check", folder)
    assert code == 1
    assert says in lines[0]
    assert lines[-1] == "2 records, 1 damaged"


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
