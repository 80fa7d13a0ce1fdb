"""Installing: what is right goes on trial; anything else is one sentence and changes nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device.config import Config
from device.flash import audit
from device.flash.install import MAX_WHO, Outcome, Refused, printable
from device.flash.keyring import Role
from device.flash.store import Store
from firmware.archive import sha256
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
from tests.device.install_kit import (
    EMBEDDED,
    GOOD,
    KEY,
    LOST_CLOCK,
    NAME,
    attempt,
    changed,
    contents,
    refused,
    ring_of,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "models")
    made.trust(KEYRING, "tester", NOW)
    return made


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
