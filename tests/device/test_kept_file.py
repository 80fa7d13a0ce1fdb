"""A small file that could not be written is written as soon as it can be."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device.config import Config
from device.kept_file import AGAIN_NS, KeptFile
from device.link.commands import SETTINGS
from device.settings_store import FILE, SettingsStore
from tests.device.bedside import Bedside, until_all


class Disk:
    """A folder that is there or not: in its place is a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fail()

    def fail(self) -> None:
        self.folder.write_text("")

    def mend(self) -> None:
        self.folder.unlink()


def settled(file: KeptFile) -> str:
    """What it says of itself when all that it was given has been tried."""
    file._writer.submit(lambda: None).result()
    return file.failure


def test_what_could_not_be_written_is_tried_again_now_and_then(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "state")
    file = KeptFile(disk.folder / "notes", "notes")
    file.write(b"first")
    said = settled(file)
    assert said.startswith(f"notes are not kept: {file.path}: ")
    file.poll(5)
    assert settled(file) == said
    disk.mend()
    file.poll(4 + AGAIN_NS)
    assert settled(file) == said
    assert not file.path.exists()
    file.poll(5 + AGAIN_NS)
    assert settled(file) == ""
    assert file.path.read_bytes() == b"first"


def test_the_newest_is_what_is_tried_again(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "state")
    file = KeptFile(disk.folder / "notes", "notes")
    file.write(b"first")
    file.write(b"second")
    assert settled(file)
    disk.mend()
    file.poll(0)
    assert settled(file) == ""
    assert file.path.read_bytes() == b"second"
    file.path.unlink()
    file.poll(2 * AGAIN_NS)  # there is nothing to be tried
    assert settled(file) == ""
    assert not file.path.exists()


def test_it_is_tried_a_last_time_at_the_end(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "state")
    file = KeptFile(disk.folder / "notes", "notes")
    file.write(b"first")
    assert settled(file)
    disk.mend()
    file.close()
    assert file.failure == ""
    assert file.path.read_bytes() == b"first"


def test_its_thread_is_there_before_the_first_write(tmp_path: Path) -> None:
    file = KeptFile(tmp_path / "notes", "notes")
    before = {thread.name for thread in threading.enumerate()}
    file.write(b"first")
    file.close()
    assert any(name.startswith("notes") for name in before)


def test_a_setting_changed_on_a_full_disk_outlasts_a_restart(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "state")
    store = SettingsStore(disk.folder, SETTINGS, Config(), lambda line: None)
    store.save("naming", "IEC")
    assert "settings are not kept" in settled(store.file)
    disk.mend()
    store.file.poll(0)
    assert settled(store.file) == ""
    again = SettingsStore(disk.folder, SETTINGS, Config(), lambda line: None)
    assert again.config.electrodes.naming == "IEC"
    assert json.loads((disk.folder / FILE).read_text())["naming"]["value"] == "IEC"


def test_a_monitor_tries_again_and_takes_the_fault_back(
    bedside: Bedside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path / "state")
    monkeypatch.setenv("STATE_DIRECTORY", str(disk.folder))
    monkeypatch.setattr("device.kept_file.AGAIN_NS", 0)
    monitor = bedside.monitor(**{"model.path": "none"})
    host = bedside.hosts[-1]

    def said() -> list[str]:
        host.read()
        return [one["text"] for one in host.of("event", event="fault", part="settings")]

    def steps() -> Iterator[Callable[[], bool]]:
        command = {"type": "command", "command": "set", "setting": "naming", "value": "IEC"}
        host.write(json.dumps(command).encode() + b"\n")
        yield lambda: len(said()) == 1
        disk.mend()
        yield lambda: len(said()) == 2

    monitor.run(until_all(steps()))
    first, second = said()
    assert "settings are not kept" in first
    assert second == ""
    assert (disk.folder / FILE).exists()
