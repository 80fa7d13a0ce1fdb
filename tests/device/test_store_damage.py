"""Whatever is damaged, lost or planted in the model store, a good model runs and says why."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device.bundles import read_bundle
from device.flash import audit, files
from device.flash.state import State, Trial, decode, encode
from device.flash.store import ModelState, Store, StoreError
from firmware.archive import unpack
from tests.device.bundle_kit import KEYRING, NOW, keyring, unsigned_bundle
from tests.device.power_scenarios import bundle_of, keep, model, put
from tests.device.powercut import Disk, Shelf, snapshot

EMBEDDED = read_bundle()
CALM = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Trusts the test keyring; nothing is installed."""
    made = Store(tmp_path / "models", read=bundle_of)
    made.trust(KEYRING, "tester", NOW)
    return made


def running(store: Store, *, starting: bool = True) -> tuple[str, str, str | None]:
    choice = store.choose(NOW, starting=starting)
    return choice.bundle.version, choice.state.value, choice.slot


def last(store: Store) -> tuple[str, str, str]:
    entry = audit.read(store.log_path)[-1]
    return entry.what, entry.who, entry.model


EMBEDDED_RUNS = (EMBEDDED.version, "embedded", None)


FLAWS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "truncated": lambda data: data[:-1],
    "longer": lambda data: data + b"\0",
    "unsigned": lambda data: unsigned_bundle("2.0"),
    "another signed one": lambda data: model("4.0"),
    "huge": lambda data: bytes(9 << 20),
}


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("trial", [True, False], ids=["trial", "confirmed"])
def test_a_slot_that_is_not_what_was_installed_is_never_run(
    store: Store, flaw: str, trial: bool
) -> None:
    keep(store, "1.0")
    (put if trial else keep)(store, "2.0")
    path = store.slot_path("b")
    path.write_bytes(FLAWS[flaw](path.read_bytes()))
    for starting in (False, True):
        choice = store.choose(NOW, starting=starting)
        assert (choice.bundle.version, choice.state) == ("1.0", "confirmed")
        assert choice.notes[0].startswith("slot b (rhythm-2.0) ")
        assert choice.notes[-1] == "rhythm-1.0 runs, from slot a"
    if flaw == "huge":  # cannot be read is not damaged for good, on a confirmed slot
        return
    assert store.choose(NOW, starting=True).notes == ()
    assert last(store) == ("revert" if trial else "lost", "device", "rhythm-2.0")
    keep(store, "3.0")
    assert running(store) == ("3.0", "confirmed", "b")
    assert store.findings() == []


def members_of(data: bytes) -> list[tuple[str, int]]:
    """A byte in each section of a bundle, and in its zip structure."""
    inside = [(name, data.index(of) + len(of) // 2) for name, of in unpack(data).items() if of]
    return [*inside, ("first header", 3), ("directory", len(data) - 60), ("end", len(data) - 1)]


@pytest.mark.parametrize(("section", "at"), members_of(model("2.0")), ids=lambda v: str(v))
def test_a_flipped_bit_in_any_section_of_a_slot_is_seen(
    store: Store, section: str, at: int
) -> None:
    keep(store, "2.0")
    damaged = bytearray(store.slot_path("a").read_bytes())
    damaged[at] ^= 1
    store.slot_path("a").write_bytes(bytes(damaged))
    choice = store.choose(NOW, starting=True)
    assert (choice.bundle.version, choice.state) == EMBEDDED_RUNS[:2]
    assert choice.notes == (
        "slot a (rhythm-2.0) is damaged; install it again",
        f"{EMBEDDED.id} runs, the embedded model",
    )


def test_a_trial_that_cannot_be_counted_does_not_run_even_when_the_other_slot_is_damaged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "1.0")
    put(store, "2.0")
    store.slot_path("a").write_bytes(b"")
    save, failures = files.save, [OSError(errno.ENOSPC, "No space left on device")]

    def full_once(path: Path, data: bytes) -> None:
        if failures:
            raise failures.pop()
        save(path, data)

    monkeypatch.setattr(files, "save", full_once)
    choice = store.choose(NOW, starting=True)
    assert choice.state is ModelState.EMBEDDED
    assert choice.notes == (
        f"the disk of {store.folder} is full; make room and try again",
        "so rhythm-2.0 cannot be tried",
        "slot a (rhythm-1.0) is damaged; install it again",
        f"{EMBEDDED.id} runs, the embedded model",
    )
    assert store.state().active is None
    assert running(store) == ("2.0", "trial", "b")


def test_a_slot_that_is_replaced_while_it_is_read_is_not_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "1.0")
    read, once = files.read, [True]

    def late(path: Path, most: int) -> bytes:
        if path.name == "a.l12" and once:
            once.clear()
            keep(store, "2.0")
            put(store, "3.0")
        return read(path, most)

    monkeypatch.setattr(files, "read", late)
    store.choose(NOW, starting=True)
    assert running(store) == ("3.0", "trial", "a")


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """A disk with one model confirmed, counter 4, and one on trial."""
    root = tmp_path_factory.mktemp("used")
    store = Store(root / "models", read=bundle_of)
    store.trust(KEYRING, "tester", NOW)
    keep(store, "2.0", 4)
    put(store, "3.0", 5)
    return snapshot(root)


def test_every_byte_of_the_state_counts(used: Disk, tmp_path: Path) -> None:
    state = used["models/state.json"]
    assert encode(decode(state)) == state
    for at in range(len(state)):
        for flip in (1, 0x20, 0x80):
            damaged = bytearray(state)
            damaged[at] ^= flip
            with pytest.raises(ValueError, match=r"^it is (damaged|of format .*)$"):
                decode(bytes(damaged))
    for end in range(len(state)):
        with pytest.raises(ValueError, match="damaged"):
            decode(state[:end])


def test_a_state_that_contradicts_itself_is_damaged(used: Disk) -> None:
    good = decode(used["models/state.json"])
    for wrong in (
        State(active="a"),
        State(trial=Trial("b", 0, "x")),
        State(counter=-1),
        replace(good, trial=Trial("a", 0, "x")),  # confirmed and on trial
    ):
        with pytest.raises(ValueError, match="damaged"):
            decode(encode(wrong))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)


@CALM
@given(data=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_the_files_a_model_is_chosen(
    used: Disk, tmp_path: Path, data: bytes
) -> None:
    shelf = Shelf(tmp_path)
    for name in ("state.json", "keyring.json", "audit.log"):
        store = Store(shelf.make({**used, f"models/{name}": data}) / "models", read=bundle_of)
        choice = store.choose(NOW, starting=True)
        assert choice.bundle.version in (EMBEDDED.version, "3.0")
        assert all("\n" not in note for note in choice.notes)
        assert (choice.state is ModelState.TRIAL) == (name == "audit.log")


@CALM
@given(at=st.integers(0), flip=st.integers(1, 255))
def test_a_changed_byte_of_the_keyring_is_believed_by_nobody(
    used: Disk, tmp_path: Path, at: int, flip: int
) -> None:
    damaged = bytearray(used["models/keyring.json"])
    damaged[at % (len(damaged) - 1)] ^= flip
    root = Shelf(tmp_path).make({**used, "models/keyring.json": bytes(damaged)})
    choice = Store(root / "models", read=bundle_of).choose(NOW, starting=True)
    assert choice.state is ModelState.EMBEDDED
    assert choice.notes


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_lost_state_is_made_again_and_still_refuses_a_downgrade(
    used: Disk, tmp_path: Path, how: str
) -> None:
    root = Shelf(tmp_path).make(used)
    store = Store(root / "models", read=bundle_of)
    (store.folder / "state.json").unlink()
    if how == "damaged":
        (store.folder / "state.json").write_bytes(b"\0" * 700)
    assert store.state().lost
    assert store.findings()  # until it is noted
    choice = store.choose(NOW, starting=True)
    why = "is missing" if how == "missing" else "cannot be used: it is damaged"
    assert choice.notes == (
        f"state.json {why}",
        "slot a holds rhythm-2.0, whole and signed; to use it again, with the device's settings: "
        f"lead12 model install {store.folder}/a.l12",
        "slot b holds rhythm-3.0, whole and signed; to use it again, with the device's settings: "
        f"lead12 model install {store.folder}/b.l12",
        f"{EMBEDDED.id} runs, the embedded model",
    )
    assert last(store)[0] == "lost"
    assert store.choose(NOW, starting=True).notes == ()
    assert store.state().counter == 5
    with pytest.raises(StoreError, match="security counter 4, at least 5 is needed"):
        put(store, "2.0", 4)
    put(store, "3.0", 5)
    assert running(store)[0] == "3.0"
    assert store.findings() == []


def test_a_state_that_cannot_be_read_now_is_not_written_over(
    used: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(Shelf(tmp_path).make(used) / "models", read=bundle_of)
    before = snapshot(store.folder)

    def unreadable(path: Path, most: int) -> bytes:
        if path.name == "state.json":
            raise PermissionError(13, "Permission denied", str(path))
        return READ(path, most)

    READ = files.read
    monkeypatch.setattr(files, "read", unreadable)
    choice = store.choose(NOW, starting=True)
    assert choice.state is ModelState.EMBEDDED
    assert choice.notes[0].startswith("state.json cannot be read (Permission denied)")
    with pytest.raises(StoreError, match=r"state.json cannot be read"):
        store.confirm("tester", NOW)
    monkeypatch.undo()
    assert snapshot(store.folder) == before
    assert running(store)[0] == "3.0"


def test_what_is_not_in_the_log_has_no_effect(store: Store) -> None:
    keep(store, "2.0")
    store.log_path.unlink()
    store.log_path.mkdir()
    before = store.state()
    for change in (
        lambda: put(store, "3.0"),
        lambda: store.rollback("tester", NOW),
        lambda: store.trust(keyring(2), "tester", NOW),
    ):
        with pytest.raises(StoreError, match=r"audit.log cannot be read or written"):
            change()
    assert replace(store.state(), slots=before.slots) == before
    assert store.keyring() == KEYRING
    assert running(store) == ("2.0", "confirmed", "a")


def test_an_install_that_was_cut_short_is_told_in_the_log(store: Store) -> None:
    keep(store, "2.0")
    state = (store.folder / "state.json").read_bytes()
    put(store, "3.0")
    (store.folder / "state.json").write_bytes(state)  # as if that write had been lost
    assert running(store) == ("2.0", "confirmed", "a")
    put(store, "4.0")
    told = audit.read(store.log_path)[-2]
    assert (told.what, told.model) == ("lost", "rhythm-3.0")
    assert told.text == "entry 4 (install) was cut short by a power cut or a full disk"
    assert store.findings() == []


@pytest.mark.parametrize(
    "name", ["a.l12", "b.l12", "incoming.l12", "state.json.new", "keyring.json.new"]
)
def test_a_planted_link_is_never_followed(store: Store, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (store.folder / name).symlink_to(victim)
    keep(store, "2.0")
    keep(store, "3.0")
    store.trust(keyring(2), "tester", NOW)
    assert victim.read_bytes() == b"precious"
    assert running(store)[0] == "3.0"
    assert not (store.folder / name).is_symlink()


@pytest.mark.parametrize("name", ["state.json", "keyring.json", "audit.log", "lock", "a.l12"])
@pytest.mark.parametrize("plant", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_not_used_and_hangs_nothing(
    store: Store, tmp_path: Path, name: str, plant: str
) -> None:
    keep(store, "2.0")
    copy = tmp_path / "copy"
    path = store.folder / name
    if path.exists():
        shutil.move(path, copy)
    if plant == "link":
        path.symlink_to(copy)
    elif plant == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    before = copy.read_bytes() if copy.exists() else b""
    choice = store.choose(NOW, starting=True)
    fine = name in ("audit.log", "lock")
    assert (choice.state is ModelState.CONFIRMED) == fine
    assert bool(choice.notes) != fine
    assert (copy.read_bytes() if copy.exists() else b"") == before
