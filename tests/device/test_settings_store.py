"""Settings that were changed outlast a restart, until the settings file says otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.config import Config
from device.link.commands import SETTINGS
from device.settings_store import FILE, SettingsStore
from tests.device.bedside import Bedside


def opened(folder: Path, config: Config | None = None) -> tuple[SettingsStore, list[str]]:
    log: list[str] = []
    return SettingsStore(folder, SETTINGS, config or Config(), log.append), log


def saved(folder: Path, config: Config | None = None, **values: object) -> None:
    store, _ = opened(folder, config)
    for name, value in values.items():
        store.save(name, value)
    store.file.close()
    assert store.file.failure == ""


def test_a_change_outlasts_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    saved(folder, naming="IEC", night=True, mains_hz=60)
    saved(folder, lead="V5")
    store, log = opened(folder)
    assert store.config == Config().override(
        {
            "electrodes.naming": "IEC",
            "display.night": True,
            "filters.mains_hz": 60,
            "display.lead": "V5",
        }
    )
    assert log == []
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_the_settings_file_counts_again_when_it_is_edited(tmp_path: Path) -> None:
    at_first = Config().override({"filters.mains_hz": 60})
    saved(tmp_path, at_first, mains_hz=0, naming="IEC")
    assert opened(tmp_path, at_first)[0].config.filters.mains_hz == 0
    edited, log = opened(tmp_path, Config().override({"filters.mains_hz": 50}))
    assert edited.config.filters.mains_hz == 50
    assert edited.config.electrodes.naming == "IEC"  # of which the file says what it said
    assert log == []


def test_what_is_changed_back_is_not_kept(tmp_path: Path) -> None:
    saved(tmp_path, naming="IEC", night=True)
    saved(tmp_path, naming="AHA")
    assert json.loads((tmp_path / FILE).read_text()) == {
        "night": {"value": True, "instead_of": False}
    }


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b"\x00\xff" * 40, b"[" * 4000, b'{"a":1}' * 900, b"null", b'"naming"'],
)
def test_a_damaged_file_is_told_and_left_out(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / FILE).write_bytes(damaged)
    store, log = opened(tmp_path)
    assert store.config == Config()
    assert len(log) == 1
    assert FILE in log[0]
    store.save("naming", "IEC")
    store.file.close()
    assert opened(tmp_path)[0].config.electrodes.naming == "IEC"


@pytest.mark.parametrize(
    "entry",
    [
        {"naming": {"value": "DIN", "instead_of": "AHA"}},
        {"naming": {"value": ["IEC"], "instead_of": "AHA"}},
        {"naming": {"value": "IEC"}},
        {"naming": "IEC"},
        {"gain": {"value": 12, "instead_of": 6}},
    ],
)
def test_one_entry_that_cannot_be_used_costs_no_other(
    tmp_path: Path, entry: dict[str, object]
) -> None:
    sound = {"night": {"value": True, "instead_of": False}}
    (tmp_path / FILE).write_text(json.dumps({**entry, **sound}))
    store, log = opened(tmp_path)
    assert store.config == Config().override({"display.night": True})
    (line,) = log
    assert FILE in line
    assert next(iter(entry)) in line


def test_a_place_that_cannot_be_written_is_told_and_later_forgotten(tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where a folder should be")
    store, log = opened(blocked)
    assert log  # cannot be read either, and says so
    store.save("naming", "IEC")
    store.file.close()
    assert "not kept" in store.file.failure
    assert str(blocked) in store.file.failure


def test_a_monitor_that_is_started_again_has_what_was_set_on_the_one_before(
    bedside: Bedside,
) -> None:
    def set_on_a_monitor(setting: str, value: str, **more: bool) -> None:
        monitor = bedside.monitor(**{"model.path": "none"})
        command = {"command": "set", "setting": setting, "value": value, **more}
        bedside.hosts[-1].write(json.dumps({"type": "command", **command}).encode() + b"\n")
        monitor.run(bedside.until("reply", command="set", setting=setting, value=value))

    set_on_a_monitor("naming", "IEC")
    set_on_a_monitor("lead", "V1", keep=False)
    bedside.monitor(**{"model.path": "none"}).run(bedside.until("hello"))
    settings = bedside.hosts[-1].of("hello")[0]["settings"]
    assert (settings["naming"], settings["lead"]) == ("IEC", "II")
