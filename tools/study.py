"""One recording as the device reads it: what the report prints and the exports carry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.events import Call
from firmware.explain import Explanation
from firmware.measurements import Measurements


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom the record is of, as far as somebody said so."""

    id: str = ""
    name: str = ""  # "Family, Given"
    born: str = ""  # YYYY-MM-DD
    sex: str = ""  # "M", "F" or ""


@dataclass(frozen=True, slots=True)
class Study:
    """Ten seconds of a recording (less if it is shorter), and what is said of them.

    uv : int32 [n, 12] microvolts at 500 Hz in the order of ``firmware.events.LEADS``, diagnostic
        band (0.05-150 Hz, notch at ``mains_hz``)
    valid : bool [12], False where the lead cannot be read
    began : time of the first row, with its zone; None where the recording does not say
    beats : rows of the R peaks; explanation : None where nothing was called
    call : as ``lead12 classify`` makes it; device : "Lead12 0.3.0"
    """

    name: str
    file: Path
    began: datetime | None
    uv: NDArray[np.int32]
    valid: NDArray[np.bool_]
    mains_hz: int | None
    beats: tuple[int, ...]
    call: Call
    measurements: Measurements | None
    explanation: Explanation | None
    patient: Patient
    device: str
