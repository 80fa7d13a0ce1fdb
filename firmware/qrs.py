"""QRS detection on all usable channels at once, in integers.

Per channel, spikes of up to 12 ms are removed by a morphological opening and closing, two moving
sums (20 ms and 16 ms: zeros at 50 Hz and near 60 Hz) smooth, and a 20 ms difference, less the mean
slope over 160 ms, gives the slope (pass band about 5-20 Hz). All of it is adds, minima and maxima
of neighbouring samples: exact in int32 and without state but the last samples, so any cutting of
the input gives the same beats. At each sample the channels' absolute slopes are averaged without
the largest, so that one wild electrode is harmless; their sum over 80 ms is the *activity*. Its
maxima are judged by an adaptive threshold with refractory time, T-wave rule and search-back, after
Pan and Tompkins (IEEE Trans Biomed Eng 1985;32:230). The beat is placed where the curvature of
the smoothed channels, averaged likewise, is largest: the tip of the R (or S) wave.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hal.frontend import CHANNELS, SAMPLE_RATE_HZ

_MS = SAMPLE_RATE_HZ / 1000

# Shape of the detection signal, in samples at 500 Hz.
SPIKE = 6  # 12 ms: pacing pulses, and the 10 ms pulses that IEC 60601-2-27 wants ignored
SMOOTH = (10, 8)  # zeros at 50 and 62.5 Hz
SLOPE = 10  # 20 ms
TREND = 8 * SLOPE  # 160 ms: the mean slope over so long is wander or T wave, and is taken off
INTEGRATE = 40  # 80 ms: about one QRS
CURVATURE = 14  # 28 ms to either side of the tip
TIP_SEARCH = 40  # 80 ms to either side of the middle of the activity

# Rules of the judge.
APART = int(150 * _MS)  # two maxima nearer than this are one: slopes up and down of a wide QRS
PROMINENCE_PERCENT = 130  # of the least activity in 150 ms before and after: steady noise has less
REFRACTORY = int(180 * _MS)  # the shortest RR, at 300 bpm, is 200 ms
T_WAVE_WITHIN = int(360 * _MS)  # of the beat it belongs to (Pan and Tompkins)
T_WAVE_BELOW_PERCENT = 70  # of the activity of that beat
THRESHOLD_PERCENT = 20  # of the way from the noise level to the signal level
NOISE_MOST_PERCENT = 12  # of the signal level: what is higher are the small beats of bigeminy
SEARCH_BACK_RR_PERCENT = 160  # a beat is overdue after so much of the median RR
SEARCH_BACK_THRESHOLD_PERCENT = 50  # of the threshold, when looking again
SEARCH_BACK_WEIGHT = 3  # beats: the level follows faster to what the threshold missed
LEARN = int(2000 * _MS)  # seen before the first judgement: two beats at 60 bpm
RELEARN = int(8000 * _MS)  # without a beat for so long, the levels no longer hold
LEARN_SECOND_PERCENT = 40  # the second largest maximum is a QRS too if so high beside the first
LEVELS = 8  # beats, RR intervals and rejected maxima remembered
MIN_SLOPE_UV = 14  # least mean slope of a QRS over 80 ms: uV in 20 ms, mean of the channels
# IEC 60601-2-27 wants a QRS of 0.5 mV counted and one of 0.15 mV not; P waves of standstill are
# smaller. A beat is steep in one channel at least (the same slope; 0.5 mV has 120 and more, 0.15 mV
# 53 and less, the least annotated QRS of LUDB 100), or as large as VT, whose slopes are low.
MIN_STEEPEST_UV = 75
MIN_EXTENT_UV = 300  # in 240 ms

_LOSS_SMOOTHED = 4 * (SPIKE - 1) + sum(SMOOTH) - len(SMOOTH)
_SPAN = _LOSS_SMOOTHED + TREND + INTEGRATE - 1  # samples of history behind one activity value
_ACTIVITY_DELAY = _SPAN // 2
_TIP_DELAY = (_LOSS_SMOOTHED + 2 * CURVATURE) // 2
_TIP_KEPT = APART + _ACTIVITY_DELAY - _TIP_DELAY + TIP_SEARCH


def moving(op: np.ufunc, x: NDArray[Any], length: int) -> NDArray[Any]:
    """``op`` over each ``length`` neighbours along the last axis, by doubling the width."""
    power, size = x, 1
    result, width = None, 0
    while True:
        if length & size:
            if result is None:
                result = power
            else:
                n = min(result.shape[-1], power.shape[-1] - width)
                result = op(result[..., :n], power[..., width : width + n])
            width += size
            if width == length:
                return result
        power = op(power[..., :-size], power[..., size:])
        size *= 2


class QrsDetector:
    """Finds beats in raw counts.

    nv_per_count : input-referred nanovolts of one count (``FrontendInfo.nv_per_count``)

    A beat is reported 0.25 to 0.4 s after its R peak; in the first 2 s only when these are over;
    one found by search-back when the next is overdue. Nothing is found in the first 0.3 s, nor in
    that time after a lost electrode is back, in its channels.
    """

    def __init__(self, nv_per_count: float) -> None:
        per_uv = 1000 / nv_per_count * SMOOTH[0] * SMOOTH[1] * INTEGRATE
        self._least = round(MIN_SLOPE_UV * per_uv)
        self._least_steepest = round(MIN_STEEPEST_UV * per_uv)
        self._least_extent = round(MIN_EXTENT_UV * per_uv / INTEGRATE)
        self.reset(0)

    def reset(self, index: int) -> None:
        """Forget everything; the next sample is ``index``. Call at the start and at a gap."""
        self._start = self._next = index
        self._raw: NDArray[np.int32] | None = None
        self._usable_since = np.full(CHANNELS, index)
        self._activity = np.zeros(2 * APART, np.int64)
        self._large = np.zeros(2 * APART, np.bool_)
        self._tip = np.zeros(_TIP_KEPT, np.int64)
        self._judge = _Judge(self._least, index)

    def push(
        self, first_index: int, counts: NDArray[np.int32], usable: NDArray[np.bool_]
    ) -> list[int]:
        """Take the next samples; return the R peaks that became certain, in order.

        counts : int32 [n, 8], raw, consecutive with the samples before
        usable : bool [8], channels whose electrodes are on during these samples
        """
        if first_index != self._next:
            raise ValueError(
                f"sample {first_index} follows {self._next - 1}: call reset({first_index}) at a gap"
            )
        n = len(counts)
        if n == 0:
            return []
        self._next += n
        old = np.repeat(counts[:1], _SPAN, axis=0) if self._raw is None else self._raw
        raw = np.concatenate((old, counts))
        self._raw = raw[n:]

        slope, curvature, extent = _features(raw.T, n)
        self._usable_since[~usable] = self._next
        settled = self._usable_since + _SPAN
        several = np.ones(n + INTEGRATE - 1, np.bool_)  # channels in use
        if settled.max() > first_index - INTEGRATE:
            seen = np.arange(first_index - INTEGRATE + 1, first_index + n) >= settled[:, None]
            slope *= seen
            curvature *= seen[:, INTEGRATE - 1 :]
            extent *= seen[:, INTEGRATE - 1 :]
            several = np.count_nonzero(seen, axis=0) > 1
        activity = np.concatenate(
            (self._activity, moving(np.add, _mean(slope, several), INTEGRATE))
        )
        steepest = moving(np.add, slope.max(axis=0).astype(np.int64), INTEGRATE)
        is_large = (steepest >= self._least_steepest) | (extent.max(axis=0) >= self._least_extent)
        large = np.concatenate((self._large, is_large))
        tip = np.concatenate((self._tip, _mean(curvature, several[INTEGRATE - 1 :])))
        self._activity, self._large, self._tip = activity[n:], large[n:], tip[n:]

        middle = activity[APART : APART + n]
        crest = moving(np.maximum, activity, APART)
        trough = moving(np.minimum, activity, APART)
        enough = 100 * middle >= PROMINENCE_PERCENT * np.maximum(trough[:n], trough[APART + 1 :])
        maxima = (middle > crest[:n]) & (middle >= crest[APART + 1 :]) & enough
        maxima &= large[APART : APART + n]
        beats: list[int] = []
        for at in np.flatnonzero(maxima & (middle >= self._least)).tolist():
            offset = int(tip[at : at + 2 * TIP_SEARCH + 1].argmax())
            index = first_index + at - _TIP_KEPT + offset - _TIP_DELAY
            certain = first_index + at
            beats += self._judge.maximum(certain, max(index, self._start), int(middle[at]))
        return beats + self._judge.until(self._next)


def _features(raw: NDArray[np.int32], n: int) -> tuple[NDArray[np.int32], ...]:
    """Absolute slope [8, n + INTEGRATE - 1], curvature and extent [8, n] of the smoothed channels.

    The extent is that of the 240 ms which one value of the activity is made of. NumPy is fastest
    along time where the channels of a sample are neighbours in memory, as they come, and across
    the channels where the samples are, as they go.
    """
    x = moving(np.minimum, raw, SPIKE)
    x = moving(np.maximum, x, 2 * SPIKE - 1)  # ends the opening and begins the closing
    x = moving(np.minimum, x, SPIKE)
    for length in SMOOTH:
        x = moving(np.add, x, length)
    whole = TREND + INTEGRATE
    extent = moving(np.maximum, x, whole) - moving(np.minimum, x, whole)
    side = (TREND - SLOPE) // 2
    slope = x[:, side + SLOPE : -side] - x[:, side : -side - SLOPE]
    slope = np.abs(slope - ((x[:, TREND:] - x[:, :-TREND]) >> 3))
    x = x[:, -(n + 2 * CURVATURE) :] >> 2  # room for the doubled middle
    middle = x[:, CURVATURE:-CURVATURE]
    curvature = np.abs(2 * middle - x[:, : -2 * CURVATURE] - x[:, 2 * CURVATURE :])
    return tuple(map(np.ascontiguousarray, (slope, curvature, extent)))


def _mean(channels: NDArray[np.int32], several: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Mean over the channels that are not 0, without the largest where there are ``several``."""
    total: NDArray[np.int64] = channels.sum(axis=0, dtype=np.int64)
    total -= channels.max(axis=0) * several
    mean: NDArray[np.int64] = total // np.maximum(np.count_nonzero(channels, axis=0) - several, 1)
    return mean


class _Judge:
    """Which maxima of the activity are beats. Times are when a maximum became certain."""

    def __init__(self, least: int, start: int) -> None:
        self._least = least
        self._learn_from(start)

    def _learn_from(self, time: int) -> None:
        self._learned_at: int | None = time + LEARN
        self._seen: list[tuple[int, int, int]] = []  # maxima since the last beat
        self._signal: deque[int] = deque(maxlen=LEVELS)
        self._noise: deque[int] = deque(maxlen=LEVELS)
        self._rr: deque[int] = deque(maxlen=LEVELS)
        self._last: tuple[int, int, int] | None = None
        self._due = time + LEARN

    def maximum(self, time: int, index: int, height: int) -> list[int]:
        """A maximum of ``height``, its tip at ``index``; returns beats."""
        beats = self.until(time)
        self._seen.append((time, index, height))
        if self._learned_at is None:
            beats += self._judge_newest()
        return beats

    def until(self, time: int) -> list[int]:
        """Time has come to ``time`` (exclusive) without another maximum; returns beats."""
        beats: list[int] = []
        while self._due < time:
            beats += self._learn() if self._learned_at is not None else self._search_back()
        return beats

    def _learn(self) -> list[int]:
        seen = self._seen
        if not seen:
            self._due += LEARN
            return []
        heights = sorted((height for _, _, height in seen), reverse=True)
        # the second largest: the largest may be an artefact or an ectopic beat
        second = heights[1] if len(heights) > 1 else 0
        signal = second if second * 100 >= LEARN_SECOND_PERCENT * heights[0] else heights[0]
        self._signal.append(signal)
        self._noise.extend(height for height in heights if 2 * height < signal)
        self._learned_at, self._seen = None, []
        self._due += RELEARN
        beats = []
        for one in seen:
            self._seen.append(one)
            beats += self._judge_newest()
        return beats

    def _threshold(self) -> int:
        signal = sorted(self._signal)[(len(self._signal) - 1) // 2]
        noise = sorted(self._noise)[len(self._noise) // 2] if self._noise else 0
        noise = min(noise, signal * NOISE_MOST_PERCENT // 100)
        return max(self._least, noise + (signal - noise) * THRESHOLD_PERCENT // 100)

    def _is_t_wave(self, index: int, height: int) -> bool:
        last = self._last
        return (
            last is not None
            and index - last[1] < T_WAVE_WITHIN
            and height * 100 < T_WAVE_BELOW_PERCENT * last[2]
        )

    def _judge_newest(self) -> list[int]:
        _, index, height = self._seen[-1]
        if self._last is not None and index - self._last[1] < REFRACTORY:
            self._seen.pop()
            return []
        if height >= self._threshold() and not self._is_t_wave(index, height):
            return self._accept(self._seen[-1])
        self._noise.append(height)
        return []

    def _accept(self, beat: tuple[int, int, int], *, late: bool = False) -> list[int]:
        time, index, height = beat
        if self._last is not None:
            self._rr.append(index - self._last[1])
        self._signal.extend([height] * (SEARCH_BACK_WEIGHT if late else 1))
        self._last = beat
        self._seen = [one for one in self._seen if one[0] > time]
        rr = sorted(self._rr)[len(self._rr) // 2] if self._rr else RELEARN
        self._due = time + min(rr * SEARCH_BACK_RR_PERCENT // 100, RELEARN)
        return [index]

    def _search_back(self) -> list[int]:
        """The next beat is overdue: the largest of the rejected maxima may have been it."""
        due = self._due
        if self._last is None or due - self._last[0] >= RELEARN:
            self._learn_from(due)
            return []
        likely = [one for one in self._seen if not self._is_t_wave(one[1], one[2])]
        floor = max(self._least, self._threshold() * SEARCH_BACK_THRESHOLD_PERCENT // 100)
        best = max(likely, key=lambda one: one[2], default=None)
        if best is not None and best[2] >= floor:
            return self._accept(best, late=True)
        self._due = self._last[0] + RELEARN
        return []
