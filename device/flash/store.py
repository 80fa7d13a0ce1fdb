"""The model store: two slots, one of which runs; the other takes what is installed.

As MCUboot does it: a new model runs on trial, is confirmed when it has proven itself, and is taken
back otherwise. ``state.json`` says which slot that is, and is replaced at once or not at all; a
slot that it names was on the disk before, whole. So a power cut at any moment leaves the old model
or the new one. In the folder:

``a.l12``, ``b.l12`` : the slots
``incoming.l12`` : a bundle being written and tested
``state.json``, ``keyring.json``, ``audit.log`` : what is installed, who may sign, what was done
``lock`` : held while one installs
``upload.part``, ``upload.json`` : of the serial line

Two technicians and a monitor may use it at once: each change holds the folder for milliseconds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from device.config import Config
from device.flash import audit, files
from device.flash.audit import Note, What
from device.flash.contents import Contents, Fault
from device.flash.keyring import Keyring, Verified, vouched
from device.flash.ledger import DEVICE, Ledger, StoreError
from device.flash.state import Failed, Slot, SlotName, State, Trial, other
from firmware.archive import MAX_BYTES, sha256
from firmware.bundle import Bundle

WAIT_S = 5.0
MAX_STARTS = 3  # of a model on trial; whoever starts it once more gets the one before


__all__ = ["MAX_STARTS", "Choice", "ModelState", "Store", "StoreError", "store_folder"]


class ModelState(StrEnum):
    """How the model that runs came to."""

    EMBEDDED = "embedded"
    CONFIRMED = "confirmed"
    TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Choice:
    """The bundle to run now. notes : what was found wrong and what is done instead, by line."""

    bundle: Bundle
    state: ModelState
    slot: SlotName | None
    notes: tuple[str, ...] = ()


def store_folder(config: Config) -> Path:
    """Where the models are: as configured, else with all that is kept over a restart."""
    return Path(config.model.store) if config.model.store else state_folder() / "models"


def state_folder() -> Path:
    """Where systemd or the desktop wants kept what is to outlast a restart."""
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "lead12"


class Store:
    """The store in ``folder``, which need not be there.

    confirm_after : windows that a model on trial must have judged; for who counts them
    read : bytes to a checked bundle
    wait_s : for another process to finish a change, which takes milliseconds

    Changes raise StoreError; what ran before then runs on.
    """

    def __init__(
        self,
        folder: Path,
        confirm_after: int = 30,
        *,
        read: Callable[[bytes], Bundle] = Bundle.from_bytes,
        wait_s: float = WAIT_S,
    ) -> None:
        self.folder = folder
        self.confirm_after = confirm_after
        self._disk = Contents(folder, read)
        self._ledger = Ledger(self._disk, wait_s)

    @property
    def log_path(self) -> Path:
        """The audit log, for ``audit.read``."""
        return self._disk.log_path

    def slot_path(self, name: SlotName) -> Path:
        """Where a slot's bundle is."""
        return self._disk.slot_path(name)

    def findings(self) -> list[str]:
        """What is wrong with the audit log, one line each; [] for none."""
        found = self.state()
        return [found.lost] * bool(found.lost) + audit.verify(self.log_path, found.log)

    def state(self) -> State:
        """What is installed. Never raises; ``State.lost`` says when that is not known."""
        return self._disk.state()[0]

    def keyring(self) -> Keyring | None:
        """The trusted keyring; None when there is none, or none that can be read."""
        return self._disk.keyring()[0]

    def now(self, clock: datetime) -> datetime:
        """The time, no earlier than what signed documents have proven of it."""
        keyring = self.keyring()
        return max(clock, self.state().time_floor, *([keyring.issued] if keyring else []))

    # For who runs the model

    def choose(self, clock_now: datetime, *, starting: bool) -> Choice:
        """Which bundle runs now.

        starting : a monitor starts with it: the start of a trial is on the disk before it is
            returned, and a slot found damaged is given up. False changes nothing

        Raises BundleError when there is no model at all: the firmware's own one is damaged, too.
        """
        notes: list[str] = []
        found = self.state()
        if found.lost:
            notes.append(found.lost)
            notes += (
                f"slot {name} holds {bundle.id}, whole and signed; to use it again, with the "
                f"device's settings: lead12 model install {self._disk.slot_path(name)}"
                for name, bundle in self._disk.signed_slots()
            )
            if starting:
                self._try(notes, lambda: self._settle(clock_now))
        if found.trial:
            bundle = self._on_trial(found, found.trial, clock_now, starting, notes)
            if bundle:
                return Choice(bundle, ModelState.TRIAL, found.trial.slot, tuple(notes))
        for name in (found.active, other(found.active)) if found.active else ():
            slot = found.slots[name]
            if slot is None or (found.trial and name == found.trial.slot):
                continue
            judged = self._disk.bundle(name, slot, found.counter)
            if isinstance(judged, Bundle):
                if notes:
                    notes.append(f"{slot.model} runs, from slot {name}")
                return Choice(judged, ModelState.CONFIRMED, name, tuple(notes))
            notes.append(judged.text)
            if starting and judged.final:
                self._try(notes, self._give_up, name, slot, judged.text, clock_now)
        bundle = self._disk.embedded
        if notes:
            notes.append(f"{bundle.id} runs, the embedded model")
        return Choice(bundle, ModelState.EMBEDDED, None, tuple(notes))

    def stopped_cleanly(self) -> None:
        """A monitor that ran the model on trial ended in order: its start does not count."""
        clock = self.state().time_floor
        with contextlib.suppress(StoreError), self._ledger.changing(clock) as now:
            if (trial := now.trial) and trial.starts:
                self._ledger.write(replace(now, trial=replace(trial, starts=trial.starts - 1)))

    def confirm(self, who: str, clock_now: datetime, *, sha256: str = "") -> str:
        """Keep the model on trial; its id. From now on nothing with a lower counter is accepted.

        sha256 : of the bundle that is meant, when it must be that one
        """
        with self._ledger.changing(clock_now) as now:
            trial, slot = _trial(now, sha256)
            self._ledger.commit(
                now,
                _note(What.CONFIRM, f"security counter {slot.counter}", who, clock_now, slot),
                active=trial.slot,
                trial=None,
                counter=max(now.counter, slot.counter),
            )
            return slot.model

    def revert(self, why: str, clock_now: datetime, *, sha256: str = "") -> None:
        """Take the model on trial back, for the reason ``why``; what was confirmed before runs.

        sha256 : of the bundle that is meant, when it must be that one
        """
        with self._ledger.changing(clock_now) as now:
            trial, slot = _trial(now, sha256)
            self._ledger.commit(
                now,
                _note(What.REVERT, why, DEVICE, clock_now, slot),
                slots={**now.slots, trial.slot: None},
                trial=None,
                failed=Failed.because(why, slot, clock_now),
            )

    # For who installs

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the store for one install. Raises StoreError when another one runs."""
        return self._ledger.locked()

    def write_incoming(self, data: bytes) -> Path:
        """Put a bundle on the disk, beside the slots, for its self-test."""
        with self._ledger.told():
            files.make_folder(self.folder)
            files.write(self._disk.incoming, data)
        return self._disk.incoming

    def drop_incoming(self) -> None:
        """Remove what ``write_incoming`` wrote, where it is still there."""
        with self._ledger.told():
            files.remove(self._disk.incoming)

    def switch(self, bundle: Bundle, verified: Verified, *, who: str, clock_now: datetime) -> str:
        """Put the incoming bundle, verified and tested, on trial in the slot that does not run.

        Returns the id of the model whose trial it ended, "" for none.
        """
        with self._ledger.changing(clock_now) as now:
            if bundle.counter < now.counter:
                raise StoreError(
                    f"{bundle.id} has security counter {bundle.counter}, at least {now.counter} "
                    "is needed; install a newer model"
                )
            if sha256(files.read(self._disk.incoming, MAX_BYTES)) != bundle.digest:
                raise StoreError(f"{bundle.id} was changed while it was tested; install it again")
            now = self._ledger.keep(now, verified.keyring, who, clock_now)
            target = other(now.active)
            before = now.slots[now.trial.slot] if now.trial else None
            ended = before.model if before else ""
            if now.slots[target] is not None:  # a slot that is named is whole, at any moment
                now = self._ledger.write(
                    replace(now, slots={**now.slots, target: None}, trial=None)
                )
            files.replace(self._disk.incoming, self._disk.slot_path(target))
            slot = Slot(
                sha256=bundle.digest,
                model=bundle.id,
                content=bundle.content,
                counter=bundle.counter,
                key=verified.key.id,
                since=clock_now,
            )
            text = f"on trial in slot {target}, signed by {verified.key}"
            text += f"; ended the trial of {ended}" if ended else ""
            self._ledger.commit(
                now,
                _note(What.INSTALL, text, who, clock_now, slot),
                slots={**now.slots, target: slot},
                trial=Trial(target, 0, who),
                failed=None,
                time_floor=max(now.time_floor, verified.at, verified.keyring.issued),
            )
            return ended

    def put(
        self, data: bytes, verified: Verified, bundle: Bundle, *, who: str, clock_now: datetime
    ) -> None:
        """``write_incoming`` and ``switch``."""
        try:
            self.write_incoming(data)
            self.switch(bundle, verified, who=who, clock_now=clock_now)
        finally:
            self.drop_incoming()

    def refused(self, text: str, *, model: str, sha256: str, who: str, clock_now: datetime) -> None:
        """Note that something was not installed, and why."""
        with self._ledger.changing(clock_now) as now:
            self._ledger.commit(now, Note(What.REFUSE, text, who, clock_now, model, sha256))

    def rollback(self, who: str, clock_now: datetime) -> str:
        """Back to the model before: ends a trial, else takes the other slot, else the embedded one.

        Returns the id of the model that is active now.
        """
        with self._ledger.changing(clock_now) as now:
            slots, why = now.slots, ""
            if now.trial:
                gone = slots[now.trial.slot]
                target, why = self._without_trial(now)
                slots = {**slots, now.trial.slot: None}
            elif now.active:
                gone, target = slots[now.active], self._before(now, now.active)
            else:
                raise StoreError("the embedded model is in use; there is none to go back to")
            kept = slots[target] if target else None
            model = kept.model if kept else self._disk.embedded.id
            text = f"back to {model}" + (f", since {why}" if why else "")
            note = _note(What.ROLLBACK, text, who, clock_now, gone)
            self._ledger.commit(now, note, slots=slots, active=target, trial=None)
            return model

    def after_trial(self) -> str:
        """Id of the installed model that runs when a trial ends now; "" for the embedded one."""
        now = self.state()
        name, _ = self._without_trial(now)
        slot = now.slots[name] if name else None
        return slot.model if slot else ""

    def trust(self, keyring: Keyring, who: str, clock_now: datetime) -> None:
        """Take a keyring: the first one as it is, a later one when it succeeds the present one."""
        with self._ledger.changing(clock_now) as now:
            present = self.keyring()
            if present and keyring.version < present.version:
                vouched(present, keyring)
                raise StoreError(
                    f"the device trusts version {present.version} of the keyring already, and this "
                    f"is version {keyring.version}"
                )
            self._ledger.keep(now, keyring, who, clock_now)

    # How the changes are made

    def _on_trial(
        self, found: State, trial: Trial, clock_now: datetime, starting: bool, notes: list[str]
    ) -> Bundle | None:
        """The bundle on trial, its start counted; None when it is not to be run."""
        slot = found.slots[trial.slot]
        assert slot is not None  # the state would not have been read
        if starting and trial.starts >= MAX_STARTS:
            why = f"{slot.model} was started {trial.starts} times and never proved itself"
        else:
            judged = self._disk.bundle(trial.slot, slot, found.counter)
            if isinstance(judged, Bundle):
                if not starting or self._try(notes, self._count_start, slot, clock_now):
                    return judged
                notes.append(f"so {slot.model} cannot be tried")
                return None
            why = judged.text
        notes.append(why)
        if starting:
            self._try(notes, lambda: self.revert(why, clock_now, sha256=slot.sha256))
        return None

    def _count_start(self, slot: Slot, clock_now: datetime) -> None:
        with self._ledger.changing(clock_now) as now:
            trial, _ = _trial(now, slot.sha256)
            self._ledger.write(replace(now, trial=replace(trial, starts=trial.starts + 1)))

    def _give_up(self, name: SlotName, slot: Slot, why: str, clock_now: datetime) -> None:
        """Forget a confirmed slot that is no good any more; the other one is active, if any."""
        with self._ledger.changing(clock_now) as now:
            if now.slots[name] != slot:
                return
            left = other(name)
            on_trial = now.trial is not None and now.trial.slot == left
            active = left if now.slots[left] and not on_trial else None
            self._ledger.commit(
                now,
                _note(What.LOST, why, DEVICE, clock_now, slot),
                slots={**now.slots, name: None},
                active=active if now.active == name else now.active,
                failed=Failed.because(why, slot, clock_now),
            )

    def _settle(self, clock_now: datetime) -> None:
        with self._ledger.changing(clock_now):
            pass

    def _try(self, notes: list[str], change: Callable[..., None], *args: Any) -> bool:
        """Whether a change could be made; why not is noted."""
        try:
            change(*args)
        except StoreError as error:
            notes.append(str(error))
            return False
        return True

    def _without_trial(self, now: State) -> tuple[SlotName | None, str]:
        """What is confirmed, where it may run; None for the embedded model, and why if not."""
        slot = now.slots[now.active] if now.active else None
        if now.active is None or slot is None:
            return None, ""
        judged = self._disk.bundle(now.active, slot, now.counter)
        return (None, judged.text) if isinstance(judged, Fault) else (now.active, "")

    def _before(self, now: State, active: SlotName) -> SlotName | None:
        """Where to go back to from a confirmed model."""
        name = other(active)
        slot = now.slots[name]
        if slot and isinstance(self._disk.bundle(name, slot, now.counter), Bundle):
            return name
        if self._disk.embedded.counter >= now.counter:
            return None
        raise StoreError(
            f"every model before has a security counter lower than {now.counter}, so none may run "
            "again; install a newer one"
        )


def _trial(now: State, sha256: str) -> tuple[Trial, Slot]:
    slot = now.slots[now.trial.slot] if now.trial else None
    if now.trial is None or slot is None:
        raise StoreError("no model is on trial")
    if sha256 and slot.sha256 != sha256:
        raise StoreError(f"another model is on trial now: {slot.model}")
    return now.trial, slot


def _note(what: What, text: str, who: str, utc: datetime, slot: Slot | None) -> Note:
    return Note(what, text, who, utc, slot.model if slot else "", slot.sha256 if slot else "")
