"""The annotation and sample formats against the wfdb package's own reader, and torn files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import wfdb as package
from hypothesis import given, settings
from hypothesis import strategies as st

from device.records import wfdb
from device.records.wfdb import BEAT, END, NOTE, Mark

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=255)
MARKS = st.lists(
    st.one_of(
        st.builds(Mark, st.integers(1, 10**8)),
        st.builds(Mark, st.integers(1, 10**8), st.just(NOTE), TEXT),
    ),
    min_size=1,
    max_size=12,
)


@given(MARKS)
def test_marks_come_back_in_any_order(marks: list[Mark]) -> None:
    assert wfdb.read_annotations(wfdb.annotation_bytes(marks) + END) == marks


@given(MARKS)
@settings(max_examples=15, deadline=None)
def test_the_package_reads_the_same(marks: list[Mark]) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "a.atr").write_bytes(wfdb.annotation_bytes(marks) + END)
        found = package.rdann(f"{folder}/a", "atr")
    assert found.sample.tolist() == [mark.sample for mark in marks]
    assert found.symbol == [mark.symbol for mark in marks]
    assert found.aux_note == [mark.text for mark in marks]


@given(MARKS, MARKS)
def test_a_file_may_be_added_to(before: list[Mark], after: list[Mark]) -> None:
    data = wfdb.annotation_bytes(before) + wfdb.annotation_bytes(after, before[-1].sample)
    assert wfdb.read_annotations(data + END) == before + after


@given(MARKS, st.data())
def test_of_a_torn_file_the_marks_before_the_tear_are_read(
    marks: list[Mark], data: st.DataObject
) -> None:
    whole = wfdb.annotation_bytes(marks)
    at = data.draw(st.integers(0, len(whole)))
    zeros = data.draw(st.integers(0, 300))
    found = wfdb.read_annotations(whole[:at] + bytes(zeros))
    sure = [n for n in range(len(marks) + 1) if len(wfdb.annotation_bytes(marks[:n])) <= at][-1]
    assert found[:sure] == marks[:sure]
    assert len(found) <= sure + 1


def test_a_long_text_is_cut_and_a_foreign_letter_replaced() -> None:
    marks = [Mark(5, NOTE, "é" + "x" * 400), Mark(9, BEAT)]
    found = wfdb.read_annotations(wfdb.annotation_bytes(marks) + END)
    assert found == [Mark(5, NOTE, "?" + "x" * 254), Mark(9, BEAT)]


@given(st.lists(st.integers(-(1 << 23), (1 << 23) - 1), min_size=8, max_size=64), st.binary())
def test_samples_come_back_and_a_torn_frame_does_not(values: list[int], torn: bytes) -> None:
    adc = np.array(values[: len(values) // 8 * 8], np.int32).reshape(-1, 8)
    found = wfdb.samples_from_bytes(wfdb.samples_as_bytes(adc, 24) + torn[:23], 8)
    np.testing.assert_array_equal(found, adc)
