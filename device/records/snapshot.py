"""A snapshot: the seconds around a moment, in twelve leads, as a record of its own.

The leads are derived without a rounding: III = II - I; the augmented leads, which are halves of
sums, are kept as the sums at twice the gain. Baselines are medians, so that what is read in
millivolts is centred, whatever the electrodes' offset. A lost sample is WFDB's "no sample".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from device.records import wfdb
from device.records.record_files import RecordFiles
from device.records.wfdb import END, NONE_32, NOTE, Mark, Signal
from firmware.events import LEADS
from hal.frontend import CHANNEL_LEADS, FrameBlock

FORMAT = 32
AUGMENTED = ("aVR", "aVL", "aVF")  # at twice the gain
_I, _II = CHANNEL_LEADS.index("I"), CHANNEL_LEADS.index("II")
_CHEST = [CHANNEL_LEADS.index(lead) for lead in LEADS[6:]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is kept: adc int32 [n, 12] in the order of ``LEADS``, marks within it."""

    why: str
    adc: NDArray[np.int32]
    marks: tuple[Mark, ...]
    gain: float  # counts per millivolt
    began: datetime | None
    about: Mapping[str, Any]

    def save(self, name: str, to: RecordFiles) -> None:
        """Write it under ``name``; it is there whole or not at all. Raises OSError."""
        present = self.adc != NONE_32
        totals = wfdb.sums(self.adc)
        signals = [
            Signal(
                lead,
                self.gain * (2 if lead in AUGMENTED else 1),
                int(np.median(self.adc[present[:, i], i])),
                int(self.adc[0, i]),
                int(totals[i]),
            )
            for i, lead in enumerate(LEADS)
        ]
        data = wfdb.samples_as_bytes(self.adc, FORMAT)
        notes = wfdb.annotation_bytes(self.marks) + END
        about = wfdb.with_sums(self.about, crc32(data), notes)
        header = wfdb.header(
            name, FORMAT, signals, samples=len(self.adc), began=self.began, about=about
        )
        to.begin(data, notes, header, len(self.adc), last=True)


def twelve(counts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Int32 [n, 8] in the order of the wiring -> [n, 12], the augmented leads doubled: 26 bits."""
    one, two = counts[:, _I], counts[:, _II]
    limbs = (one, two, two - one, -(one + two), 2 * one - two, 2 * two - one)
    return np.column_stack([*limbs, counts[:, _CHEST]]).astype(np.int32)


def gather(
    blocks: Iterable[FrameBlock], first: int, end: int
) -> tuple[int, NDArray[np.int32], list[Mark]] | None:
    """Samples ``first`` to ``end`` as far as they are there: their index, [n, 12], the losses.

    None when there is not one.
    """
    there = [b for b in blocks if b.first_index < end and b.first_index + len(b) > first]
    if not there:
        return None
    first = max(first, there[0].first_index)
    end = min(end, there[-1].first_index + len(there[-1]))
    adc = np.full((end - first, len(LEADS)), NONE_32, np.int32)
    lost, next_index = [], first
    for block in there:
        if block.first_index > next_index:
            text = f"lost: {block.first_index - next_index} samples"
            lost.append(Mark(next_index, NOTE, text))
        low, high = max(first, block.first_index), min(end, block.first_index + len(block))
        rows = block.counts[low - block.first_index : high - block.first_index]
        adc[low - first : high - first] = twelve(rows)
        next_index = high
    return first, adc, lost
