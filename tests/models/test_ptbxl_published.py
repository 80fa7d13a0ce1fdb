"""PTB-XL as published, written here in little: the same data set as its packed form."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import signal

pytest.importorskip("h5py", reason="h5py is not installed")

from models.data import ptbxl
from models.data.dataset import LEADS8, DataError
from tests.models.data_folders import ecg_uv, write_csv, write_packed, write_published

CODES = [
    {"NORM": 100.0, "SR": 0.0},  # likelihood 0 is "unknown", and counts
    {"IMI": 50.0, "SBRAD": 0.0, "SARRH": 0.0},
    {"AFIB": 0.0, "LVH": 35.0},
    {"STACH": 0.0},
    {"AFLT": 0.0, "SR": 0.0},  # two groups that contradict each other: no label
    {"PACE": 0.0},
]
GROUPS = ["SR", "SB", "AFIB", "GSVT", "", ""]


def records(rate_hz: int = 100) -> list[dict[str, Any]]:
    """Twelve records of folds 1..10, 9 and 9; the tenth is fold 10's."""
    return [
        {
            "ecg_id": i + 1,
            "patient_id": 100 + i,
            "age": 300 if i == 0 else 20 + i,
            "sex": "FM"[i % 2],
            "codes": CODES[i % 6],
            "fold": min(i + 1, 10) if i < 10 else 9,
            "uv": ecg_uv(i, 10 * rate_hz),
        }
        for i in range(12)
    ]


def pack(folder: Path, of: list[dict[str, Any]]) -> None:
    steps = np.stack([record["uv"].T // 5 for record in of]).astype(np.int16)
    write_packed(folder, "ptbxl_100hz", steps, 5.0, 100, LEADS8)
    write_csv(
        folder / "ptbxl_100hz.csv",
        [
            {
                "source_dataset": record.get("source", "PTB-XL"),
                "record_id": f"PTBXL_{record['ecg_id']:05d}",
                "age": f"{record['age']}.0",
                "sex": record["sex"],
                "labels": "|".join(record["codes"]),
                "mate4": GROUPS[i % 6],
                "patient_id": record["patient_id"],
                "strat_fold": record["fold"],
            }
            for i, record in enumerate(of)
        ],
    )


def test_published_and_packed_forms_are_the_same_data_set(tmp_path: Path) -> None:
    write_published(tmp_path / "published", records(), 100)
    (tmp_path / "packed").mkdir()
    pack(tmp_path / "packed", records())
    a, b = ptbxl.load(tmp_path / "published"), ptbxl.load(tmp_path / "packed")
    assert len(a) == len(b) == 11
    for row in range(len(a)):
        np.testing.assert_allclose(a.mv(row), b.mv(row), atol=1e-12)
    for name in ("mate4", "superclasses", "statements", "fold"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for field in dataclasses.fields(a.meta):
        if field.name not in ("site", "device"):  # the packed form does not hold them
            np.testing.assert_array_equal(getattr(a.meta, field.name), getattr(b.meta, field.name))
    assert a.mate4.sum() == 7  # of 11: two contradict, two are paced
    assert a.meta.age[0] == 90  # 300 stands for 90 and over
    assert a.meta.sex.tolist()[:2] == ["F", "M"]
    assert set(a.meta.site) == {"2"}
    assert set(a.meta.device) == {"CS-12   E"}


def test_records500_serve_where_there_are_no_records100(tmp_path: Path) -> None:
    of = records(500)
    t = np.arange(5000) / 500
    for record in of:
        record["uv"] = np.rint(1000 * np.sin(2 * np.pi * 5 * t))[:, None] * np.ones(8)
    write_published(tmp_path, of, 500)
    data = ptbxl.load(tmp_path)
    expected = signal.resample_poly(of[0]["uv"], 1, 5, axis=0) / 1000
    np.testing.assert_allclose(data.mv(0), expected, atol=0.0006)
    np.testing.assert_allclose(
        data.mv(0)[100:-100, 0], np.sin(np.pi * np.arange(100, 900) / 10), atol=0.01
    )


def test_fold_10_is_not_even_opened(tmp_path: Path) -> None:
    write_published(tmp_path, records(), 100)
    for file in (tmp_path / "records100/00000").glob("00010_lr.*"):
        file.unlink()
    assert "PTBXL_00010" not in ptbxl.load(tmp_path).record_ids


def test_the_digest_follows_signals_and_labels(tmp_path: Path) -> None:
    of = records()
    write_published(tmp_path, of, 100)
    first = ptbxl.load(tmp_path).digest
    assert ptbxl.load(tmp_path).digest == first
    of[0]["uv"][500, 3] += 1
    write_published(tmp_path, of, 100)
    signals = ptbxl.load(tmp_path).digest
    of[0]["age"] = 44
    write_published(tmp_path, of, 100)
    ages = ptbxl.load(tmp_path).digest
    with (tmp_path / "scp_statements.csv").open("a") as file:
        file.write("\n")
    assert len({first, signals, ages, ptbxl.load(tmp_path).digest}) == 4


def test_only_ptb_xl_and_only_its_folds_1_to_9_can_be_a_training_set(tmp_path: Path) -> None:
    of = records()
    of[4]["source"] = "Georgia G12EC"
    pack(tmp_path, of)
    with pytest.raises(DataError, match="Georgia G12EC is for evaluation; train on PTB-XL only"):
        ptbxl.load(tmp_path)
    pack(tmp_path, records())
    data = ptbxl.load(tmp_path)
    with pytest.raises(DataError, match="fold 10 must not be loaded"):
        dataclasses.replace(data, fold=data.fold + 1)


def test_a_patient_in_two_splits_is_refused(tmp_path: Path) -> None:
    of = records()
    of[8]["patient_id"] = of[2]["patient_id"]  # folds 9 and 3
    write_published(tmp_path, of, 100)
    with pytest.raises(DataError, match=r"patient 102 is in a training fold and in fold 9"):
        ptbxl.load(tmp_path)
    (tmp_path / "packed").mkdir()
    pack(tmp_path / "packed", of)
    with pytest.raises(DataError, match="patient 102"):
        ptbxl.load(tmp_path / "packed")


BAD_TEXT = [
    ("records100/00000/00003_lr.hea", "12 100 1000", "12 250 1000", "1000 samples at 250 Hz, not"),
    ("ptbxl_database.csv", "scp_codes", "codes", "has no column scp_codes"),
    ("ptbxl_database.csv", "'IMI'", "'GREMLINS'", "PTBXL_00002: SCP code GREMLINS is not in"),
    ("ptbxl_database.csv", "'IMI': 50.0,", "IMI", "record 2: scp_codes is no"),
    ("ptbxl_database.csv", "23.0", "young", "PTBXL_00004: age 'young' is no number"),
    ("ptbxl_database.csv", "lr\n", "lr\n,,,,,,,,\n", "strat_fold '' is not 1 to 10"),
    ("scp_statements.csv", "IMI,MI", "IMI,HYP", "differs in IMI"),
]


@pytest.mark.parametrize(("file", "right", "wrong", "message"), BAD_TEXT)
def test_bad_tables_are_refused_in_one_line(
    tmp_path: Path, file: str, right: str, wrong: str, message: str
) -> None:
    write_published(tmp_path, records(), 100)
    text = (tmp_path / file).read_text()
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong))
    with pytest.raises(DataError, match=message) as error:
        ptbxl.load(tmp_path)
    assert "\n" not in str(error.value)


def test_bad_signals_are_refused_in_one_line(tmp_path: Path) -> None:
    of = records()
    of[4]["uv"][500, 2] = -32768  # WFDB's "no sample"
    write_published(tmp_path, of, 100)
    with pytest.raises(DataError, match=r"00005_lr: lead V1 has 1 missing samples .*5.000 s"):
        ptbxl.load(tmp_path)
    data = tmp_path / "records100/00000/00003_lr.dat"
    whole = data.read_bytes()
    data.write_bytes(whole[:-24])
    with pytest.raises(DataError, match="truncated, 999 of 1000"):
        ptbxl.load(tmp_path)
    data.write_bytes(whole[:100] + b"?" + whole[101:])
    with pytest.raises(DataError, match="checksum"):
        ptbxl.load(tmp_path)
    data.unlink()
    with pytest.raises(DataError, match=r"00003_lr\.dat cannot be read"):
        ptbxl.load(tmp_path)
    (tmp_path / "records100").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="neither records100 nor records500"):
        ptbxl.load(tmp_path)
