"""One monitor's model, look by look at its store."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.bundles import read_bundle
from device.flash import files
from device.flash.store import MAX_STARTS, Store
from device.installed import PATIENCE, SLOW_WINDOWS, Installed
from tests.device.bundle_kit import NOW, keyring, put

OWN = read_bundle().id


def quiet(_line: str) -> None:
    """Nobody listens."""


@contextlib.contextmanager
def read_only() -> Iterator[None]:
    """Nothing can be written to a store."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write", refuse)
        patch.setattr(files, "append", refuse)
        yield


def looks(installed: Installed, n: int) -> list[tuple[str, str]]:
    """What ``n`` looks at the store changed: model and state."""
    changes = [model for _ in range(n) if (model := installed.check())]
    return [(model.id, model.state) for model in changes]


@pytest.fixture
def installed(store: Store) -> Installed:
    """Of a monitor that began with the embedded model."""
    installed = Installed(store, lambda: NOW, quiet)
    installed.start()
    return installed


def test_start_that_cannot_be_counted_is_none_and_is_tried_again(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    with read_only():
        assert looks(installed, 2 * PATIENCE) == [(OWN, "embedded")]
        assert "is read-only; make it writable" in installed.model.fault
        assert "so rhythm-3.0 cannot be tried" in installed.model.fault
    assert looks(installed, PATIENCE) == [("rhythm-3.0", "trial")]
    assert installed.model.fault == ""


def test_confirmation_waits_for_a_store_that_is_held_or_read_only(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    looks(installed, 2)
    installed.judged(3, 0.1)
    with read_only():
        assert looks(installed, 3) == []
    waiting = Installed(store, lambda: NOW, quiet)
    with files.lock(store.folder):
        waiting.start()
        assert waiting.model.id == OWN  # the start could not be counted
        assert looks(installed, 2 * PATIENCE) == []
    assert looks(installed, 2 * PATIENCE) == [("rhythm-3.0", "confirmed")]


def test_a_confirmation_that_has_to_wait_is_told_once_not_at_each_try(store: Store) -> None:
    log: list[str] = []
    monitor = Installed(store, lambda: NOW, log.append)
    monitor.start()
    put(store, "3.0")
    looks(monitor, 2)
    monitor.judged(3, 0.1)
    with read_only():
        looks(monitor, 10 * PATIENCE)
    assert len([line for line in log if "is not confirmed yet" in line]) == 1
    assert looks(monitor, 2 * PATIENCE) == [("rhythm-3.0", "confirmed")]


def test_model_that_cannot_be_taken_back_yet_does_not_run_either(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    looks(installed, 2)
    with read_only():
        model = installed.give_way("analysis failed at 5 (a defect)")
        assert model is not None
        assert (model.id, model.state) == (OWN, "embedded")
        assert looks(installed, 3 * PATIENCE) == []
    assert looks(installed, PATIENCE) == [(OWN, "embedded")]
    assert installed.model.fault == ""
    failed = store.state().failed
    assert failed is not None
    assert failed.why == "analysis failed at 5 (a defect)"


def test_confirmed_model_does_not_give_way(store: Store, installed: Installed) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    assert looks(installed, 2) == [("rhythm-3.0", "confirmed")]
    assert installed.give_way("analysis failed at 5 (a defect)") is None


def test_model_that_cannot_keep_up_is_taken_back(store: Store, installed: Installed) -> None:
    put(store, "3.0")
    looks(installed, 2)
    for _ in range(2):
        for _ in range(SLOW_WINDOWS - 1):
            installed.judged(1, 1.2)
        installed.judged(1, 0.2)  # a busy moment of the machine
    assert looks(installed, 2) == []
    for _ in range(SLOW_WINDOWS):
        installed.judged(1, 1.2)
    assert looks(installed, 1) == [(OWN, "embedded")]
    assert installed.model.why.startswith("rhythm-3.0 was taken back: 3 windows in a row")


def test_refusal_of_another_model_changes_nothing(store: Store, installed: Installed) -> None:
    store.refused("unsigned", model="x", sha256="0" * 64, who="anna", clock_now=NOW)
    assert looks(installed, 2) == []


def test_model_of_a_key_revoked_meanwhile_speaks_no_longer(
    store: Store, installed: Installed
) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    looks(installed, 2)
    store.trust(keyring(2, revoked=[1]), "anna", NOW)
    assert looks(installed, 2) == [(OWN, "embedded")]
    assert "revoked" in installed.model.fault


SPOILT = {
    "cut": (lambda store: store.slot_path("a").write_bytes(b"PK"), "slot a (rhythm-3.0) is dam"),
    "gone": (lambda store: store.slot_path("a").unlink(), "slot a (rhythm-3.0) is missing"),
    "state": (lambda store: (store.folder / "state.json").write_text("{"), "state.json cannot be"),
    "no state": (lambda store: (store.folder / "state.json").unlink(), "state.json is missing"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_what_was_lost_before_the_start_is_a_fault_until_something_is_installed(
    store: Store, how: str
) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    spoil, said = SPOILT[how]
    spoil(store)
    log: list[str] = []
    monitor = Installed(store, lambda: NOW, log.append)
    model = monitor.start()
    assert (model.id, model.state) == (OWN, "embedded")
    assert model.fault.startswith(said)
    assert f"{OWN} runs, the embedded model" in model.fault
    assert looks(monitor, 3 * PATIENCE) == []  # what the start wrote down changes nothing
    assert monitor.model.fault == model.fault
    assert log == []  # who shows the fault tells it
    put(store, "4.0")
    assert looks(monitor, 2) == [("rhythm-4.0", "trial")]
    assert monitor.model.fault == ""


def test_a_trial_that_used_up_its_starts_is_no_fault_of_the_store(store: Store) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    put(store, "4.0")
    for _ in range(MAX_STARTS):
        Installed(store, lambda: NOW, quiet).start()
    monitor = Installed(store, lambda: NOW, quiet)
    assert (monitor.start().id, monitor.model.fault) == ("rhythm-3.0", "")
    assert monitor.model.failed is not None
