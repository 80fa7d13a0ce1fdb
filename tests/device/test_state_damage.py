"""All that a device keeps, damaged; its clock, jumping: it monitors, and says what is lost.

The ring and the records have tests of their own: test_ring_damage.py, test_records_damage.py.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device import last_good
from device import monitor as monitor_module
from device.config import Config
from device.flash import files
from device.flash.store import Store
from device.last_good import LastGood
from device.link.commands import SETTINGS
from device.settings_store import SettingsStore
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, FrontendInfo
from tests.device.bedside import Bedside, part
from tests.device.bundle_kit import KEYRING, NOW, put
from tests.device.test_alarm_memory import asystole

SECONDS = 2
MODEL = "rhythm-3.0"
KEPT = {  # file -> what tells that it is lost
    "settings.json": "settings are as the settings file has them",
    "alarms.json": "the alarms before the restart are not known",
    "models/state.json": "state.json",
    "models/keyring.json": "keyring.json",
    "models/audit.log": "",  # is no monitor's business: doctor, housekeeping
    "models/a.l12": "slot a (rhythm-3.0)",
}
REAL = {"frontend.backend": "ads1298"}


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a device keeps after a while: a model, a changed setting, an alarm."""
    folder = tmp_path_factory.mktemp("worn")
    store = Store(folder / "models", 3, wait_s=0.0)
    store.trust(KEYRING, "anna", NOW)
    put(store, "3.0")
    store.confirm("anna", NOW)
    settings = SettingsStore(folder, SETTINGS, Config().override(REAL), lambda line: None)
    settings.save("naming", "IEC")
    settings.file.close()
    asystole(folder)
    assert all((folder / name).is_file() for name in KEPT)
    return folder


@pytest.fixture
def state(worn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    shutil.copytree(worn, folder)
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    return folder


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zeros(path: Path) -> None:
    """As a power cut leaves what was written and not synced."""
    path.write_bytes(bytes(path.stat().st_size))


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(5).bytes(path.stat().st_size))


def folder(path: Path) -> None:
    path.unlink()
    (path / "in").mkdir(parents=True)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGE = (cut, empty, zeros, noise, folder, loop)


def monitored(
    bedside: Bedside, whole: FrameBlock, stopping: Callable[[], bool] = lambda: False
) -> tuple[list[str], list[dict[str, Any]]]:
    """What the log and the line say of ``SECONDS`` of a patient, of whom nothing is missing."""
    bedside.write(part(whole, 0, SECONDS * SAMPLE_RATE_HZ))
    bedside.end()
    monitor, log = bedside.logged_monitor(**REAL)
    monitor.run(stopping)
    host = bedside.hosts[-1]
    host.read()
    assert [m["index"] for m in host.of("result")] == list(range(499, SECONDS * 500, 500))
    assert bedside.account() == (SECONDS * SAMPLE_RATE_HZ, 0)
    return log, host.messages


def test_undamaged_is_remembered(
    state: Path, bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    log, messages = monitored(bedside, signal_20s[1])
    assert log == ["/etc/lead12/serial.key"] or not any(
        word in line for line in log for word in KEPT
    )
    assert {m["model"] for m in messages if m["type"] == "result"} == {MODEL}
    assert messages[0]["settings"]["naming"] == "IEC"


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", [*KEPT, "all"])
def test_damaged_state_is_told_and_monitoring_goes_on(
    state: Path,
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
    name: str,
    damage: Callable[[Path], None],
) -> None:
    for one in KEPT if name == "all" else [name]:
        damage(state / one)
    log, messages = monitored(bedside, signal_20s[1])
    faults = [m["text"] for m in messages if m.get("event") == "fault"]
    if name == "all":
        for told in (KEPT["settings.json"], KEPT["alarms.json"], KEPT["models/state.json"]):
            assert any(told in line for line in log), told
    else:
        assert any(KEPT[name] in line for line in (*log, *faults)) or not KEPT[name]
    assert all("\n" not in line and "Traceback" not in line for line in log)


def test_unreadable_state_is_told_and_monitoring_goes_on(
    state: Path,
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tests may run as root, who may read anything: the call itself says no."""

    def denied(path: Path, most: int) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(files, "read", denied)
    log, messages = monitored(bedside, signal_20s[1])
    assert sum("Permission denied" in line for line in log) == 3  # settings, alarms, models
    (model,) = [m for m in messages if m.get("event") == "model"]
    assert "state.json cannot be read (Permission denied)" in model["why"]


def test_full_disk_is_told_and_monitoring_goes_on(
    state: Path,
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("write", "append", "make_folder"):
        monkeypatch.setattr(files, name, full)
    rounds = iter(range(100_000))

    def after_a_change() -> bool:
        if next(rounds) == 5:
            monitor_settings.set("naming", "AHA")
        return False

    bedside.write(part(signal_20s[1], 0, SECONDS * SAMPLE_RATE_HZ))
    bedside.end()
    kept = LastGood(
        last_good.Settings(Config().override(REAL), text=b"[frontend]\n"), state / "good"
    )
    monkeypatch.setattr(last_good, "PROVEN", 500)
    kept._due = 500
    monitor, log = bedside.logged_monitor(given=kept, **REAL)
    monitor_settings = monitor._instrument
    monitor.run(after_a_change)
    bedside.hosts[-1].read()
    faults = {m["part"]: m["text"] for m in bedside.hosts[-1].of("event", event="fault")}
    assert "the disk of" in faults["storage"]
    assert "is full; make room" in faults["storage"]
    assert any("no copy of the settings is kept" in line for line in log)
    assert bedside.account() == (SECONDS * SAMPLE_RATE_HZ, 0)


# -- the wall clock; monotonic time is the kernel's and does not jump


def jumping(*times: datetime) -> Callable[[], datetime]:
    """A clock that says each of these for a while, over and over."""
    said: Iterator[int] = iter(range(10**9))
    return lambda: times[next(said) // 20 % len(times)]


CLOCKS = {
    "an hour forth and back": jumping(NOW, NOW + timedelta(hours=1), NOW - timedelta(hours=1)),
    "1970": jumping(datetime(1970, 1, 1, tzinfo=UTC)),
    "1970, then set": jumping(datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), NOW),
    "2106": jumping(NOW, datetime(2106, 2, 7, 6, 28, 16, tzinfo=UTC)),
    "9999": jumping(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_wall_clock_may_say_what_it_likes(
    state: Path,
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(monitor_module, "_utc", CLOCKS[name])
    log, messages = monitored(bedside, signal_20s[1])
    faults = [m for m in messages if m.get("event") == "fault" and m["part"] != "serial"]
    assert faults == []
    assert {m["model"] for m in messages if m["type"] == "result"} == {
        MODEL
    }  # keys expire for what is new
    records = sorted(path.name for path in (state / "records").rglob("*.hea"))
    assert len(records) == 1
    if name == "1970":
        assert records[0].startswith("00000000T000000Z_")
    again = Bedside(bedside.path.with_name("again.ring"), signal_20s[0])
    monitored(again, signal_20s[1])  # the next monitor reads what this one kept
    assert not any("damaged" in line for line in log)
