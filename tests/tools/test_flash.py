"""What ``lead12 model`` shows of a device, and an upload that is interrupted."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from device.config import Config
from device.flash import audit
from device.flash.facts import facts
from firmware.bundle import Bundle
from tests.device.bundle_kit import EMBEDDED, KEYRING, signed_bundle
from tools.flash import Local, somebody
from tools.flash_line import Remote
from tools.installed import advertised, chain, entry, examine, table
from tools.model import readable
from tools.upload import upload

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def local(tmp_path: Path) -> Local:
    """A store with a model on trial."""
    made = Local(Config().override({"model.store": str(tmp_path)}))
    made.trust(KEYRING, "Ada")
    assert made.install(signed_bundle("2.1.1"), "Ada", lambda stage, text: None).ok
    return made


def test_a_list_says_what_each_model_is(local: Local) -> None:
    _, embedded, trial, takes = table(local.list())
    assert embedded.split()[2:5] == ["the", "firmware's", "own"]
    assert "on trial, start 0 of 3" in trial
    assert "maker 1" in trial
    assert takes.startswith("takes models of production keys")
    local.confirm("Ada")
    assert "active" in table(local.list())[2]
    assert local.install(signed_bundle("2.1.2"), "Ada", lambda stage, text: None).ok
    assert [line.split()[2] for line in table(local.list())[2:4]] == ["previous", "on"]


def test_a_list_says_what_is_not_as_it_should_be(local: Local, tmp_path: Path) -> None:
    listed = local.list()
    failed = {"model": "rhythm-3", "why": "it fell over", "utc": "2026-11-21T08:00:00Z"}
    lines = table({**listed, "failed": failed, "running": "file", "state": "file"})
    assert "last taken back: rhythm-3, 2026-11-21 08:00: it fell over" in lines
    assert any("[model] path" in line for line in lines)
    (tmp_path / "state.json").write_text("{")
    assert any("state.json cannot be used" in line for line in table(local.list()))
    aside = Local(Config().override({"model.store": str(tmp_path), "model.path": "none"}))
    assert aside.list()["running"] == "none"


CHANGES: dict[str, Change] = {
    "entry 2 was changed": lambda e: e.update(who="Eve"),
    "an entry has other members": lambda e: e.update(note="x"),
}


@pytest.mark.parametrize("found", CHANGES)
def test_entries_that_came_over_the_line_are_held_against_their_hashes(
    local: Local, found: str
) -> None:
    local.confirm("Ada")
    entries = [dict(one) for one in local.log(10)]
    assert len(entries) == 3
    head = local.list()["log"]
    assert chain(entries, head) == chain(entries[1:], head) == []
    CHANGES[found](entries[1])
    assert chain(entries, head)[0].startswith(found)
    assert examine(local.list(), entries)[-1][1].startswith(found)


def test_an_entry_that_was_taken_out_or_written_anew_is_found(local: Local) -> None:
    local.confirm("Ada")
    first, second, third = local.log(10)
    head = local.list()["log"]
    assert "not in order" in chain([first, third], head)[0]
    assert chain([first, second], head) == [
        "entry 3, which the device wrote, is missing: the end is cut off"
    ]
    forged = replace(audit.Entry(**{"torn": "", **second}), who="Eve").hashed()[0]
    anew = {**forged.to_dict(), "hash": forged.hash}
    assert chain([first, anew, third], head) == [
        "entry 2 was changed or replaced: 3 does not follow it"
    ]
    assert entry(third).endswith("Ada  confirm rhythm-2.1.1: security counter 0")


def test_a_bundle_that_says_nothing_of_its_accuracy_is_shown_all_the_same() -> None:
    bundle = Bundle.from_bytes(EMBEDDED)
    odd = {"records": 10, "systems": {"int8": {"mate4": {"accuracy": "high"}}}, "labels": []}
    bare = replace(bundle, manifest={**bundle.manifest, "measured": odd})
    assert facts(bare)["accuracy"] == {"records": 10}
    assert len(readable(facts(bare))) == 4
    assert advertised(b"no bundle") == ""


def test_who_is_printable_ascii_that_fits_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert somebody("Zoë\n") == "Zo?"
    assert len(somebody("x" * 100)) == 64
    assert "@" in somebody()

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert somebody() == "unknown"


class Interrupted(Remote):
    """A device to which 300 of 1000 bytes get before Ctrl-C."""

    def __init__(self) -> None:
        pass

    def upload(self, data: bytes, progress: Callable[[int, int], None] = print) -> None:
        for done in (0, 100, 260, 300):
            progress(done, len(data))
        raise KeyboardInterrupt


def test_an_interrupted_upload_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt, match="keeps 300 of 1000 bytes, and the same command"):
        upload(Interrupted(), bytes(1000), 115_200)
    said = capsys.readouterr().err.splitlines()
    assert said == ["upload: 0 of 1000 bytes", "upload: 260 of 1000 bytes"]


class Slow(Remote):
    """A device that has ``there`` bytes of what comes already."""

    def __init__(self, there: int) -> None:
        self._there = there

    def upload(self, data: bytes, progress: Callable[[int, int], None] = print) -> None:
        for done in (self._there, len(data)):
            progress(done, len(data))


def test_what_takes_long_is_told_before(capsys: pytest.CaptureFixture[str]) -> None:
    def first(size: int, there: int = 0, baud: int = 115_200) -> str:
        upload(Slow(there), bytes(size), baud)
        return capsys.readouterr().err.splitlines()[0]

    assert first(25_000_000) == "upload: about 36 min at 115200 baud"
    assert first(25_000_000, there=12_500_000) == "upload: about 18 min at 115200 baud"
    assert first(25_000_000, baud=921_600) == "upload: about 5 min at 921600 baud"
    assert first(676_446) == "upload: 0 of 676446 bytes"
