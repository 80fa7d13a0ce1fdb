"""CSV recordings: the documented format, its variants, and refusals that say how to write it."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import RecordingError
from hal.patient.record import INDEPENDENT_LEADS
from hal.patient.recording import read_recording

MV = np.round(np.random.default_rng(3).normal(0, 0.5, (1000, 8)), 3)


def table(
    values: np.ndarray = MV,
    *,
    columns: tuple[str, ...] = tuple(f"{lead}_mV" for lead in INDEPENDENT_LEADS),
    head: str = "# rate_hz=500\n",
    separator: str = ",",
) -> str:
    rows = [separator.join(f"{value:g}" for value in row) for row in values]
    return head + separator.join(columns) + "\n" + "\n".join(rows) + "\n"


def read(tmp_path, text: str):
    (tmp_path / "r.csv").write_text(text)
    return read_recording(tmp_path / "r.csv")


def test_the_documented_format(tmp_path):
    record = read(tmp_path, table())
    assert (record.name, record.rate_hz) == ("r", 500.0)
    np.testing.assert_array_equal(record.mv, MV)
    np.testing.assert_array_equal(read_recording(tmp_path / "r").mv, MV)  # without the suffix


@pytest.mark.parametrize("unit", ["{}_uV", "{} (µV)", "{}[uV]", "{}/uV", '"{}_uv"'])
def test_microvolts_however_written(tmp_path, unit):
    columns = tuple(unit.format(lead) for lead in INDEPENDENT_LEADS)
    np.testing.assert_allclose(read(tmp_path, table(MV * 1000, columns=columns)).mv, MV)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(tmp_path, separator):
    np.testing.assert_array_equal(read(tmp_path, table(separator=separator)).mv, MV)


@pytest.mark.parametrize(
    ("name", "scale", "digits"), [("time_s", 1.0, 6), ("time_ms", 1e3, 3), ("t_s", 1.0, 3)]
)
@pytest.mark.parametrize("rate_hz", [360.0, 500.0])
def test_a_time_column_gives_the_rate(tmp_path, name, scale, digits, rate_hz):
    time = np.round(np.arange(1000) / rate_hz * scale, digits)
    columns = (name, *(f"{lead}_mV" for lead in INDEPENDENT_LEADS))
    rows = "\n".join(
        f"{t:.{digits}f}," + ",".join(f"{v:g}" for v in mv) for t, mv in zip(time, MV, strict=True)
    )
    record = read(tmp_path, ",".join(columns) + "\n" + rows)
    assert record.rate_hz == pytest.approx(rate_hz, rel=1e-3)
    np.testing.assert_array_equal(record.mv, MV)


def test_other_columns_are_ignored(tmp_path):
    values = np.column_stack([MV, MV[:, 0]])
    columns = (*(f"{lead}_mV" for lead in INDEPENDENT_LEADS), "pleth")
    np.testing.assert_array_equal(read(tmp_path, table(values, columns=columns)).mv, MV)


def with_cell(cell: str) -> str:
    lines = table().splitlines()
    lines[12] = lines[12].replace(lines[12].split(",")[2], cell, 1)
    return "\n".join(lines)


def timed(time: np.ndarray) -> str:
    columns = ("time_s", *(f"{lead}_mV" for lead in INDEPENDENT_LEADS))
    return table(np.column_stack([time, MV]), columns=columns, head="")


def gap(samples: int, at: int = 600) -> np.ndarray:
    time = np.arange(1000) / 500
    time[at:] += samples / 500
    return time


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table(head=""), "sampling rate unknown; write '# rate_hz=500'"),
        (table(head="# rate_hz=0\n"), "sampling rate 0 Hz"),
        (table(columns=INDEPENDENT_LEADS), "column 'I' has no unit; write"),
        (table(columns=tuple("abcdefgh")), "no lead among its columns; write"),
        (
            table(MV[:, :7], columns=tuple(f"{x}_mV" for x in INDEPENDENT_LEADS[:7])),
            "lead V6 missing",
        ),
        (table(columns=("I_mV", "i_mV", *(f"{x}_mV" for x in INDEPENDENT_LEADS[2:]))), "twice"),
        (with_cell("nan"), r"missing samples \(NaN\)"),
        (with_cell("?"), "sample 11 has '\\?' where a number belongs"),
        (with_cell(""), "sample 11 has '' where a number belongs"),
        (table(MV[:300]), r"lasts 0\.60 s"),
        (table(MV[:0]), "no samples; write"),
        ("", "no samples; write"),
        (table(np.ones((1000, 8))), "every lead is flat"),
        (table(MV[:, :5]), "8 columns named and 5 in the rows"),
        (timed(gap(50)), "does not advance evenly"),
        (timed(gap(1)), "does not advance evenly"),
        (timed(gap(1, at=500)), "does not advance evenly"),
        (timed(gap(1, at=990)), "does not advance evenly"),
        (timed(np.roll(np.arange(1000) / 500, 1)), "does not advance evenly"),
        (timed(np.full(1000, np.nan)), "does not advance evenly"),
        (timed(np.zeros(1000)), "does not advance evenly"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(RecordingError, match=message) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert caught.value.act


def test_no_such_file(tmp_path):
    with pytest.raises(RecordingError, match=r"x\.csv does not exist"):
        read_recording(tmp_path / "x.csv")


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 900), junk=st.text(max_size=6))
def test_junk_is_read_or_refused_but_never_crashes(tmp_path_factory, position, junk):
    text = table()
    path = tmp_path_factory.mktemp("csv") / "r.csv"
    path.write_text(text[:position] + junk + text[position + len(junk) :], encoding="utf-8")
    with contextlib.suppress(RecordingError):
        assert read_recording(path).mv.shape[1] == 8


def test_a_rate_and_a_time_column_must_agree(tmp_path):
    columns = ("time_s", *(f"{lead}_mV" for lead in INDEPENDENT_LEADS))
    timed = np.column_stack([np.arange(len(MV)) / 250, MV])
    with pytest.raises(RecordingError, match="rate_hz says 500, its time column 250 per second"):
        read(tmp_path, table(timed, columns=columns))
    agreed = read(tmp_path, table(timed, columns=columns, head="# rate_hz=250\n"))
    assert agreed.rate_hz == 250
