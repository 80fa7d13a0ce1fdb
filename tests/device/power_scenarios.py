"""What technicians and monitors do with a store, cut everywhere, and if what is left runs.

``python -m tests.device.power_scenarios`` prints the counts as JSON.
"""

from __future__ import annotations

import functools
import json
import tempfile
import zlib
from base64 import b85encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from device.flash import keyring
from device.flash.install import install
from device.flash.keyring import Keyring
from device.flash.selftest import Budget
from device.flash.state import SLOTS
from device.flash.store import MAX_STARTS, ModelState, Store
from device.link.upload import Upload
from firmware.archive import sha256
from firmware.bundle import Bundle
from tests.device import bundle_kit
from tests.device.bundle_kit import KEYRING, NOW, signed_bundle, verified
from tests.device.powercut import Recorder, Shelf, cuts, seen_by

WHO = "tester"
KNOWN = {
    "a.l12", "b.l12", "incoming.l12", "state.json", "state.json.new", "keyring.json",
    "keyring.json.new", "audit.log", "lock", "upload.part", "upload.json",
}  # fmt: skip

bundle_of = functools.cache(Bundle.from_bytes)  # the real reader, once for the same bytes


@functools.cache
def model(version: str, counter: int = 0, ring: Keyring = KEYRING) -> bytes:
    """A signed bundle."""
    return signed_bundle(version, counter, ring=ring)


def store_in(root: Path) -> Store:
    """The store on a disk made here."""
    return Store(root / "models", read=bundle_of)


def put(store: Store, version: str, counter: int = 0, ring: Keyring = KEYRING) -> None:
    """Install on trial; ``ring`` is what the bundle brings along."""
    data = model(version, counter, ring)
    bundle = bundle_of(data)
    store.put(data, verified(bundle, ring), bundle, who=WHO, clock_now=NOW)


def keep(store: Store, version: str, counter: int = 0) -> None:
    """Install and confirm."""
    put(store, version, counter)
    store.confirm(WHO, NOW)


def start(store: Store) -> None:
    """A monitor starts."""
    store.choose(NOW, starting=True)


def _trust(store: Store) -> None:
    store.trust(KEYRING, WHO, NOW)


def _trust_newer(store: Store) -> None:
    store.trust(NEWER, WHO, NOW)


def _refuse(store: Store) -> None:
    store.refused("it is not signed", model="x-1", sha256="0" * 64, who=WHO, clock_now=NOW)


def _installer(version: str, change: Callable[[bytes], bytes] = bytes) -> Callable[[Store], object]:
    """All of an install, self-test in a process of its own included."""

    def act(store: Store) -> None:
        patient = Budget(latency_ms=5_000, memory_mb=500)  # a test machine may be busy
        data = change(model(version))
        how = {"who": WHO, "clock_now": NOW, "production": True, "budget": patient}
        assert install(store, data, **how).ok == (data == model(version))

    return act


def _upload(store: Store) -> None:
    """As a host does it: go on at the device's offset when what is there is right."""
    data = model("2.0")[: 5 * PIECE]
    upload = Upload(store.folder)
    have, crc = upload.begin(len(data), sha256(data))
    if crc != zlib.crc32(data[:have]):
        have, _ = upload.begin(len(data), sha256(data), keep=False)
    while have < len(data):
        raw = data[have : have + PIECE]
        have = upload.chunk(have, len(raw), b85encode(zlib.compress(raw, 1)).decode())
    assert upload.whole(sha256(data)).read_bytes() == data


def _spoil(name: str, content: bytes) -> Callable[[Store], object]:
    """Damage a file as a bad disk does; new, so that no link to it is written through."""

    def act(store: Store) -> None:
        path = store.folder / name
        path.unlink()
        path.write_bytes(content)

    return act


def _half_line(store: Store) -> None:
    with store.log_path.open("ab") as log:
        log.write(b'{"n":%d,"utc":"2026-' % (store.state().log.n + 1) + bytes(40))


NEWER = bundle_kit.keyring(2, seeds=(1, 2, 3), revoked=(2,))
PIECE = 3_000


def _put(version: str, counter: int = 0, ring: Keyring = KEYRING) -> Callable[[Store], object]:
    return lambda store: put(store, version, counter, ring)


def _keep(version: str, counter: int = 0) -> Callable[[Store], object]:
    return lambda store: keep(store, version, counter)


def _confirm(store: Store) -> None:
    store.confirm(WHO, NOW)


def _rollback(store: Store) -> None:
    store.rollback(WHO, NOW)


def _revert(store: Store) -> None:
    store.revert("the analysis failed", NOW)


def _all_starts(store: Store) -> None:
    for _ in range(MAX_STARTS + 1):
        start(store)


def _first_use(store: Store) -> None:
    _trust(store)
    put(store, "1.0")
    start(store)
    _confirm(store)


@dataclass(frozen=True)
class Scenario:
    """prepare : what came before, all of it on the disk · act : what is cut.

    between : models that may run beside the one before and the one after
    damaged : ``prepare`` leaves something broken; noted : a start has something to say
    then : must work after any cut
    """

    name: str
    prepare: tuple[Callable[[Store], object], ...]
    act: Callable[[Store], object]
    between: tuple[str, ...] = ()
    damaged: bool = False
    noted: bool = False
    then: Callable[[Store], object] = lambda store: None


ONE = (_trust, _keep("1.0"))  # a device with one confirmed model

SCENARIOS = (
    Scenario("first keyring, on an empty disk", (), _trust),
    Scenario("from an empty disk to a confirmed model", (), _first_use, ("1.0",)),
    Scenario("first install", (_trust,), _put("1.0")),
    Scenario("second install", ONE, _put("2.0", 1)),
    Scenario("third install", (*ONE, _keep("2.0", 1)), _put("3.0", 2)),
    Scenario("install after a failed one", (*ONE, _put("2.0"), _revert), _put("3.0")),
    Scenario("install during a trial", (*ONE, _put("2.0")), _put("3.0"), ("1.0",)),
    Scenario("install after a half line", (*ONE, _half_line), _put("2.0")),
    Scenario("confirm", (*ONE, _put("2.0", 1)), _confirm),
    Scenario("rollback of a trial", (*ONE, _put("2.0")), _rollback),
    Scenario("rollback", (*ONE, _keep("2.0")), _rollback),
    Scenario("rollback to the embedded model", ONE, _rollback),
    Scenario("revert", (*ONE, _put("2.0")), _revert),
    Scenario("starts until taken back", (*ONE, _put("2.0")), _all_starts, noted=True),
    Scenario(
        "start and clean stop", (_trust, _put("1.0"), start), lambda store: store.stopped_cleanly()
    ),
    Scenario("newer keyring", ONE, _trust_newer),
    Scenario("bundle with a newer keyring", ONE, _put("2.0", ring=NEWER)),
    Scenario("refusal, on an empty disk", (), _refuse),
    Scenario("refusal", ONE, _refuse),
    Scenario("upload", ONE, _upload, then=_upload),
    Scenario("installer", ONE, _installer("2.0")),
    Scenario("installer refuses", ONE, _installer("2.0", lambda data: data[:-1])),
    Scenario(
        "state lost", (_trust, _keep("1.0", 3), _spoil("state.json", b"{}")), start, damaged=True
    ),
    Scenario(
        "confirmed slot damaged",
        (*ONE, _keep("2.0"), _spoil("b.l12", b"damaged")),
        start,
        damaged=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a device says of itself after a start."""

    model: str
    state: ModelState
    counter: int
    keyring: int
    entries: int
    notes: tuple[str, ...]


def look(store: Store) -> Found:
    """Start a monitor."""
    choice = store.choose(NOW, starting=True)
    state, ring = store.state(), store.keyring()
    version = ring.version if ring else 0
    model = choice.bundle.version
    return Found(model, choice.state, state.counter, version, state.log.n, choice.notes)


@dataclass
class Survey:
    """What was tried. cuts : distinct places, by scenario; disks : distinct ones that were left."""

    cuts: Counter[str] = field(default_factory=Counter)
    disks: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)  # how: which model ran
    bad: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{name:42} {n:4} cuts {self.disks[name]:5} disks" for name, n in self.cuts.items()
        ]
        if len(lines) > 1:
            lines.append(f"{'all':42} {self.cuts.total():4} cuts {self.disks.total():5} disks")
        ran = ", ".join(f"{how} {n}" for how, n in sorted(self.ended.items()))
        return "\n".join([*lines, f"  ran after it: {ran}; bricked or wrong: {len(self.bad)}"])


def survey(folder: Path, scenarios: Sequence[Scenario] = SCENARIOS) -> Survey:
    """Cut every scenario everywhere; ``folder`` is best on a disk in memory."""
    result, shelf = Survey(), Shelf(folder)
    with pytest.MonkeyPatch.context() as patch:  # the same few signatures, over and over
        patch.setattr(keyring, "is_signed", functools.cache(keyring.is_signed))
        for scenario in scenarios:
            _survey(scenario, shelf, result)
    return result


def _survey(scenario: Scenario, shelf: Shelf, result: Survey) -> None:
    recorded, before, after = record(scenario, shelf)
    seen: set[frozenset[tuple[str, int]]] = set()
    for cut, disks in cuts(recorded):
        result.cuts[scenario.name] += 1
        last = cut.at == len(recorded.ops)
        for disk in disks:
            key = frozenset((path, hash(data)) for path, data in disk.items())
            if key in seen and not last:
                continue
            seen.add(key)
            try:
                store = store_in(shelf.make(disk))
                result.ended[judge(store, scenario, before, after, last)] += 1
            except Exception as error:
                sizes = {path: len(data) for path, data in disk.items()}
                result.bad.append(f"{scenario.name}, {cut}: {error!r}; {sizes}")
    result.disks[scenario.name] = len(seen)


def record(scenario: Scenario, shelf: Shelf) -> tuple[Recorder, Found, Found]:
    """What the scenario does to the disk, and how a device starts before and after it."""
    root = shelf.make({})
    store = store_in(root)
    for step in scenario.prepare:
        step(store)
    recorder = Recorder(root)
    with seen_by(recorder):
        scenario.act(store_in(root))
    after = look(store_in(root))
    before = look(store_in(shelf.make(recorder.start)))
    return recorder, before, after


def judge(store: Store, scenario: Scenario, before: Found, after: Found, last: bool) -> str:
    """Start a device on what is left, and install on it; AssertionError for what is wrong.

    last : all was done, so none of it may be lost. Returns which model ran.
    """
    lost = store.state().lost
    assert scenario.damaged or not lost, lost
    assert scenario.damaged or store.findings() == [], store.findings()
    found = look(store)
    if last:
        same = (after.model, after.state, after.counter, after.keyring)
        assert (found.model, found.state, found.counter, found.keyring) == same, f"lost: {found}"
        assert found.entries >= after.entries, f"log lost: {found}"
    runs = {(before.model, before.state), (after.model, after.state)}
    runs |= {(version, state) for version in scenario.between for state in ModelState}
    assert (found.model, found.state) in runs, f"{found} is neither old nor new"
    assert before.counter <= found.counter <= after.counter, f"{found}"
    assert found.keyring in (before.keyring, after.keyring), f"{found}"
    assert found.entries >= before.entries, f"log lost: {found}"
    noted = scenario.damaged or scenario.noted
    assert noted or found.notes in ((), before.notes, after.notes), f"{found}"
    _is_whole(store)
    scenario.then(store)
    if store.keyring() is None:
        store.trust(KEYRING, WHO, NOW)
    put(store, "9.0", 9)
    choice = store.choose(NOW, starting=True)
    assert (choice.bundle.version, choice.state) == ("9.0", ModelState.TRIAL)
    store.confirm(WHO, NOW)
    choice = store.choose(NOW, starting=True)
    assert (choice.bundle.version, choice.state) == ("9.0", ModelState.CONFIRMED)
    assert store.findings() == [], store.findings()
    if before.model == after.model:
        return "the only model"
    if found.model in (before.model, after.model):
        return "the old model" if found.model == before.model else "the new model"
    return "the model between"


def _is_whole(store: Store) -> None:
    state = store.state()
    assert not state.lost, state.lost
    for name in SLOTS:
        if slot := state.slots[name]:
            assert sha256(store.slot_path(name).read_bytes()) == slot.sha256, f"slot {name}"
    assert store.findings() == [], store.findings()
    names = {path.name for path in store.folder.glob("*")}
    assert names <= KNOWN, names - KNOWN


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        found = survey(Path(name))
    print(json.dumps({"cuts": found.cuts.total(), "disks": found.disks.total(), "bad": found.bad}))
