"""PhysioNet/CinC Challenge 2020 and 2021 records, and Chapman-Shaoxing/Ningbo in the same form.

WFDB with SNOMED-CT codes in ``# Dx: 426783006,164889003`` (2020) or ``#Dx:`` (2021 and
ecg-arrhythmia 1.0.0). The record's name tells its source. PTB-XL's records (HR00001...) are left
out: they are trained on, and some are fold 10's.
"""

from __future__ import annotations

import re
from pathlib import Path

from hal.patient.wfdb import Header
from models.data import wfdb_folder
from models.data.dataset import DataError, Recordings
from models.data.wfdb_folder import comment

_NAME = re.compile(r"(A|Q|I|S|HR|E|JS)(\d{4,5})$")
_SOURCE = {
    "A": "CPSC2018",
    "Q": "CPSC2018-Extra",
    "I": "INCART",
    "S": "PTB",
    "E": "Georgia G12EC",
}
_LAST_CHAPMAN = 10646  # JS00001-JS10646 are Chapman-Shaoxing (Zheng 2020), the later ones Ningbo


def load(folder: Path) -> Recordings:
    """All records under ``folder`` that are not PTB-XL's. Raises DataError in one line."""
    headers = sorted(path for path in folder.rglob("*.hea") if not path.name.startswith("HR"))
    if not headers:
        raise DataError(f"{folder} holds no .hea of a source other than PTB-XL")
    return wfdb_folder.load(headers, "SNOMED-CT", _describe)


def source_of(record: str) -> str:
    """Where a record of the challenges comes from. Raises DataError."""
    match = _NAME.match(record)
    if match is None or match[1] == "HR":
        raise DataError(f"{record} is no record name of the CinC Challenges 2020 and 2021")
    if match[1] == "JS":
        return "Chapman-Shaoxing" if int(match[2]) <= _LAST_CHAPMAN else "Ningbo"
    return _SOURCE[match[1]]


def _describe(header: Header) -> tuple[dict[str, str], set[str]]:
    codes = comment(header, "dx")
    if codes is None:
        raise DataError(f"{header.name}: no '# Dx:' line with SNOMED-CT codes in its header")
    row = {
        "record_id": header.name,
        "age": comment(header, "age") or "",
        "sex": comment(header, "sex") or "",
        "source": source_of(header.name),
    }
    return row, {code.strip() for code in codes.split(",")} - {""}
