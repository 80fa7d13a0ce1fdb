"""What ``model`` commands of the serial line act on: the store, and one installer at a time.

The installer is a process of its own, so that a bundle that breaks it breaks nothing else. Its
lines are read as they come; nothing here waits for it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from device.bundles import Model
from device.config import Config
from device.flash import audit
from device.flash.facts import facts
from device.flash.listing import listed
from device.flash.state import SLOTS
from device.flash.store import Store, StoreError
from device.link.protocol import LineSplitter
from device.processes import end_with_parent

if TYPE_CHECKING:
    import subprocess

INSTALLER = "device.flash.install"
READ_BYTES = 65_536  # at once
MAX_LINE = 65_536
MAX_NOTES, MAX_NOTE = 6, 300  # of them, and characters of one: a line of the serial line holds them
END_S = 2.0  # for a killed process to be gone


class StoreFlasher:
    """A ``device.link.flashing.Flasher``.

    store : of the configuration
    model : tells what runs
    utc : the system's clock
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        model: Callable[[], Model],
        utc: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._store = store
        self._model = model
        self._utc = utc
        self._child: subprocess.Popen[bytes] | None = None
        self._lines = LineSplitter(MAX_LINE)
        self._outcome: dict[str, Any] = {}  # as the installer told it
        self._before = ""  # digest of what was on trial when it was started
        self.acted = False  # another model is to run; whoever sees to that takes it back

    @property
    def folder(self) -> Path:
        """The store."""
        return self._store.folder

    @property
    def busy(self) -> bool:
        """Whether an installer is running."""
        return self._child is not None

    def list(self) -> dict[str, Any]:
        """What is installed, which one runs here, and what is wrong with the store."""
        model, found = self._model(), self._store.state()
        choice = self._store.choose(self._utc(), starting=False)
        notes = choice.notes  # of the next start
        running, in_memory = model.state, None
        if model.network and model.state in ("trial", "confirmed"):
            in_slots = (n for n in SLOTS if (s := found.slots[n]) and s.sha256 == model.sha256)
            running = next(in_slots, "memory")
            in_memory = model.network.bundle if running == "memory" else None
            if notes and choice.bundle.digest != model.sha256:
                notes = (f"{model.id} goes on until the monitor ends; then:", *notes)
        return listed(
            self._store,
            running=running,
            state=model.state,
            trust=self._config.model.trust,
            notes=[note[:MAX_NOTE] for note in notes[:MAX_NOTES]],
            in_memory=in_memory,
        )

    def info(self) -> dict[str, Any]:
        """The model in use, and how good it is. Raises StoreError when there is none."""
        model = self._model()
        if model.network is None:
            raise StoreError("no model is in use; install one")
        return {**facts(model.network.bundle), "state": model.state}

    def log(self, last: int) -> Sequence[Mapping[str, Any]]:
        """The last entries of the audit log, oldest first. Raises OSError."""
        entries = audit.read(self._store.log_path)[-last:]
        return [{**entry.to_dict(), "hash": entry.hash} for entry in entries]

    def confirm(self, who: str) -> str:
        """Keep the model on trial; its id. Raises StoreError."""
        self._expect_store()
        return self._store.confirm(who, self._utc())

    def rollback(self, who: str) -> str:
        """Back to the model before; its id. Raises StoreError."""
        self._expect_store()
        model = self._store.rollback(who, self._utc())
        self.acted = True
        return model

    def _expect_store(self) -> None:
        if path := self._config.model.path:
            raise StoreError(
                f"this monitor runs what [model] path names ({path}); take it out of the settings "
                "to use installed models"
            )

    # -- the installer

    def run(self, path: Path, *, who: str, install: bool) -> None:
        """Start the installer on a file; only verify it with ``install=False``. Raises StoreError
        while one runs, OSError when none can be started.
        """
        import subprocess  # with the first install, not with the start

        if install:
            self._expect_store()
        if self.busy:
            raise StoreError("an install is running; wait for its end")
        command = [sys.executable, "-m", INSTALLER, self._config.to_json(), str(path)]
        command += [f"--who={who}"] + ([] if install else ["--verify-only"])
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=end_with_parent,
        )
        assert child.stdout is not None
        os.set_blocking(child.stdout.fileno(), False)
        self._child, self._outcome, self._before = child, {}, self._on_trial()[1]
        self._lines.forget()

    def poll(self) -> Sequence[Mapping[str, Any]]:
        """What the installer has said since, one member each; its end is the last.

        An installer that died before it told the outcome is refused here, in its place.
        """
        child = self._child
        if child is None:
            return []
        assert child.stdout is not None
        said = []
        ended = child.poll() is not None  # before reading: then what is read is the last
        data = child.stdout.read(READ_BYTES)
        for line in self._lines.push(data or b""):
            if message := _message(line):
                if "outcome" in message:  # told at its end: a host may begin the next at once
                    self._outcome = message
                else:
                    said.append(message)
        if ended and not data:
            child.stdout.close()
            self._child = None
            said.append(self._outcome or self._died(child.returncode))
        return said

    def close(self) -> None:
        """End the installer: half an install is none."""
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdout is not None
        child.kill()
        child.wait(END_S)
        child.stdout.close()

    def _died(self, code: int) -> dict[str, Any]:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        model, digest = self._on_trial()
        changed = digest not in ("", self._before)
        then = f", but {model} is on trial" if changed else "; nothing was changed; try again"
        return {
            "outcome": "installed" if changed else "refused",
            "reason": "" if changed else "died",
            "text": f"the installer died ({how}){then}",
            "model": model if changed else "",
            "sha256": digest if changed else "",
            "head": self._store.state().log.hash,
        }

    def _on_trial(self) -> tuple[str, str]:
        """Model and digest; "" for none."""
        found = self._store.state()
        slot = found.slots[found.trial.slot] if found.trial else None
        return (slot.model, slot.sha256) if slot else ("", "")


def _message(line: bytes | None) -> dict[str, Any] | None:
    """A line of the installer; None for anything else that came out of it."""
    try:
        message = json.loads(line or b"")
    except ValueError:
        return None
    return message if isinstance(message, dict) else None
