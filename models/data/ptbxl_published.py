"""PTB-XL as PhysioNet publishes it: ptbxl_database.csv, scp_statements.csv and WFDB records.

A statement counts as present whatever its likelihood, 0 ("unknown") included, as in the PTB-XL
benchmark (Strodthoff et al., IEEE JBHI 2021), which takes all keys of ``scp_codes``.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from hal.errors import RecordingError
from hal.patient.wfdb import read_wfdb
from models.data.dataset import (
    RATE_HZ,
    SAMPLES,
    TRAINED_ON,
    VALIDATION_FOLD,
    DataError,
    Dataset,
    Metadata,
    digest_of,
    fold_of,
    multi_hot,
    read_table,
)
from models.data.label_table import meaning
from models.data.labels import MATE4, STATEMENTS, SUPERCLASS_OF, SUPERCLASSES

TABLE, STATEMENT_TABLE = "ptbxl_database.csv", "scp_statements.csv"
LSB_UV = 1.0  # of the records as published
_COLUMNS = ("ecg_id", "patient_id", "age", "sex", "site", "device", "scp_codes", "strat_fold")
_SEX = {"0": "M", "1": "F"}
_FOLDERS = {"records100": ("filename_lr", 1), "records500": ("filename_hr", 5)}


def load(folder: Path) -> Dataset:
    """Folds 1-9; records100 if it is there, else records500 filtered and decimated.

    Raises DataError in one line. The files of fold 10 are not opened.
    """
    table, statements = folder / TABLE, folder / STATEMENT_TABLE
    _check_statements(statements)
    present = [name for name in _FOLDERS if (folder / name).is_dir()]
    if not present:
        raise DataError(f"{folder} has neither records100 nor records500; download one of them")
    column, every = _FOLDERS[present[0]]
    rows = read_table(table, (*_COLUMNS, column))
    folds = [fold_of(row["ecg_id"], row["strat_fold"]) for row in rows]
    rows = [row for row, fold in zip(rows, folds, strict=True) if fold <= VALIDATION_FOLD]
    meta = [_meta(row) for row in rows]
    codes = [_codes(row) for row in rows]
    steps = np.empty((len(rows), 8, SAMPLES), np.int16)
    files = []
    for i, row in enumerate(rows):
        header = folder / f"{row[column]}.hea"
        steps[i] = _steps(header, every)
        files += [header, header.with_suffix(".dat")]
    means = [meaning(row["record_id"], "SCP", has) for row, has in zip(meta, codes, strict=True)]
    return Dataset(
        steps=steps,
        lsb_uv=LSB_UV,
        meta=Metadata.from_rows(meta),
        mate4=multi_hot([each.mate4 for each in means], MATE4),
        superclasses=multi_hot([each.superclasses for each in means], SUPERCLASSES),
        statements=multi_hot([each.statements for each in means], STATEMENTS),
        fold=np.array([fold for fold in folds if fold <= VALIDATION_FOLD]),
        digest=digest_of([table, statements, *files]),
    )


def _steps(header: Path, every: int) -> NDArray[np.int16]:
    try:
        record = read_wfdb(header)
    except RecordingError as error:
        raise DataError(str(error)) from None
    if record.rate_hz != RATE_HZ * every or len(record.mv) != SAMPLES * every:
        raise DataError(
            f"{header}: {len(record.mv)} samples at {record.rate_hz:g} Hz,"
            f" not {SAMPLES * every} at {RATE_HZ * every}"
        )
    mv = record.mv if every == 1 else signal.resample_poly(record.mv, 1, every, axis=0)
    steps: NDArray[np.int16] = np.rint(mv.T * (1000 / LSB_UV)).clip(-32768, 32767).astype(np.int16)
    return steps


def _codes(row: dict[str, str]) -> set[str]:
    try:
        codes = ast.literal_eval(row["scp_codes"])
        return set(codes.keys())
    except (ValueError, SyntaxError, AttributeError):
        raise DataError(f"record {row['ecg_id']}: scp_codes is no {{code: likelihood}}") from None


def _meta(row: dict[str, str]) -> dict[str, str]:
    sex = row["sex"].strip().removesuffix(".0")
    if sex not in (*_SEX, ""):
        raise DataError(f"record {row['ecg_id']}: sex '{sex}' is neither 0 (male) nor 1 (female)")
    if not row["ecg_id"].isdigit():
        raise DataError(f"ecg_id '{row['ecg_id']}' is no number")
    return {
        "record_id": f"PTBXL_{int(row['ecg_id']):05d}",
        "patient_id": row["patient_id"].strip().removesuffix(".0"),
        "age": row["age"],
        "sex": _SEX.get(sex, ""),
        "source": TRAINED_ON,
        "site": row["site"].strip().removesuffix(".0"),
        "device": row["device"].strip(),
    }


def _check_statements(path: Path) -> None:
    """The published table must name our statements and put each in the superclass it has here."""
    rows = read_table(path, ("diagnostic_class",))
    first = next(iter(rows[0]))  # the column of codes has no name
    found = {row[first]: row["diagnostic_class"] for row in rows}
    ours = {code: SUPERCLASS_OF.get(code, "") for code in STATEMENTS}
    wrong = sorted(code for code in {*found, *ours} if found.get(code) != ours.get(code))
    if wrong:
        raise DataError(f"{path} is not PTB-XL 1.0.3's: it differs in {', '.join(wrong[:5])}")
