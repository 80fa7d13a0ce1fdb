"""Housekeeping on real folders: what it mends, leaves to a person, and never touches."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device import housekeeping, last_good
from device.config import Config
from device.flash import files
from device.flash.store import Store, state_folder
from device.housekeeping import ASIDE, ASIDE_BYTES, Finding, look, main
from tests.device.bundle_kit import KEYRING, NOW
from tests.device.powercut import Recorder, Shelf, cuts, snapshot
from tests.device.records_kit import SEALED, SECTION, feed, keeper, samples

REAL = b'[frontend]\nbackend = "ads1298"\n'
CONFIG = Config().override({"frontend.backend": "ads1298"})
GOOD = {"settings.json": b"{}\n", "alarms.json": b"{}", last_good.COPY: REAL}


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with everything in order."""
    folder = tmp_path / "state"
    folder.mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(folder))
    for name, text in GOOD.items():
        (folder / name).write_bytes(text)
    Store(folder / "models").trust(KEYRING, "tester", NOW)
    of_two = keeper(folder / "records", SECTION)
    feed(of_two, samples(3000))
    of_two.close()
    return folder


def found(now: datetime = NOW) -> list[Finding]:
    """What there is to say at ``now`` of files that were written at NOW, unless ``age`` did it."""
    folder = state_folder()
    for path in (*folder.rglob("*"), folder):
        if path.lstat().st_mtime > NOW.timestamp():  # by the clock of who tests
            age(path, 0)
    return list(look(CONFIG, now))


def age(path: Path, days: float) -> None:
    then = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (then, then), follow_symlinks=False)


def test_all_well_is_nothing_to_say_and_nothing_done(state: Path) -> None:
    before = snapshot(state)
    assert found() == []
    assert snapshot(state) == before


@pytest.mark.parametrize(
    "name",
    ["models/upload.part", "models/upload.json", "models/incoming.l12", "models/state.json.new",
     "alarms.json.new", "settings.json.new", "lead12.toml.good.new"],
)  # fmt: skip
def test_leftovers_go_after_a_day(state: Path, name: str) -> None:
    path = state / name
    path.write_bytes(b"left over")
    age(path, 0.99)
    assert found() == []
    age(path, 1.01)
    assert found() == [Finding(f"{path}, left over, 9 bytes, removed", mended=True)]
    assert not path.exists()
    assert found() == []


def test_leftovers_stay_while_an_install_runs(state: Path) -> None:
    path = state / "models/incoming.l12"
    path.write_bytes(b"x")
    age(path, 2)
    with Store(state / "models").locked():
        assert found() == []
    assert path.exists()


def test_leftover_that_cannot_be_removed_is_for_a_person(state: Path) -> None:
    path = state / "alarms.json.new"
    (path / "in").mkdir(parents=True)
    age(path, 2)
    (one,) = found()
    assert not one.mended
    assert one.text.startswith(f"{path} cannot be removed (Directory not empty); ")


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "zeros": lambda path: path.write_bytes(bytes(100)),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(b'{"a": '),
    "noise": lambda path: path.write_bytes(bytes(range(255, 0, -1))),
    "list": lambda path: path.write_bytes(b"[1]"),
    "deep": lambda path: path.write_bytes(b"[" * 4000),
    "folder": folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", GOOD)
def test_damaged_files_are_put_aside_three_of_each(state: Path, name: str, damage: str) -> None:
    path = state / name
    for n in range(1, ASIDE + 3):
        DAMAGE[damage](path)
        (one,) = found()
        assert (one.mended, one.text.endswith(f"; it is now {name}.damaged-1")) == (True, True), one
        assert not files.is_there(path)
        assert len(list(state.glob(f"{name}.damaged-*"))) == min(n, ASIDE)
        assert found() == []
    path.write_bytes(GOOD[name])
    assert found() == []


def test_newest_put_aside_is_the_first(state: Path) -> None:
    for text in (b"1", b"2", b"3", b"4"):
        (state / "alarms.json").write_bytes(text)
        found()
    kept = [(state / f"alarms.json.damaged-{n}").read_bytes() for n in (1, 2, 3)]
    assert kept == [b"4", b"3", b"2"]


def test_what_is_too_large_to_keep_is_removed(state: Path) -> None:
    os.truncate(state / "alarms.json", ASIDE_BYTES + 1)
    (one,) = found()
    assert one.mended
    assert one.text.endswith("; removed")
    assert not list(state.glob("alarms.json*"))


def test_file_that_the_monitor_has_just_mended_goes_back(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = state / "settings.json"
    path.write_bytes(b"damaged")
    replace = files.replace

    def at_the_last_moment(source: Path, target: Path) -> None:
        if source == path:
            files.save(path, b'{"naming": {}}')
        replace(source, target)

    monkeypatch.setattr(housekeeping.files, "replace", at_the_last_moment)
    assert found() == []
    assert path.read_bytes() == b'{"naming": {}}'


def test_cut_at_any_call_leaves_every_file_and_the_next_round_ends_it(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def mend() -> list[Finding]:
        return [*housekeeping.leftovers(CONFIG, NOW), *housekeeping.damaged(CONFIG)]

    for name in ("alarms.json", "alarms.json.damaged-1", "alarms.json.damaged-2"):
        (state / name).write_bytes(name.encode())
    left = state / "models/upload.part"
    left.write_bytes(b"left over")
    age(left, 2)
    recorder = Recorder(state)
    with monkeypatch.context() as patch:
        for module in (files, housekeeping):
            patch.setattr(module, "os", recorder)
        assert all(one.mended for one in mend())
    shelf = Shelf(tmp_path)
    must = {"audit.log", *(p.name for p in (state / "records").rglob("*") if p.is_file())}
    judged = 0
    for _, disks in cuts(recorder):
        for disk in disks:
            root = shelf.make(disk)
            names = {p.name for p in root.rglob("*")}
            assert must <= names
            texts = {p.read_bytes() for p in root.glob("alarms.json*")}
            assert b"alarms.json" in texts
            monkeypatch.setenv("STATE_DIRECTORY", str(root))
            assert all(one.mended for one in mend())
            assert mend() == []
            judged += 1
    assert judged > 20


def test_clock_that_cannot_be_right_is_told(state: Path) -> None:
    for now in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)):
        assert any(f"the clock says {now:%Y-%m-%d}, before" in one.text for one in found(now))
    early = NOW - timedelta(days=3)
    assert any("was written on" in one.text for one in found(early))
    assert not any("was written" in one.text for one in found(NOW - timedelta(hours=20)))
    assert not any(one.mended for one in found(datetime(1970, 1, 1, tzinfo=UTC)))


def test_damaged_record_is_told_and_left(state: Path) -> None:
    (data,) = (state / "records/continuous").glob("*.dat")
    raw = bytearray(data.read_bytes())
    raw[100] ^= 1
    data.write_bytes(bytes(raw))
    (one,) = found()
    assert one.text == f"record {data.stem}: its samples are damaged; use another copy, or none"
    assert not one.mended
    assert data.read_bytes() == bytes(raw)
    age(data.with_suffix(".hea"), 2)  # it was told yesterday
    assert found() == []


def test_sealed_record_is_in_order(state: Path) -> None:
    sealed = keeper(state / "records", SEALED)
    feed(sealed, samples(3000))
    sealed.close()
    assert found() == []


def test_store_and_its_log_are_for_a_person(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = state / "models/audit.log"
    monkeypatch.setattr(housekeeping, "LOG_BYTES", 100)
    (one,) = found()
    assert one.text.startswith(f"{log} has 0 MB: find out who fills it")
    monkeypatch.undo()
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    before = log.read_bytes()
    log.write_bytes(before[: len(before) // 2])
    (one,) = found()
    assert one.text.startswith("model store: ")
    assert "the log was tampered with or damaged" in one.text
    assert log.read_bytes() == before[: len(before) // 2]


def test_process_says_one_line_each_and_a_summary(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lead12.toml"
    file.write_bytes(REAL)
    for path in (*state.rglob("*"), state):
        os.utime(path)
    assert main([str(file)]) == 0
    assert capsys.readouterr().err == "housekeeping: all well\n"
    (state / "alarms.json").write_bytes(b"")
    assert main([str(file)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "housekeeping: 1 mended, 0 for a person"
    assert len(said) == 2
    file.unlink()
    assert main([str(file)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert "the copy of" in said[0]
    assert said[-1] == "housekeeping: 0 mended, 1 for a person"
    (state / last_good.COPY).unlink()
    assert main([str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
