"""The model store: trial, confirm, back again; who may change it, and when."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from device.bundles import read_bundle
from device.config import Config
from device.flash import audit
from device.flash.state import EPOCH, State
from device.flash.store import MAX_STARTS, ModelState, Store, StoreError, store_folder
from firmware.archive import sha256
from tests.device.bundle_kit import KEYRING, NOW, keyring, signed_bundle, verified
from tests.device.power_scenarios import bundle_of, keep, model, put
from tests.device.powercut import snapshot

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


def test_without_a_store_the_embedded_model_runs_and_nothing_is_made(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    choice = store.choose(NOW, starting=True)
    assert choice.bundle.digest == EMBEDDED.digest
    assert (choice.state, choice.slot, choice.notes) == (ModelState.EMBEDDED, None, ())
    assert store.state() == State(counter=EMBEDDED.counter)
    assert (store.keyring(), store.findings(), store.now(NOW)) == (None, [], NOW)
    assert not store.folder.exists()


def test_where_the_store_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    config = Config()
    assert store_folder(config) == Path.home() / ".local/state/lead12/models"
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert store_folder(config) == Path("/x/lead12/models")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/lead12:/var/lib/other")
    assert store_folder(config) == Path("/var/lib/lead12/models")
    assert store_folder(config.override({"model.store": "/here"})) == Path("/here")


def test_a_model_goes_on_trial_and_is_kept_when_it_is_confirmed(store: Store) -> None:
    put(store, "2.0", 3)
    assert running(store, starting=False) == ("2.0", "trial", "a")
    assert store.state().counter == EMBEDDED.counter  # not before it is confirmed
    assert last(store) == ("install", "tester", "rhythm-2.0")
    store.confirm("tester", NOW)
    assert running(store) == ("2.0", "confirmed", "a")
    assert store.state().counter == 3
    assert last(store) == ("confirm", "tester", "rhythm-2.0")
    slot = store.state().slots["a"]
    assert slot is not None
    assert slot.sha256 == sha256(model("2.0", 3)) == sha256(store.slot_path("a").read_bytes())
    assert store.findings() == []


def test_installs_go_to_the_slot_that_does_not_run(store: Store) -> None:
    for version, slot in (("2.0", "a"), ("3.0", "b"), ("4.0", "a")):
        keep(store, version)
        assert running(store) == (version, "confirmed", slot)
    put(store, "5.0")
    put(store, "6.0")  # during a trial
    assert running(store) == ("6.0", "trial", "b")


def test_a_model_that_never_proves_itself_is_taken_back(store: Store) -> None:
    keep(store, "2.0")
    put(store, "3.0")
    assert [running(store)[0] for _ in range(MAX_STARTS)] == ["3.0"] * MAX_STARTS
    choice = store.choose(NOW, starting=True)
    assert choice.notes == (
        "rhythm-3.0 was started 3 times and never proved itself",
        "rhythm-2.0 runs, from slot a",
    )
    assert (choice.bundle.version, choice.state) == ("2.0", "confirmed")
    assert last(store) == ("revert", "device", "rhythm-3.0")
    failed = store.state().failed
    assert failed is not None
    assert (failed.model, failed.why) == ("rhythm-3.0", choice.notes[0])
    assert store.choose(NOW, starting=True).notes == ()
    put(store, "4.0")
    assert store.state().failed is None


def test_switching_off_and_on_is_no_failed_start(store: Store) -> None:
    put(store, "3.0")
    for _ in range(3 * MAX_STARTS):
        assert running(store)[0] == "3.0"
        store.stopped_cleanly()
    store.stopped_cleanly()  # one too many
    trial = store.state().trial
    assert trial is not None
    assert trial.starts == 0


def test_looking_does_not_count(store: Store) -> None:
    put(store, "3.0")
    before = snapshot(store.folder)
    for _ in range(3 * MAX_STARTS):
        assert running(store, starting=False) == ("3.0", "trial", "a")
    assert snapshot(store.folder) == before


def test_the_device_takes_a_trial_back(store: Store) -> None:
    keep(store, "2.0")
    put(store, "3.0")
    store.revert("the analysis failed", NOW)
    assert running(store) == ("2.0", "confirmed", "a")
    assert store.state().slots["b"] is None
    assert audit.read(store.log_path)[-1].text == "the analysis failed"


def test_a_reason_of_any_length_leaves_a_state_that_can_be_read(store: Store) -> None:
    put(store, "2.0")
    store.revert("it was\n" + "slow " * 1000, NOW)
    found = store.state()
    assert found.lost == ""
    assert found.failed is not None
    assert found.failed.why.startswith("it was slow")
    assert len(found.failed.why) == audit.MAX_TEXT


def test_confirm_and_revert_mean_the_model_they_were_asked_for(store: Store) -> None:
    put(store, "2.0")
    before = snapshot(store.folder)
    with pytest.raises(StoreError, match=r"^another model is on trial now: rhythm-2\.0$"):
        store.confirm("device", NOW, sha256="0" * 64)
    with pytest.raises(StoreError, match="another model"):
        store.revert("why", NOW, sha256="0" * 64)
    assert snapshot(store.folder) == before
    store.confirm("device", NOW, sha256=sha256(model("2.0")))
    for change in (store.confirm, store.revert):
        with pytest.raises(StoreError, match=r"^no model is on trial$"):
            change("tester", NOW)


def test_rolling_back_ends_a_trial_then_takes_the_one_before_then_the_embedded(
    store: Store,
) -> None:
    keep(store, "2.0")
    put(store, "3.0")
    assert store.rollback("tester", NOW) == "rhythm-2.0"
    assert running(store) == ("2.0", "confirmed", "a")
    keep(store, "3.0")
    assert store.rollback("tester", NOW) == "rhythm-2.0"
    assert store.rollback("tester", NOW) == "rhythm-3.0"  # and forth
    store.slot_path("a").unlink()
    assert store.rollback("tester", NOW) == EMBEDDED.id
    assert running(store) == EMBEDDED_RUNS
    assert last(store) == ("rollback", "tester", "rhythm-3.0")
    with pytest.raises(StoreError, match=r"^the embedded model is in use; there is none"):
        store.rollback("tester", NOW)


def test_a_model_that_failed_is_nothing_to_roll_back_to(store: Store) -> None:
    keep(store, "2.0")
    put(store, "3.0")
    store.revert("it was slow", NOW)
    assert store.rollback("tester", NOW) == EMBEDDED.id


def test_the_counter_never_falls(store: Store) -> None:
    keep(store, "2.0", 1)
    keep(store, "3.0", 2)
    with pytest.raises(StoreError, match=r"^every model before has a security counter lower"):
        store.rollback("tester", NOW)
    with pytest.raises(
        StoreError, match=r"^rhythm-2\.5 has security counter 1, at least 2 is needed; install"
    ):
        put(store, "2.5", 1)
    assert running(store) == ("3.0", "confirmed", "b")
    assert not (store.folder / "incoming.l12").exists()


def test_a_firmware_with_a_higher_counter_ends_an_older_model(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, "2.0", 1)
    newer = replace(EMBEDDED, counter=5)
    monkeypatch.setattr("device.flash.contents._embedded", lambda: newer)
    choice = store.choose(NOW, starting=True)
    assert choice.bundle is newer
    assert choice.notes == (
        "slot a (rhythm-2.0) has security counter 1, at least 5 is needed; install a newer model",
        f"{EMBEDDED.id} runs, the embedded model",
    )


def test_confirming_an_older_model_does_not_lower_the_counter(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "2.0", 1)
    newer = replace(EMBEDDED, counter=5)
    monkeypatch.setattr("device.flash.contents._embedded", lambda: newer)
    store.confirm("tester", NOW)
    monkeypatch.undo()
    assert store.state().counter == 5


def test_the_clock_does_not_go_behind_what_is_signed(store: Store) -> None:
    assert store.now(EPOCH) == KEYRING.issued
    put(store, "2.0")
    assert store.now(EPOCH) == NOW  # signed then
    (store.folder / "keyring.json").unlink()
    assert store.now(EPOCH) == NOW
    later = NOW + timedelta(days=1)
    assert store.now(later) == later


def test_a_clock_at_1970_stops_nothing(store: Store) -> None:
    bundle = bundle_of(model("2.0"))
    store.put(model("2.0"), verified(bundle), bundle, who="tester", clock_now=EPOCH)
    assert store.choose(EPOCH, starting=True).bundle.version == "2.0"
    store.confirm("device", EPOCH)
    assert audit.read(store.log_path)[-1].utc == "1970-01-01T00:00:00Z"
    assert store.findings() == []


# Keys


def test_a_keyring_is_followed_by_newer_ones_of_its_root_only(store: Store) -> None:
    newer = keyring(2, seeds=(1, 2, 3))
    store.trust(newer, "tester", NOW)
    assert store.keyring() == newer
    assert last(store) == ("trust", "tester", "")
    store.trust(newer, "tester", NOW)  # the same once more
    assert audit.read(store.log_path)[-1].n == 2
    with pytest.raises(StoreError, match=r"^the device trusts version 2 of the keyring already"):
        store.trust(KEYRING, "tester", NOW)
    for version in (1, 3):  # the version of a stranger's says nothing
        with pytest.raises(StoreError, match="not signed by this device's root key"):
            store.trust(keyring(version, root=98), "tester", NOW)
    assert store.keyring() == newer


def test_a_bundle_brings_a_newer_keyring_which_revokes(store: Store) -> None:
    store.trust(KEYRING, "tester", NOW)
    keep(store, "2.0")  # with key 1
    revoking = keyring(2, revoked=(1,))
    data = signed_bundle("3.0", seed=2, ring=revoking)
    bundle = bundle_of(data)
    store.put(data, verified(bundle), bundle, who="tester", clock_now=NOW)
    assert store.keyring() == revoking
    assert running(store)[0] == "3.0"
    store.revert("it was slow", NOW)
    choice = store.choose(NOW, starting=True)
    assert (choice.bundle.version, choice.state) == EMBEDDED_RUNS[:2]
    assert "which was revoked on 2026-11-21 (stolen)" in choice.notes[0]
    assert last(store)[0] == "lost"
    assert store.state().active is None


def test_without_its_keyring_the_device_says_what_to_do_and_forgets_nothing(store: Store) -> None:
    keep(store, "2.0")
    for spoil, why in (
        (lambda path: path.unlink(), "keyring.json is missing"),
        (lambda path: path.write_bytes(b"{}"), "keyring.json is damaged"),
        (lambda path: (path.unlink(), path.mkdir()), "keyring.json cannot be read (not a plain"),
    ):
        path = store.folder / "keyring.json"
        spoil(path)
        choice = store.choose(NOW, starting=True)
        assert (choice.bundle.version, choice.state) == EMBEDDED_RUNS[:2]
        assert choice.notes[0].startswith(f"slot a (rhythm-2.0) cannot be verified, {why}")
        assert "give the device its keyring again (lead12 model keys trust FILE)" in choice.notes[0]
        if path.is_dir():
            path.rmdir()
        store.trust(KEYRING, "tester", NOW)
        assert running(store) == ("2.0", "confirmed", "a")


# Others on the same disk


def test_only_one_installs_at_a_time(store: Store) -> None:
    with store.locked():
        refused = pytest.raises(StoreError, match=r"^another install is running; wait until it has")
        with refused, Store(store.folder).locked():
            raise AssertionError("not held")
        assert running(store) == EMBEDDED_RUNS  # who runs a model does not wait for it
        put(store, "2.0")
    with Store(store.folder).locked():
        store.confirm("tester", NOW)


def test_a_bundle_that_changes_under_the_self_test_is_not_switched_to(store: Store) -> None:
    path = store.write_incoming(model("2.0"))
    path.write_bytes(model("3.0"))
    bundle = bundle_of(model("2.0"))
    with pytest.raises(StoreError, match=r"^rhythm-2\.0 was changed while it was tested"):
        store.switch(bundle, verified(bundle), who="tester", clock_now=NOW)
    assert running(store) == EMBEDDED_RUNS


def test_what_the_store_makes_all_may_read_and_none_but_the_owner_write(store: Store) -> None:
    keep(store, "2.0")
    with store.locked():
        pass
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.folder.iterdir()}
    assert set(modes.values()) == {0o644}
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o755


def test_changes_of_many_processes_at_once_are_all_in_the_log(store: Store) -> None:
    children = []
    for i in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for _ in range(10):
                    store.refused("no", model="", sha256="", who=f"tester {i}", clock_now=NOW)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert store.findings() == []
    assert store.state().log.n == len(audit.read(store.log_path)) == 1 + 40


def test_a_rollback_of_a_trial_names_what_really_runs(store: Store) -> None:
    keep(store, "2.0")
    newer = keyring(2, seeds=(1, 2, 3), revoked=(1,))
    data = signed_bundle("3.0", seed=3, ring=newer)
    bundle = bundle_of(data)
    store.put(data, verified(bundle, newer), bundle, who="tester", clock_now=NOW)
    assert store.after_trial() == ""  # the key of 2.0 was revoked meanwhile
    assert store.rollback("tester", NOW) == EMBEDDED.id
    note = audit.read(store.log_path)[-1]
    assert note.text.startswith(f"back to {EMBEDDED.id}, since slot a (rhythm-2.0) may not run: ")
    assert store.state().active is None
    assert running(store) == EMBEDDED_RUNS


def test_what_a_trial_would_end_with_is_the_confirmed_model(store: Store) -> None:
    put(store, "2.0")
    assert store.after_trial() == ""
    assert store.confirm("tester", NOW) == "rhythm-2.0"
    put(store, "3.0")
    assert store.after_trial() == "rhythm-2.0"
    store.slot_path("a").write_bytes(b"")
    assert store.after_trial() == ""
