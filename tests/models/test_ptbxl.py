"""The packed set's reader, on a small set packed here."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from models.data import ptbxl
from models.data.labels import STATEMENTS, SUPERCLASS_OF

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

ROWS = [
    ("A", "NORM|SR", "SR", 1),
    ("B", "AFIB|IMI|LVH", "AFIB", 9),
    ("C", "NORM|SR", "SR", 10),
    ("D", "PACE", "", 8),
]


def pack(folder: Path, steps: np.ndarray, rows: list[tuple[str, str, str, int]] = ROWS) -> None:
    """``steps`` int16 [n, 8, 1000] and its label table, as ``load`` wants them."""
    with h5py.File(folder / "ptbxl_100hz.h5", "w") as file:
        file["X_delta"] = np.diff(steps, axis=2, prepend=np.int16(0))
        file.attrs.update(fs=100, lsb_uV=5.0, leads="I,II,V1,V2,V3,V4,V5,V6")
    with (folder / "ptbxl_100hz.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            [
                "record_id",
                "labels",
                "mate4",
                "strat_fold",
                "patient_id",
                "age",
                "sex",
                "source_dataset",
            ]
        )
        table.writerows((*row, f"patient of {row[0]}", 300, "F", "PTB-XL") for row in rows)


@pytest.fixture
def steps() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(-(1 << 15), 1 << 15, (4, 8, 1000)).astype(np.int16)


def test_signals_and_labels_come_back_without_fold_10(tmp_path: Path, steps: np.ndarray) -> None:
    pack(tmp_path, steps)
    data = ptbxl.load(tmp_path)
    assert data.record_ids == ("A", "B", "D")
    assert data.fold.tolist() == [1, 9, 8]
    np.testing.assert_array_equal(data.steps, steps[[0, 1, 3]])  # also where differences wrapped
    np.testing.assert_allclose(data.mv(1), steps[1].T * 0.005)
    assert data.mate4.tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert data.superclasses.tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert [s for s, has in zip(STATEMENTS, data.statements[1], strict=True) if has] == [
        "IMI",
        "LVH",
        "AFIB",
    ]


def test_ptbxl_has_71_statements_44_of_them_diagnostic() -> None:
    assert len(set(STATEMENTS)) == len(STATEMENTS) == 71
    assert len(SUPERCLASS_OF) == 44


def test_bad_folders_are_refused_in_one_line(tmp_path: Path, steps: np.ndarray) -> None:
    with pytest.raises(ptbxl.DataError, match=r"ptbxl_database.csv is missing; docs/data.md"):
        ptbxl.load(tmp_path)
    pack(tmp_path, steps, ROWS[:3])
    with pytest.raises(ptbxl.DataError, match="3 rows"):
        ptbxl.load(tmp_path)
    pack(tmp_path, steps, [*ROWS[:3], ("D", "GREMLINS", "", 8)])
    with pytest.raises(ptbxl.DataError, match="GREMLINS"):
        ptbxl.load(tmp_path)
    with h5py.File(tmp_path / "ptbxl_100hz.h5", "a") as file:
        file.attrs["fs"] = 500
    with pytest.raises(ptbxl.DataError, match="at 500 Hz"):
        ptbxl.load(tmp_path)


def test_mate4_of_the_real_set_follows_its_statements(recordings: Path) -> None:
    data = ptbxl.load(recordings)
    atrial = data.statements[:, [STATEMENTS.index("AFIB"), STATEMENTS.index("AFLT")]].any(1)
    assert len(data) == 19601
    assert atrial[data.mate4[:, 0] == 1].all()
    assert data.mate4.sum(0).tolist() == [1398, 768, 573, 15759]
    assert (data.mate4.sum(1) <= 1).all()
