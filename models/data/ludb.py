"""LUDB as published: twelve leads at 500 Hz, diagnoses in words, waves marked per lead.

Kalyakulina et al., LUDB: a new open-access validation tool for ECG delineation algorithms, IEEE
Access 2020 (PhysioNet, 1.0.1, ODC-BY 1.0). A header holds ``#<age>: 51``, ``#<sex>: F``,
``#<diagnoses>:`` and then a line per diagnosis ("#Rhythm: Sinus bradycardia."). Beside record
``1`` lie ``1.i`` ... ``1.v6``, one file of annotations per lead.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hal.patient.wfdb import Header
from models.data import wfdb_folder
from models.data.dataset import DataError, Recordings
from models.data.wfdb_folder import comment

SYMBOLS = {1: "N", 24: "p", 27: "t", 39: "(", 40: ")"}  # of annot(5), as LUDB uses them
_SKIP, _AUX = 59, 63


def load(folder: Path) -> Recordings:
    """All records of ``folder`` or its ``data``. Raises DataError in one line."""
    headers = sorted(_data(folder).glob("*.hea"), key=lambda path: (len(path.stem), path.stem))
    if not headers:
        raise DataError(f"{folder} holds no LUDB record; give the folder with ludb.csv or its data")
    return wfdb_folder.load(headers, "LUDB", _describe)


def waves(folder: Path, record: int, lead: str) -> list[tuple[int, str]]:
    """The marks of one lead: (sample at 500 Hz, symbol), in the order of time.

    Symbols: ``(`` onset, ``p`` ``N`` ``t`` the peak of P, QRS, T, ``)`` end. Raises DataError.
    """
    path = _data(folder) / f"{record}.{lead.lower()}"
    try:
        words = np.fromfile(path, "<u2").tolist()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None
    marks, sample, at = [], 0, 0
    while at < len(words) and words[at]:  # annot(5): the type in six bits, then the interval in ten
        kind, interval = words[at] >> 10, words[at] & 0x3FF
        at += 1
        if kind == _SKIP and at + 1 < len(words):  # an interval of 32 bits, high half first
            sample += words[at] << 16 | words[at + 1]
            at += 2
        elif kind == _AUX:
            at += (interval + 1) // 2
        elif kind < _SKIP:
            if kind not in SYMBOLS:
                raise DataError(f"{path} has an annotation of type {kind}, which LUDB does not use")
            sample += interval
            marks.append((sample, SYMBOLS[kind]))
    if at >= len(words):
        raise DataError(f"{path} ends in the middle; download it again")
    return marks


def diagnoses(lines: Iterable[str]) -> set[str]:
    """The diagnoses of a record as the label table writes them: lower case, no full stop."""
    parts = (part for line in lines for part in line.split(" ; "))
    said = {part.strip().rstrip(".").lower().removeprefix("rhythm: ") for part in parts}
    return said - {""}


def _describe(header: Header) -> tuple[dict[str, str], set[str]]:
    begin = [i for i, line in enumerate(header.comments) if line.startswith("<diagnoses>")]
    if not begin or not header.name.isdigit():
        raise DataError(f"{header.name} is no record of LUDB: no '#<diagnoses>:' in its header")
    name = f"LUDB_{int(header.name):03d}"
    row = {
        "record_id": name,
        "patient_id": name,  # 200 records of 200 people
        "age": comment(header, "age") or "",
        "sex": comment(header, "sex") or "",
        "source": "LUDB",
    }
    return row, diagnoses(header.comments[begin[0] + 1 :])


def _data(folder: Path) -> Path:
    return folder / "data" if (folder / "data").is_dir() else folder
