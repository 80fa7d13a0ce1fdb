"""What ``lead12 model`` does to the models of this machine, in the words the serial line has.

``Local`` answers as ``tools.flash_line.Remote`` does, so that the commands need not know which of
the two they speak to.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device.bundles import NONE
from device.config import Config
from device.flash import audit
from device.flash.audit import Head
from device.flash.contents import Contents, Fault
from device.flash.document import MAX_BYTES as MAX_KEYRING
from device.flash.facts import facts
from device.flash.install import MAX_WHO, Outcome, install, printable
from device.flash.keyring import Keyring
from device.flash.ledger import StoreError
from device.flash.listing import listed
from device.flash.state import SLOTS, State
from device.flash.store import Store, store_folder
from firmware.bundle import Bundle

Tell = Callable[[str, str], None]


class Local:
    """The model store of this machine, as the settings name it."""

    def __init__(self, config: Config) -> None:
        self._store = Store(store_folder(config), confirm_after=config.model.confirm_windows)
        self._trust, self._path = config.model.trust, config.model.path

    @property
    def where(self) -> str:
        """The folder, for people."""
        return str(self._store.folder.absolute())

    @property
    def installed(self) -> tuple[State, Keyring | None]:
        """What an install changes; the log, which notes refusals too, put aside."""
        return replace(self._store.state(), log=Head()), self._store.keyring()

    def list(self) -> dict[str, Any]:
        """What is installed, as ``device.flash.listing`` tells it."""
        choice = self._store.choose(_now(), starting=False)
        running: str = choice.slot or "embedded"
        state = choice.state.value
        if self._path:
            running = state = "none" if self._path == NONE else "file"
        return listed(
            self._store, running=running, state=state, trust=self._trust, notes=choice.notes
        )

    def info(self) -> dict[str, Any]:
        """The model in use, and how good it is."""
        choice = self._store.choose(_now(), starting=False)
        return {**facts(choice.bundle), "state": choice.state.value}

    def card(self) -> str:
        """The card of the model in use, as Markdown."""
        return self._store.choose(_now(), starting=False).bundle.card

    def install(self, data: bytes, who: str, tell: Tell) -> Outcome:
        """Check a bundle and put it on trial; ``tell`` hears of each step passed."""
        return self._run_installer(data, who, tell, switch=True)

    def verify(self, data: bytes, who: str, tell: Tell) -> Outcome:
        """Every check of ``install``; nothing is changed."""
        return self._run_installer(data, who, tell, switch=False)

    def _run_installer(self, data: bytes, who: str, tell: Tell, *, switch: bool) -> Outcome:
        return install(
            self._store,
            data,
            who=who,
            clock_now=_now(),
            production=self._trust == "production",
            switch=switch,
            tell=tell,
        )

    def confirm(self, who: str) -> str:
        """Keep the model on trial; its id. Raises StoreError."""
        return self._store.confirm(who, _now())

    def rollback(self, who: str) -> str:
        """Back to the model before; its id. Raises StoreError."""
        return self._store.rollback(who, _now())

    def log(self, last: int) -> Sequence[dict[str, Any]]:
        """The last entries of the audit log, oldest first."""
        return [
            {**entry.to_dict(), "hash": entry.hash}
            for entry in audit.read(self._store.log_path)[-last:]
        ]

    def log_findings(self) -> Sequence[str]:
        """What is wrong with the whole log, held against its head; none for nothing."""
        return audit.verify(self._store.log_path, self._store.state().log)

    def trust(self, keyring: Keyring, who: str) -> None:
        """Take a keyring. Raises StoreError or TrustError."""
        self._store.trust(keyring, who, _now())

    def examine(self) -> Iterator[tuple[str, str]]:
        """What is there: (what, what is wrong with it or "")."""
        state, disk = self._store.state(), Contents(self._store.folder, Bundle.from_bytes)
        yield "state", state.lost
        fault = disk.keyring_fault()
        none = "" if fault or disk.keyring()[0] else ", none: no model can be installed"
        yield f"keyring{none}", fault
        for name in SLOTS:
            if slot := state.slots[name]:
                found = disk.bundle(name, slot, state.counter)
                yield f"{name}, {slot.model}", found.text if isinstance(found, Fault) else ""
        yield "log", "; ".join(self.log_findings())


def somebody(name: str = "") -> str:
    """Who installs, for the log: as given, else user@host; printable ASCII, as the line wants."""
    if not name:
        try:
            name = f"{getpass.getuser()}@{socket.gethostname()}"
        except (OSError, KeyError):
            name = "unknown"
    return printable(name.encode("ascii", "replace").decode(), MAX_WHO) or "unknown"


def read_keyring(path: Path) -> Keyring:
    """A keyring file. Raises StoreError when it cannot be read, TrustError when it is none."""
    try:
        with path.open("rb") as file:
            return Keyring.from_json(file.read(MAX_KEYRING + 1))
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from None


def _now() -> datetime:
    return datetime.now(UTC)
