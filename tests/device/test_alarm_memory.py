"""The file of the alarms: over a kill, a power cut, and whatever may be in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from device.alarm_memory import FILE, REFRESH, AlarmMemory
from device.config import Config
from device.monitor import alarms_path
from firmware.alarms import Alarms, AlarmState
from firmware.findings import Priority
from hal.frontend import CHANNELS, SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock
from tests.firmware.alarm_seconds import ASYSTOLE, Patient

NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)
ZERO_NS = 5_000_000_000


def block(index: int, zero_ns: int = ZERO_NS) -> FrameBlock:
    times = zero_ns + (index + np.arange(1, dtype=np.int64)) * SAMPLE_NS
    counts, none = np.zeros((1, CHANNELS), np.int32), np.zeros(1, np.uint16)
    return FrameBlock(index, times, counts, none.astype(np.uint32), none)


def clock(zero: datetime, zero_ns: int = ZERO_NS) -> Callable[[int], datetime | None]:
    return lambda t_ns: zero + timedelta(microseconds=(t_ns - zero_ns) // 1000)


def unknown(t_ns: int) -> None:
    return None


def asystole(folder: Path, utc_of: Callable[[int], datetime | None] = unknown) -> Patient:
    """A patient whose monitor was killed in an asystole that nobody has acknowledged."""
    patient = Patient()
    memory = AlarmMemory(folder / FILE, utc_of, boot="one")
    memory.recall(patient.alarms, block(0))
    patient.live(5)
    patient.live(3, rr_s=None, **ASYSTOLE)
    memory.keep(patient.alarms, patient.index)
    memory.file.close()
    assert memory.file.failure == ""
    return patient


def opened(
    folder: Path,
    at: FrameBlock,
    utc_of: Callable[[int], datetime | None] = unknown,
    boot: str = "one",
) -> tuple[Alarms, list[str]]:
    log: list[str] = []
    alarms = Alarms()
    AlarmMemory(folder / FILE, utc_of, log.append, boot=boot).recall(alarms, at)
    return alarms, log


def test_the_same_count_goes_on(tmp_path: Path) -> None:
    patient = asystole(tmp_path / "not" / "yet")
    alarms, log = opened(tmp_path / "not" / "yet", block(patient.index + 100))
    assert (alarms.active, alarms.log, log) == (patient.alarms.active, patient.alarms.log, [])
    assert (tmp_path / "not" / "yet" / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("index", "zero_ns", "boot"),
    [(9999, ZERO_NS, "two"), (9999, 2 * ZERO_NS, "one"), (9999, ZERO_NS, "")],
)
def test_another_count_knows_it_as_before(
    tmp_path: Path, index: int, zero_ns: int, boot: str
) -> None:
    asystole(tmp_path)
    alarms, _ = opened(tmp_path, block(index, zero_ns), boot=boot)
    assert [alarm.state for alarm in alarms.active] == [AlarmState.LATCHED]
    assert [entry.earlier for entry in alarms.log] == [""]


@pytest.mark.parametrize(("minutes", "latched"), [(59, 1), (61, 0)])
def test_after_an_hour_it_is_only_a_log(tmp_path: Path, minutes: int, latched: int) -> None:
    patient = asystole(tmp_path, clock(NOON))
    now = NOON + timedelta(minutes=minutes, seconds=patient.index / SAMPLE_RATE_HZ)
    alarms, _ = opened(tmp_path, block(0), clock(now), boot="two")
    assert len(alarms.active) == latched
    [entry] = alarms.log
    began = NOON + timedelta(seconds=entry.begin // SAMPLE_RATE_HZ)
    assert entry.earlier == began.isoformat(timespec="seconds")


def test_an_alarm_that_lasts_is_known_to_the_minute(tmp_path: Path) -> None:
    patient = Patient()
    memory = AlarmMemory(tmp_path / FILE, unknown)
    memory.recall(patient.alarms, block(0))
    patient.alarms.technical("no_data", "NO DATA", "", Priority.HIGH, 0)
    for index in (10, REFRESH - 1, REFRESH + 10):
        memory.keep(patient.alarms, index)
    memory.file.close()
    assert json.loads((tmp_path / FILE).read_text())["index"] == REFRESH + 10


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 60000, '{"index": 1e999}', "\x00"])
def test_a_damaged_file_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    alarms, log = opened(tmp_path, block(0))
    assert (alarms.active, alarms.log) == ((), ())
    assert log == [f"{tmp_path / FILE}: damaged; the alarms before the restart are not known"]


def test_a_wrong_type_is_damage(tmp_path: Path) -> None:
    asystole(tmp_path)
    tree = json.loads((tmp_path / FILE).read_text())
    for wrong in ({"zero_utc": "yesterday"}, {"zero_utc": 7}, {"log": {}}, {"log": [1]}):
        (tmp_path / FILE).write_text(json.dumps(tree | wrong))
        alarms, log = opened(tmp_path, block(0), boot="two")
        assert alarms.active == ()
        assert len(log) == (wrong != {"log": {}})


def test_a_disk_that_does_not_take_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    patient = Patient()
    memory = AlarmMemory(tmp_path / "file" / "folder" / FILE, unknown)
    memory.recall(patient.alarms, block(0))
    patient.alarms.technical("no_data", "NO DATA", "", Priority.HIGH, 0)
    memory.keep(patient.alarms, 1)
    memory.file.close()
    assert "alarms are not kept" in memory.file.failure


def test_alarms_of_nobodys_heart_end_with_the_run(tmp_path: Path) -> None:
    config = Config().override({"ring.path": str(tmp_path / "lead12-1.ring")})
    assert alarms_path(config) == tmp_path / "lead12-1.alarms"
    device = config.override({"frontend.backend": "ads1298"})
    assert alarms_path(device).name == FILE
    assert alarms_path(device).is_relative_to(os.environ["XDG_STATE_HOME"])
