"""The audit log: every edit and cut is found; a half line of a power cut is not taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from device.flash import audit
from device.flash.audit import Head, Note, What, append, read, unnoted, verify
from tests.device.bundle_kit import NOW

ENTRIES = 6
CALM = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def note(i: int, what: What = What.REFUSE) -> Note:
    return Note(what, f"refused for the {i}th time", "tester", NOW, f"rhythm-{i}", "ab" * 32)


def fill(path: Path, entries: int = ENTRIES) -> Head:
    head = Head()
    for i in range(entries):
        head = append(path, head, note(i))
    return head


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Head]:
    path = tmp_path_factory.mktemp("log") / "audit.log"
    head = fill(path)
    return path.read_bytes(), head


def test_a_line_says_who_did_what_when_and_its_hash_is_that_of_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    head = fill(path, 2)
    first, second = path.read_bytes().splitlines()
    body, _, digest = second.rpartition(b',"hash":"')
    assert sha256(body + b"}").hexdigest() == digest.decode().rstrip('"}') == head.hash
    assert json.loads(second) == {
        "n": 2, "utc": "2026-11-21T09:00:00Z", "who": "tester", "what": "refuse",
        "model": "rhythm-1", "sha256": "ab" * 32, "text": "refused for the 1th time",
        "prev": json.loads(first)["hash"], "hash": head.hash,
    }  # fmt: skip
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.model for entry in read(path)] == ["rhythm-0", "rhythm-1"]
    assert verify(path, head) == []


def test_an_update_is_less_than_a_kilobyte_and_no_entry_more_than_eight(tmp_path: Path) -> None:
    """The arithmetic of docs/security.md: what a log without a limit comes to."""
    path = tmp_path / "audit.log"
    done = Note(
        What.INSTALL,
        "on trial, security counter 3; golden vectors agree (8), 12.3 ms a window, 141 MB",
        "technician of the ward", NOW, "rhythm-2026-11-21", "ab" * 32,
    )  # fmt: skip
    head = append(path, Head(), done)
    head = append(path, head, replace(done, what=What.CONFIRM, who="device"))
    assert path.stat().st_size < 1000
    rude = "\N{ANATOMICAL HEART}" * 5000
    before = path.stat().st_size
    append(path, head, Note(What.REFUSE, rude, "x" * 64, NOW, rude, "ab" * 32))
    assert path.stat().st_size - before < 8000


def test_no_log_is_in_order_before_the_first_entry_only(tmp_path: Path) -> None:
    assert verify(tmp_path / "audit.log", Head()) == []
    assert read(tmp_path / "audit.log") == []
    assert verify(tmp_path / "audit.log", Head(2, "x")) == [
        "the end was cut off: entries 1 to 2 are missing"
    ]


def test_the_order_is_not_the_clocks(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    head = append(path, Head(), note(0))
    head = append(path, head, replace(note(1), utc=NOW - timedelta(days=20_000)))
    assert [entry.utc[:4] for entry in read(path)] == ["2026", "1972"]
    assert verify(path, head) == []


def test_what_a_stranger_says_stays_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    rude = replace(note(0), who='me\n{"n":2}\x1b[2J"' + "é" * 200, text="x" * 5000, model="\0")
    head = append(path, Head(), rude)
    assert len(path.read_bytes().splitlines()) == 1
    assert b"\x1b" not in path.read_bytes()
    assert verify(path, head) == []
    assert len(read(path)[0].text) == audit.MAX_TEXT


@CALM
@given(at=st.integers(0), change=st.integers(1, 255))
def test_any_byte_changed_is_found(
    whole: tuple[bytes, Head], tmp_path: Path, at: int, change: int
) -> None:
    data, head = whole
    changed = bytearray(data)
    changed[at % (len(data) - 1)] ^= change  # the last byte ends the last line, and says nothing
    path = tmp_path / "audit.log"
    path.write_bytes(bytes(changed))
    assert verify(path, head)


@CALM
@given(end=st.integers(0))
def test_any_cut_of_the_end_is_found(whole: tuple[bytes, Head], tmp_path: Path, end: int) -> None:
    data, head = whole
    path = tmp_path / "audit.log"
    path.write_bytes(data[: end % (len(data) - 1)])
    assert any("cut off" in finding for finding in verify(path, head))


LINES = st.one_of(
    st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")),
    st.integers(0, ENTRIES - 1),  # one of its own, again
)


@CALM
@given(at=st.integers(0, ENTRIES), line=LINES)
@example(at=ENTRIES, line=b"")
def test_any_line_inserted_is_found(
    whole: tuple[bytes, Head], tmp_path: Path, at: int, line: bytes | int
) -> None:
    data, head = whole
    assume(at < ENTRIES or line == b"" or isinstance(line, int) or line.strip(b"\0"))  # a power cut
    lines = data.splitlines(keepends=True)
    lines.insert(at, lines[line] if isinstance(line, int) else line + b"\n")
    path = tmp_path / "audit.log"
    path.write_bytes(b"".join(lines))
    assert verify(path, head)


@CALM
@given(order=st.permutations(range(ENTRIES)), kept=st.integers(0, ENTRIES))
def test_any_line_removed_or_moved_is_found(
    whole: tuple[bytes, Head], tmp_path: Path, order: list[int], kept: int
) -> None:
    data, head = whole
    lines = data.splitlines(keepends=True)
    chosen = order[:kept]
    path = tmp_path / "audit.log"
    path.write_bytes(b"".join(lines[i] for i in chosen))
    assert bool(verify(path, head)) == (chosen != list(range(ENTRIES)))


def test_an_edit_with_its_hash_made_right_breaks_the_chain(
    whole: tuple[bytes, Head], tmp_path: Path
) -> None:
    data, head = whole
    path = tmp_path / "audit.log"
    path.write_bytes(data)
    lines = data.splitlines(keepends=True)
    forged = [replace(entry, who="nobody").hashed()[1] for entry in read(path)]
    path.write_bytes(b"".join([*lines[:2], forged[2], *lines[3:]]))
    assert verify(path, head) == ["entry 3 was changed or replaced: 4 does not follow it"]
    path.write_bytes(b"".join([*lines[:-1], forged[-1]]))
    assert verify(path, head) == ["entry 6 is not the one this device wrote"]


def test_what_was_found_stays_found_when_the_log_goes_on(
    whole: tuple[bytes, Head], tmp_path: Path
) -> None:
    data, head = whole
    lines = data.splitlines(keepends=True)
    for tampered in (
        b"".join(lines[:3]),
        b"",
        data + b"hello\n",
        data.replace(b"rhythm-2", b"rhythm-9"),
        data[:-30],
    ):
        path = tmp_path / "audit.log"
        path.write_bytes(tampered)
        assert verify(path, head)
        later = append(path, append(path, head, note(7)), note(8))
        assert later.n == ENTRIES + 2
        assert verify(path, later)


@pytest.mark.parametrize("zeros", [0, 50], ids=["short", "zeros"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_half_line_is_no_edit(tmp_path: Path, zeros: int, times: int) -> None:
    path = tmp_path / "audit.log"
    head = fill(path, 2)
    whole = path.read_bytes()
    append(path, head, note(3))
    line = path.read_bytes()[len(whole) :]
    for cut in range(1, len(line) - 1, 7):
        path.write_bytes(whole)
        for _ in range(times):  # the power goes again at the same entry
            before = path.read_bytes()
            start = b"" if before.endswith(b"\n") else b"\n"
            path.write_bytes(before + start + line[:cut] + bytes(zeros))
            assert verify(path, head) == []
        after = append(path, head, note(4))
        assert after.n == 3
        assert verify(path, after) == []
        assert read(path)[-1].torn
    path.write_bytes(path.read_bytes().replace(line[:cut], line[: cut - 1]))
    assert verify(path, after) == ["line 3 was changed, or is no entry of the log"]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[-1]]))
    assert verify(path, after) == ["the half line before line 3 was removed"]


def test_a_line_without_its_end_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    head = fill(path, 2)
    path.write_bytes(path.read_bytes()[:-1])
    assert verify(path, head) == []
    after = append(path, head, note(3))
    assert verify(path, after) == []
    assert len(read(path)) == 3


def test_entries_the_state_does_not_know_of_are_in_order_when_they_follow(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    heads = [append(path, Head(), note(0, What.INSTALL))]
    for i in (1, 2):
        heads.append(append(path, heads[-1], note(i, What.INSTALL)))
    assert verify(path, heads[0]) == []
    last = unnoted(path, heads[0])
    assert last is not None
    assert last.n == 3
    assert unnoted(path, heads[2]) is None
    assert append(path, heads[0], note(3)).n == 4
    assert unnoted(path, Head(2, "of another log")) is None


def test_a_log_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "audit.log").symlink_to("/etc/passwd")
    assert verify(tmp_path / "audit.log", Head()) == [
        "audit.log cannot be read (Too many levels of symbolic links)"
    ]


def test_one_missing_entry_is_one(tmp_path: Path) -> None:
    assert audit.verify(tmp_path / "absent.log", Head(1, "ab")) == [
        "the end was cut off: entry 1 is missing"
    ]
