"""What the device's own beat detector counts in training records, at 500 Hz."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from firmware.qrs import QrsDetector
from firmware.rate import RateMeter
from hal.frontend import CHANNELS
from models.data import chain
from models.data.dataset import Dataset

Rate = tuple[float | None, float | None]  # bpm, RR irregularity; None where unknown
ALL_CHANNELS = np.ones(CHANNELS, bool)


def measured_rates(
    dataset: Dataset, rows: NDArray[np.int64], say: Callable[[str, int, int], None]
) -> list[Rate]:
    """Rate and irregularity at the end of each record."""
    out = []
    for done, row in enumerate(rows.tolist(), 1):
        rng = np.random.default_rng((0, row))
        counts = chain.to_counts(chain.extended(dataset.mv(row)), rng)
        detector, meter = QrsDetector(chain.NV_PER_COUNT), RateMeter()
        for beat in detector.push(0, counts, ALL_CHANNELS):
            meter.beat(beat)
        out.append(meter.at(len(counts)))
        if done % 100 == 0 or done == len(rows):
            say("counting beats", done, len(rows))
    return out
