"""Installing: what is right goes on trial; anything else is one sentence and changes nothing."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from device.bundles import read_bundle
from device.config import Config
from device.flash import audit, files
from device.flash.audit import Head
from device.flash.install import (
    MAX_TEXT,
    MAX_WHO,
    Outcome,
    Refused,
    install,
    install_file,
    printable,
)
from device.flash.keyring import Key, Keyring, Role, key_id
from device.flash.selftest import Budget
from device.flash.state import State
from device.flash.store import Store
from firmware.archive import (
    MAX_BYTES,
    MODEL,
    SIGNATURES,
    SUMS,
    pack,
    sha256,
    unpack,
    with_signatures,
)
from firmware.bundle import Bundle
from tests.device import bundle_kit as kit
from tests.device.bundle_kit import (
    KEYRING,
    NOW,
    signed,
    signed_bundle,
    signing_key,
    unsigned_bundle,
)

EMBEDDED = read_bundle()
GOOD = signed_bundle()
NAME = Bundle.from_bytes(GOOD).id
KEY = signing_key(1)
PATIENT = Budget(latency_ms=5_000, memory_mb=500)  # a test machine may be busy
LOST_CLOCK = datetime(1970, 1, 1, tzinfo=UTC)
ASK = "ask whoever made the model for a correct one"


def changed(**manifest: Any) -> bytes:
    """Signed, with these members in its manifest."""
    return signed_bundle(change=lambda m, _: m.update(manifest))


def with_input(**contract: Any) -> bytes:
    """Signed, with these members in the manifest's input."""
    return signed_bundle(change=lambda m, _: m["input"].update(contract))


def with_member(name: str, content: bytes) -> bytes:
    """Signed, with this instead of one member."""
    return signed_bundle(change=lambda _, members: members.update({name: content}))


def ring_of(*keys: Key) -> Keyring:
    """A keyring of just these, signed by the kit's root."""
    bare = replace(KEYRING, keys=keys, signatures=())
    return replace(
        bare, signatures=((key_id(bare.root), kit.private_key(99).sign(bare.message())),)
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "models")
    made.trust(KEYRING, "tester", NOW)
    return made


def attempt(store: Store, data: bytes, **changes: Any) -> Outcome:
    how: dict[str, Any] = {
        "who": "tester", "clock_now": NOW, "production": True, "budget": PATIENT, **changes,
    }  # fmt: skip
    return install(store, data, **how)


def contents(store: Store) -> tuple[dict[str, bytes], State]:
    """All of the folder but the audit log, and the state but where that log ends."""
    kept = {
        path.name: path.read_bytes()
        for path in store.folder.glob("*")
        if path.is_file() and path.name not in ("audit.log", "state.json", "lock")
    }
    return kept, replace(store.state(), log=Head())


def refused(store: Store, data: bytes, reason: str, says: str, **changes: Any) -> Outcome:
    """Tried, and refused with a sentence that begins so; then all is as before, and logged."""
    before, entries = contents(store), len(audit.read(store.log_path))
    outcome = attempt(store, data, **changes)
    print(f"{outcome.reason:14} {outcome.text}")  # pytest -rP: to be read aloud
    assert (outcome.ok, outcome.reason) == (False, reason)
    assert outcome.text[: len(says)] == says
    assert len(outcome.text) <= MAX_TEXT
    assert outcome.text.isprintable()
    assert contents(store) == before
    written = audit.read(store.log_path)
    assert len(written) == entries + 1
    entry = written[-1]
    assert (entry.what, entry.text, entry.sha256) == ("refuse", outcome.text, sha256(data))
    assert (entry.who, entry.hash) == ("tester", outcome.head)
    assert store.findings() == []
    return outcome


def test_a_good_bundle_goes_on_trial_and_every_step_is_told(store: Store) -> None:
    stages: list[str] = []
    outcome = attempt(store, GOOD, tell=lambda stage, text: stages.append(f"{stage}: {text}"))
    assert outcome == Outcome(
        ok=True,
        reason="",
        text=f"{NAME} is installed and on trial: it is kept after 30 windows without a fault, else "
        "the embedded model comes back by itself",
        model=NAME,
        sha256=sha256(GOOD),
        head=store.state().log.hash,
    )
    assert [line.partition(":")[0] for line in stages] == [
        "check", "signature", "write", "self-test", "switch",
    ]  # fmt: skip
    assert stages[1] == f"signature: signed by {KEY} on 2026-11-21"
    assert re.fullmatch(
        r"self-test: golden vectors agree \(1\), \d+\.\d ms a window, \d+ MB", stages[3]
    )
    state = store.state()
    assert state.trial is not None
    slot = state.slots[state.trial.slot]
    assert slot is not None
    assert (slot.model, slot.sha256, slot.key) == (NAME, sha256(GOOD), KEY.id)
    choice = store.choose(NOW, starting=False)
    assert (choice.bundle.id, choice.state) == (NAME, "trial")
    entry = audit.read(store.log_path)[-1]
    assert (entry.what, entry.who, entry.model) == ("install", "tester", NAME)
    assert not (store.folder / "incoming.l12").exists()


def test_what_is_verified_only_leaves_no_trace(store: Store) -> None:
    before = contents(store), store.log_path.read_bytes()
    outcome = attempt(store, GOOD, switch=False)
    assert outcome.ok
    assert outcome.text.startswith(f"{NAME} may be installed: signed by {KEY}, golden vectors")
    assert attempt(store, unsigned_bundle(), switch=False).reason == Refused.UNSIGNED
    assert (contents(store), store.log_path.read_bytes()) == before


def test_verifying_needs_no_folder(tmp_path: Path) -> None:
    assert attempt(Store(tmp_path / "none"), GOOD, switch=False).reason == Refused.NO_KEYRING
    assert not (tmp_path / "none").exists()


REFUSALS: Mapping[str, tuple[bytes, str, str]] = {
    "too large": (
        bytes(MAX_BYTES + 1),
        "too_large",
        "the file has more than 50331648 bytes, the most of a model; check that it is the right "
        "file",
    ),
    "not a zip": (
        b"hello",
        "not_a_bundle",
        "not a model bundle, or a damaged one (it is no zip); copy it again",
    ),
    "truncated": (
        GOOD[:-1],
        "not_a_bundle",
        "the bundle's zip is not as lead12 writes it; copy it again",
    ),
    "no manifest": (
        signed(pack({MODEL: b"1234TFL3"})),
        "schema",
        "the bundle has no manifest.json; write it anew with lead12 quantize",
    ),
    "unknown member of the manifest": (
        changed(mood="good"),
        "schema",
        "manifest.json does not fit its schema at $: Additional properties are not allowed "
        f"('mood' was unexpected); {ASK}",
    ),
    "calibration out of range": (
        signed_bundle(change=lambda m, _: m["groups"][0].update(temperature=0)),
        "schema",
        f"group {EMBEDDED.groups[0].name} has a calibration out of range; {ASK}",
    ),
    "wrong label count": (
        signed_bundle(change=lambda m, _: m["groups"].pop()),
        "network",
        "the network's output is int8 [1, 93], its manifest says int8 [1, 80]; ask its maker ",
    ),
    "other shape": (
        with_input(samples=999),
        "network",
        "the network's input is int8 [1, 1000, 12], its manifest says int8 [1, 999, 12]; ask ",
    ),
    "network truncated": (
        with_member(MODEL, EMBEDDED.model[:2000]),
        "network",
        "model.tflite is damaged: ",
    ),
    "network is a program": (
        with_member(MODEL, b"\x7fELF" + bytes(100)),
        "network",
        "model.tflite is not a TensorFlow Lite network; ask its maker ",
    ),
    "newer format": (
        changed(format=3),
        "incompatible",
        "the bundle is of format 3, this firmware reads format 2; update the firmware",
    ),
    "older format": (
        changed(format=1),
        "incompatible",
        "the bundle is of format 1, this firmware reads format 2; have it made anew",
    ),
    "newer firmware": (
        changed(minimum_firmware="9.0.0"),
        "incompatible",
        "the bundle needs firmware 9.0.0, this is 0.3.0; update it",
    ),
    "other hardware": (
        changed(hardware=["lead12-max30003"]),
        "incompatible",
        "the bundle was made for lead12-max30003 and this is a lead12-ads1298; use a bundle made "
        "for it",
    ),
    "other filter": (
        with_input(filter={"profile": "model", "version": 2}),
        "incompatible",
        "the bundle was trained behind filter model version 2, this firmware has version 1; use a "
        "bundle made for it",
    ),
    "other leads": (
        with_input(leads=EMBEDDED.manifest["input"]["leads"][::-1]),
        "incompatible",
        "the bundle wants leads V6 V5 V4 V3 V2 V1 aVF aVL aVR III II I and this firmware gives "
        "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6; use a bundle made for it",
    ),
    "other abstention": (
        changed(abstention={"rule": "guess", "version": 1}),
        "incompatible",
        "the bundle abstains by rule guess version 1, this firmware by below_threshold version 1; "
        "use a bundle made for it",
    ),
    "unsigned": (
        unsigned_bundle(),
        "unsigned",
        f"{NAME} is not signed; have it signed (lead12 model sign)",
    ),
    "SIGNATURES is garbage": (
        with_signatures(unsigned_bundle(), b"\xff"),
        "bad_signature",
        f"SIGNATURES of {NAME} cannot be read (",
    ),
    "keyring in SIGNATURES is garbage": (
        with_signatures(GOOD, unpack(GOOD)[SIGNATURES].replace(b"maker 1", b"maker 9")),
        "keyring",
        "the keyring in SIGNATURES is not whole (",
    ),
    "changed after signing": (
        with_signatures(
            unsigned_bundle(change=lambda m, _: m.update(tolerance=0)), unpack(GOOD)[SIGNATURES]
        ),
        "bad_signature",
        f"the signature of {NAME} by key {KEY} is wrong: the model was changed after it was "
        "signed; copy it again from where it was signed",
    ),
    "signed by a stranger": (
        signed_bundle(ring=kit.keyring(root=98)),
        "untrusted",
        "the keyring of root key ",
    ),
    "stranger's key": (
        signed_bundle(seed=7),
        "untrusted",
        f"{NAME} is signed with key {signing_key(7).id}, which this device does not know; get the "
        "model from who looks after this device",
    ),
    "revoked key": (
        signed_bundle(ring=kit.keyring(version=2, revoked=[1])),
        "revoked",
        f"{NAME} is signed with key {KEY.id}, which was revoked on 2026-11-21 (stolen); have it "
        "signed with the present key",
    ),
    "signed before its key was valid": (
        signed(unsigned_bundle(), at=KEY.not_before - timedelta(days=1)),
        "not_yet_valid",
        f"{NAME} is signed with key {KEY}, which is valid from {KEY.not_before:%Y-%m-%d} on, not",
    ),
    "other golden logits": (
        with_member(f"golden/{EMBEDDED.golden[0].name}.logits", bytes(93)),
        "self_test",
        f"{NAME} failed: self-test {EMBEDDED.golden[0].name}: the network is off by ",
    ),
    "other golden tensor": (
        with_member(f"golden/{EMBEDDED.golden[0].name}.tensor", bytes(12_000)),
        "self_test",
        f"{NAME} failed: self-test {EMBEDDED.golden[0].name}: the filters do not "
        "give the bundle's tensor here; use a bundle made for this firmware",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_wrong_is_one_sentence_and_changes_nothing(case: str, store: Store) -> None:
    data, reason, says = REFUSALS[case]
    refused(store, data, reason, says)


@pytest.mark.parametrize("member", sorted(unpack(GOOD)))
def test_a_flipped_bit_in_any_member_is_refused(member: str, store: Store) -> None:
    """As a bad cable or card makes it, and as a forger would pass it on, all hashes set right."""
    content = bytearray(unpack(GOOD)[member])
    middle = len(content) // 2
    at = GOOD.index(content) + middle
    content[middle] ^= 1
    damaged = GOOD[:at] + content[middle : middle + 1] + GOOD[at + 1 :]
    refused(store, damaged, Refused.NOT_A_BUNDLE, "")
    if member != SUMS:
        forged = pack({**unpack(GOOD), member: bytes(content)})
        before = contents(store)
        assert attempt(store, forged).reason in {
            Refused.BAD_SIGNATURE, Refused.KEYRING, Refused.NETWORK, Refused.SCHEMA,
        }  # fmt: skip
        assert contents(store) == before


def test_an_expired_key_installs_nothing_even_when_the_clock_is_set_back(tmp_path: Path) -> None:
    until = NOW + timedelta(days=182)
    store = Store(tmp_path / "models")
    brief = kit.keyring(expires=until)
    store.trust(brief, "tester", NOW)
    data = signed_bundle(ring=brief)
    says = (
        f"{NAME} is signed with key {KEY}, which expired on {until:%Y-%m-%d}; have it signed "
        "with the present key"
    )
    refused(store, data, Refused.EXPIRED, says, clock_now=until)
    later = kit.keyring(version=24 * 250, expires=until)  # hours after the first
    assert later.issued > until
    store.trust(later, "tester", NOW)
    refused(store, data, Refused.EXPIRED, says, clock_now=LOST_CLOCK)


def test_what_an_installed_signature_has_proven_of_the_time_is_remembered(tmp_path: Path) -> None:
    brief = replace(signing_key(2), expires=NOW + timedelta(days=1))
    ring = ring_of(KEY, brief)
    late = NOW + timedelta(days=2)
    store = Store(tmp_path / "models")
    store.trust(ring, "tester", NOW)
    assert attempt(store, signed_bundle(seed=2, ring=ring), clock_now=LOST_CLOCK).ok
    assert attempt(store, signed(unsigned_bundle("2.2-test"), 1, ring, late), clock_now=late).ok
    again = signed_bundle("2.3-test", seed=2, ring=ring)
    refused(store, again, Refused.EXPIRED, "rhythm-2.3-test is signed", clock_now=LOST_CLOCK)


def test_a_clock_at_1970_locks_nobody_out(store: Store) -> None:
    assert attempt(store, GOOD, clock_now=LOST_CLOCK).ok


def test_the_newer_keyring_of_an_installed_bundle_is_kept(store: Store) -> None:
    refused(store, signed_bundle(ring=kit.keyring(2, revoked=[1])), Refused.REVOKED, "")
    assert attempt(store, signed_bundle(seed=2, ring=kit.keyring(2, revoked=[1]))).ok
    kept = store.keyring()
    assert kept is not None
    assert kept.version == 2
    refused(store, signed_bundle("2.2-test"), Refused.REVOKED, "rhythm-2.2-test is signed with key")


def test_a_development_key_is_for_development(tmp_path: Path) -> None:
    developer = signing_key(3, Role.DEVELOPMENT)
    store = Store(tmp_path / "models")
    store.trust(ring_of(developer), "tester", NOW)
    bundle = signed_bundle(seed=3, ring=ring_of(developer))
    refused(
        store,
        bundle,
        Refused.DEVELOPMENT,
        f"{NAME} is signed with development key {developer} and this device takes production keys "
        "only; have it signed with one",
    )
    assert attempt(store, bundle, production=False).ok


def test_without_a_keyring_nothing_is_installed(tmp_path: Path) -> None:
    refused(
        Store(tmp_path / "models"),
        GOOD,
        Refused.NO_KEYRING,
        "this device does not know yet whose models it may take; give it a keyring (lead12 model "
        "keys trust FILE)",
    )


def test_the_counter_rises_at_confirmation_and_does_not_go_back(store: Store) -> None:
    high = signed_bundle("2.2-test", counter=7)
    assert attempt(store, high).ok
    assert attempt(store, GOOD).ok  # on trial only: nothing is ruled out yet
    assert attempt(store, high).ok
    store.confirm("tester", NOW)
    refused(
        store,
        GOOD,
        Refused.DOWNGRADE,
        f"{NAME} has security counter {EMBEDDED.counter} and this device takes none below 7: older "
        "models must not come back; install a newer one",
    )


def test_one_id_is_one_content(store: Store) -> None:
    assert attempt(store, GOOD).ok
    other = changed(tolerance=EMBEDDED.tolerance + 1)
    refused(
        store,
        other,
        Refused.SAME_VERSION,
        f"this device has a {NAME} with other content "
        f"({Bundle.from_bytes(GOOD).content[:12]} there, {Bundle.from_bytes(other).content[:12]} "
        "here); whoever made this one must give it a new version number",
    )
    impostor = signed_bundle(EMBEDDED.version)
    refused(store, impostor, Refused.SAME_VERSION, f"this device has a {EMBEDDED.id} with other")


def test_the_embedded_model_may_be_installed_when_it_is_signed(store: Store) -> None:
    assert attempt(store, signed(kit.EMBEDDED)).ok


def test_what_runs_already_is_left_alone(store: Store) -> None:
    assert attempt(store, GOOD).ok
    before = contents(store)
    assert attempt(store, GOOD).text == f"{NAME} is in use already (trial); nothing was changed"
    store.confirm("tester", NOW)
    assert attempt(store, GOOD).text == f"{NAME} is in use already (confirmed); nothing was changed"
    assert contents(store)[0] == before[0]


def test_an_install_during_a_trial_says_whose_trial_it_ends(store: Store) -> None:
    assert attempt(store, GOOD).ok
    stages: dict[str, str] = {}
    outcome = attempt(store, signed_bundle("9.2"), tell=stages.__setitem__)
    ended = f"on trial in place of {NAME}, whose trial is ended"
    assert outcome.text.startswith(f"rhythm-9.2 is installed and {ended}: it is kept after 30")
    assert stages["switch"] == f"rhythm-9.2 is {ended}"
    assert audit.read(store.log_path)[-1].text.endswith(f"; ended the trial of {NAME}")
    store.confirm("tester", NOW)
    assert "in place of" not in attempt(store, signed_bundle("9.3")).text


def test_what_runs_is_installed_again_when_its_slot_is_damaged(store: Store) -> None:
    assert attempt(store, GOOD).ok
    store.confirm("tester", NOW)
    slot = store.folder / f"{store.state().active}.l12"
    slot.write_bytes(slot.read_bytes()[:-1])
    assert attempt(store, GOOD).text.startswith(f"{NAME} is installed and on trial")


def test_only_one_installs_at_a_time(store: Store) -> None:
    before = contents(store), store.log_path.read_bytes()
    with store.locked():
        outcome = attempt(store, GOOD)
    assert (outcome.ok, outcome.reason) == (False, Refused.BUSY)
    assert outcome.text == "another install is running; wait until it has ended"
    assert (contents(store), store.log_path.read_bytes()) == before
    assert attempt(store, GOOD).ok


@pytest.mark.parametrize(
    ("budget", "reason", "says"),
    [
        (
            Budget(seconds=0.02),
            Refused.SELF_TEST,
            f"{NAME} did not finish its self-test within 0.02 s; ask whoever made it for one this "
            "board can run",
        ),
        (Budget(latency_ms=0.001, memory_mb=500), Refused.SLOW, f"{NAME} needs "),
        (Budget(latency_ms=5_000, memory_mb=0.5), Refused.MEMORY, f"{NAME} needs "),
    ],
)
def test_what_this_board_cannot_run_is_refused(
    budget: Budget, reason: str, says: str, store: Store
) -> None:
    refused(store, GOOD, reason, says, budget=budget)


def test_a_log_that_cannot_be_written_refuses_the_install(store: Store) -> None:
    store.log_path.rename(store.folder / "aside")
    store.log_path.mkdir()
    before = contents(store)
    outcome = attempt(store, GOOD)
    assert (outcome.ok, outcome.reason) == (False, Refused.STORAGE)
    assert "audit.log" in outcome.text
    assert "audit log" in attempt(store, unsigned_bundle()).text
    assert contents(store) == before


def test_a_disk_without_room_is_refused_before_and_while_writing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "free_bytes", lambda _folder: 400_000)
        refused(
            store,
            GOOD,
            Refused.NO_SPACE,
            f"the model needs {(len(GOOD) + 262_144) / 1e6:.1f} MB and {store.folder} has 0.4 MB "
            "free; delete what is not needed from the device's card",
        )
    write = files.write

    def full(path: Path, data: bytes, **how: Any) -> None:
        if path.name == "incoming.l12":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data, **how)

    monkeypatch.setattr(files, "write", full)
    says = f"the disk of {store.folder} is full; make room and try again"
    refused(store, GOOD, Refused.NO_SPACE, says)


def test_a_card_that_gives_back_other_bytes_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write

    def worn(path: Path, data: bytes, **how: Any) -> None:
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= path.name == "incoming.l12"
        write(path, bytes(flipped), **how)

    monkeypatch.setattr(files, "write", worn)
    refused(
        store,
        GOOD,
        Refused.STORAGE,
        "the device's card gave back other bytes than were written to it; replace it",
    )


def test_of_a_file_no_more_is_read_than_a_bundle_may_have(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "film.l12"
    file.write_bytes(bytes(MAX_BYTES + 2))
    outcome = install_file(store, file, who="tester", clock_now=NOW, production=True)
    assert (outcome.reason, outcome.sha256) == (Refused.TOO_LARGE, sha256(bytes(MAX_BYTES + 1)))


def run(config: Config, *arguments: str) -> tuple[int, list[dict[str, str]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "device.flash.install", config.to_json(), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_the_process_says_each_step_and_last_the_outcome(tmp_path: Path) -> None:
    """With the clock of the system, so with a key that is valid whenever this runs."""
    config = Config().override(
        {"model.store": str(tmp_path / "models"), "model.confirm_windows": 7}
    )
    file, store = tmp_path / "new.l12", Store(tmp_path / "models")
    ring = ring_of(replace(KEY, expires=datetime(9999, 1, 1, tzinfo=UTC)))
    file.write_bytes(signed_bundle(ring=ring))
    store.trust(ring, "tester", NOW)

    code, lines, _ = run(config, str(file), "--who", "Ada", "--verify-only")
    assert (code, lines[-1]["outcome"], lines[-1]["model"]) == (0, "verified", NAME)
    assert store.state().trial is None

    code, lines, errors = run(config, str(file), "--who", "Ada\x1b[2J" + "a" * 100)
    assert (code, errors) == (0, "")
    assert [line["stage"] for line in lines[:-1]] == [
        "check", "signature", "write", "self-test", "switch",
    ]  # fmt: skip
    assert lines[-1] == {
        "outcome": "installed",
        "reason": "",
        "text": lines[-1]["text"],
        "model": NAME,
        "sha256": sha256(file.read_bytes()),
        "head": store.state().log.hash,
    }
    assert "kept after 7 windows" in lines[-1]["text"]
    who = audit.read(store.log_path)[-1].who
    assert who.startswith("Ada?[2Jaaaa")
    assert len(who) <= MAX_WHO

    file.write_bytes(unsigned_bundle())
    code, lines, _ = run(config, str(file))
    assert (code, lines[-1]["outcome"], lines[-1]["reason"]) == (1, "refused", "unsigned")
    assert audit.read(store.log_path)[-1].who == "unknown"
    code, lines, _ = run(config, str(tmp_path / "none.l12"))
    assert (code, lines[-1]["reason"]) == (1, "storage")
    assert lines[-1]["text"].endswith("cannot be read (No such file or directory); check its name")
    code, lines, errors = run(config, str(file), "--what")
    assert (code, lines) == (2, [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("  \n", ""),
        ("a\nb\x07\u202ec\ud800", "a?b??c?"),
        ("é" * 64, "é" * 64),
        ("é" * 65, "é" * 61 + "..."),
    ],
)
def test_names_are_short_and_printable(text: str, shown: str) -> None:
    assert printable(text, MAX_WHO) == shown


def test_what_comes_back_after_a_trial_is_a_model_that_can_run(store: Store) -> None:
    assert attempt(store, signed_bundle("2.0")).ok
    store.confirm("tester", NOW)
    again = attempt(store, signed_bundle("3.0"))
    assert "else rhythm-2.0 comes back by itself" in again.text
    newer = kit.keyring(2, seeds=(1, 3), revoked=(1,))
    told = attempt(store, signed_bundle("4.0", seed=3, ring=newer)).text
    assert told.endswith("else the embedded model comes back by itself")
