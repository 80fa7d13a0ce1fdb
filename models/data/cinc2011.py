"""Set a of the PhysioNet/CinC Challenge 2011: ten seconds, and whether readers accepted them.

Packed as the other sets (``models.data.packed``): ``cinc2011_quality.h5`` and ``.csv``. The set
holds some traces several times, all flat or at a rail; each counts once here. Half of what is left
is held out, by the hash of its samples, so that equal traces could never be on both sides.

Silva, Moody, Celi, Computing in Cardiology 2011;38:273. ODC-BY 1.0.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.frontend import CHANNEL_LEADS
from models.data.dataset import LEADS8, DataError
from models.data.packed import LEADS12, read_rows, read_signals

STEM = "cinc2011_quality"
ACCEPTABLE, UNACCEPTABLE = "acceptable", "unacceptable"  # and "indeterminate", which is left out


@dataclass(frozen=True)
class Graded:
    """Distinct records with a verdict.

    counts : int32 [n, 5000, 8], of an ideal converter: the set holds what no chip could show
    acceptable, held : bool [n]; copies : int [n], how often the set has the trace
    """

    record_ids: tuple[str, ...]
    counts: NDArray[np.int32]
    acceptable: NDArray[np.bool_]
    held: NDArray[np.bool_]
    copies: NDArray[np.int64]


def load(folder: Path, nv_per_count: float) -> Graded:
    """Set a in ``folder``. Raises DataError in one line."""
    _, packed, rows = read_rows(folder, STEM, ())
    steps, rate_hz, lsb_uv = read_signals(packed, LEADS12)
    if len(rows) != len(steps) or rate_hz != 500:
        raise DataError(f"{packed} does not go with its table: {len(rows)} rows, {rate_hz} Hz")
    eight = steps[:, [LEADS12.index(lead) for lead in LEADS8]].swapaxes(1, 2)
    found: dict[bytes, list[int]] = {}
    for row, trace in enumerate(eight):
        uv = np.rint(trace * lsb_uv).astype("<i4")
        found.setdefault(hashlib.sha256(uv.tobytes()).digest(), []).append(row)
    kept: dict[bytes, int] = {}
    for digest, same in found.items():
        said = {rows[row]["labels"] for row in same}
        if len(said) > 1:
            raise DataError(f"{rows[same[0]]['record_id']}: equal traces are labelled {said}")
        if said <= {ACCEPTABLE, UNACCEPTABLE}:
            kept[digest] = same[0]
    each = list(kept.values())
    channels = [LEADS8.index(lead) for lead in CHANNEL_LEADS]
    nv = eight[each][..., channels] * (lsb_uv * 1000)
    counts = np.rint(nv / nv_per_count).clip(-(1 << 23), (1 << 23) - 1).astype(np.int32)
    return Graded(
        record_ids=tuple(rows[row]["record_id"] for row in each),
        counts=counts,
        acceptable=np.array([rows[row]["labels"] == ACCEPTABLE for row in each]),
        held=np.array([digest[0] % 2 == 1 for digest in kept]),
        copies=np.array([len(found[digest]) for digest in kept]),
    )
