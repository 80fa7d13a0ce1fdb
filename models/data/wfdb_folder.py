"""Folders of WFDB records as a ``Recordings``: headers at once, signals when asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.errors import RecordingError
from hal.patient.wfdb import Header, parse_header, read_wfdb
from models.data.dataset import DataError, Metadata, Recordings, digest_of
from models.data.label_table import labels_of, meaning

Describe = Callable[[Header], tuple[dict[str, str], set[str]]]  # -> metadata, codes


def load(headers: list[Path], system: str, describe: Describe) -> Recordings:
    """Records of the ``.hea`` files, labelled with codes of ``system``.

    Raises DataError in one line: a header, a label or a signal file that is not as it should be.
    """
    rows, codes, rates, files = [], [], [], []
    for path in headers:
        header = _parse(path)
        row, has = describe(header)
        rows.append(row)
        codes.append(has)
        rates.append(header.rate_hz)
        files += [path, *sorted({path.parent / signal.file for signal in header.signals})]
    for path in files:
        if not path.is_file():
            raise DataError(f"{path} is missing; download the folder again")
    means = [meaning(row["record_id"], system, has) for row, has in zip(rows, codes, strict=True)]
    return Recordings(
        meta=Metadata.from_rows(rows),
        rate_hz=np.array(rates),
        codes=tuple(frozenset(has) for has in codes),
        **labels_of(means),
        read=lambda row: signal_mv(headers[row]),
        digest=digest_of(files),
    )


def signal_mv(header: Path) -> NDArray[np.float64]:
    """The eight leads of a record, mV [samples, 8], columns LEADS8. Raises DataError."""
    try:
        return read_wfdb(header).mv
    except RecordingError as error:
        raise DataError(str(error)) from None


def comment(header: Header, name: str) -> str | None:
    """The value of a header's comment ``# name: value``, any case and spacing; None if absent."""
    for line in header.comments:
        key, colon, value = line.partition(":")
        if colon and key.strip(" <>").lower() == name:
            return value.strip()
    return None


def _parse(path: Path) -> Header:
    try:
        return parse_header(path)
    except RecordingError as error:
        raise DataError(str(error)) from None
