"""`lead12 doctor` on the model store: what is installed, its keys, its log and its folder."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device.flash.store import Store
from firmware.bundle import Bundle
from hal.frontend import Check
from tests.device.bundle_kit import NOW, keyring, signed_bundle, verified
from tests.tools.test_doctor import found
from tools.doctor import doctor

KEYRING = keyring(expires=NOW + timedelta(days=182, hours=12))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store that trusts the test keys, with a model of theirs on trial."""
    made = Store(tmp_path / "models")
    made.trust(KEYRING, "tester", NOW)
    data = signed_bundle("2.1.1", ring=KEYRING)
    bundle = Bundle.from_bytes(data)
    made.put(data, verified(bundle, KEYRING), bundle, who="tester", clock_now=NOW)
    return made


def in_store(store: Store, utc: datetime = NOW, **changes: object) -> Check:
    """The finding about the store."""
    settings = {"model.store": str(store.folder), **changes}
    return found(settings, utc)["model store"]


def test_the_installed_model_is_named_and_run(store: Store) -> None:
    store.choose(NOW, starting=True)
    check = in_store(store)
    assert check.ok, check
    assert "rhythm-2.1.1 is on trial, start 1 of 3; keyring version 1" in check.evidence
    assert "valid for 182 days; log of 2 entries" in check.evidence
    assert check.act == ""
    network = found({"model.store": str(store.folder)}, NOW)["network"]
    assert network.evidence.startswith("rhythm-2.1.1 on ")
    store.confirm("tester", NOW)
    assert "rhythm-2.1.1 is in use (confirmed)" in in_store(store).evidence


def test_a_model_that_was_given_up_is_named_afterwards(store: Store) -> None:
    store.confirm("tester", NOW)
    store.slot_path("a").write_bytes(b"")
    store.choose(NOW, starting=True)
    check = in_store(store)
    assert "(embedded), rhythm-2.1.1 was taken back: slot a (rhythm-2.1.1) is" in check.evidence


def test_a_store_that_knows_nobody_is_in_order(tmp_path: Path) -> None:
    check = in_store(Store(tmp_path))
    assert check.ok
    assert "(embedded); no keyring, so no model can be installed" in check.evidence


def test_a_path_puts_the_store_aside(store: Store) -> None:
    assert "put aside" in in_store(store, **{"model.path": "none"}).evidence


def test_keys_that_expire_are_told_before_and_after(store: Store) -> None:
    soon = in_store(store, NOW + timedelta(days=160))
    assert (soon.ok, soon.act) == (True, "")
    told = "its key is valid for 22 days: have a new one made (lead12 model keys rotate)"
    assert told in soon.evidence
    assert "valid for 1 day:" in in_store(store, NOW + timedelta(days=181)).evidence
    late = in_store(store, NOW + timedelta(days=200))
    assert not late.ok
    assert "its key expired 17 days ago; nothing signed by it is taken" in late.evidence
    assert "lead12 model keys" in late.act


@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_a_lost_keyring_is_given_again(store: Store, how: str) -> None:
    store.confirm("tester", NOW)
    (store.folder / "keyring.json").unlink()
    if how == "damaged":
        (store.folder / "keyring.json").write_text("{")
    check = in_store(store)
    assert not check.ok
    assert f"keyring.json is {how}" in check.evidence
    assert check.act == "give the device its keyring again (lead12 model keys trust FILE)"


def test_a_damaged_keyring_is_told_before_anything_is_installed(tmp_path: Path) -> None:
    (tmp_path / "keyring.json").write_text("{")
    assert "keys trust FILE" in in_store(Store(tmp_path)).act


@pytest.mark.parametrize("below", ["", "models"])
def test_what_stands_in_the_folders_place_is_to_be_moved(tmp_path: Path, below: str) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("a file")
    check = in_store(Store(wrong / below))
    assert not check.ok
    assert check.evidence.startswith(f"{wrong} is not a folder")
    assert check.act.startswith(f"move {wrong} away")


def test_what_is_in_order_needs_no_advice(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert doctor() == 0
    assert "→" not in capsys.readouterr().out


def test_one_entry_is_one(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    store.trust(KEYRING, "tester", NOW)
    assert in_store(store).evidence.endswith("; log of 1 entry")


def test_a_keyring_without_a_key_for_this_device_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    store.trust(keyring(seeds=(1,), revoked=(1,)), "tester", NOW)
    check = in_store(store)
    assert not check.ok
    assert "no key that is valid here" in check.evidence


def test_a_clock_before_the_newest_signature_is_told(store: Store) -> None:
    check = in_store(store, datetime(1970, 1, 2, tzinfo=UTC))
    assert not check.ok
    assert "the clock says 1970-01-02" in check.evidence
    assert check.act == "set the clock"
    assert in_store(store, NOW - timedelta(minutes=30)).ok  # of two machines, never the same


def test_a_log_that_was_edited_is_told(store: Store) -> None:
    log = store.log_path
    log.write_text(log.read_text().replace("tester", "nobody"))
    check = in_store(store)
    assert not check.ok
    assert "tampered" in check.evidence


def test_a_damaged_slot_is_told_with_what_runs_instead(store: Store) -> None:
    store.confirm("tester", NOW)
    slot = store.folder / "a.l12"
    slot.write_bytes(slot.read_bytes()[:-1])
    check = in_store(store)
    assert not check.ok
    assert "slot a (rhythm-2.1.1) is damaged" in check.evidence
    assert "rhythm-2.1 runs, the embedded model" in check.evidence


def test_a_folder_that_cannot_be_written_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != store.folder and access(path, mode)
    )  # root may write anywhere, so the system's answer is put in its place
    check = in_store(store)
    assert not check.ok
    assert f"{store.folder} cannot be written" in check.evidence
