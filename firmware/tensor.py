"""What a network is shown, of each form: live, in self-tests and in training the same way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware import page
from firmware.events import LEADS
from firmware.inputs import Form, InputContract
from firmware.leads import twelve_leads
from firmware.median_beat import BEFORE, MedianBeat, median_beat
from firmware.profiles import PROFILES
from firmware.qrs import QrsDetector
from firmware.window import filtered_leads, normalised
from hal.frontend import CHANNELS

R_AT = 150  # row of a median beat's R peak: the 300th of 600 less the first 150 (ECG-SMART-NET)


def of_leads(
    leads: NDArray[np.int32], lost: NDArray[np.bool_], of: InputContract
) -> NDArray[np.int8]:
    """Filtered leads, int32 [of.rows, 12] counts, as int8 ``of.shape``; lost : bool [12]."""
    return page.draw(leads, lost, of) if of.form is Form.PAGE else normalised(leads, lost, of)


def of_beat(
    beat: MedianBeat | None, lost: NDArray[np.bool_], of: InputContract
) -> NDArray[np.int8]:
    """The rows of a median beat from ``R_AT`` before R on; zero throughout where there is none."""
    if beat is None:
        return np.full(of.shape, of.zero, np.int8)
    rows = beat.channels[BEFORE - R_AT :][: of.samples]
    counts = np.rint(rows * (1000 / of.nv_per_count)).astype(np.int32)
    return normalised(twelve_leads(counts), lost, of)


def of_counts(counts: NDArray[np.int32], of: InputContract) -> NDArray[np.int8]:
    """The newest tensor of raw counts [n, 8], all leads valid, from a fresh start."""
    none = np.zeros(len(LEADS), np.bool_)
    if of.form is not Form.MEDIAN_BEAT:
        return of_leads(filtered_leads(counts, PROFILES[of.profile], of.rows), none, of)
    usable = np.ones(CHANNELS, np.bool_)
    beats = QrsDetector(of.nv_per_count).push(0, counts, usable)
    return of_beat(median_beat(counts, beats, usable, of.nv_per_count), none, of)
