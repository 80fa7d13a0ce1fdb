"""Why a call was made: what the network's score loses when a piece of the trace is taken away.

Occlusion only (Zeiler & Fergus, ECCV 2014;8689:818): no gradients, so the int8 network that made
the call explains it, in about 250 runs. A piece is replaced by the straight line between its
ends, because a step down to zero would be a wave of its own.

Two questions are asked and their answers multiplied. *Which wave, in which lead*: 120 ms of one
lead, moved in steps of 40 ms and taken at the same distance from the R peak out of every beat at
once, since a network that sees ten beats hardly misses a piece of one. *Which beat*: all leads of
one beat, so that a single extrasystole stands out. ``lead12 bench explain`` holds this against
simpler occlusions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.bundle import OutputGroup
from firmware.events import LEADS
from firmware.inputs import Form, InputContract, Normal
from firmware.network import Network, NetworkError
from firmware.qrs import QrsDetector
from firmware.tensor import R_AT
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ

CELL_MS = 40  # half a narrow QRS
BEFORE_MS, AFTER_MS = 280, 480  # P to T about the R peak; the rest is one piece
BEATLESS_MS = 400  # length of a piece where no beat was found
BEAT_AT_LEAST = 0.1  # weight of a beat that is not missed, beside the one that is missed most
FAR = AFTER_MS // CELL_MS  # the distance of windows far from any R peak

_NV_PER_UNIT = 50.0  # resolution in which the tensor is shown to the beat detector
_TALLEST_UV = 1000.0  # where nothing says how tall it was
_SETTLE_S = 2  # mirrored before the window: the detector learns in it
_TAIL_S = 1
_COLUMNS = [LEADS.index(lead) for lead in CHANNEL_LEADS]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What speaks for a label, in cells of one lead x ``CELL_MS``.

    score : log odds of the label (uncalibrated) with the whole window
    relevance : int8 [12, windows], 0..127, 127 is the cell that counts most; all 0 when no
        piece that is taken away lowers the score; 0 in lost leads
    """

    group: str
    label: str
    score: float
    relevance: NDArray[np.int8]

    @property
    def lead_shares(self) -> dict[str, float]:
        """Share of each lead in the whole relevance: sums to 1, or all 0."""
        total = max(1, int(self.relevance.sum(dtype=np.int64)))
        return {
            lead: int(row.sum(dtype=np.int64)) / total
            for lead, row in zip(LEADS, self.relevance, strict=True)
        }

    @property
    def window_shares(self) -> NDArray[np.float64]:
        """Share of each 40-ms window, float [windows]: sums to 1, or all 0."""
        of_window: NDArray[np.int64] = self.relevance.sum(axis=0, dtype=np.int64)
        return of_window / max(1, int(of_window.sum()))

    def top(self, n: int) -> list[tuple[float, float, str, float]]:
        """The ``n`` cells that count most: (start_s, end_s, lead, share), largest first."""
        flat = self.relevance.ravel().astype(np.int64)
        total = max(1, int(flat.sum()))
        cells = [int(cell) for cell in np.argsort(-flat, kind="stable")[:n] if flat[cell] > 0]
        return [
            (window * CELL_MS / 1000, (window + 1) * CELL_MS / 1000, LEADS[lead], share)
            for lead, window, share in (
                (*divmod(cell, self.relevance.shape[1]), int(flat[cell]) / total) for cell in cells
            )
        ]


class Scorer:
    """Log odds of one label, from the network's raw output.

    Raises NetworkError when the bundle has no such group or label.
    """

    def __init__(self, network: Network, group: str, label: str) -> None:
        self._network = network
        self._group = _group(network, group)
        if label not in self._group.labels:
            raise NetworkError(
                f"group {group} of {network.bundle.id} has no label {label}; "
                f"it has {', '.join(self._group.labels)}"
            )
        self._column = self._group.labels.index(label)

    def __call__(self, tensor: NDArray[np.int8]) -> float:
        """Of a window, int8 [samples, 12]."""
        group = self._group
        logits = self._network.logits(tensor)[group.first : group.first + len(group.labels)]
        z = self._network.dequantised(logits)
        if group.activation == "sigmoid":
            return float(z[self._column])
        return float(z[self._column] - np.logaddexp.reduce(np.delete(z, self._column)))


def _group(network: Network, name: str) -> OutputGroup:
    for group in network.bundle.groups:
        if group.name == name:
            return group
    known = ", ".join(group.name for group in network.bundle.groups)
    raise NetworkError(f"{network.bundle.id} has no group {name}; it has {known}")


def explain(network: Network, tensor: NDArray[np.int8], group: str, label: str) -> Explanation:
    """Why ``network`` gives ``label`` of ``group`` its score on ``tensor``, int8 [samples, 12].

    About 250 runs of the network. Raises NetworkError for an unknown group or label, a tensor of
    another shape, or a network that reads no leads.
    """
    of = network.bundle.input
    if of.form is Form.PAGE:
        raise NetworkError(
            f"{network.bundle.id} reads a page, on which no lead can be told from the others; "
            "ask a network that reads leads"
        )
    score = Scorer(network, group, label)
    whole = score(tensor)
    step = float(np.diff(network.dequantised(np.arange(2, dtype=np.int8)))[0])
    per_cell = of.rate_hz * CELL_MS // 1000
    windows = max(1, len(tensor) // per_cell)
    peaks = np.array([R_AT]) if of.form is Form.MEDIAN_BEAT else beats(tensor, of)
    distance, beat = _pieces(peaks / per_cell, windows)
    wave = np.zeros((len(LEADS), windows))
    for at in np.unique(distance):
        here = distance == at
        piece = here if at == FAR else (np.abs(distance - at) <= 1) & (distance != FAR)
        for lead in np.flatnonzero((tensor != of.zero).any(axis=0)):
            removed = np.zeros(wave.shape, np.bool_)
            removed[lead, piece] = True
            # Half a step of the output may be rounding, and a distance that few beats have must
            # not look large for being short.
            loss = whole - score(without(tensor, removed, of.zero)) - step / 2
            wave[lead, here] = loss / max(np.count_nonzero(piece), 3 * len(peaks))
    missed = np.zeros(windows)
    for one in np.unique(beat):
        here = beat == one
        removed = np.broadcast_to(here, wave.shape)
        missed[here] = whole - score(without(tensor, removed, of.zero))
    most = float(np.abs(missed).max()) or 1.0  # nothing missed: all beats alike
    weight = np.maximum(missed, 0) + BEAT_AT_LEAST * most
    relevance = np.maximum(wave, 0) * weight
    relevance *= 127 / max(relevance.max(), 1e-9)
    return Explanation(group, label, whole, np.rint(relevance).astype(np.int8))


def without(
    tensor: NDArray[np.int8], removed: NDArray[np.bool_], zero: int = 0
) -> NDArray[np.int8]:
    """``tensor`` [samples, 12] with the cells ``removed`` [12, windows] bridged by straight lines.

    A run that reaches an end of the window takes the value of its other end; a lead with nothing
    left is ``zero``. Samples behind the last whole cell belong to it.
    """
    out = tensor.copy()
    n, windows = len(tensor), removed.shape[1]
    index = np.arange(n)
    cell = np.minimum(index // (n // windows), windows - 1)
    for lead in np.flatnonzero(removed.any(axis=1)):
        gone = removed[lead][cell]
        kept = np.flatnonzero(~gone)
        if len(kept):
            line = np.interp(index[gone], kept, tensor[kept, lead])
            out[gone, lead] = np.rint(line).astype(np.int8)
        else:
            out[:, lead] = zero
    return out


def beats(tensor: NDArray[np.int8], of: InputContract) -> NDArray[np.float64]:
    """R peaks in ``tensor`` [samples, 12], in samples, by the monitor's own detector."""
    rate_hz = of.rate_hz
    up = SAMPLE_RATE_HZ // rate_hz
    before, after = _SETTLE_S * rate_hz, _TAIL_S * rate_hz
    channels = microvolts(tensor, of)[:, _COLUMNS]
    there = (tensor[:, _COLUMNS] != of.zero).any(axis=0)
    channels = np.concatenate([channels[before:0:-1], channels, channels[-2 : -2 - after : -1]])
    at = np.arange(len(channels) * up) / up
    units = np.stack([np.interp(at, at[::up], column) for column in channels.T], axis=1)
    counts = np.rint(units * (1000 / _NV_PER_UNIT)).astype(np.int32)
    found = QrsDetector(_NV_PER_UNIT).push(0, counts, there)
    peaks = np.array(found, np.float64) / up - before
    inside: NDArray[np.float64] = peaks[(peaks >= 0) & (peaks < len(tensor))]
    return inside


def microvolts(tensor: NDArray[np.int8], of: InputContract) -> NDArray[np.float64]:
    """What ``tensor`` [samples, 12] stands for.

    In a measure that forgot it each lead is about its median, and the tallest wave is a millivolt.
    """
    steps = tensor.astype(np.float64) - of.zero
    if of.normal is Normal.FIXED:
        return steps * of.step_uv
    steps -= np.median(steps, axis=0)
    return steps * (_TALLEST_UV / max(1.0, float(np.abs(steps).max())))


def _pieces(
    peaks: NDArray[np.float64], windows: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each window: its distance from the R peak, in windows, and the number of its beat.

    peaks : R peaks in windows. A beat begins ``BEFORE_MS`` before its R peak, or 40 % of the RR
    interval if that is less; windows that are far from any R peak share one distance. Without
    beats all windows do, and every ``BEATLESS_MS`` count as a beat.
    """
    at = np.arange(windows)
    if not len(peaks):
        return np.full(windows, FAR), at * CELL_MS // BEATLESS_MS
    rr = np.diff(peaks, prepend=-np.inf)
    begins = peaks - np.minimum(BEFORE_MS / CELL_MS, 0.4 * rr)
    beat = np.maximum(np.searchsorted(begins, at + 0.5, side="right") - 1, 0)
    distance = np.floor(at + 1 - peaks[beat]).astype(np.int64)
    near = (distance >= -BEFORE_MS // CELL_MS) & (distance < FAR)
    return np.where(near, distance, FAR), beat
