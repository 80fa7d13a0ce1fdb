"""Heart rate and RR irregularity from beats."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from statistics import fmean, median

from hal.frontend import SAMPLE_RATE_HZ

RATE_WINDOW = 8 * SAMPLE_RATE_HZ  # a step of the rate has to show within 10 s
IRREGULARITY_WINDOW = 10 * SAMPLE_RATE_HZ  # that of the call
LEAST_BEATS = 3
UNKNOWN_AFTER = 4 * SAMPLE_RATE_HZ  # without a beat: twice the RR at 30 bpm
BEAT_LATENCY = SAMPLE_RATE_HZ // 2  # a beat this long ago has been reported, unless it was missed
PAUSE = 2.5  # times the longest interval: more than one beat missing
NEAR_MEDIAN = 0.15  # of the median RR: sinus arrhythmia in a few seconds, not a missed beat
MOST = 2 / 3  # of the intervals are near the median: the rest are outliers
LEAST_DIFFERENCES = 4
OUTLYING_DIFFERENCES = 3  # one early, missed or extra beat makes so many


class RateMeter:
    """Mean rate of the last 8 s, deaf to a single missed or extra beat.

    Where two thirds of the RR intervals lie within 15 % of their median, the rate is the mean of
    those; otherwise (AF, bigeminy, a change of rate) the mean of all, which counts beats over time.
    In a pause longer than one missed beat the number falls: the pause counts as an interval.

    Irregularity is the mean absolute difference of successive RR intervals in the last 10 s,
    its three largest left out, over the median RR: about 0.01 in sinus rhythm, 0.14 in AF.
    """

    def __init__(self) -> None:
        self._beats: deque[int] = deque()
        self._since = 0

    def reset(self, index: int) -> None:
        """Forget everything: there is a gap before ``index``, or no channel showed beats."""
        self._beats.clear()
        self._since = index

    @property
    def last_beat(self) -> int | None:
        """Index of the last beat since the start or a gap."""
        return self._beats[-1] if self._beats else None

    @property
    def beats(self) -> tuple[int, ...]:
        """Indices of the beats in the ten seconds before the last one, and of that."""
        return tuple(self._beats)

    def beat(self, index: int) -> None:
        """A beat at ``index``, later than the one before; one found late, before a gap, is gone."""
        if index < self._since:
            return
        self._beats.append(index)
        while index - self._beats[0] > IRREGULARITY_WINDOW:
            self._beats.popleft()

    def at(self, index: int) -> tuple[float | None, float | None]:
        """Rate in bpm and irregularity when the samples before ``index`` have been seen.

        Both None when not known: fewer than three beats in the last 8 s, none in the last 4 s;
        the irregularity also with fewer than six beats in the last 10 s.
        """
        if not self._beats or index - self._beats[-1] > UNKNOWN_AFTER:
            return None, None
        return self._rate_bpm(index), self._irregularity(index)

    def _intervals(self, since: int) -> list[int]:
        beats = [beat for beat in self._beats if beat >= since]
        return [b - a for a, b in pairwise(beats)]

    def _rate_bpm(self, index: int) -> float | None:
        rr = self._intervals(index - RATE_WINDOW)
        if len(rr) < LEAST_BEATS - 1:
            return None
        silence = index - BEAT_LATENCY - self._beats[-1]
        if silence > PAUSE * max(rr):
            return 60 * SAMPLE_RATE_HZ / fmean([*rr, silence])
        middle = median(rr)
        near = [interval for interval in rr if abs(interval - middle) <= NEAR_MEDIAN * middle]
        return 60 * SAMPLE_RATE_HZ / fmean(near if len(near) >= MOST * len(rr) else rr)

    def _irregularity(self, index: int) -> float | None:
        rr = self._intervals(index - IRREGULARITY_WINDOW)
        steps = sorted(abs(b - a) for a, b in pairwise(rr))
        if len(steps) < LEAST_DIFFERENCES:
            return None
        kept = len(steps) - min(OUTLYING_DIFFERENCES, len(steps) // 2)
        return fmean(steps[:kept]) / median(rr)
