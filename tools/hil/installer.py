"""Models installed on the bench: the monitor's own store and installer, with throw-away keys.

The keys follow from their names and are in memory only; they are worth nothing anywhere else. The
installer runs within the call, its self-test in a process of its own as ever; what that measured
of this machine is left out of what is told, or no two runs would be alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device.bundles import EMBEDDED, Model
from device.config import Config
from device.flash.flasher import StoreFlasher
from device.flash.install import install_file
from device.flash.keyring import Key, Keyring, Role, key_id
from device.flash.selftest import Budget
from device.flash.store import Store
from firmware.archive import with_signatures
from tools.hil.scenario import InstallAction
from tools.key_files import public
from tools.keys import released, with_signature

START = datetime(2026, 1, 1, tzinfo=UTC)  # of every scenario, by the calendar
WHO = "bench"
_PATIENT = Budget(latency_ms=60_000.0, seconds=300.0)  # how fast this machine is does not matter
_MEASURED = re.compile(r", [\d.]+ ms a window, \d+ MB")


def _private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"bench {name}".encode()).digest())


def _key(name: str, role: Role) -> Key:
    year = timedelta(days=365)
    return Key(public(_private(name)), f"bench {name}", role, START - year, START + year)


_KEYS = {
    "production": _key("production", Role.PRODUCTION),
    "development": _key("development", Role.DEVELOPMENT),
    "stranger": _key("stranger", Role.PRODUCTION),
}


@cache
def _keyring(root: str, *names: str) -> Keyring:
    secret = _private(root)
    keys = tuple(_KEYS[name] for name in names)
    bare = Keyring(1, START - timedelta(days=30), public(secret), keys)
    return replace(bare, signatures=((key_id(bare.root), secret.sign(bare.message())),))


def bundle(action: InstallAction) -> bytes:
    """The file that the technician has. Raises BundleError or OSError."""
    if action.bundle == "embedded":
        data = resources.files("firmware").joinpath(EMBEDDED).read_bytes()
    else:
        data = Path(action.bundle).read_bytes()
    if action.release is not None or action.counter is not None:
        data = released(data, action.release, action.counter)
    if action.signed == "none":
        data = with_signatures(data, b"")
    else:
        ring = _keyring("another root", "stranger") if action.signed == "stranger" else _trusted()
        key = _KEYS[action.signed]
        data = with_signature(data, ring, key, _private(action.signed), START)
    if action.damage == "bit-flip":
        middle = len(data) // 2
        data = data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]
    elif action.damage == "cut":
        data = data[: len(data) // 2]
    return data


def _trusted() -> Keyring:
    return _keyring("root", "production", "development")


class BenchFlasher(StoreFlasher):
    """The monitor's answers about its store, in ``folder``; the installer within the call."""

    def __init__(
        self, config: Config, store: Store, model: Callable[[], Model], utc: Callable[[], datetime]
    ) -> None:
        super().__init__(config, store, model, utc)
        self._said: list[dict[str, Any]] = []
        self._how = {"production": config.model.trust == "production"}
        store.trust(_trusted(), WHO, utc())

    def install(self, action: InstallAction) -> None:
        """Bring the file and install it."""
        path = self.folder / "bench.l12"
        path.write_bytes(bundle(action))
        try:
            self.run(path, who=WHO, install=True)
        finally:
            path.unlink()

    def run(self, path: Path, *, who: str, install: bool) -> None:
        """As StoreFlasher; it has ended when this returns."""
        outcome = install_file(
            self._store,
            path,
            who=who,
            clock_now=self._utc(),
            switch=install,
            tell=lambda stage, text: self._said.append({"stage": stage, "text": _plain(text)}),
            budget=_PATIENT,
            **self._how,
        )
        said = asdict(outcome)
        passed = "installed" if install else "verified"
        said["outcome"] = passed if said.pop("ok") else "refused"
        said["text"] = _plain(said["text"])
        self._said.append(said)

    def poll(self) -> Sequence[Mapping[str, Any]]:
        """What the installer has said since."""
        said, self._said = self._said, []
        return said


def _plain(text: str) -> str:
    return _MEASURED.sub("", text)
