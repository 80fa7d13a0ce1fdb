"""The power goes at any call: the device starts with the old or the new model, whole."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device.flash import audit, files
from device.flash.store import ModelState, Store, StoreError
from tests.device.bundle_kit import KEYRING, NOW
from tests.device.power_scenarios import (
    NEWER,
    SCENARIOS,
    WHO,
    Scenario,
    keep,
    model,
    put,
    record,
    store_in,
    survey,
)
from tests.device.powercut import CallsOfOs, Shelf, cuts, seen_by

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where the system has such."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    folder = shared / f"lead12-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_whatever_a_power_cut_leaves_the_device_runs_the_old_or_the_new_model(
    scenario: Scenario, memory: Path
) -> None:
    found = survey(memory, [scenario])
    print(f"\n{found}", end="")
    assert found.bad == []


def test_there_are_at_least_200_places_to_cut(memory: Path) -> None:
    quick = [one for one in SCENARIOS if not one.name.startswith("installer")]
    places = {
        (scenario.name, cut)
        for scenario in quick
        for cut, _ in cuts(record(scenario, Shelf(memory))[0])
    }
    assert len(places) >= 200


# The simulator finds what it is there to find: each defect is one that was made before


def _write_unsynced(path: Path, data: bytes, **_: Any) -> None:
    REAL_WRITE(path, data, sync=False)


def _save_in_place(path: Path, data: bytes) -> None:
    REAL_WRITE(path, data)
    files.sync_folder(path.parent)


def _append_unsynced(path: Path, data: bytes, **_: Any) -> None:
    REAL_APPEND(path, data, sync=False)


def _replace_unsynced(source: Path, target: Path) -> None:
    files.os.replace(source, target)


REAL_WRITE, REAL_APPEND = files.write, files.append


@pytest.mark.parametrize(
    ("name", "instead", "scenario"),
    [
        ("write", _write_unsynced, "second install"),
        ("write", _write_unsynced, "newer keyring"),
        ("save", _save_in_place, "start and clean stop"),
        ("append", _append_unsynced, "refusal"),
        ("replace", _replace_unsynced, "confirm"),
    ],
)
def test_a_store_that_syncs_too_little_is_found(
    name: str,
    instead: Callable[..., None],
    scenario: str,
    memory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, name, instead)
    assert survey(memory, [BY_NAME[scenario]]).bad


def test_a_start_of_a_trial_is_on_the_disk_before_the_model_runs(memory: Path) -> None:
    shelf = Shelf(memory)
    trial = BY_NAME["starts until taken back"].prepare
    once = Scenario("one start", trial, lambda store: store.choose(NOW, starting=True))
    recorded, _, _ = record(once, shelf)
    for cut, disks in cuts(recorded):
        for disk in disks:
            state = store_in(shelf.make(disk)).state()
            assert state.trial is not None
            assert state.trial.starts in ((1,) if cut.at == len(recorded.ops) else (0, 1))


# Real processes, really killed


class KilledAt(CallsOfOs):
    """Kills this process before call ``at``, or in the middle of it when it is a write."""

    def __init__(self, at: int, halfway: bool) -> None:
        super().__init__()
        self._left, self._halfway = at, halfway

    def forward(self, name: str, real: Any, args: Any, how: Any) -> Any:
        if self._left == 0:
            if self._halfway and name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        return real(*args, **how)


def _in_a_child(act: Callable[[], object], watcher: CallsOfOs) -> int:
    """The signal that ended it, 0 for none."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with seen_by(watcher):
                act()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _whole_install(root: Path) -> None:
    """As an installer does it: the lock, the file, the switch."""
    store = Store(root / "models")
    with store.locked():
        put(store, "2.0", 1)


@pytest.mark.parametrize("halfway", [False, True], ids=["before", "halfway"])
def test_an_installer_killed_at_any_call_leaves_the_old_or_the_new_model(
    memory: Path, halfway: bool
) -> None:
    model("2.0", 1), model("9.0", 9)  # made once, before the children
    ready = memory / "ready"
    store = Store(ready / "models")
    store.trust(KEYRING, WHO, NOW)
    keep(store, "1.0")
    at, ran = 0, set()
    while True:
        root = memory / f"{at}"
        shutil.copytree(ready, root)
        ended = _in_a_child(lambda root=root: _whole_install(root), KilledAt(at, halfway))
        store = store_in(root) if at % 8 else Store(root / "models")  # the real reader, too
        assert store.findings() == []
        choice = store.choose(NOW, starting=True)
        assert (choice.bundle.version, choice.state) in (
            ("1.0", ModelState.CONFIRMED),
            ("2.0", ModelState.TRIAL),
        )
        assert choice.notes == ()
        ran.add(choice.bundle.version)
        with store.locked():  # the kernel let go
            put(store, "9.0", 9)
        assert store.choose(NOW, starting=True).bundle.version == "9.0"
        assert store.findings() == []
        shutil.rmtree(root)
        if not ended:
            break
        at += 1
    assert ran == {"1.0", "2.0"}
    assert at > 50, "calls"
    print(f"\nkilled at {at} calls", end="")


# Disks that do not take it


class Failing(CallsOfOs):
    """From call ``at`` of those named on, the disk refuses; a write may still take half."""

    def __init__(self, names: tuple[str, ...], at: int, error: int, half: bool = False) -> None:
        super().__init__()
        self._names, self._left, self._error, self._half = names, at, error, half
        self.failed = False

    def forward(self, name: str, real: Any, args: Any, how: Any) -> Any:
        if name not in self._names or (name == "open" and not args[1] & CHANGES):
            return real(*args, **how)
        self._left -= 1
        if self._left >= 0:
            return real(*args, **how)
        if self._half and not self.failed and len(args[1]) > 1:
            self.failed = True
            return real(args[0], args[1][: len(args[1]) // 2])
        self.failed = True
        raise OSError(self._error, os.strerror(self._error), args[0])


CHANGES = os.O_CREAT | os.O_WRONLY
MUTATING = ("open", "write", "fsync", "replace", "unlink", "mkdir")
DISKS = {
    "full": (("write",), errno.ENOSPC, False),
    "full in the middle": (("write",), errno.ENOSPC, True),
    "read-only": (MUTATING, errno.EROFS, False),
    "failing": (MUTATING, errno.EIO, False),
}


@pytest.mark.parametrize("disk", DISKS)
def test_a_disk_that_stops_taking_writes_anywhere_costs_no_model(disk: str, memory: Path) -> None:
    names, error, half = DISKS[disk]
    shelf, at = Shelf(memory), 0
    while True:
        root = shelf.make({})
        store = store_in(root)
        store.trust(KEYRING, WHO, NOW)
        keep(store, "1.0")
        failing = Failing(names, at, error, half)
        told = ""
        with seen_by(failing):
            try:
                put(store, "2.0", 1)
            except StoreError as refused:
                told = str(refused)
            choice = store.choose(NOW, starting=True)  # still on that disk
            # a trial is not run where its start cannot be counted
            assert (choice.bundle.version, choice.state) in (
                (("1.0", ModelState.CONFIRMED), ("2.0", ModelState.TRIAL))
                if not failing.failed
                else (("1.0", ModelState.CONFIRMED),)
            )
        if not failing.failed:
            break
        assert "\n" not in told
        assert not told or (disk == "failing") or str(store.folder) in told
        assert store.findings() == []
        choice = store.choose(NOW, starting=True)
        assert choice.bundle.version in ("1.0", "2.0")
        put(store, "9.0", 9)
        assert store.choose(NOW, starting=True).bundle.version == "9.0"
        assert store.findings() == []
        at += 1
    assert at >= 4


@pytest.mark.parametrize("half", [False, True], ids=["full", "full in the middle"])
@pytest.mark.parametrize("act", ["rollback", "confirm", "revert", "trust"])
def test_what_a_full_disk_refuses_is_not_in_the_log(act: str, half: bool, memory: Path) -> None:
    acts: dict[str, Callable[[Store], object]] = {
        "rollback": lambda store: store.rollback(WHO, NOW),
        "confirm": lambda store: store.confirm(WHO, NOW),
        "revert": lambda store: store.revert("it failed", NOW),
        "trust": lambda store: store.trust(NEWER, WHO, NOW),
    }
    shelf, at = Shelf(memory), 0
    while True:
        store = store_in(shelf.make({}))
        store.trust(KEYRING, WHO, NOW)
        keep(store, "1.0")
        put(store, "2.0")
        before, entries = store.state(), audit.read(store.log_path)
        with seen_by(Failing(("write",), at, errno.ENOSPC, half)):
            try:
                acts[act](store)
                break
            except StoreError as refused:
                told = str(refused)
        assert told == f"the disk of {store.folder} is full; make room and try again"
        assert audit.read(store.log_path) == entries
        assert (store.state(), store.findings()) == (before, [])
        acts[act](store)  # there is room again
        assert [e.n for e in audit.read(store.log_path)] == [*range(1, len(entries) + 2)]
        at += 1
    assert at >= 2


class FullWhile(CallsOfOs):
    """A disk without room as long as a file is on it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def forward(self, name: str, real: Any, args: Any, how: Any) -> Any:
        if name == "write" and self._path.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args, **how)


@pytest.mark.parametrize("left", ["upload.part", "incoming.l12"])
@pytest.mark.parametrize("lock", [False, True], ids=["", "lock file"])
def test_a_bad_trial_can_be_left_on_a_disk_that_our_own_leftovers_fill(
    left: str, lock: bool, memory: Path
) -> None:
    store = store_in(memory)
    store.trust(KEYRING, WHO, NOW)
    put(store, "2.0")
    if lock:
        with store.locked():
            pass
    leftover = store.folder / left
    leftover.write_bytes(b"half a bundle")
    with seen_by(FullWhile(leftover)):
        store.rollback(WHO, NOW)
    assert store.choose(NOW, starting=True).state is ModelState.EMBEDDED
    assert store.findings() == []
    assert [e.what for e in audit.read(store.log_path)] == ["trust", "install", "rollback"]


def test_what_an_install_is_using_is_not_given_up(memory: Path) -> None:
    store = store_in(memory)
    store.trust(KEYRING, WHO, NOW)
    put(store, "2.0")
    with store.locked():
        incoming = store.write_incoming(b"being tested")
        with seen_by(FullWhile(incoming)), pytest.raises(StoreError, match="is full"):
            store.rollback(WHO, NOW)
        assert incoming.read_bytes() == b"being tested"


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=900k", "tmpfs", str(small)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs leave to mount a small disk")
    try:
        store = store_in(small)
        store.trust(KEYRING, WHO, NOW)
        keep(store, "1.0")
        with pytest.raises(StoreError, match=r"^the disk of .* is full; make room and try again$"):
            put(store, "2.0")
        choice = store.choose(NOW, starting=True)
        assert (choice.bundle.version, choice.notes) == ("1.0", ())
        assert sorted(path.name for path in store.folder.iterdir()) == [
            "a.l12", "audit.log", "keyring.json", "state.json",
        ]  # fmt: skip
    finally:
        subprocess.run(["umount", str(small)], check=True)
