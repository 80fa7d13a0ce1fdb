"""The label table against our own label lists and against the groups of the real sets."""

from __future__ import annotations

import csv
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest

from models.data.dataset import DataError, read_table
from models.data.label_table import SYSTEMS, meaning, one_group
from models.data.labels import CNN_TE, MATE4, STATEMENTS, SUPERCLASS_OF, SUPERCLASSES

ROWS = list(
    csv.DictReader(
        resources.files("models.data").joinpath("label_table.csv").read_text("utf-8").splitlines()
    )
)


def test_every_label_is_one_of_ours_and_every_row_has_a_source() -> None:
    assert Counter((row["system"], row["code"]) for row in ROWS).most_common(1)[0][1] == 1
    assert {row["system"] for row in ROWS} == set(SYSTEMS)
    for row in ROWS:
        assert row["statement"] in (*STATEMENTS, "")
        assert row["superclass"] in (*SUPERCLASSES, "")
        assert row["cnn_te"] in (*CNN_TE, "")
        assert row["mate4"] in (*MATE4, "")
        assert row["source"]


def test_a_row_with_a_statement_says_what_the_statement_says() -> None:
    """The same statement means the same superclass, CNN-TE label and group in every system."""
    cnn_te = {statement: label for label, under in CNN_TE.items() for statement in under}
    scp = {row["code"]: row for row in ROWS if row["system"] == "SCP"}
    assert list(scp) == list(STATEMENTS)
    for row in ROWS:
        if statement := row["statement"]:
            assert row["superclass"] == SUPERCLASS_OF.get(statement, ""), row
            assert row["cnn_te"] == cnn_te.get(statement, ""), row
            assert row["mate4"] == scp[statement]["mate4"], row


@pytest.mark.parametrize(
    ("system", "codes", "group"),
    [
        ("SNOMED-CT", ("164889003",), "AFIB"),
        ("SNOMED-CT", ("164890007",), "AFIB"),
        ("SNOMED-CT", ("713422000",), "GSVT"),  # atrial tachycardia
        ("SNOMED-CT", ("426177001", "427393009"), "SB"),  # with sinus arrhythmia: still slow
        ("SNOMED-CT", ("426783006", "164889003"), ""),
        ("SNOMED-CT", ("426177001", "427084000"), ""),
        ("SNOMED-CT", ("164896001",), ""),  # ventricular fibrillation is none of the four
        ("SNOMED-CT", ("59118001",), ""),
        ("SCP", ("SR", "PSVT"), "GSVT"),
        ("LUDB", ("atrial flutter, typical",), "AFIB"),
        ("Zheng 2020", ("SAAWR",), "GSVT"),
    ],
)
def test_one_rhythm_group_or_none(system: str, codes: tuple[str, ...], group: str) -> None:
    assert "".join(meaning("x", system, codes).mate4) == group


def test_three_groups_are_none() -> None:
    assert one_group({"SR", "SB", "GSVT"}) == frozenset()


def test_an_unknown_code_is_named() -> None:
    with pytest.raises(DataError, match="R7: SNOMED-CT code 12345 is not in"):
        meaning("R7", "SNOMED-CT", {"426783006", "12345"})


def test_groups_agree_with_those_of_the_real_ptb_xl(recordings: Path) -> None:
    rows = read_table(recordings / "ptbxl_100hz.csv", ("labels", "mate4"))
    differ = [
        row["record_id"]
        for row in rows
        if "".join(meaning(row["record_id"], "SCP", row["labels"].split("|")).mate4) != row["mate4"]
    ]
    print(f"mate4 from the label table differs from the set's own in {len(differ)} of {len(rows)}")
    assert not differ
