"""Chapman-Shaoxing as first published: ECGData/*.csv and the Diagnostics table.

Zheng et al., A 12-lead electrocardiogram database for arrhythmia research covering more than
10,000 patients, Sci Data 2020 (figshare, CC BY 4.0): 500 Hz, microvolts, a header line of the
twelve leads. Diagnostics.xlsx, saved as Diagnostics.csv, names one Rhythm and any Beats, in
acronyms. The same records as WFDB: cinc.py.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.errors import RecordingError
from hal.patient.record import Recording
from models.data.dataset import DataError, Metadata, Recordings, digest_of, read_table
from models.data.label_table import labels_of, meaning

TABLE = "Diagnostics.csv"
RATE_HZ = 500.0
_COLUMNS = ("FileName", "Rhythm", "Beat", "PatientAge", "Gender")


def load(folder: Path) -> Recordings:
    """All records of ``folder``. Raises DataError in one line."""
    table = folder / TABLE
    rows = read_table(table, _COLUMNS)
    files = [folder / "ECGData" / f"{row['FileName']}.csv" for row in rows]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path} is missing; unpack ECGData.zip beside {TABLE}")
    codes = [{row["Rhythm"].strip(), *row["Beat"].split()} - {"", "NONE"} for row in rows]
    means = [
        meaning(row["FileName"], "Zheng 2020", has) for row, has in zip(rows, codes, strict=True)
    ]
    return Recordings(
        meta=Metadata.from_rows(
            [
                {
                    "record_id": row["FileName"],
                    "patient_id": row["FileName"],  # one record of each patient
                    "age": row["PatientAge"],
                    "sex": row["Gender"],
                    "source": "Chapman-Shaoxing",
                }
                for row in rows
            ]
        ),
        rate_hz=np.full(len(rows), RATE_HZ),
        codes=tuple(frozenset(has) for has in codes),
        **labels_of(means),
        read=lambda row: _read(files[row]),
        digest=digest_of([table, *files]),
    )


def _read(path: Path) -> NDArray[np.float64]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        names = next(csv.reader(file), [])
        try:
            uv = np.loadtxt(file, delimiter=",", ndmin=2)
            leads = dict(zip(names, uv.T, strict=True))
        except ValueError:
            raise DataError(f"{path} is no table of twelve leads in microvolts") from None
    try:
        return Recording.from_leads(
            path.stem, RATE_HZ, {lead: values / 1000 for lead, values in leads.items()}
        ).mv
    except RecordingError as error:
        raise DataError(str(error)) from None
