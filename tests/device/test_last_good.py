"""Settings of a device that are lost, emptied, cut or mistyped: the copy runs, or nothing does."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from device import last_good
from device.config import Config, ConfigError, unreadable
from device.last_good import PROVEN, LastGood, Settings
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.bedside import Bedside

REAL = b'[frontend]\nbackend = "ads1298"\n[alarms]\ntachy_bpm = 130\n'
SIMULATED = b'[frontend]\nbackend = "simulated"\n[alarms]\ntachy_bpm = 130\n'


@dataclass
class Device:
    """A settings file and the place for its copy."""

    file: Path
    copy: Path

    def read(self) -> Settings:
        return last_good.read([str(self.file)], self.copy)

    def runs_with(self, text: bytes, *, samples: int = PROVEN) -> LastGood:
        """A monitor that runs for so many samples."""
        self.file.write_bytes(text)
        kept = LastGood(self.read(), self.copy)
        kept.ran(samples)
        return kept


@pytest.fixture
def device(tmp_path: Path) -> Device:
    for folder in ("etc", "var"):
        (tmp_path / folder).mkdir()
    return Device(tmp_path / "etc/lead12.toml", tmp_path / "var" / last_good.COPY)


def test_a_copy_is_kept_after_a_minute_of_samples_for_the_group_to_read(device: Device) -> None:
    before = os.umask(0o077)
    try:
        kept = device.runs_with(REAL, samples=PROVEN - 1)
        assert not device.copy.exists()
        kept.ran(PROVEN)
    finally:
        os.umask(before)
    assert device.copy.read_bytes() == REAL
    assert stat.S_IMODE(device.copy.stat().st_mode) == 0o640
    assert kept.failure == ""


DAMAGE = {
    "empty": (b"", "is empty"),
    "zeros": (bytes(4096), "is empty"),
    "zeros behind": (REAL + bytes(512), "not valid TOML"),
    "random": (bytes(range(255, 100, -1)), "not valid TOML"),
    "half a word": (REAL[:20], "is cut off"),
    "half a number": (REAL[:-2], "is cut off"),  # tachy_bpm = 13 would be valid TOML
    "no front end": (b"[display]\n", "does not name the front end"),
    "front end of no name": (b"[frontend]\ngain = 6\n", "does not name the front end"),
    "mistyped front end": (REAL.replace(b"1298", b"1928"), "must be one of"),
    "no table": (b"frontend = 3\n", r"\[frontend\] must be a table"),
    "unknown key": (REAL + b"[filters]\nmain_hz = 60\n", "did you mean mains_hz"),
    "limits that contradict": (REAL + b"extreme_tachy_bpm = 110\n", "must not be below"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file_is_replaced_by_its_copy_and_that_is_told(device: Device, damage: str) -> None:
    device.runs_with(REAL)
    text, why = DAMAGE[damage]
    device.file.write_bytes(text)
    found = device.read()
    assert (found.config.frontend.backend, found.config.alarms.tachy_bpm) == ("ads1298", 130)
    assert re.search(why, found.fault)
    told = r"settings: \S*/etc/lead12.toml: .*; the copy of \d{4}-\d\d-\d\d runs: mend the file"
    assert re.match(told, found.fault)
    assert "\n" not in found.fault
    standing = LastGood(found, device.copy)
    standing.ran(10 * PROVEN)
    assert standing.failure == found.fault
    assert device.copy.read_bytes() == REAL


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file_without_a_copy_is_refused_never_simulated(
    device: Device, damage: str
) -> None:
    text, why = DAMAGE[damage]
    device.file.write_bytes(text)
    if damage in ("half a word", "half a number"):
        why = "" if damage == "half a number" else "not valid TOML"
    if damage == "half a number":  # with nothing to compare it to, this is what the file says
        with pytest.raises(ConfigError, match=r"tachy_bpm must be 100 to 250, not 13$"):
            device.read()
        return
    with pytest.raises(ConfigError, match=why):
        device.read()


@pytest.mark.parametrize("gone", ["missing", "a folder", "a folder above missing"])
def test_missing_file_is_replaced_by_its_copy(device: Device, gone: str) -> None:
    device.runs_with(REAL)
    device.file.unlink()
    if gone == "a folder":
        device.file.mkdir()
    elif gone == "a folder above missing":
        device.file.parent.rmdir()
    found = device.read()
    assert found.config.frontend.backend == "ads1298"
    assert "cannot be read" in found.fault


@pytest.mark.parametrize("damage", ["nothing", "empty", "zeros", "random", "folder", "link"])
def test_damaged_copy_is_not_used_and_does_not_matter_while_the_file_is_well(
    device: Device, damage: str
) -> None:
    contents = {"nothing": b"x", "empty": b"", "zeros": bytes(100), "random": b"\xff" * 100}
    if damage in contents:
        device.copy.write_bytes(contents[damage])
    elif damage == "folder":
        device.copy.mkdir()
    else:
        device.copy.symlink_to("/etc/hostname")
    kept = device.runs_with(REAL)
    assert bool(kept.failure) is (damage == "folder")
    if damage == "folder":
        assert "no copy of the settings is kept" in kept.failure
        device.file.unlink()
        with pytest.raises(ConfigError, match="cannot be read"):
            device.read()
    else:
        assert device.copy.read_bytes() == REAL
    device.file.unlink(missing_ok=True)
    if damage in ("zeros", "random"):
        device.copy.write_bytes(contents[damage])
        with pytest.raises(ConfigError, match=r"cannot be read .*; its copy \S+ is damaged, too$"):
            device.read()


def test_relative_paths_of_the_copy_are_those_of_the_file(device: Device) -> None:
    device.runs_with(REAL + b'[model]\nstore = "models"\n')
    device.file.unlink()
    assert device.read().config.model.store == str(device.file.parent / "models")


def test_simulated_copy_stands_in_for_a_missing_file_only(device: Device) -> None:
    """A broken file may be the one in which a real front end was about to be named."""
    device.runs_with(SIMULATED)
    device.file.write_bytes(REAL + b"[")
    with pytest.raises(ConfigError, match=r"no patient on it \(simulated\) and is not used"):
        device.read()
    device.file.unlink()
    assert device.read().config.frontend.backend == "simulated"


def test_simulated_copy_goes_with_the_first_start_of_a_real_front_end(device: Device) -> None:
    device.runs_with(SIMULATED)
    assert device.copy.exists()
    device.runs_with(REAL, samples=0)
    device.file.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        device.read()


def test_real_copy_outlasts_a_start_with_other_settings(device: Device) -> None:
    device.runs_with(REAL)
    for other in (REAL + b"[filters]\nmains_hz = 60\n", SIMULATED):
        device.runs_with(other, samples=PROVEN - 1)
        assert device.copy.read_bytes() == REAL


def test_disk_that_takes_no_copy_is_told_and_asked_again(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(last_good.files, "write", full)
        kept = device.runs_with(REAL)
        assert "no copy of the settings is kept" in kept.failure
        assert "No space left" in kept.failure
    kept.ran(PROVEN + 1)
    assert not device.copy.exists()
    kept.ran(2 * PROVEN)
    assert (device.copy.read_bytes(), kept.failure) == (REAL, "")


def test_supervisors_settings_are_taken_as_they_are(device: Device) -> None:
    device.runs_with(REAL)
    config = Config().override({"alarms.tachy_bpm": 140})
    found = last_good.read([config.to_json()], device.copy)
    assert found == Settings(config)
    LastGood(found, device.copy).ran(PROVEN)
    assert device.copy.read_bytes() == REAL
    for arguments in ([], ["{}", "{}"]):  # nobody's settings are not a simulated patient's
        with pytest.raises(ConfigError, match="one settings file expected"):
            last_good.read(arguments, device.copy)


def test_place_of_the_copy_is_systemds(tmp_path: Path) -> None:
    assert last_good.copy_path({"STATE_DIRECTORY": "/var/lib/lead12"}) == Path(
        "/var/lib/lead12/lead12.toml.good"
    )
    assert last_good.copy_path({}) is None


def test_monitor_tells_of_the_copy_for_as_long_as_it_runs(
    bedside: Bedside, device: Device, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    device.runs_with(REAL)
    device.file.unlink()
    found = device.read()
    bedside.write(signal_20s[1])
    monitor = bedside.monitor(given=LastGood(found, device.copy))
    monitor.run(bedside.until("event", event="fault", part="settings", text=found.fault))
    assert bedside.hosts[0].of("event", event="alarm", code="settings", state="on")


def test_what_cannot_be_read_says_what_to_do() -> None:
    path = Path("/etc/lead12/lead12.toml")
    for number, act in (
        (errno.ENOENT, "installing Lead12 again makes a new one"),
        (errno.EACCES, f"sudo chown root:lead12 {path}; sudo chmod 640 {path}"),
    ):
        error = OSError(number, os.strerror(number))
        assert str(unreadable(path, error)).endswith(f"({error.strerror}); {act}")
    assert str(unreadable(Path("my.toml"), OSError(errno.ENOENT, "none"))).endswith("the name")
