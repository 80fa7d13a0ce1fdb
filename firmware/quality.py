"""Signal quality per lead and overall, and the suspicion of asystole, from whole seconds.

Everything is measured once per second and channel on raw counts, in integers: range, second
differences (muscle noise), one bin of the Fourier transform (mains: what a Goertzel filter gives),
mean (motion, wander). A lead has a fault when three of its last ten seconds have one: rules, with
thresholds set on half of the PhysioNet/CinC Challenge 2011 set a. From the same measures a network
(``firmware.acceptable``) tells whether people would accept the ten seconds as a 12-lead ECG. It can
lower the grade and never refuses a call; tools/bench/quality.py measures both.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from firmware.acceptable import ONE, badness, features, log_odds, weights
from firmware.events import LEADS, LeadFault, QualityGrade
from firmware.qrs import SPIKE, moving
from hal.frontend import CHANNEL_LEADS, CHANNELS, SAMPLE_RATE_HZ

SECONDS = 10  # the window of a call
FAULTY_SECONDS = 3  # of them make a faulty lead: a cough passes, a loose electrode does not

RAILED_COUNTS = 8_200_000  # of 2^23: 391 mV at gain 6, beyond any electrode offset
RAILED_SAMPLES = 5  # in a second; a defibrillator's spike is no rail
FLAT_UV = 15  # range in a second; the chip's own noise stays below it, a lost P wave does not
MOTION_RANGE_UV = 10_000  # range in a second; the tallest QRS are 8 mV
MOTION_STEP_UV = 2_000  # of the mean from one second to the next
SPIKE_UV = 1_000  # above what is left without anything of 12 ms: pacing pulses, taken off
SPIKE_SAMPLES = 25  # at most in a second, two pulses at 180 bpm; with more it is noise
MUSCLE_UV = 80  # mean absolute second difference; 4-20 uV in clean leads
MAINS_UV = 100  # amplitude: 2 mm peak to peak on paper, seen even after the notch settles
MAINS_LOST_UV = 500  # amplitude beyond which notch residue rivals small QRS
MAINS_AS_MUSCLE = {50: 0.25, 60: 0.36}  # mean |second difference| of a sine of amplitude 1
WANDER_STEP_UV = 700  # of the mean from one second to the next

DOUBTFUL = ONE * 24 // 100  # badness that one in a hundred leads of records people accepted has

READABLE_CHANNELS = 4  # fewest for a call, I or II among them

ASYSTOLE_SECONDS = 4
ASYSTOLE_UV = 200  # range in 200 ms: coarse VF is larger; P waves, wander and noise are smaller

_AROUND = 2 * (SPIKE - 1)  # samples to either side that tell a spike from a step
_PARTS = 5  # of a second, 200 ms each: about one wave of VF, and little wander
_MAINS_MEAN = 10  # samples averaged first: nothing of 50 Hz and a fifth of 60 Hz is left
_MAINS_SCALE = 1 << 14


def _wave(hz: int) -> NDArray[np.int64]:
    """Cosine and sine over a second, int64 [500, 2]."""
    wave = np.exp(2j * np.pi * hz / SAMPLE_RATE_HZ * np.arange(SAMPLE_RATE_HZ)) * _MAINS_SCALE
    return np.rint([wave.real, wave.imag]).astype(np.int64).T


_MAINS_WAVES = {hz: _wave(hz) for hz in MAINS_AS_MUSCLE}
_LIMB = [CHANNEL_LEADS.index("I"), CHANNEL_LEADS.index("II")]
_MADE_OF = {lead: _LIMB if lead in LEADS[2:6] else [CHANNEL_LEADS.index(lead)] for lead in LEADS}
_GRAVITY = list(LeadFault)  # declared the gravest first
_LOST = (LeadFault.RAILED, LeadFault.FLAT, LeadFault.NOISY)


@dataclass(frozen=True, slots=True)
class _Second:
    end: int  # index after its last sample
    faults: tuple[LeadFault | None, ...]  # per channel; None too where its electrode was off
    lost: tuple[bool, ...]  # per channel: no rhythm can be read from it
    usable: NDArray[np.bool_]  # per channel: its electrodes were on all through
    measures: NDArray[np.int64]  # [8, MEASURES], microvolts: extent, step, muscle, mains
    quiet: bool | None  # nothing of QRS size or VF in it; None where too few channels tell


@dataclass(frozen=True, slots=True)
class Verdict:
    """acceptable : as a 12-lead ECG, to people; None while ten seconds are not there to judge.

    doubtful : leads that a reader should not rely on, fault or none, in the order of LEADS
    """

    acceptable: bool | None
    doubtful: tuple[str, ...]


class QualityMeter:
    """Grades over the last ten whole seconds, which are counted from the start or ``reset``.

    nv_per_count : input-referred nanovolts of one count (``FrontendInfo.nv_per_count``)
    mains_hz : 50 or 60; None looks for no mains, which then counts as muscle noise

    GOOD: no fault. FAIR: mains, wander or a lead to doubt, all leads readable. POOR: leads lost
    (off, railed, flat, noisy, mains above 0.5 mV), or ten seconds that people would not accept as a
    12-lead ECG; the rhythm still stands. BAD: fewer than four of the eight channels or neither I
    nor II readable, or nothing measured yet; never call.
    """

    def __init__(self, nv_per_count: float, mains_hz: int | None) -> None:
        self._counts_per_uv = 1000 / nv_per_count
        self._mains_hz = mains_hz
        self.reset(0)

    def reset(self, index: int) -> None:
        """Forget everything; the next sample is ``index``. Call at the start and at a gap."""
        self._next = index
        self._second = np.empty((SAMPLE_RATE_HZ, CHANNELS), np.int32)
        self._before = np.empty((2 * _AROUND, CHANNELS), np.int32)  # its last samples
        self._filled = 0
        self._usable = np.ones(CHANNELS, np.bool_)  # all through the second
        self._usable_now = np.ones(CHANNELS, np.bool_)
        self._usable_before = np.zeros(CHANNELS, np.bool_)  # in the second before this
        self._mean = np.zeros(CHANNELS, np.int64)
        self._seconds: deque[_Second] = deque(maxlen=SECONDS)

    def push(self, first_index: int, counts: NDArray[np.int32], usable: NDArray[np.bool_]) -> None:
        """Take the next samples.

        counts : int32 [n, 8], raw, consecutive with the samples before
        usable : bool [8], channels whose electrodes are on during these samples
        """
        if first_index != self._next:
            raise ValueError(
                f"sample {first_index} follows {self._next - 1}: call reset({first_index}) at a gap"
            )
        if len(counts):
            self._usable_now = usable.copy()
        taken = 0
        while taken < len(counts):
            whole = (len(counts) - taken) // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ
            if whole and not self._filled:
                self._measure(first_index + taken, counts[taken : taken + whole], usable.copy())
                taken += whole
                continue
            some = counts[taken : taken + SAMPLE_RATE_HZ - self._filled]
            self._second[self._filled : self._filled + len(some)] = some
            self._filled += len(some)
            taken += len(some)
            self._usable &= usable
            if self._filled == SAMPLE_RATE_HZ:
                self._measure(first_index + taken - SAMPLE_RATE_HZ, self._second, self._usable)
                self._usable = np.ones(CHANNELS, np.bool_)
                self._filled = 0
        self._next = first_index + len(counts)

    def at(
        self, index: int, verdict: Verdict | None = None
    ) -> tuple[QualityGrade, dict[str, LeadFault]]:
        """Grade, and the faults of the leads that have one, when samples before ``index`` are in.

        verdict : of the same index, where it is known already

        A lead whose electrode is off now is OFF; its past counts again when it is back on.
        """
        grade, faults = self._by_rules(index)
        verdict = verdict or self.verdict(index)
        if verdict.acceptable is False:
            grade = min(grade, QualityGrade.POOR)
        elif verdict.doubtful:
            grade = min(grade, QualityGrade.FAIR)
        return grade, faults

    def _by_rules(self, index: int) -> tuple[QualityGrade, dict[str, LeadFault]]:
        seconds = self._until(index)
        faults: dict[int, LeadFault] = {}
        lost: list[bool] = []
        for channel in range(CHANNELS):
            lost_in = [second for second in seconds if second.lost[channel]]
            lost.append(len(lost_in) >= FAULTY_SECONDS or not self._usable_now[channel])
            fault = _commonest(lost_in, channel) or _commonest(seconds, channel)
            if not self._usable_now[channel]:
                fault = LeadFault.OFF
            if fault is not None:
                faults[channel] = fault
        leads: dict[str, LeadFault] = {}
        for lead, channels in _MADE_OF.items():
            theirs = [faults[channel] for channel in channels if channel in faults]
            if theirs:
                leads[lead] = min(theirs, key=_GRAVITY.index)
        return _grade(bool(seconds), lost, bool(faults)), leads

    def verdict(self, index: int) -> Verdict:
        """What people would say of the ten seconds before ``index``.

        With a dead lead, or too few to read, nothing is acceptable, whatever the network weighs.
        """
        seconds = self._until(index)
        judged = np.all([second.usable for second in seconds], axis=0) & self._usable_now
        if len(seconds) < SECONDS or judged.sum() < READABLE_CHANNELS:
            return Verdict(None, ())
        net = weights()
        bad = badness(features(np.stack([second.measures for second in seconds])), net) * judged
        doubted = set(np.flatnonzero(bad.sum(axis=0) >= DOUBTFUL * len(bad)).tolist())
        doubtful = [lead for lead, channels in _MADE_OF.items() if not doubted.isdisjoint(channels)]
        grade, faults = self._by_rules(index)
        dead = not {LeadFault.RAILED, LeadFault.FLAT}.isdisjoint(faults.values())
        readable = not dead and grade is not QualityGrade.BAD
        return Verdict(readable and bool(log_odds(bad, net) > 0), tuple(doubtful))

    def asystole(self, index: int, last_beat: int | None) -> bool:
        """Suspicion of asystole when the samples before ``index`` are in.

        Electrodes on, no beat for four seconds (``last_beat``: index, None = never), and in four
        whole seconds nothing of the size of coarse VF in more than one channel.
        """
        silent = last_beat is None or index - last_beat > ASYSTOLE_SECONDS * SAMPLE_RATE_HZ
        seconds = self._until(index)[-ASYSTOLE_SECONDS:]
        return silent and len(seconds) == ASYSTOLE_SECONDS and all(s.quiet for s in seconds)

    def measures(self) -> NDArray[np.int64]:
        """Of the last whole seconds, microvolts [seconds, 8, MEASURES], oldest first."""
        return np.stack([second.measures for second in self._seconds])

    def _without_spikes(self, counts: NDArray[np.int32]) -> NDArray[np.int32]:
        """Seconds [8, n, 500] without pacing pulses, 20 ms late: their ends tell spikes as well."""
        before = np.where(self._usable_before, self._before, counts[:1])
        late = np.concatenate((before, counts))
        self._before = late[len(counts) :]
        late = late.T
        calm = moving(np.minimum, late, SPIKE)
        calm = moving(np.maximum, calm, 2 * SPIKE - 1)
        calm = moving(np.minimum, calm, SPIKE)
        x, calm = _seconds(late[:, _AROUND:-_AROUND]), _seconds(calm)
        spikes = np.abs(x - calm) > SPIKE_UV * self._counts_per_uv
        if not spikes.any():
            return x
        spikes &= np.count_nonzero(spikes, axis=2, keepdims=True) <= SPIKE_SAMPLES
        return np.where(spikes, calm, x)

    def _until(self, index: int) -> list[_Second]:
        return [second for second in self._seconds if second.end <= index]

    def _measure(self, first: int, counts: NDArray[np.int32], usable: NDArray[np.bool_]) -> None:
        """Whole seconds from index ``first`` on, all through with the same channels ``usable``."""
        in_range = (np.abs(_seconds(counts.T)) >= RAILED_COUNTS).sum(axis=2) < RAILED_SAMPLES
        x = self._without_spikes(counts)
        extent = np.ptp(x, axis=2)  # [8, n], as all that follows
        mean = x.sum(axis=2, dtype=np.int64) // SAMPLE_RATE_HZ
        step = np.abs(np.diff(mean, axis=1, prepend=self._mean[:, None]))
        step[:, 0] *= self._usable_before
        step[:, 1:] *= usable[:, None]
        slope = np.diff(x, axis=2)
        muscle = np.abs(np.diff(slope, axis=2)).sum(axis=2, dtype=np.int64) // (SAMPLE_RATE_HZ - 2)
        mains = mains_muscle = np.zeros(extent.shape)
        if self._mains_hz is not None:
            parts = (x - mean[..., None]) @ _MAINS_WAVES[self._mains_hz]
            parts //= _MAINS_SCALE * SAMPLE_RATE_HZ // 2
            mains = np.sqrt((parts * parts).sum(axis=2))
            mains_muscle = mains * MAINS_AS_MUSCLE[self._mains_hz]
        uv = self._counts_per_uv
        noisy = extent > MOTION_RANGE_UV * uv
        noisy |= step > MOTION_STEP_UV * uv
        noisy |= (muscle > MUSCLE_UV * uv) & (2 * mains_muscle < muscle)
        has = {  # the gravest first
            LeadFault.RAILED: ~in_range,
            LeadFault.FLAT: extent < FLAT_UV * uv,
            LeadFault.NOISY: noisy,
            LeadFault.MAINS: mains > MAINS_UV * uv,
            LeadFault.WANDER: step > WANDER_STEP_UV * uv,
        }
        found = np.array([*has.values()]) & usable[:, None]  # [faults, 8, n]
        heavy_mains = mains > MAINS_LOST_UV * uv
        measures = np.rint(np.array([extent, step, muscle, mains]) / uv).astype(np.int64)
        moves = _movement(x) > ASYSTOLE_UV * uv
        for k in range(extent.shape[1]):
            faults = tuple(next(compress(has, one), None) for one in found[:, :, k].T.tolist())
            lost = tuple(
                fault in _LOST or heavy
                for fault, heavy in zip(faults, heavy_mains[:, k].tolist(), strict=True)
            )
            quiet = _quiet(moves[:, k], usable & in_range[:, k])
            end = first + (k + 1) * SAMPLE_RATE_HZ
            self._seconds.append(_Second(end, faults, lost, usable, measures[:, :, k].T, quiet))
        self._mean = mean[:, -1]
        self._usable_before = usable


def _seconds(x: NDArray[np.int32]) -> NDArray[np.int32]:
    """Whole seconds [8, n, 500] of [8, time]."""
    return np.ascontiguousarray(x).reshape(CHANNELS, -1, SAMPLE_RATE_HZ)


def _commonest(seconds: list[_Second], channel: int) -> LeadFault | None:
    """The fault that most of ``seconds`` have; None when too few have any."""
    faults = [fault for second in seconds if (fault := second.faults[channel]) is not None]
    if len(faults) < FAULTY_SECONDS:
        return None
    found = Counter(faults)
    return min(found, key=lambda fault: (-found[fault], _GRAVITY.index(fault)))


def _movement(x: NDArray[np.int32]) -> NDArray[np.int32]:
    """The largest range in a fifth of a second, without mains; [8, n] of seconds [8, n, 500]."""
    sums = np.add.reduceat(x, np.arange(0, SAMPLE_RATE_HZ, _MAINS_MEAN), axis=2)
    means = (sums // _MAINS_MEAN).reshape(*x.shape[:2], _PARTS, -1)
    return np.asarray(np.ptp(means, axis=3).max(axis=2))


def _quiet(moves: NDArray[np.bool_], telling: NDArray[np.bool_]) -> bool | None:
    """Whether no limb channel and at most one other moves; None where too few channels tell."""
    if telling.sum() < READABLE_CHANNELS:
        return None
    moving_ones = np.flatnonzero(moves & telling).tolist()
    limbs_still = set(_LIMB).isdisjoint(moving_ones)  # chest leads dead in a beating heart
    return limbs_still and len(moving_ones) <= 1


def _grade(measured: bool, lost: list[bool], faulty: bool) -> QualityGrade:
    limbs_lost = all(lost[channel] for channel in _LIMB)
    if not measured or limbs_lost or lost.count(False) < READABLE_CHANNELS:
        return QualityGrade.BAD
    if any(lost):
        return QualityGrade.POOR
    return QualityGrade.FAIR if faulty else QualityGrade.GOOD
