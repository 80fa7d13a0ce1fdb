"""Sealed records: the card says nothing of the patient, the key gives everything back."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from typer.testing import CliRunner

from device.config_sections import RecordsSection
from device.flash import files
from device.patient import Patient
from device.records import sealed
from device.records.interface import Why
from device.records.keeper import Keeper
from device.records.reading import fault
from device.records.sealed import HEAD, look, read_head, read_preamble
from device.records.segment import FRAME, ORDER
from device.records.wfdb import samples_as_bytes
from firmware.events import Beat
from hal.errors import RecordingError
from tests.device.powercut import snapshot as all_files
from tests.device.records_kit import (
    HOSPITAL,
    SEALED,
    SECTION,
    alarm,
    call,
    cut,
    digital,
    feed,
    keeper,
    records,
    samples,
    whole,
)
from tools import own_record
from tools.records_cli import app
from tools.unsealing import Unsealed, open_sealed, unseal

SIGNAL = samples(7000, seed=3)
WHO = Patient("4711", "Doe, Jane", "1954-02-28", "F")


def play(folder: Path, section: RecordsSection) -> Keeper:
    """Three segments and three snapshots, of a patient who has a name."""
    keep = keeper(folder, section, segment_samples=3000)
    keep.set_patient(WHO)
    for end in range(50, len(SIGNAL) + 1, 50):
        keep.block(cut(SIGNAL, end - 50, end))
        if end % 400 == 0:
            keep.event(Beat(end - 120))
        if end % 500 == 0:
            keep.event(call(end - 1))
        if end == 1500:
            keep.event(alarm(end - 1))
            keep.snapshot(Why.ALARM, end)
        if end in (2000, 4000):
            keep.snapshot(Why.BUTTON if end == 2000 else Why.CALL, end)
    return keep


def opened(folder: Path, out: Path) -> list[Unsealed]:
    return list(unseal(folder, HOSPITAL, out))


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sealed, closed."""
    folder = tmp_path_factory.mktemp("card")
    play(folder, SEALED).close()
    return folder


def test_unsealed_it_is_byte_for_byte_what_an_unsealed_run_writes(
    card: Path, tmp_path: Path
) -> None:
    play(tmp_path / "plain", SECTION).close()
    assert [(one.note, one.damaged) for one in opened(card, tmp_path / "out")] == [("", False)] * 6
    plain = all_files(tmp_path / "plain")
    assert len(plain) == 18
    assert all_files(tmp_path / "out") == plain
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*.*")}
    assert modes == {0o600}


def test_a_record_that_grows_is_unsealed_as_the_next_start_would_end_it(tmp_path: Path) -> None:
    play(tmp_path / "sealed", SEALED)
    play(tmp_path / "plain", SECTION)._lock.close()  # the kernel does it
    feed(again := keeper(tmp_path / "plain", boot="boot-2"), samples(10))
    again.flush()
    found = opened(tmp_path / "sealed", tmp_path / "out")
    assert [one.note.partition(":")[0] for one in found if one.note] == [
        "the device did not close it"
    ]
    left = all_files(tmp_path / "out")
    assert left.items() <= all_files(tmp_path / "plain").items()
    assert len(left) == 18


def test_the_card_says_nothing_of_the_patient(card: Path) -> None:
    assert {path.suffix for path in card.rglob("*") if path.is_file()} == {".sealed"}
    names = " ".join(path.name for path in card.rglob("*"))
    assert not any(why in names for why in Why)
    signal = samples_as_bytes(SIGNAL.counts[500:501, ORDER], 24)
    for data in all_files(card).values():
        for words in (b"Doe, Jane", b"1954-02-28", b"ATRIAL FIB", b"ASYSTOLE", b"ads1298", signal):
            assert words not in data
    assert max(path.stat().st_mode & 0o777 for path in card.rglob("*.sealed")) == 0o600


def test_lengths_do_not_tell_how_often_the_heart_beats(tmp_path: Path) -> None:
    sizes = set()
    for beats in (2, 20):
        keep = keeper(tmp_path / str(beats), SEALED)
        for end in range(100, 1501, 100):
            keep.block(cut(SIGNAL, end - 100, end))
            for beat in range(beats):
                keep.event(Beat(end - 100 + beat))
        keep.close()
        (path,) = (tmp_path / str(beats)).rglob("*.sealed")
        sizes.add(path.stat().st_size)
    assert len(sizes) == 1


def test_no_two_files_have_a_key_and_no_two_frames_a_nonce_in_common(card: Path) -> None:
    preambles = set()
    for path in card.rglob("*.sealed"):
        with path.open("rb") as stream:
            preambles.add(read_preamble(stream, path)[1])
        numbers = [head.number for head in heads(path)]
        assert numbers == sorted(set(numbers))
    assert len(preambles) == 6


def heads(path: Path) -> list[sealed.Head]:
    return [head for head, _, _ in frames(path)]


def frames(path: Path) -> list[tuple[sealed.Head, int, int]]:
    """Each with where it begins and ends."""
    found = []
    with path.open("rb") as stream:
        read_preamble(stream, path)
        while True:
            at = stream.tell()
            if (head := read_head(stream)) is None:
                return found
            end = at + HEAD.size + head.length
            found.append((head, at, end))
            stream.seek(end)


class Failing:
    """``files.overwrite`` of which some calls write a part and fail."""

    def __init__(self, *fail: int) -> None:
        self._fail, self._calls, self._real = fail, itertools.count(), files.overwrite

    def __call__(self, path: Path, data: bytes, offset: int) -> None:
        if next(self._calls) in self._fail:
            self._real(path, data[: len(data) // 3], offset)
            raise OSError(errno.EIO, "Input/output error", str(path))
        self._real(path, data, offset)


def test_a_write_that_failed_uses_its_nonce_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "overwrite", Failing(1, 2, 6))  # 2: the end of what failed at 1
    used: list[int] = []
    real = sealed.nonce
    monkeypatch.setattr(sealed, "nonce", lambda number: used.append(number) or real(number))
    keep = keeper(tmp_path / "card", SEALED)
    signal = samples(12000, seed=4)
    feed(keep, signal)
    assert keep.failure == ""
    keep.close()
    monkeypatch.undo()
    of_files = [list(group) for group in split_at_zero(used)]
    assert len(of_files) == 3
    assert all(numbers == list(range(len(numbers))) for numbers in of_files)
    assert [one.note for one in opened(tmp_path / "card", tmp_path / "out")] == [""] * 3
    found, _ = whole(tmp_path / "out")
    np.testing.assert_array_equal(found, signal.counts[:, ORDER])


def test_what_a_long_write_that_failed_has_left_is_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = samples(25_000, seed=6)
    keep = keeper(tmp_path / "card", SEALED)
    feed(keep, signal, 0, 1000)
    monkeypatch.setattr(files, "overwrite", Failing(1))  # the part is longer than the last frame
    keep.block(cut(signal, 1000, 21_000))
    feed(keep, signal, 21_000, 25_000)
    keep.close()
    assert [one.note for one in opened(tmp_path / "card", tmp_path / "out")] == [""] * 2
    found, _ = whole(tmp_path / "out")
    np.testing.assert_array_equal(found, signal.counts[:, ORDER])


def split_at_zero(numbers: list[int]) -> Iterator[list[int]]:
    starts = [i for i, number in enumerate(numbers) if number == 0]
    for low, high in itertools.pairwise([*starts, len(numbers)]):
        yield numbers[low:high]


def test_a_monitor_that_was_killed_goes_on_and_no_sample_is_there_twice(tmp_path: Path) -> None:
    before = keeper(tmp_path / "card", SEALED)
    feed(before, SIGNAL, 0, 3000)
    on_disk = max(look(path).samples for path in tmp_path.rglob("*.sealed"))
    assert on_disk >= 2600
    before._lock.close()  # the kernel does it
    again = keeper(tmp_path / "card", SEALED)
    feed(again, SIGNAL, 1000, 7000)
    again.close()
    opened(tmp_path / "card", tmp_path / "out")
    found, begins = whole(tmp_path / "out")
    assert begins == [0, on_disk]
    np.testing.assert_array_equal(found, SIGNAL.counts[:, ORDER])


def test_the_oldest_go_first_sealed_or_not(tmp_path: Path) -> None:
    section = RecordsSection(
        min_free_mb=0, continuous_hours=3000 * FRAME / (3600 * 500 * FRAME), snapshots=2
    )
    for boot, seal_to in (("a", ""), ("b", SEALED.seal_to)):
        how = RecordsSection(section.folder, section.continuous_hours, 2, 0, seal_to)
        keep = keeper(tmp_path, how, boot=boot, segment_samples=1000)
        for at in range(0, 5000, 50):
            keep.block(cut(SIGNAL, at, at + 50))
            if at in (1000, 2000, 3000):
                keep.snapshot(Why.CALL if at == 2000 else Why.BUTTON, at)
        keep.close()
    kept = sorted(path.name for path in (tmp_path / "continuous").iterdir())
    assert {name.split(".")[-1] for name in kept} == {"sealed"}
    assert 2 <= len(kept) <= 4
    taken = sorted(path.stem for path in (tmp_path / "snapshots").iterdir())
    assert len(taken) == 2
    assert all(name.endswith("_asked") for name in taken)


# Damage


def segment_of(card: Path) -> Path:
    return min((card / "continuous").glob("*.sealed"), key=lambda path: path.name)


def given_out(data: bytes, tmp_path: Path) -> tuple[Unsealed, int]:
    """What became of it, and how many samples were given out; those are the right ones."""
    source = tmp_path / "one.sealed"
    source.write_bytes(data)
    out = tmp_path / "out"
    (one,) = opened(source, out)
    if one.record is None:
        return one, 0
    found = digital(one.record).d_signal
    np.testing.assert_array_equal(found, SIGNAL.counts[: len(found), ORDER])
    if one.note and not one.note.endswith("follow its end"):
        assert fault(one.record.with_suffix(".hea")) == ""
    for path in out.iterdir():
        path.unlink()
    return one, len(found)


def test_a_bit_that_flips_anywhere_is_told_and_what_is_before_it_is_given_out(
    card: Path, tmp_path: Path
) -> None:
    path = segment_of(card)
    data, found = path.read_bytes(), frames(path)
    begin, last = found[0][1], found[-1]
    head_bytes = {at + i for _, at, _ in found[:3] for i in range(HEAD.size)}
    places = {*range(0, begin, 3), *head_bytes, *range(begin, len(data), 4999), len(data) - 1}
    for place in sorted(places):
        bad = bytearray(data)
        bad[place] ^= 1 << place % 8
        one, n = given_out(bytes(bad), tmp_path)
        assert one.note, f"byte {place}"
        before = [head.samples for head, _, end in found if end <= place]
        assert n == (before[-1] if before else 0), f"byte {place}"
        another_key = place < begin and "sealed to the key" in one.note  # as far as is known
        assert one.damaged or another_key, f"byte {place}: {one.note}"
    assert last[2] == len(data)


@pytest.mark.parametrize("bit", range(32))
def test_a_length_that_was_changed_is_no_power_cut(bit: int, card: Path, tmp_path: Path) -> None:
    path = segment_of(card)
    bad, found = bytearray(path.read_bytes()), frames(path)
    bad[found[1][1] + bit // 8] ^= 1 << bit % 8
    one, n = given_out(bytes(bad), tmp_path)
    assert (n, one.damaged) == (found[0][0].samples, True)
    assert f"damaged at byte {found[1][1]} of {len(bad)}" in one.note


def test_zeros_at_the_end_do_not_hide_a_change_before_it(card: Path, tmp_path: Path) -> None:
    path = segment_of(card)
    bad, found = bytearray(path.read_bytes()), frames(path)
    bad[found[1][1] + 100] ^= 1
    bad[-16:] = bytes(16)
    one, n = given_out(bytes(bad), tmp_path)
    assert (n, one.damaged) == (found[0][0].samples, True)


def test_one_that_cannot_be_opened_does_not_keep_the_others_closed(
    card: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "0.sealed")
    (tmp_path / "1.sealed").mkdir()
    (tmp_path / "2.sealed").write_bytes(segment_of(card).read_bytes())
    found = opened(tmp_path, tmp_path / "out")
    said = "it cannot be read (not a plain file)"
    assert [(one.note, one.damaged) for one in found] == [(said, True), (said, True), ("", False)]


def _swapped(data: bytes, found: list[tuple[int, int]]) -> bytes:
    (a, b), (c, d) = found[1], found[2]
    return data[:a] + data[c:d] + data[a:b] + data[d:]


def _left_out(data: bytes, found: list[tuple[int, int]]) -> bytes:
    return data[: found[1][0]] + data[found[2][0] :]


def _twice(data: bytes, found: list[tuple[int, int]]) -> bytes:
    return data[: found[1][1]] + data[found[1][0] :]


@pytest.mark.parametrize("change", [_swapped, _left_out, _twice])
def test_frames_stay_in_their_order(
    change: Callable[..., bytes], card: Path, tmp_path: Path
) -> None:
    path = segment_of(card)
    found = [(at, end) for _, at, end in frames(path)]
    one, n = given_out(change(path.read_bytes(), found), tmp_path)
    assert one.damaged
    assert "damaged at byte" in one.note
    assert n == heads(path)[1 if change is _twice else 0].samples


def test_frames_of_another_file_are_refused(card: Path, tmp_path: Path) -> None:
    path, other = sorted((card / "continuous").glob("*.sealed"))[:2]
    (head, at, end), (_, from_, to) = frames(path)[1], frames(other)[1]
    data = path.read_bytes()
    one, n = given_out(data[:at] + other.read_bytes()[from_:to] + data[end:], tmp_path)
    assert one.damaged
    assert n == heads(path)[0].samples < head.samples


def test_what_ends_early_is_readable_and_never_taken_for_whole(card: Path, tmp_path: Path) -> None:
    path = segment_of(card)
    data, found = path.read_bytes(), frames(path)
    for head, _, end in found[:-1]:
        for extra in (0, 1, 9, 5000):
            one, n = given_out(data[: end + extra], tmp_path)
            assert "the device did not close it" in one.note
            assert (n, one.damaged) == (head.samples, False)
            (tmp_path / "one.sealed").write_bytes(data[: end + extra])
            assert look(tmp_path / "one.sealed").samples == head.samples
            assert not look(tmp_path / "one.sealed").closed


def test_bytes_behind_the_end_are_told(card: Path, tmp_path: Path) -> None:
    one, n = given_out(segment_of(card).read_bytes() + b"more", tmp_path)
    assert (one.note, one.damaged) == ("4 bytes follow its end", True)
    assert n == 3000


def test_another_key_and_what_is_no_sealed_record(card: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"sealed to the key [0-9a-f]{16}, this one is"):
        open_sealed(segment_of(card), X25519PrivateKey.generate())
    others = [*unseal(card, X25519PrivateKey.generate(), tmp_path / "nobody's")]
    assert others
    assert not any(one.record or one.damaged for one in others)
    for data in (b"", b"lead12 sealed 1\n", b"lead12 sealed 1\n\xff\xff{}", bytes(300)):
        (tmp_path / "x.sealed").write_bytes(data)
        (one,) = opened(tmp_path, tmp_path / "out")
        assert one.damaged
        assert "is not a sealed record" in one.note


def test_a_name_inside_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    """Anybody has the public key, so anybody can seal."""
    to = HOSPITAL.public_key().public_bytes_raw()
    evil = sealed.SealedFiles(tmp_path / "20261121T112312Z_000001", to, {})
    evil.begin(b"", b"", b"../../evil 8 500\n", 0, last=True)
    (one,) = opened(tmp_path, tmp_path / "out")
    assert one.record is None
    assert "not of this instrument" in one.note


# The command


def run(*arguments: object) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output.splitlines()


def test_from_a_new_key_to_wfdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAD12_PASSPHRASE", "correct horse")
    code, lines = run("key", "new", tmp_path / "keys")
    assert code == 0
    assert (tmp_path / "keys" / "records.key").stat().st_mode & 0o777 == 0o600
    seal_to = lines[-1].split('"')[1]
    play(tmp_path / "card", RecordsSection(min_free_mb=0, seal_to=seal_to)).close()
    code, lines = run("list", tmp_path / "card")
    assert code == 0
    assert lines[0].startswith("2026-11-21T11:23:12Z          6.0 s  continuous")
    assert all("[sealed]" in line for line in lines)
    assert {line.split()[3] for line in lines} == {"continuous", "snapshot", "asked"}
    code, lines = run("check", tmp_path / "card")
    assert (code, lines) == (
        0, ["6 records, 0 damaged, 6 sealed: lead12 records unseal checks them"],
    )  # fmt: skip
    key = ("--key", tmp_path / "keys" / "records.key", "-o", tmp_path / "out")
    code, lines = run("unseal", tmp_path / "card", *key)
    assert (code, lines) == (0, [f"6 records in {tmp_path / 'out'}, 0 damaged"])
    code, lines = run("check", tmp_path / "out")
    assert (code, lines) == (0, ["6 records, 0 damaged"])
    code, lines = run("unseal", tmp_path / "card", *key)
    assert code == 1
    assert "is there already; name an empty folder" in lines[0]
    assert lines[-1] == f"0 records in {tmp_path / 'out'}, 0 damaged, 6 not written"


def test_a_sealed_record_is_not_classified(card: Path) -> None:
    path = segment_of(card)
    for name in (path, path.with_suffix(""), path.with_suffix(".hea")):
        with pytest.raises(RecordingError, match="is sealed; lead12 records unseal first"):
            own_record.read(name)


def test_nothing_there_to_unseal(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no sealed records"):
        opened(tmp_path, tmp_path / "out")
    assert records(tmp_path) == []
