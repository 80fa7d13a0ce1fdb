"""What learning and evaluation see of a data set, whatever files it came from.

``Dataset``: 10 s at 100 Hz with folds, to train on and to choose by. ``Recordings``: other
sources at their own rates and lengths, to evaluate on; they have no fold, so nothing can train on
them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.labels import CNN_TE, MATE4, STATEMENTS, SUPERCLASSES

RATE_HZ = 100
SAMPLES = 1000
LEADS8 = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
TRAIN_FOLDS = tuple(range(1, 9))
VALIDATION_FOLD = 9
TRAINED_ON = "PTB-XL"  # the only source that may be trained on
OLDEST = 90.0  # ages above 89 are hidden in PTB-XL (as 300) and LUDB (as >89): read as 90


class DataError(ValueError):
    """The data set is not there or not what it should be; the message is one line."""


@dataclass(frozen=True)
class Metadata:
    """Who was recorded, where and with what, row by row; '' or NaN where unknown.

    age : float [n], years; 90 stands for 90 and over
    sex : str [n], 'F', 'M' or ''
    patient_id, source, site, device : str [n]
    """

    record_ids: tuple[str, ...]
    patient_id: NDArray[np.str_]
    age: NDArray[np.float64]
    sex: NDArray[np.str_]
    source: NDArray[np.str_]
    site: NDArray[np.str_]
    device: NDArray[np.str_]

    @classmethod
    def from_rows(cls, rows: Sequence[dict[str, str]]) -> Metadata:
        """From one dict per record with ``record_id`` and any of the fields above, as text.

        Raises DataError in one line where an age is no number or a sex neither F nor M.
        """

        def column(name: str) -> NDArray[np.str_]:
            return np.array([row.get(name, "") for row in rows], dtype=np.str_)

        ids = tuple(row["record_id"] for row in rows)
        if len(set(ids)) != len(ids):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise DataError(f"record {twice} is there twice; keep one of them")
        return cls(
            record_ids=ids,
            patient_id=column("patient_id"),
            age=np.array([_age(row["record_id"], row.get("age", "")) for row in rows], float),
            sex=np.array([_sex(row["record_id"], row.get("sex", "")) for row in rows], np.str_),
            source=column("source"),
            site=column("site"),
            device=column("device"),
        )

    def __len__(self) -> int:
        return len(self.record_ids)


@dataclass(frozen=True)
class Dataset:
    """Records of 10 s at 100 Hz with folds and labels, row by row.

    steps : int16 [n, 8, 1000], leads LEADS8, in units of lsb_uv
    meta : who, where
    mate4, superclasses, statements : uint8 [n, labels], 1 = present; all zero = not labelled
    fold : int [n], 1..9
    digest : SHA-256 over the files that were read

    Raises DataError if a patient is both trained on and validated on, if a fold is not 1..9, or
    if a record comes from a source kept for evaluation.
    """

    steps: NDArray[np.int16]
    lsb_uv: float
    meta: Metadata
    mate4: NDArray[np.uint8]
    superclasses: NDArray[np.uint8]
    statements: NDArray[np.uint8]
    fold: NDArray[np.int64]
    digest: str

    def __post_init__(self) -> None:
        strangers = sorted(set(self.meta.source.tolist()) - {TRAINED_ON})
        if strangers:
            raise DataError(f"{', '.join(strangers)} is for evaluation; train on {TRAINED_ON} only")
        kept_out = sorted(set(self.fold.tolist()) - {*TRAIN_FOLDS, VALIDATION_FOLD})
        if kept_out:
            raise DataError(f"fold {kept_out[0]} must not be loaded; only 1 to {VALIDATION_FOLD}")
        train = np.isin(self.fold, TRAIN_FOLDS)
        both = set(self.meta.patient_id[train]) & set(self.meta.patient_id[~train])
        if both:
            raise DataError(
                f"patient {min(both)} is in a training fold and in fold {VALIDATION_FOLD};"
                " keep each patient in one fold"
            )

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def record_ids(self) -> tuple[str, ...]:
        """As in the metadata."""
        return self.meta.record_ids

    def mv(self, row: int) -> NDArray[np.float64]:
        """One record in millivolts, [1000, 8]."""
        return self.steps[row].T * (self.lsb_uv / 1000)


@dataclass(frozen=True)
class Recordings:
    """Records of other sources, each at its own rate and length, for evaluation only.

    rate_hz : float [n]
    codes : the labels as the source writes them, a set per record
    mate4, superclasses, statements, cnn_te : uint8 [n, labels], 1 = present
    read : row -> mV [samples, 8], columns LEADS8; raises DataError
    digest : SHA-256 over the files of the set
    """

    meta: Metadata
    rate_hz: NDArray[np.float64]
    codes: tuple[frozenset[str], ...]
    mate4: NDArray[np.uint8]
    superclasses: NDArray[np.uint8]
    statements: NDArray[np.uint8]
    cnn_te: NDArray[np.uint8]
    read: Callable[[int], NDArray[np.float64]]
    digest: str

    def __len__(self) -> int:
        return len(self.meta)

    def mv(self, row: int) -> NDArray[np.float64]:
        """One record in millivolts at its own rate, [samples, 8], columns LEADS8."""
        return self.read(row)

    def judged(self, group: str) -> NDArray[np.bool_]:
        """Bool [n, labels] of ``mate4``, ``superclasses``, ``statements`` or ``cnn_te``.

        True where the record's source uses the label anywhere in this set. Elsewhere a zero says
        nothing: CPSC2018, for one, names no sinus rates.
        """
        present: NDArray[np.uint8] = getattr(self, group)
        out = np.zeros(present.shape, np.bool_)
        for source in set(self.meta.source.tolist()):
            rows = self.meta.source == source
            out[rows] = present[rows].any(0)
        return out


LABELS_OF = {
    "mate4": MATE4,
    "superclasses": SUPERCLASSES,
    "statements": STATEMENTS,
    "cnn_te": tuple(CNN_TE),
}


def multi_hot(present: Iterable[Iterable[str]], labels: tuple[str, ...]) -> NDArray[np.uint8]:
    """uint8 [records, labels], 1 where the label is among the record's."""
    column = {label: i for i, label in enumerate(labels)}
    sets = list(present)
    hot = np.zeros((len(sets), len(labels)), np.uint8)
    for row, has in enumerate(sets):
        for label in has:
            if label in column:
                hot[row, column[label]] = 1
    return hot


def read_table(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a CSV. Raises DataError: absent, not text, or a column missing."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            rows = list(reader)
    except OSError as error:
        why = f"{error.strerror}; docs/data.md says what must be there"
        raise DataError(f"{path} cannot be read: {why}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path} has no column {', '.join(missing)}")
    if not rows:
        raise DataError(f"{path} has no rows")
    return rows


def fold_of(record_id: str, text: str) -> int:
    """A stratification fold 1..10. Raises DataError."""
    if not text.strip().isdigit() or not 1 <= int(text) <= 10:
        raise DataError(f"{record_id}: strat_fold '{text}' is not 1 to 10")
    return int(text)


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 over the SHA-256 of each file, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _age(record_id: str, text: str) -> float:
    text = text.strip()
    if text.lower() in ("", "nan", "unknown", "-1"):
        return np.nan
    if text == ">89":
        return OLDEST
    try:
        return min(float(text), OLDEST)
    except ValueError:
        raise DataError(f"{record_id}: age '{text}' is no number") from None


def _sex(record_id: str, text: str) -> str:
    sex = {"f": "F", "female": "F", "m": "M", "male": "M"}.get(text.strip().lower())
    if sex is None and text.strip().lower() not in ("", "nan", "unknown"):
        raise DataError(f"{record_id}: sex '{text.strip()}' is neither F nor M")
    return sex or ""
