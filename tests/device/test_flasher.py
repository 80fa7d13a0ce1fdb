"""The installer beside the monitor, and what the serial line is told of the store."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device.bundles import load_model, read_bundle
from device.config import Config
from device.flash.flasher import StoreFlasher
from device.flash.store import Store, StoreError
from device.installed import Installed
from device.link import messages
from device.link.protocol import decode, encode, pack
from tests.device.bundle_kit import NOW, put, signed_bundle, unsigned_bundle
from tests.device.host import VALIDATOR
from tests.device.waiting import wait_for
from tools.flash import Local
from tools.installed import table

OWN = read_bundle().id


@pytest.fixture
def flasher(store: Store) -> Iterator[StoreFlasher]:
    config = Config().override({"model.store": str(store.folder)})
    flasher = StoreFlasher(config, store, lambda: load_model(""), lambda: NOW)
    yield flasher
    flasher.close()


def said_by(flasher: StoreFlasher) -> list[dict[str, Any]]:
    """Everything until the installer has ended."""
    said: list[dict[str, Any]] = []

    def ended() -> bool:
        said.extend(flasher.poll())
        return not flasher.busy

    wait_for("the installer", ended)
    return said


def test_lines_of_the_installer_come_and_the_last_is_its_outcome(
    flasher: StoreFlasher, tmp_path: Path
) -> None:
    path = tmp_path / "unsigned.l12"
    path.write_bytes(unsigned_bundle("3.0"))
    flasher.run(path, who="anna", install=True)
    with pytest.raises(StoreError, match="an install is running; wait for its end"):
        flasher.run(path, who="anna", install=True)
    *stages, last = said_by(flasher)
    assert stages
    assert all(set(m) == {"stage", "text"} for m in stages)
    assert (last["outcome"], last["reason"], last["model"]) == ("refused", "unsigned", "rhythm-3.0")
    (entry,) = flasher.log(1)
    assert (entry["who"], entry["what"], entry["hash"]) == ("anna", "refuse", last["head"])


@pytest.mark.parametrize("switched", [False, True])
def test_installer_that_dies_is_an_outcome_too(
    flasher: StoreFlasher, store: Store, tmp_path: Path, switched: bool
) -> None:
    path = tmp_path / "new.l12"
    path.write_bytes(signed_bundle("3.0"))
    flasher.run(path, who="anna", install=True)
    assert flasher._child is not None
    os.kill(flasher._child.pid, signal.SIGSTOP)
    if switched:
        put(store, "3.0")
    flasher._child.kill()
    last = said_by(flasher)[-1]
    if switched:
        assert last["text"] == "the installer died (SIGKILL), but rhythm-3.0 is on trial"
        assert (last["outcome"], last["reason"], last["model"]) == ("installed", "", "rhythm-3.0")
    else:
        assert last["text"] == "the installer died (SIGKILL); nothing was changed; try again"
        assert (last["outcome"], last["reason"], last["model"]) == ("refused", "died", "")
    VALIDATOR.validate(
        decode(encode(0, "event", pack(messages.flash_event(0, last)))[:-1], crc_required=True)
    )


def test_installer_ends_with_the_monitor(flasher: StoreFlasher, tmp_path: Path) -> None:
    path = tmp_path / "new.l12"
    path.write_bytes(signed_bundle("3.0"))
    flasher.run(path, who="anna", install=True)
    child = flasher._child
    assert child is not None
    flasher.close()
    assert child.returncode == -signal.SIGKILL
    assert not flasher.busy


def test_list_and_info_tell_what_runs(store: Store) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    put(store, "3.1")
    installed = Installed(store, lambda: NOW, lambda line: None)
    installed.start()
    config = Config().override({"model.store": str(store.folder)})
    flasher = StoreFlasher(config, store, lambda: installed.model, lambda: NOW)
    listed = flasher.list()
    assert (listed["running"], listed["state"], listed["trust"]) == ("b", "trial", "production")
    assert [(m["slot"], m["model"], m["key"]) for m in listed["models"]] == [
        ("embedded", OWN, ""),
        ("a", "rhythm-3.0", "maker 1"),
        ("b", "rhythm-3.1", "maker 1"),
    ]
    assert (flasher.info()["model"], flasher.info()["state"]) == ("rhythm-3.1", "trial")
    assert flasher.confirm("anna") == "rhythm-3.1"
    assert flasher.rollback("anna") == "rhythm-3.0"
    assert [entry["what"] for entry in flasher.log(2)] == ["confirm", "rollback"]


def test_file_named_in_the_settings_is_not_put_aside_by_an_install(
    store: Store, tmp_path: Path
) -> None:
    config = Config().override({"model.store": str(store.folder), "model.path": "none"})
    flasher = StoreFlasher(config, store, lambda: load_model("none"), lambda: NOW)
    for refused in (
        lambda: flasher.run(tmp_path / "x", who="anna", install=True),
        lambda: flasher.confirm("anna"),
        lambda: flasher.rollback("anna"),
    ):
        with pytest.raises(StoreError, match=r"runs what \[model\] path names \(none\)"):
            refused()
    assert (flasher.list()["running"], flasher.list()["state"]) == ("none", "none")
    with pytest.raises(StoreError, match="no model is in use"):
        flasher.info()


@pytest.mark.parametrize("gone", ["state.json", "b.l12", "both slots"])
def test_a_model_that_goes_on_although_its_files_are_gone_is_listed(
    store: Store, gone: str
) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    put(store, "3.1")
    store.confirm("anna", NOW)
    installed = Installed(store, lambda: NOW, lambda line: None)
    installed.start()
    if gone == "both slots":
        put(store, "3.2")
        put(store, "3.3")
        store.confirm("anna", NOW)
        put(store, "3.4")  # faster than the monitor looks
    else:
        (store.folder / gone).unlink()
        if gone == "state.json":
            installed.check()
    config = Config().override({"model.store": str(store.folder)})
    flasher = StoreFlasher(config, store, lambda: installed.model, lambda: NOW)
    listed = flasher.list()
    VALIDATOR.validate(said_on_the_line(listed))
    running = [m["model"] for m in listed["models"] if m["slot"] == listed["running"]]
    assert running == ["rhythm-3.1"]
    assert listed["running"] == ("b" if gone == "b.l12" else "memory")
    assert any("rhythm-3.1" in line and "active" in line for line in table(listed))
    if gone == "b.l12":
        assert listed["notes"] == [
            "rhythm-3.1 goes on until the monitor ends; then:",
            "slot b (rhythm-3.1) is missing; install it again",
            "rhythm-3.0 runs, from slot a",
        ]


def said_on_the_line(listed: dict[str, Any]) -> dict[str, Any]:
    body = {"command": "model", "action": "list", "re": 1, "installed": listed}
    return decode(encode(0, "reply", pack(body))[:-1], crc_required=True)


def test_the_line_tells_what_is_told_on_the_device(store: Store) -> None:
    put(store, "3.0")
    store.confirm("anna", NOW)
    (store.folder / "keyring.json").unlink()
    installed = Installed(store, lambda: NOW, lambda line: None)
    installed.start()
    config = Config().override({"model.store": str(store.folder)})
    over_line = StoreFlasher(config, store, lambda: installed.model, lambda: NOW).list()
    here = Local(config).list()
    assert here["notes"]
    assert over_line == here
