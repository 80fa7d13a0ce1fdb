"""How the store is changed: by one process at a time, logged first, then at once or not at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from device.flash import audit, files, state
from device.flash.audit import Note, What
from device.flash.contents import Contents, Record
from device.flash.keyring import Keyring, TrustError, key_id, successor
from device.flash.state import State

DEVICE = "device"  # who, in the log, when nobody asked for it
_FULL = (errno.ENOSPC, errno.EDQUOT)
_HAVE_EFFECT = (What.INSTALL, What.CONFIRM, What.ROLLBACK, What.REVERT, What.TRUST)


_T = TypeVar("_T")


class StoreError(RuntimeError):
    """The store cannot do that; the message is one line: what is wrong and what to do."""


class BusyError(StoreError):
    """Another process is at it."""


class FullError(StoreError):
    """The disk has no room."""


class Ledger:
    """Writes the state, the log and the keyring of a store.

    wait_s : for another process to finish a change, which takes milliseconds
    """

    def __init__(self, disk: Contents, wait_s: float) -> None:
        self._disk = disk
        self._wait_s = wait_s

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for one install. Raises StoreError when another one runs."""
        with self.told():
            files.make_folder(self._disk.folder)
            try:
                lock = contextlib.ExitStack()
                lock.enter_context(files.lock(self._disk.lock_path))
            except BlockingIOError:
                raise BusyError("another install is running; wait until it has ended") from None
        with lock:
            yield

    @contextlib.contextmanager
    def changing(self, clock_now: datetime) -> Iterator[State]:
        """The state, which nobody else changes meanwhile; what went wrong before is noted first."""
        with self.told():
            files.make_folder(self._disk.folder)
            with files.lock(self._disk.folder, self._wait_s):
                yield self._settled(clock_now)

    def commit(self, now: State, note: Note, **changes: Any) -> State:
        """Log, so that nothing has effect that is not in the log; then change the state."""
        return self._at_once(now, note, {}, changes)

    def write(self, now: State) -> State:
        """Change what needs no entry."""
        self._making_room(lambda: files.save(self._disk.state_path, state.encode(now)))
        return now

    def keep(self, now: State, keyring: Keyring, who: str, clock_now: datetime) -> State:
        """Take a newer keyring."""
        present, why = self._disk.keyring()
        if present and successor(present, keyring) is present:
            return now
        before = f"after version {present.version}" if present else f"before: {why}"
        text = f"keyring version {keyring.version} of root key {key_id(keyring.root)}; {before}"
        return self._at_once(
            now,
            Note(What.TRUST, text, who, clock_now),
            {self._disk.keyring_path: keyring.to_json()},
            {"time_floor": max(now.time_floor, keyring.issued)},
        )

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Say in one line what a disk did not do, or why a keyring was not taken."""
        folder = self._disk.folder
        try:
            yield
        except BlockingIOError:
            raise BusyError("another process holds the model store; try again") from None
        except TrustError as error:
            raise StoreError(str(error)) from None
        except OSError as error:
            if error.errno in _FULL:
                raise FullError(f"the disk of {folder} is full; make room and try again") from None
            if error.errno == errno.EROFS:
                text = f"the disk of {folder} is read-only; make it writable and try again"
            else:
                where = error.filename or folder
                text = f"{where} cannot be read or written ({error.strerror}); check the disk"
            raise StoreError(text) from error

    def _settled(self, clock_now: datetime) -> State:
        now, record = self._disk.state()
        if record is Record.UNREADABLE:
            raise StoreError(f"{now.lost}; check the disk")
        if record is Record.ABSENT:  # from now on a store without a state has lost it
            return self.write(now)
        if now.lost:
            text = f"{now.lost}; security counter, from the slots: {now.counter}"
            return self.commit(now, Note(What.LOST, text, DEVICE, clock_now), lost="")
        cut = audit.unnoted(self._disk.log_path, now.log)
        if cut and cut.what in _HAVE_EFFECT:
            text = f"entry {cut.n} ({cut.what}) was cut short by a power cut or a full disk"
            note = Note(What.LOST, text, DEVICE, clock_now, cut.model, cut.sha256)
            return self.commit(now, note)
        return now

    def _at_once(
        self, now: State, note: Note, contents: dict[Path, bytes], changes: dict[str, Any]
    ) -> State:
        """Write all that is new beside the old, then the entry, then put the new in place.

        So a disk that has no room says so before anything is logged.
        """
        replaced = [*contents, self._disk.state_path]

        def log() -> State:
            head, line = audit.following(self._disk.log_path, now.log, note)
            changed = replace(now, log=head, **changes)
            for path, data in zip(
                replaced, [*contents.values(), state.encode(changed)], strict=True
            ):
                files.write(files.new_of(path), data)
            files.append(self._disk.log_path, line)
            return changed

        try:
            changed = self._making_room(log)
            for path in replaced:
                files.replace(files.new_of(path), path)
        except OSError:
            for path in replaced:
                with contextlib.suppress(OSError):
                    files.remove(files.new_of(path))
            raise
        return changed

    def _making_room(self, change: Callable[[], _T]) -> _T:
        """Once more without our own leftovers where the disk is full: a bad trial can be left."""
        try:
            return change()
        except OSError as error:
            if error.errno not in _FULL or not self._give_up_leftovers():
                raise
        return change()

    def _give_up_leftovers(self) -> bool:
        """Remove what an upload or an install left, unless one runs; whether there was any."""
        left = [path for path in self._disk.leftovers if files.is_there(path)]
        with contextlib.ExitStack() as held:
            try:
                if files.is_there(self._disk.lock_path):
                    held.enter_context(files.lock(self._disk.lock_path))
                for path in left:
                    files.remove(path)
            except OSError:
                return False
        return bool(left)
