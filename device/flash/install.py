"""Install a model: check everything before anything is written, test it here, then switch.

``install`` is the one way to the slots. As a process,
``python -m device.flash.install CONFIG_JSON FILE --who WHO [--verify-only]``,
it prints one JSON object per line: ``{"stage", "text"}`` for each step that was passed, and at last
``{"outcome": "installed" | "verified" | "refused", "reason", "text", "model", "sha256", "head"}``.
The monitor starts it so and goes on; a refusal leaves nothing but a line in the audit log.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from device.bundles import read_bundle
from device.config import ConfigError, from_json
from device.flash import files
from device.flash.keyring import TrustError, Verified, verify
from device.flash.ledger import BusyError, FullError, StoreError
from device.flash.selftest import NICE, Budget, Measured, SelfTestError, examine
from device.flash.store import Choice, Store, store_folder
from firmware.archive import (
    MAX_BYTES,
    BundleError,
    IncompatibleError,
    NetworkFileError,
    sha256,
    unpack,
)
from firmware.bundle import Bundle, check_schema
from hal.plain_file import open_plain

SPARE_BYTES = 256 << 10  # for the state, the log and the file system's own account of the new file
MAX_WHO, MAX_TEXT = 64, 500  # characters
NOBODY = "unknown"

Tell = Callable[[str, str], None]


class Refused(StrEnum):
    """Why a model is not installed."""

    TOO_LARGE = "too_large"
    NOT_A_BUNDLE = "not_a_bundle"
    SCHEMA = "schema"
    NETWORK = "network"
    INCOMPATIBLE = "incompatible"
    NO_KEYRING = "no_keyring"
    UNSIGNED = "unsigned"
    KEYRING = "keyring"
    UNTRUSTED = "untrusted"
    BAD_SIGNATURE = "bad_signature"
    DEVELOPMENT = "development"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DOWNGRADE = "downgrade"
    SAME_VERSION = "same_version"
    NO_SPACE = "no_space"
    STORAGE = "storage"
    SELF_TEST = "self_test"
    SLOW = "slow"
    MEMORY = "memory"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    reason : "" when ok, else one of ``Refused``
    text : one sentence: what is wrong with what, and what to do
    model : its id, "" when it could not be read; sha256 : of the file
    head : hash of the audit log's last entry, to be kept where the device cannot reach it
    """

    ok: bool
    reason: str
    text: str
    model: str
    sha256: str
    head: str


class _RefusedError(Exception):
    def __init__(self, reason: Refused, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def quiet(_stage: str, _text: str) -> None:
    """Nobody listens."""


def install(
    store: Store,
    data: bytes,
    *,
    who: str,
    clock_now: datetime,
    production: bool,
    switch: bool = True,
    tell: Tell = quiet,
    budget: Budget = Budget(),  # noqa: B008 (frozen)
) -> Outcome:
    """Put the bundle ``data`` on trial, or say why not. Never raises for what is in ``data``.

    who : asks for it, as he says; only the log believes him
    clock_now : UTC, of the system
    production : refuse development keys
    switch : False only verifies: no lock, no log, nothing is written
    tell : hears of each step passed
    """
    who = printable(who, MAX_WHO) or NOBODY
    attempt = _Attempt(store, data, clock_now, production, tell, budget)
    if not switch:
        try:
            return attempt.outcome(attempt.verify())
        except _RefusedError as refusal:
            return attempt.outcome(str(refusal), refusal.reason)
    with ExitStack() as held:
        try:
            held.enter_context(store.locked())
        except StoreError as error:
            return attempt.outcome(str(error), _of_store(error))
        try:
            return attempt.outcome(attempt.install(who))
        except _RefusedError as refusal:
            return attempt.refuse(who, refusal)


def install_file(store: Store, path: Path, **how: Any) -> Outcome:
    """``install`` of the file at ``path``; ``how`` is what ``install`` takes beside the bytes."""
    try:
        with open_plain(path) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        text = f"{path} cannot be read ({error.strerror}); check its name"
        head = store.state().log.hash
        return Outcome(False, Refused.STORAGE, printable(text, MAX_TEXT), "", "", head)
    return install(store, data, **how)


def damaged(data: bytes) -> Outcome | None:
    """The refusal that every device has for a file that is cut or changed; None for a whole one."""
    try:
        unpack(data)
    except BundleError as error:
        text = printable(str(error), MAX_TEXT)
        return Outcome(False, Refused.NOT_A_BUNDLE, text, "", sha256(data), "")
    return None


def printable(text: str, most: int) -> str:
    """One line of printable characters, others as "?"; at most ``most``."""
    line = "".join(c if c.isprintable() else "?" for c in text.strip())
    return line if len(line) <= most else f"{line[: most - 3]}..."


class _Attempt:
    """One bundle on its way into one store. ``model`` is "" until it can be believed."""

    def __init__(
        self,
        store: Store,
        data: bytes,
        clock_now: datetime,
        production: bool,
        tell: Tell,
        budget: Budget,
    ) -> None:
        self._store, self._data = store, data
        self._clock_now, self._production = clock_now, production
        self._tell, self._budget = tell, budget
        self._sha256 = sha256(data)
        self._model = ""

    def outcome(self, text: str, reason: Refused | None = None) -> Outcome:
        return Outcome(
            ok=reason is None,
            reason=reason or "",
            text=printable(text, MAX_TEXT),
            model=self._model,
            sha256=self._sha256,
            head=self._store.state().log.hash,
        )

    def verify(self) -> str:
        """Every check there is; returns what was found."""
        bundle, verified = self._check()
        measured = self._self_test(bundle, self._data)
        return f"{bundle.id} may be installed: signed by {verified.key}, {_passed(measured)}"

    def install(self, who: str) -> str:
        """Check, write, test, switch; returns what happens now."""
        bundle, verified = self._check()
        running = self._running()
        if running and running.slot and running.bundle.digest == self._sha256:
            return f"{bundle.id} is in use already ({running.state}); nothing was changed"
        try:
            self._room()
            path = self._store.write_incoming(self._data)
            files.forget(path)  # what the card holds, not what the system remembers of it
            if files.read(path, MAX_BYTES) != self._data:
                raise _RefusedError(
                    Refused.STORAGE,
                    "the device's card gave back other bytes than were written to it; replace it",
                )
            self._tell("write", f"{len(self._data)} bytes written and read back")
            self._self_test(bundle, path)
            ended = self._store.switch(bundle, verified, who=who, clock_now=self._clock_now)
        except OSError as error:
            raise _RefusedError(
                Refused.STORAGE,
                f"{self._store.folder} cannot be read ({error.strerror}); replace the card",
            ) from None
        except StoreError as error:
            raise _RefusedError(_of_store(error), str(error)) from None
        finally:
            with suppress(StoreError):
                self._store.drop_incoming()
        instead = f" in place of {ended}, whose trial is ended" if ended else ""
        self._tell("switch", f"{bundle.id} is on trial{instead}")
        return (
            f"{bundle.id} is installed and on trial{instead}: it is kept after "
            f"{self._store.confirm_after} windows without a fault, else {self._confirmed()} comes "
            "back by itself"
        )

    def refuse(self, who: str, refusal: _RefusedError) -> Outcome:
        """Into the log, and the sentence that is returned."""
        text = str(refusal)
        try:
            self._store.refused(
                printable(text, MAX_TEXT),
                model=self._model,
                sha256=self._sha256,
                who=who,
                clock_now=self._clock_now,
            )
        except StoreError as error:
            text += f" (this could not be written into the audit log: {error})"
        return self.outcome(text, refusal.reason)

    def _check(self) -> tuple[Bundle, Verified]:
        """All that can be known of the bytes; nothing is written before."""
        bundle = _read(self._data)
        self._model = bundle.id
        self._tell("check", f"{bundle.id} is whole and was made for this monitor")
        try:
            verified = verify(
                bundle,
                self._store.keyring(),
                now=self._store.now(self._clock_now),
                production=self._production,
            )
        except TrustError as error:
            raise _RefusedError(Refused(error.reason.value), str(error)) from None
        self._tell("signature", f"signed by {verified.key} on {verified.at:%Y-%m-%d}")
        self._may_follow(bundle)
        return bundle, verified

    def _may_follow(self, bundle: Bundle) -> None:
        """The counter does not go back, and one id is one content."""
        state = self._store.state()
        if bundle.counter < state.counter:
            raise _RefusedError(
                Refused.DOWNGRADE,
                f"{bundle.id} has security counter {bundle.counter} and this device takes none "
                f"below {state.counter}: older models must not come back; install a newer one",
            )
        known = [(slot.model, slot.content) for slot in state.slots.values() if slot is not None]
        with suppress(BundleError):  # a damaged firmware is no reason against a whole model
            embedded = read_bundle()
            known.append((embedded.id, embedded.content))
        for model, content in known:
            if model == bundle.id and content != bundle.content:
                raise _RefusedError(
                    Refused.SAME_VERSION,
                    f"this device has a {bundle.id} with other content ({content[:12]} there, "
                    f"{bundle.content[:12]} here); whoever made this one must give it a new "
                    "version number",
                )

    def _running(self) -> Choice | None:
        """What the monitor runs; None when not even the firmware's own model is whole."""
        try:
            return self._store.choose(self._clock_now, starting=False)
        except BundleError:
            return None

    def _confirmed(self) -> str:
        """The model that runs when the trial fails."""
        return self._store.after_trial() or "the embedded model"

    def _room(self) -> None:
        """What a full disk would say later, before anything is written."""
        free, need = files.free_bytes(self._store.folder), len(self._data) + SPARE_BYTES
        if free < need:
            raise _RefusedError(
                Refused.NO_SPACE,
                f"the model needs {need / 1e6:.1f} MB and {self._store.folder} has "
                f"{free / 1e6:.1f} MB free; delete what is not needed from the device's card",
            )

    def _self_test(self, bundle: Bundle, source: Path | bytes) -> Measured:
        try:
            measured = examine(source, self._sha256, self._budget)
        except SelfTestError as error:
            raise _RefusedError(
                Refused(error.flaw.value),
                _advised(f"{bundle.id} {error}", "ask whoever made it for one this board can run"),
            ) from None
        self._tell("self-test", _passed(measured))
        return measured


def _read(data: bytes) -> Bundle:
    """Whole, of the published form, with a network that can run here."""
    if len(data) > MAX_BYTES:
        raise _RefusedError(
            Refused.TOO_LARGE,
            f"the file has more than {MAX_BYTES} bytes, the most of a model; check that it is the "
            "right file",
        )
    try:
        unpack(data)
    except BundleError as error:
        raise _RefusedError(Refused.NOT_A_BUNDLE, str(error)) from None
    try:
        bundle = Bundle.from_bytes(data)
        check_schema(bundle.manifest)
    except IncompatibleError as error:
        raise _RefusedError(Refused.INCOMPATIBLE, str(error)) from None
    except NetworkFileError as error:
        raise _RefusedError(Refused.NETWORK, str(error)) from None
    except BundleError as error:
        advice = "ask whoever made the model for a correct one"
        raise _RefusedError(Refused.SCHEMA, _advised(str(error), advice)) from None
    return bundle


def _advised(text: str, advice: str) -> str:
    """With what to do, where it does not say so itself."""
    return text if "; " in text else f"{text}; {advice}"


def _of_store(error: StoreError) -> Refused:
    if isinstance(error, BusyError):
        return Refused.BUSY
    return Refused.NO_SPACE if isinstance(error, FullError) else Refused.STORAGE


def _passed(measured: Measured) -> str:
    return (
        f"golden vectors agree ({measured.golden}), {measured.latency_ms:.1f} ms a window, "
        f"{measured.memory_mb:.0f} MB"
    )


def main(arguments: list[str]) -> int:
    """0: installed or verified, 1: refused; 2: wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m device.flash.install")
    parser.add_argument("config", help="settings as JSON, from Config.to_json")
    parser.add_argument("file", type=Path)
    parser.add_argument("--who", default=NOBODY)
    parser.add_argument("--verify-only", action="store_true")
    given = parser.parse_args(arguments)
    try:
        config = from_json(given.config)
    except ConfigError as error:
        parser.error(str(error))
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    outcome = install_file(
        Store(store_folder(config), confirm_after=config.model.confirm_windows),
        given.file,
        who=given.who,
        clock_now=datetime.now(UTC),
        production=config.model.trust == "production",
        switch=not given.verify_only,
        tell=lambda stage, text: _say({"stage": stage, "text": text}),
    )
    passed = "verified" if given.verify_only else "installed"
    said = asdict(outcome)
    del said["ok"]
    _say({"outcome": passed if outcome.ok else "refused", **said})
    return 0 if outcome.ok else 1


def _say(line: dict[str, str]) -> None:
    with suppress(BrokenPipeError):  # who started this is gone; what was begun is finished
        os.write(sys.stdout.fileno(), json.dumps(line).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
