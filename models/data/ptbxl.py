"""PTB-XL, packed: signals in one HDF5 file, labels in one CSV.

Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, Sci Data 2020
(PhysioNet, 1.0.3, CC BY 4.0). Folds respect patients: 1-8 train, 9 validates, and fold 10 is
never read: rows of it are dropped on loading.

``ptbxl_100hz.h5`` : ``X_delta`` int16 [records, 8, 1000], first differences along time modulo
2**16 in steps of ``lsb_uV``, leads I, II, V1..V6; attributes ``fs``, ``lsb_uV``, ``leads``
``ptbxl_100hz.csv`` : one row per record: ``record_id``, ``labels`` (SCP statements joined by
``|``), ``patient_id``, ``strat_fold``, ``mate4``
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.labels import MATE4, STATEMENTS, SUPERCLASS_OF, SUPERCLASSES

NAME = "PTB-XL 1.0.3"
LICENCE = "CC BY 4.0"
CITATION = (
    "Wagner et al., PTB-XL, a large publicly available electrocardiography dataset, 2020, "
    "https://physionet.org/content/ptb-xl/1.0.3/"
)
RATE_HZ = 100
SAMPLES = 1000
LEADS8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
TRAIN_FOLDS = tuple(range(1, 9))
VALIDATION_FOLD = 9
STEM = "ptbxl_100hz"


class DataError(ValueError):
    """The data set is not there or not what it should be; the message is one line."""


@dataclass(frozen=True)
class Dataset:
    """Records and labels, row by row.

    steps : int16 [n, 8, 1000], leads LEADS8, in units of lsb_uv
    mate4, superclasses, statements : uint8 [n, labels], 1 = present; all zero = not labelled
    fold : int [n], 1..9
    digest : SHA-256 over both files
    """

    steps: NDArray[np.int16]
    lsb_uv: float
    record_ids: tuple[str, ...]
    mate4: NDArray[np.uint8]
    superclasses: NDArray[np.uint8]
    statements: NDArray[np.uint8]
    fold: NDArray[np.int64]
    digest: str

    def __len__(self) -> int:
        return len(self.steps)

    def mv(self, row: int) -> NDArray[np.float64]:
        """One record in millivolts, [1000, 8]."""
        return self.steps[row].T * (self.lsb_uv / 1000)


def load(folder: Path) -> Dataset:
    """Read the packed set in ``folder``. Raises DataError in one line."""
    table, packed = folder / f"{STEM}.csv", folder / f"{STEM}.h5"
    for path in (table, packed):
        if not path.is_file():
            raise DataError(f"{path} is missing; give the folder that holds {STEM}.h5 and .csv")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps, lsb_uv = _signals(packed)
    if len(rows) != len(steps):
        raise DataError(f"{table} has {len(rows)} rows but {packed} {len(steps)} records")
    kept = [i for i, row in enumerate(rows) if int(row["strat_fold"]) <= VALIDATION_FOLD]
    rows = [rows[i] for i in kept]
    codes = [set(row["labels"].split("|")) for row in rows]
    unknown = set().union(*codes) - set(STATEMENTS)
    if unknown:
        raise DataError(f"{table} has statements PTB-XL does not have: {sorted(unknown)}")
    supers = [{SUPERCLASS_OF[code] for code in has if code in SUPERCLASS_OF} for has in codes]
    return Dataset(
        steps=steps[kept] if len(kept) != len(steps) else steps,
        lsb_uv=lsb_uv,
        record_ids=tuple(row["record_id"] for row in rows),
        mate4=_multi_hot([{row["mate4"]} for row in rows], MATE4),
        superclasses=_multi_hot(supers, SUPERCLASSES),
        statements=_multi_hot(codes, STATEMENTS),
        fold=np.array([int(row["strat_fold"]) for row in rows]),
        digest=_digest(table, packed),
    )


def _signals(path: Path) -> tuple[NDArray[np.int16], float]:
    import h5py

    with h5py.File(path) as file:
        fs, leads = int(file.attrs["fs"]), str(file.attrs["leads"])
        if fs != RATE_HZ or leads != ",".join(LEADS8):
            raise DataError(f"{path} holds {leads} at {fs} Hz, not {','.join(LEADS8)} at 100 Hz")
        delta = file["X_delta"][:]
        lsb_uv = float(file.attrs["lsb_uV"])
    return np.cumsum(delta, axis=2, dtype=np.int16), lsb_uv


def _multi_hot(present: list[set[str]], labels: tuple[str, ...]) -> NDArray[np.uint8]:
    column = {label: i for i, label in enumerate(labels)}
    out = np.zeros((len(present), len(labels)), np.uint8)
    for row, has in enumerate(present):
        for label in has:
            if label in column:
                out[row, column[label]] = 1
    return out


def _digest(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
