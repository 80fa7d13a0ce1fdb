"""Recorded ECGs as patients: read a file, and feel the volts that would have given its leads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.errors import RecordingError
from hal.patient import ANALOG_RATE_HZ, ElectrodePotentials
from hal.patient.chunks import Chunks
from hal.patient.csv_format import read_csv
from hal.patient.lead_field import electrode_volts
from hal.patient.record import Recording
from hal.patient.resample import mirror, resampler
from hal.patient.wfdb import read_wfdb

__all__ = ["NoRecordingError", "RecordedPatient", "Recording", "read_recording"]

_PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".heic", ".bmp", ".gif", ".pdf")

_CHUNK_POINTS = 20_480  # resampled at a time: 10 s, so that long records do not fill memory
_FADE_S = 0.5


class NoRecordingError(RecordingError):
    """A file of another kind."""


def read_recording(path: str | Path, lost: Sequence[tuple[int, int]] | None = None) -> Recording:
    """Read a WFDB record (path with or without .hea, .dat, .mat) or a CSV file.

    lost : as for ``read_wfdb``; of a CSV file nothing may be missing

    Raises RecordingError with one line that names the fault and what to do.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    header, table = Path(f"{path}.hea"), Path(f"{path}.csv")
    if path.is_dir() and not (header.is_file() or table.is_file()):
        raise RecordingError(f"{path} is a folder", act="name the records in it")
    if path.is_file() and suffix not in (".hea", ".dat", ".mat", ".csv") and not header.is_file():
        picture = "; only lead12 classify reads pictures" if suffix in _PICTURES else ""
        act = f"give a WFDB record or a .csv{picture}"
        raise NoRecordingError(f"{path} is no recording", act=act)
    if suffix == ".csv":
        return read_csv(path)
    if suffix in (".hea", ".dat", ".mat"):
        return read_wfdb(path.with_suffix(".hea"), lost)
    return read_csv(table) if table.is_file() and not header.is_file() else read_wfdb(header, lost)


class RecordedPatient:
    """A Recording on the 2 kHz grid.

    lead_in_s, tail_s : the record mirrored about its first and last point, for filters to settle
        on without a step
    loop : begin again for ever, with a cross-fade of 0.5 s (less in records under 2 s) at the joint
    """

    def __init__(
        self,
        recording: Recording,
        *,
        lead_in_s: float = 0.0,
        tail_s: float = 0.0,
        loop: bool = False,
    ) -> None:
        if loop and tail_s:
            raise ValueError("a loop has no tail")
        self.name = recording.name
        self._mv = recording.mv
        self._resampler = resampler(recording.rate_hz)
        self._points = self._resampler.points(len(recording.mv))
        self._lead_in = round(lead_in_s * ANALOG_RATE_HZ)
        self._fade = min(round(_FADE_S * ANALOG_RATE_HZ), self._points // 4) if loop else 0
        self._blocks = max(1, _CHUNK_POINTS // self._resampler.block_out)
        size = self._blocks * self._resampler.block_out
        self._span = Chunks(self._make_chunk, size).span
        self.duration: int | None = (
            None if loop else self._lead_in + self._points + round(tail_s * ANALOG_RATE_HZ)
        )

    def potentials(self, first: int, n: int) -> ElectrodePotentials:
        """See Patient.potentials."""
        if first < 0 or (self.duration is not None and first + n > self.duration):
            raise ValueError(f"{self.name}: points {first}..{first + n - 1} are not in the signal")
        at = np.arange(first - self._lead_in, first - self._lead_in + n)
        if self.duration is None:
            volts = self._looped(at)
        elif n and (at[0] < 0 or at[-1] >= self._points):
            volts = self._at(mirror(at, self._points))
        else:
            volts = self._span(int(at[0]), int(at[-1]) + 1) if n else np.zeros((0, 10))
        return ElectrodePotentials(volts, np.zeros(volts.shape, dtype=np.bool_))

    def _looped(self, at: NDArray[np.int64]) -> NDArray[np.float64]:
        period = self._points - self._fade
        phase = np.where(at < 0, mirror(at, self._points), np.mod(at, period))
        volts = self._at(phase)
        fading = np.flatnonzero((at >= period) & (phase < self._fade))
        if len(fading):
            rising = (phase[fading, None] + 0.5) / self._fade
            volts[fading] = rising * volts[fading] + (1 - rising) * self._at(phase[fading] + period)
        return volts

    def _at(self, points: NDArray[np.int64]) -> NDArray[np.float64]:
        """Volts [n, 10] at any points of the record."""
        if len(points) == 0:
            return np.zeros((0, 10))
        low = int(points.min())
        volts: NDArray[np.float64] = self._span(low, int(points.max()) + 1)[points - low]
        return volts

    def _make_chunk(self, number: int) -> NDArray[np.float64]:
        blocks = self._blocks
        last = -(-self._points // self._resampler.block_out)
        count = min(blocks, last - number * blocks)
        return electrode_volts(self._resampler.blocks(self._mv, number * blocks, count))
