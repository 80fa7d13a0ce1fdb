"""The packed sets: signals in one HDF5 file, labels in one CSV beside it, row by row.

``X_delta`` int16 [records, leads, samples], first differences along time modulo 2**16 in steps of
``lsb_uV``; attributes ``fs``, ``lsb_uV``, ``leads``. Columns of the CSV: ``record_id``,
``source_dataset``, ``age``, ``sex``, ``labels`` (joined by ``|``), ``mate4``, ``patient_id`` and,
in ``ptbxl_100hz``, ``strat_fold``, in ``ecg_500hz``, ``label_system`` and ``valid_samples``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import ludb
from models.data.dataset import (
    LEADS8,
    RATE_HZ,
    SAMPLES,
    TRAINED_ON,
    VALIDATION_FOLD,
    DataError,
    Dataset,
    Metadata,
    Recordings,
    digest_of,
    fold_of,
    multi_hot,
    read_table,
)
from models.data.label_table import labels_of, meaning
from models.data.labels import MATE4, STATEMENTS, SUPERCLASS_OF, SUPERCLASSES

PTBXL = "ptbxl_100hz"
EXTERNAL = "ecg_500hz"
LEADS12 = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def load_ptbxl(folder: Path) -> Dataset:
    """Folds 1-9 of the packed PTB-XL in ``folder``. Raises DataError in one line."""
    table, packed, rows = read_rows(folder, PTBXL, ("patient_id", "strat_fold", "mate4"))
    steps, rate_hz, lsb_uv = read_signals(packed, LEADS8)
    if rate_hz != RATE_HZ or steps.shape[2] != SAMPLES:
        raise DataError(f"{packed} holds {steps.shape[2]} samples at {rate_hz} Hz, not 10 s at 100")
    if len(rows) != len(steps):
        raise DataError(f"{table} has {len(rows)} rows but {packed} {len(steps)} records")
    folds = [fold_of(row["record_id"], row["strat_fold"]) for row in rows]
    kept = [i for i, fold in enumerate(folds) if fold <= VALIDATION_FOLD]
    rows = [rows[i] for i in kept]
    codes = [set(row["labels"].split("|")) for row in rows]
    unknown = set().union(*codes) - set(STATEMENTS)
    if unknown:
        raise DataError(f"{table} has statements PTB-XL does not have: {sorted(unknown)}")
    supers = [{SUPERCLASS_OF[code] for code in has if code in SUPERCLASS_OF} for has in codes]
    return Dataset(
        steps=steps[kept] if len(kept) != len(steps) else steps,
        lsb_uv=lsb_uv,
        meta=Metadata.from_rows([_meta(row) for row in rows]),
        mate4=multi_hot([{row["mate4"]} for row in rows], MATE4),
        superclasses=multi_hot(supers, SUPERCLASSES),
        statements=multi_hot(codes, STATEMENTS),
        fold=np.array([folds[i] for i in kept]),
        digest=digest_of((table, packed)),
    )


def load_external(folder: Path) -> Recordings:
    """The packed 500-Hz set in ``folder`` without its PTB-XL records, which are trained on.

    Raises DataError in one line.
    """
    table, packed, rows = read_rows(folder, EXTERNAL, ("label_system", "valid_samples"))
    steps, rate_hz, lsb_uv = read_signals(packed, LEADS12)
    if len(rows) != len(steps):
        raise DataError(f"{table} has {len(rows)} rows but {packed} {len(steps)} records")
    kept = [i for i, row in enumerate(rows) if row["source_dataset"] != TRAINED_ON]
    rows, lengths = [rows[i] for i in kept], []
    eight = [LEADS12.index(lead) for lead in LEADS8]
    steps = steps[np.ix_(kept, eight)]
    for row in rows:
        text = row["valid_samples"]
        lengths.append(int(text) if text.isdigit() else 0)
        if not 0 < lengths[-1] <= steps.shape[2]:
            raise DataError(f"{row['record_id']}: valid_samples '{text}' is wrong")

    def read(row: int) -> NDArray[np.float64]:
        return steps[row, :, : lengths[row]].T * (lsb_uv / 1000)

    codes = [_codes(row) for row in rows]
    means = [meaning(row["record_id"], *has) for row, has in zip(rows, codes, strict=True)]
    return Recordings(
        meta=Metadata.from_rows([_meta(row) for row in rows]),
        rate_hz=np.full(len(rows), float(rate_hz)),
        codes=tuple(frozenset(has) for _, has in codes),
        **labels_of(means),
        read=read,
        digest=digest_of((table, packed)),
    )


def _codes(row: dict[str, str]) -> tuple[str, set[str]]:
    if "LUDB" in row["label_system"]:
        return "LUDB", ludb.diagnoses(row["labels"].replace("|", "\n").splitlines())
    system = "SCP" if "SCP" in row["label_system"] else "SNOMED-CT"
    return system, set(row["labels"].split("|")) - {""}


def _meta(row: dict[str, str]) -> dict[str, str]:
    keys = ("record_id", "patient_id", "age", "sex")
    return {key: row.get(key, "") for key in keys} | {"source": row["source_dataset"]}


def read_rows(
    folder: Path, stem: str, columns: tuple[str, ...]
) -> tuple[Path, Path, list[dict[str, str]]]:
    """Paths of a set's table and signals, and the table's rows, which have ``columns``."""
    table, packed = folder / f"{stem}.csv", folder / f"{stem}.h5"
    for path in (table, packed):
        if not path.is_file():
            raise DataError(f"{path} is missing; docs/data.md says which folders will do")
    return (
        table,
        packed,
        read_table(table, ("record_id", "source_dataset", "age", "sex", "labels", *columns)),
    )


def read_signals(path: Path, leads: tuple[str, ...]) -> tuple[NDArray[np.int16], int, float]:
    """Steps int16 [records, leads, samples], their rate in Hz, and the microvolts of one step."""
    try:
        import h5py
    except ImportError:
        raise DataError("h5py is not installed; run make train-setup") from None
    try:
        with h5py.File(path) as file:
            rate_hz, stored = int(file.attrs["fs"]), str(file.attrs["leads"])
            if stored != ",".join(leads):
                raise DataError(f"{path} holds the leads {stored}, not {','.join(leads)}")
            delta = file["X_delta"][:]
            lsb_uv = float(file.attrs["lsb_uV"])
    except (OSError, KeyError) as error:
        raise DataError(f"{path} is damaged or no packed set: {error}") from None
    return np.cumsum(delta, axis=2, dtype=np.int16), rate_hz, lsb_uv
