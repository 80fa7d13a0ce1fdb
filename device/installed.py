"""The installed model of a running monitor: which one it is, its trial, and the way back.

The store remembers; this watches it. A model that an installer put there takes over at the next
look, on trial. Every start with it is counted before it runs, so that one which kills the monitor,
or hangs it until the watchdog does, is taken back after a few; one that fails in the analysis or
cannot keep up is taken back at once; one that has judged enough windows stays.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from device.bundles import Model, read_bundle
from device.config import Config
from device.flash import files
from device.flash.document import stamp
from device.flash.state import SlotName, State
from device.flash.store import ModelState, Store, StoreError, store_folder
from firmware.archive import MAX_BYTES, BundleError, sha256
from firmware.bundle import Bundle
from firmware.network import Network, NetworkError

WINDOW_S = 1.0  # a window is due every second, and must be judged within one
SLOW_WINDOWS = 3  # in a row: more than a busy moment of the machine
PATIENCE = 10  # looks until the store is asked again after a refusal: 5 s
DEVICE = "device"  # who, in the audit log
STATE = "state.json"

_Mark = tuple[int, int, int] | None  # of a file; None: it is not there


class Installed:
    """One monitor's model.

    store : with a short ``wait_s``: results wait as long as another process's change
    utc : the system's clock
    log : takes what becomes of models, one line each
    """

    def __init__(
        self, store: Store, utc: Callable[[], datetime], log: Callable[[str], None]
    ) -> None:
        self.store = store
        self.model = Model(None, "none")
        self._slot: SlotName | None = None  # that it came from
        self._utc = utc
        self._log = log
        self._marks: tuple[_Mark, _Mark] = (None, None)
        self._barred = "", ""  # digest of a model that failed, and why; to be taken back yet
        self._pause = 0  # looks until the store is asked again
        self._unconfirmed = ""  # why, as it was told
        self._lost: tuple[str, SlotName | None] = "", None  # of the store at the start; in use then
        self._judged = self._slow = 0

    def start(self) -> Model:
        """The model to begin with; a start on trial is counted."""
        self._marks = self._look()
        before = self.store.state()
        model, slot = self._choose(starting=True)
        lost = before.lost or (before.active and slot != before.active)
        if lost and model.state != ModelState.TRIAL:  # the store has settled, and will not say it
            self._lost = model.why, slot
            model = replace(model, fault=model.why)
        return self._use(model, slot)

    def check(self) -> Model | None:
        """Look at the store, twice a second: the model to go on with, None for no change."""
        if self._slow >= SLOW_WINDOWS:
            return self.give_way(f"{SLOW_WINDOWS} windows in a row took it more than 1 s each")
        again = self._pause == 1
        self._pause = max(0, self._pause - 1)
        before, self._marks = self._marks, self._look()
        if self._marks != before or again:
            model, slot = self._as_the_store_says(gone=before[0] is not None)
            same = replace(model, why=self.model.why) == self.model
            return None if same else self._use(model, slot)
        if self._on_trial and self._judged >= self.store.confirm_after and not self._pause:
            return self._confirm()
        return None

    def judged(self, windows: int, took_s: float) -> None:
        """So many windows were judged, all of them within ``took_s`` seconds."""
        if took_s > WINDOW_S * max(windows, 1):
            self._slow += windows
        elif windows:
            self._slow = 0
            self._judged += windows

    def give_way(self, why: str) -> Model | None:
        """The analysis failed: the model to go on with when this one was on trial, else None."""
        if not self._on_trial:
            return None
        return self._use(*self._taken_back(self.model.id, self.model.sha256, why))

    def stop(self) -> None:
        """The monitor ends in order: switching it off is no failed start."""
        if self._on_trial:
            self.store.stopped_cleanly()

    @property
    def _on_trial(self) -> bool:
        return self.model.state == ModelState.TRIAL

    def _look(self) -> tuple[_Mark, _Mark]:
        slot = self.store.slot_path(self._slot) if self._slot else None
        return _mark(self.store.folder / STATE), _mark(slot) if slot else None

    def _use(self, model: Model, slot: SlotName | None) -> Model:
        if model.network is not self.model.network:
            self._judged = self._slow = 0
        if model.why and not model.fault:  # a fault is told by who shows it
            self._log(f"{model.id or 'no model'}: {model.why}")
        self.model, self._slot = model, slot
        self._marks = self._marks[0], self._look()[1]
        return model

    # -- what the store says

    def _as_the_store_says(self, *, gone: bool) -> tuple[Model, SlotName | None]:
        """What runs goes on when its files are lost under it; a new start will not find it."""
        state, goes_on = self.store.state(), f"{self.model.id} goes on until the monitor ends"
        if state.lost or (gone and self._marks[0] is None):
            lost = state.lost or f"{self.store.folder / STATE} is missing"
            return replace(self.model, why="", fault=f"{lost}; {goes_on}"), self._slot
        wanted = state.trial.slot if state.trial else state.active
        slot = state.slots[wanted] if wanted else None
        if wanted is None or slot is None:
            return self._choose(starting=False)
        if slot.sha256 == self._barred[0]:
            return self._taken_back(slot.model, *self._barred)
        same = slot.sha256 == self.model.sha256
        if same and not self._whole(wanted):
            fault = f"slot {wanted} ({slot.model}) is missing or damaged; {goes_on}"
            return replace(self.model, why="", fault=fault), wanted
        return self._choose(starting=state.trial is not None and not (same and self._on_trial))

    def _whole(self, slot: SlotName) -> bool:
        try:
            return sha256(files.read(self.store.slot_path(slot), MAX_BYTES)) == self.model.sha256
        except OSError:
            return False

    def _choose(self, *, starting: bool) -> tuple[Model, SlotName | None]:
        try:
            choice = self.store.choose(self._utc(), starting=starting)
            network = self._network(choice.bundle)
        except BundleError as error:
            return Model(None, "none", fault=f"no model: {error}"), None
        except NetworkError as error:
            if choice.state is ModelState.TRIAL:
                return self._taken_back(choice.bundle.id, choice.bundle.digest, str(error))
            return self._embedded(f"{choice.bundle.id} does not run: {error}")
        state, why = self.store.state(), "; ".join(choice.notes)
        wanted = state.trial.slot if state.trial else state.active
        if state.trial and choice.state is not ModelState.TRIAL:
            self._pause = PATIENCE  # its start could not be counted; perhaps it can be later
        if choice.slot != self._lost[1] or choice.state is ModelState.TRIAL:
            self._lost = "", None
        fault = (why if wanted != choice.slot else "") or self._lost[0]
        model = Model(network, choice.state, fault=fault, failed=_failed(state))
        return replace(model, why=why or self._what_changes(model)), choice.slot

    def _what_changes(self, model: Model) -> str:
        before = self.model.network
        new = model.network is not before
        if model.state == ModelState.TRIAL and (new or not self._on_trial):
            return f"on trial: it stays after {self.store.confirm_after} windows without a fault"
        if new and before is not None:
            return f"in place of {self.model.id}"
        return "confirmed by hand" if self._on_trial and model.state != self.model.state else ""

    def _network(self, bundle: Bundle) -> Network:
        """Loaded; the one that runs when that is the one."""
        running = self.model.network
        return running if running and bundle.digest == self.model.sha256 else Network(bundle)

    def _embedded(self, why: str) -> tuple[Model, SlotName | None]:
        """The last resort."""
        try:
            network = self._network(read_bundle())
        except (BundleError, NetworkError) as error:
            return Model(None, "none", fault=f"{why}; no model: {error}"), None
        return Model(network, ModelState.EMBEDDED, why, f"{why}; {network.bundle.id} runs"), None

    # -- the trial

    def _taken_back(self, model: str, digest: str, why: str) -> tuple[Model, SlotName | None]:
        """What runs instead of a model that failed on trial."""
        told = f"{model} was taken back: {why}"
        try:
            self.store.revert(why, self._utc(), sha256=digest)
        except StoreError as error:
            self._barred, self._pause = (digest, why), PATIENCE
            return self._embedded(f"{told} ({error})")
        self._barred = "", ""
        instead, slot = self._choose(starting=False)
        return replace(instead, why=told), slot

    def _confirm(self) -> Model | None:
        try:
            self.store.confirm(DEVICE, self._utc(), sha256=self.model.sha256)
        except StoreError as error:
            self._pause = PATIENCE
            told = f"{self.model.id} is not confirmed yet: {error}"
            if told != self._unconfirmed:
                self._log(told)
            self._unconfirmed = told
            return None
        why = f"confirmed: {self._judged} windows were judged without a fault"
        return self._use(replace(self.model, state=ModelState.CONFIRMED, why=why), self._slot)


def installed_model(config: Config, utc: datetime) -> Model:
    """The model a monitor would run now; nothing is counted, nothing written."""
    try:
        choice = Store(store_folder(config)).choose(utc, starting=False)
        told = "; ".join(choice.notes)
        return Model(Network(choice.bundle), choice.state, told, told)
    except (BundleError, NetworkError) as error:
        return Model(None, "none", fault=f"no model: {error}")


def _mark(path: Path) -> _Mark:
    """Differs when the file was replaced, changed or removed."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _failed(state: State) -> dict[str, str] | None:
    if state.failed is None:
        return None
    of = state.failed
    return {"model": of.model, "why": of.why, "utc": stamp(of.utc)}
