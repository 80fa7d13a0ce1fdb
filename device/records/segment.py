"""One segment of the continuous record: it grows, is on the disk every second, and ends whole.

While it grows its header names no length, so that every reader takes what the file holds; at its
end the header gets length, time and checksums and the annotations are put in order. What a power
cut leaves is ended by ``repair`` at the next start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from device.flash import files
from device.records import wfdb
from device.records.reading import about_record
from device.records.record_files import PlainFiles, Put, RecordFiles
from device.records.wfdb import END, Mark, Signal
from hal.frontend import CHANNEL_LEADS, CHANNELS, SAMPLE_RATE_HZ
from hal.patient.wfdb import parse_header

FORMAT = 24
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
ORDER = [CHANNEL_LEADS.index(lead) for lead in LEADS]
FRAME = 3 * CHANNELS  # bytes
UNSURE = 2 * SAMPLE_RATE_HZ  # samples at the end that may not have been synced
MOST_BYTES = 1 << 28  # of a file that is mended


class Segment:
    """A new record of counts.

    record : its path without suffix · about : for the header; ``first_index`` and ``utc`` are read
    again · gain : counts per millivolt · began : UTC time of the first sample, if known
    to : its files; WFDB for every reader where they are not named
    """

    def __init__(
        self,
        record: Path,
        about: Mapping[str, Any],
        gain: float,
        began: datetime | None,
        to: RecordFiles | None = None,
    ) -> None:
        self.record = record
        self._to = PlainFiles(record) if to is None else to
        self.first_index: int = about["first_index"]
        self.samples = 0  # on the disk for sure
        self._about, self._gain, self._began = about, gain, began
        self._marks: list[Mark] = []
        self._end_at = 0  # of the annotations in their file
        self._initial = self._sums = np.zeros(CHANNELS, np.int64)
        self._crc = 0  # of the samples

    @property
    def next_index(self) -> int:
        """Of the sample that is to follow."""
        return self.first_index + self.samples

    def write(self, counts: NDArray[np.int32], marks: Sequence[Mark]) -> None:
        """Add ``counts`` [n, 8] in the order of the wiring, n > 0, and bring them to the disk.

        Raises OSError; then only ``finish`` may follow, and the counts are not in the record.
        """
        ordered = counts[:, ORDER]
        raw = wfdb.samples_as_bytes(ordered, FORMAT)
        samples = self.samples + len(counts)
        data = wfdb.annotation_bytes(marks, self._marks[-1].sample if self._marks else 0)
        if self.samples:
            puts = [Put(".dat", self.samples * FRAME, raw)]
            if marks:
                puts.append(Put(".atr", self._end_at, data + END))
            self._to.grow(puts, samples)
        else:
            self._to.begin(raw, data + END, self._header(), samples, last=False)
            self._initial = ordered[0].astype(np.int64)
        self._end_at += len(data)
        self._marks += marks
        self.samples = samples
        self._sums = self._sums + wfdb.sums(ordered)
        self._crc = crc32(raw, self._crc)

    def take_over(self, ordered: NDArray[np.int32]) -> None:
        """Its file holds these already, in the order of ``LEADS``."""
        self.samples = len(ordered)
        if len(ordered):
            self._initial, self._sums = ordered[0].astype(np.int64), wfdb.sums(ordered)
            self._crc = crc32(wfdb.samples_as_bytes(ordered, FORMAT))

    def finish(self, late: Sequence[Mark] = ()) -> None:
        """Give the record its length, or remove it when it has none or somebody cut it.

        late : marks that came after its last samples
        """
        if not self.samples or not self._to.holds(self.samples * FRAME):
            self._to.remove()
            return
        marks = sorted([*self._marks, *late], key=lambda mark: mark.sample)
        notes = wfdb.annotation_bytes(marks) + END
        self._to.end(notes, self._header(notes), self.samples)

    def _header(self, notes: bytes | None = None) -> bytes:
        """With ``notes``, its annotations, of a record that is whole; without while it grows."""
        known = notes is not None
        samples, about = None, self._about
        if notes is not None:
            samples, about = self.samples, wfdb.with_sums(about, self._crc, notes)
        signals = [
            Signal(lead, self._gain, 0, int(first) * known, int(total) * known)
            for lead, first, total in zip(LEADS, self._initial, self._sums, strict=True)
        ]
        return wfdb.header(
            self.record.name,
            FORMAT,
            signals,
            samples=samples,
            began=self._began,
            about=about,
        )


def repair(record: Path) -> int:
    """End a segment that was cut off; how many samples it holds, 0 when it was removed.

    What was not synced may be missing, torn, or zeros: a torn frame is left out, and in the last
    two seconds everything from the first frame of zeros on, with the one before it, which may be
    half there. No converter gives eight zeros in all their 24 bits.
    Raises OSError or RecordingError.
    """
    about, _ = about_record(record)
    gain = parse_header(record.with_suffix(".hea")).signals[0].gain
    utc = about.get("utc")
    adc = wfdb.samples_from_bytes(files.read(record.with_suffix(".dat"), MOST_BYTES), CHANNELS)
    tail = max(0, len(adc) - UNSURE)
    if len(zeros := np.flatnonzero(~adc[tail:].any(axis=1))):
        adc = adc[: max(0, tail + int(zeros[0]) - 1)]
    try:
        marks = wfdb.read_annotations(files.read(record.with_suffix(".atr"), MOST_BYTES))
    except FileNotFoundError:
        marks = []
    segment = Segment(record, about, gain, datetime.fromisoformat(utc) if utc else None)
    segment.take_over(adc)
    segment.finish([mark for mark in marks if 0 <= mark.sample <= len(adc)])
    return len(adc)
