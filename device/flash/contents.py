"""What is in the store's folder, and how much of it may be believed. Nothing here writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache
from pathlib import Path

from device.bundles import read_bundle
from device.flash import audit, document, files
from device.flash import state as states
from device.flash.audit import Head
from device.flash.keyring import Keyring, Reason, TrustError, verify_stored
from device.flash.state import EPOCH, SLOTS, Slot, SlotName, State
from firmware.archive import MAX_BYTES, BundleError, sha256
from firmware.bundle import Bundle


class Record(Enum):
    """How ``state.json`` was found. ABSENT: nothing was ever installed here."""

    ABSENT = auto()
    WHOLE = auto()
    LOST = auto()
    UNREADABLE = auto()  # may be whole; it must not be written over


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a slot is not run. final : it will not become good again by itself or a technician."""

    text: str
    final: bool


@cache
def _embedded() -> Bundle:
    """Read once: only a new firmware brings another one."""
    return read_bundle()


class Contents:
    """The store in ``folder``, which need not be there.

    read : bytes to a checked bundle
    """

    def __init__(self, folder: Path, read: Callable[[bytes], Bundle]) -> None:
        self.folder = folder
        self._read = read
        self.state_path = folder / "state.json"
        self.keyring_path = folder / "keyring.json"
        self.log_path = folder / "audit.log"
        self.incoming = folder / "incoming.l12"
        self.lock_path = folder / "lock"
        # Of an install or upload that was broken off; either can be made again
        self.leftovers = (folder / "upload.part", folder / "upload.json", self.incoming)

    def slot_path(self, name: SlotName) -> Path:
        """Of the slot's bundle."""
        return self.folder / f"{name}.l12"

    @property
    def embedded(self) -> Bundle:
        """The firmware's own. Raises BundleError when the firmware is damaged."""
        return _embedded()

    @property
    def embedded_counter(self) -> int:
        """Its security counter; 0 when the firmware is damaged."""
        try:
            return self.embedded.counter
        except BundleError:
            return 0

    def state(self) -> tuple[State, Record]:
        """The state; what is lost of it is made again from slots and log. Never raises."""
        try:
            found = states.decode(files.read(self.state_path, states.MAX_BYTES))
            return replace(found, counter=max(found.counter, self.embedded_counter)), Record.WHOLE
        except FileNotFoundError:
            used = (*map(self.slot_path, SLOTS), self.log_path)
            if not any(map(files.is_there, used)):
                return State(counter=self.embedded_counter), Record.ABSENT
            return self._recovered("state.json is missing"), Record.LOST
        except OSError as error:
            why = f"state.json cannot be read ({error.strerror})"
            return self._recovered(why), Record.UNREADABLE
        except ValueError as error:
            return self._recovered(f"state.json cannot be used: {error}"), Record.LOST

    def keyring(self) -> tuple[Keyring | None, str]:
        """The trusted keyring, or None and why."""
        try:
            return Keyring.from_json(files.read(self.keyring_path, document.MAX_BYTES)), ""
        except FileNotFoundError:
            return None, "keyring.json is missing"
        except OSError as error:
            return None, f"keyring.json cannot be read ({error.strerror})"
        except TrustError:
            return None, "keyring.json is damaged"

    def keyring_fault(self) -> str:
        """Why there is no keyring where there should be one; "" when all is well."""
        trusted, why = self.keyring()
        new = not files.is_there(self.keyring_path) and not any(self.state()[0].slots.values())
        return "" if trusted or new else why

    def bundle(self, name: SlotName, slot: Slot, counter: int) -> Bundle | Fault:
        """What is in a slot, if it is what was installed there and may still run."""
        what = f"slot {name} ({slot.model})"
        try:
            data = files.read(self.slot_path(name), MAX_BYTES)
        except FileNotFoundError:
            return Fault(f"{what} is missing; install it again", final=True)
        except OSError as error:
            return Fault(f"{what} cannot be read ({error.strerror})", final=False)
        if sha256(data) != slot.sha256:
            return Fault(f"{what} is damaged; install it again", final=True)
        trusted, why = self.keyring()
        if trusted is None:
            return Fault(
                f"{what} cannot be verified, {why}; give the device its keyring again "
                "(lead12 model keys trust FILE)",
                final=False,
            )
        try:
            bundle = self._read(data)
            verify_stored(bundle, trusted)
        except TrustError as error:
            return Fault(f"{what} may not run: {error}", final=error.reason is Reason.REVOKED)
        except BundleError as error:
            return Fault(f"{what} does not fit this firmware: {error}", final=False)
        except Exception as error:  # a defect in reading it must not keep the monitor from starting
            return Fault(f"{what} cannot be used ({type(error).__name__}: {error})", final=False)
        if bundle.counter < counter:
            return Fault(
                f"{what} has security counter {bundle.counter}, at least {counter} is needed; "
                "install a newer model",
                final=False,
            )
        return bundle

    def signed_slots(self) -> list[tuple[SlotName, Bundle]]:
        """The slots that are whole and signed, whatever the state says."""
        trusted, _ = self.keyring()
        found: list[tuple[SlotName, Bundle]] = []
        for name in SLOTS:
            try:
                bundle = self._read(files.read(self.slot_path(name), MAX_BYTES))
                verify_stored(bundle, trusted)
            except (OSError, BundleError, TrustError):
                continue
            found.append((name, bundle))
        return found

    def _recovered(self, lost: str) -> State:
        try:
            entries = audit.read(self.log_path)
        except OSError:
            entries = []
        trusted, _ = self.keyring()
        counters = [bundle.counter for _, bundle in self.signed_slots()]
        return State(
            counter=max([self.embedded_counter, *counters]),
            time_floor=trusted.issued if trusted else EPOCH,
            log=entries[-1].head if entries else Head(),
            lost=lost,
        )
