"""Samples in, events out: the whole signal chain, synchronous and deterministic."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from firmware.baseline import RESTLESS_BELOW, share_at_rest
from firmware.call import LIMB, WINDOW_S, Evidence, decide
from firmware.events import (
    LEADS,
    Beat,
    ElectrodeChange,
    Event,
    Gap,
    LeadFault,
    Quality,
    Rate,
    Rest,
    Trace,
)
from firmware.filters import FilterChain
from firmware.findings import Finding
from firmware.fusion import fuse
from firmware.intervals import beat_of, measure
from firmware.leads import channels_lost, leads_lost, twelve_leads
from firmware.model_window import ModelWindow, Runner
from firmware.network import Network
from firmware.pacing import paced
from firmware.plausible import UNREADABLE, implausible
from firmware.profiles import PROFILES
from firmware.qrs import QrsDetector
from firmware.quality import QualityMeter
from firmware.rate import RateMeter
from firmware.raw_window import RawWindow
from firmware.st_level import st_warnings
from firmware.swaps import SwapWatch, suspected
from firmware.unrest import SPAN, recent_rest
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, Electrode, FrameBlock, electrodes_in

# Live blocks are short, and analysing each would double their cost: they are gathered up to this
# many samples. A beat is certain only 200 ms after it, so nothing is later for it.
GATHER = 50
CALL_EVERY = SAMPLE_RATE_HZ
WINDOW = WINDOW_S * SAMPLE_RATE_HZ
NEVER = -(1 << 62)
_LIMBS = tuple(electrode for electrode in Electrode if LIMB >> electrode & 1)

FIBRILLATING = 0.05  # irregularity: simulated VF 0.09 and more, VT 0.02 and less

# An electrode counts as off until it has been on for half a second: the first samples are still
# half rail, and a filter that starts on them takes ten seconds to forget it.
SETTLE = SAMPLE_RATE_HZ // 2

# One sample lost on a busy machine must not cost ten seconds of evidence: 20 ms is half a QRS.
BRIDGE = 10
BRIDGED_IN_WINDOW = 50  # 1 % of it; with more the window is no evidence


class Pipeline:
    """``push`` blocks of any length: beats, qualities and calls do not depend on the cuts.

    nv_per_count : input-referred nanovolts per count (FrontendInfo)
    profile : filter profile of the trace, "diagnostic" or "monitor"; None: nobody looks at one
    mains_hz : 50, 60, or None for no notch
    network : None leaves every call at "no model"; runner : runs it, None: at once
    first_call : calls that would end before this index are left out (a recording's lead-in)
    """

    def __init__(
        self,
        nv_per_count: float,
        *,
        profile: str | None = "monitor",
        mains_hz: int | None = 50,
        network: Network | None = None,
        runner: Runner | None = None,
        first_call: int = 0,
    ) -> None:
        self._nv_per_count = nv_per_count
        self._trace_filter = FilterChain(PROFILES[profile], mains_hz=mains_hz) if profile else None
        self._qrs = QrsDetector(nv_per_count)
        self._rate = RateMeter()
        self._quality = QualityMeter(nv_per_count, mains_hz=mains_hz)
        self._raw = RawWindow(nv_per_count)
        self._swaps = SwapWatch()
        self._rule = network.rule if network else None
        self._window = ModelWindow(network, runner) if network else None
        self._first_call = first_call
        self._next: int | None = None  # the index that follows; None before the first block
        self._last = np.zeros(CHANNELS, dtype=np.int32)  # counts of the newest sample
        self._off = 0
        self._seen_off = dict.fromkeys(Electrode, NEVER)  # last sample the front end called off
        self._restart(0)

    def _restart(self, index: int) -> None:
        """Begin anew at ``index``: at the start and after a gap."""
        self._start = self._gathered_from = index
        self._gathered: list[NDArray[np.int32]] = []
        self._bridged: list[tuple[int, int]] = []  # (index after it, samples) in the window
        self._last_off = dict.fromkeys(Electrode, NEVER)
        if self._trace_filter:
            self._trace_filter.reset()
        self._qrs.reset(index)
        self._rate.reset(index)
        self._quality.reset(index)
        self._raw.reset()
        if self._window:
            self._window.reset()

    @property
    def tensor(self) -> NDArray[np.int8] | None:
        """What the network saw for the newest call, int8; None before the first."""
        return self._window.tensor if self._window else None

    def push(self, block: FrameBlock) -> list[Event]:
        """Take the next samples (``block.first_index`` not below the last); return what is known.

        A jump of the index up to ``BRIDGE`` samples is bridged for filters and network, told and
        left out of the trace; a longer one restarts everything.
        """
        events: list[Event] = []
        if self._next is None:
            self._restart(block.first_index)
        elif block.first_index != self._next or block.lost_before:
            events += self._gap(block)
        for start, stop, off in _runs(self._settling(block)):
            events += self._take(block.first_index + start, block.counts[start:stop], off)
        self._next = block.first_index + len(block)
        self._last = block.counts[-1]
        if self._next - self._gathered_from >= GATHER:
            events += self._analyse()
        return events

    def _settling(self, block: FrameBlock) -> NDArray[np.uint16]:
        """``electrodes_off``, each electrode ``SETTLE`` samples longer."""
        settled = block.first_index - max(self._seen_off.values()) >= SETTLE
        if settled and not block.electrodes_off.any():
            return block.electrodes_off
        off = block.electrodes_off.copy()
        index = np.arange(block.first_index, block.first_index + len(block))
        for electrode in Electrode:
            seen = self._seen_off[electrode]
            raw = (block.electrodes_off >> electrode & 1).astype(np.bool_)
            if not raw.any() and index[0] - seen >= SETTLE:
                continue
            last = np.maximum.accumulate(np.where(raw, index, seen))
            off[index - last < SETTLE] |= np.uint16(1 << electrode)
            self._seen_off[electrode] = int(last[-1])
        return off

    def _gap(self, block: FrameBlock) -> Iterator[Event]:
        """What is missing before ``block``: a straight line if it is short, else a new start."""
        missing = block.first_index - (self._next or 0)
        horizon = block.first_index - WINDOW
        self._bridged = [(at, n) for at, n in self._bridged if at > horizon]
        so_far = sum(n for _, n in self._bridged)
        bridge = 0 < missing <= BRIDGE and so_far + missing <= BRIDGED_IN_WINDOW
        yield Gap(block.first_index, max(block.lost_before, missing), restarted=not bridge)
        if not bridge:
            self._restart(block.first_index)
            return
        self._bridged.append((block.first_index, missing))
        share = np.arange(1, missing + 1)[:, None] / (missing + 1)
        line = self._last + np.rint(share * (block.counts[0] - self._last)).astype(np.int32)
        for event in self._take(block.first_index - missing, line, self._off):
            if not isinstance(event, Trace):  # what was not measured is not drawn
                yield event

    def _take(self, index: int, counts: NDArray[np.int32], off: int) -> Iterator[Event]:
        """Samples with one electrode state."""
        if off != self._off:
            yield from self._analyse()
            self._electrodes_changed(index, off)
            yield ElectrodeChange(index, off)
        while len(counts):
            n = self._next_call(index) - index
            yield from self._run(index, counts[:n])
            index, counts = index + n, counts[n:]

    def _electrodes_changed(self, index: int, off: int) -> None:
        """Filters of channels whose electrodes are back must forget the rail they sat on."""
        back = np.flatnonzero(channels_lost(self._off) & ~channels_lost(off)).tolist()
        if back and self._trace_filter:
            self._trace_filter.reset(back)
        if back and self._window:
            self._window.reset(back)
        if channels_lost(off).all():
            self._rate.reset(index)  # silence without electrodes is no pause
        self._off = off

    def _limbs_since(self) -> int:
        """First sample from which on no limb electrode has been off."""
        return max(self._start, *(self._last_off[electrode] + 1 for electrode in _LIMBS))

    def _next_call(self, index: int) -> int:
        """When the next call is due, after ``index``: a full second, or the first whole window."""
        second = (max(index + 1, self._first_call) + CALL_EVERY - 1) // CALL_EVERY * CALL_EVERY
        whole = self._limbs_since() + WINDOW
        return whole if index < whole < second and not self._off & LIMB else second

    def _run(self, index: int, counts: NDArray[np.int32]) -> Iterator[Event]:
        """Samples with one electrode state, none of them beyond the next call."""
        if self._trace_filter:
            filtered = twelve_leads(self._trace_filter.push(counts))
            uv = np.rint(filtered * (self._nv_per_count / 1000)).astype(np.int32)
            yield Trace(index - self._trace_filter.delay_samples, uv, ~leads_lost(self._off))
        self._gathered.append(counts)
        end = index + len(counts)
        for electrode in electrodes_in(self._off) if self._off else ():
            self._last_off[electrode] = end - 1
        limbs_since = self._limbs_since()
        due = end % CALL_EVERY == 0 or end == limbs_since + WINDOW
        if due and end >= self._first_call:
            yield from self._analyse()
            yield from self._call(end, limbs_since)

    def _analyse(self) -> Iterator[Beat]:
        """Beats, quality and windows of what was gathered, all of it with one electrode state."""
        if not self._gathered:
            return
        counts = np.concatenate(self._gathered)
        first = self._gathered_from
        self._gathered, self._gathered_from = [], first + len(counts)
        usable = ~channels_lost(self._off)
        for beat in self._qrs.push(first, counts, usable):
            self._rate.beat(beat)
            self._raw.beat(beat)
            yield Beat(beat)
        self._quality.push(first, counts, usable)
        self._raw.push(counts)
        if self._window:
            self._window.push(counts)

    def _call(self, end: int, limbs_since: int) -> Iterator[Event]:
        span = min(end - limbs_since, WINDOW)
        off = 0
        for electrode, last in self._last_off.items():
            off |= (last >= end - WINDOW) << electrode
        bpm, irregularity = self._rate.at(end)
        verdict = self._quality.verdict(end)
        grade, faults = self._quality.at(end, verdict)
        beat = cache(lambda: beat_of(self._raw, end, faults))
        scores: dict[str, dict[str, float]] = {}
        unscored, scores_age = None, 0
        restless, strange = False, None
        if self._window and self._window.full:
            railed = [faults.get(lead) is LeadFault.RAILED for lead in LEADS]
            lost = leads_lost(off) | np.array(railed)  # the network knows leads without a signal
            scores = self._window.scores(lost, end, beat)
            unscored, shown = self._window.unscored, self._window.shown
            scores_age = end - shown.end if shown else 0
            leads = self._window.leads()
            telling = ~lost & np.array([lead not in faults for lead in LEADS])
            rest = share_at_rest(leads, telling, self._nv_per_count)
            restless = rest is not None and rest < RESTLESS_BELOW
            beats = self._window.rows(self._rate.beats, end)
            unread = [faults.get(lead) in UNREADABLE for lead in LEADS]
            strange = implausible(leads, ~lost & ~np.array(unread), beats, self._nv_per_count)
        if restless and (irregularity is None or irregularity > FIBRILLATING):
            bpm = irregularity = None  # waves counted as beats: VF has no rate, VT has
        if self._rule and self._rule.fusion:
            scores = fuse(scores, bpm, irregularity, self._rule.fusion)
        yield Quality(end, grade, faults, verdict.acceptable, verdict.doubtful)
        yield Rate(end, bpm, irregularity)
        settled = limbs_since <= end - SPAN
        yield Rest(end, recent_rest(self._raw, faults) if settled else None)
        by_pacemaker = paced(self._raw, end, faults)
        if span == WINDOW:
            yield measure(self._raw, end, faults, bpm, paced=by_pacemaker, beat=beat)
        evidence = Evidence(
            index=end - 1,
            span=span,
            electrodes_off=off,
            grade=grade,
            faults=faults,
            asystole=self._quality.asystole(end, self._rate.last_beat),
            rate_bpm=bpm,
            irregularity=irregularity,
            restless=restless,
            implausible=strange,
            measured=st_warnings(self._raw, end, faults),
            paced=by_pacemaker,
            swap=self._swap(end, off, faults),
            doubtful=verdict.doubtful,
            unscored=unscored,
            scores_age=scores_age,
        )
        yield decide(evidence, scores, self._rule)

    def _swap(self, end: int, off: int, faults: dict[str, LeadFault]) -> Finding | None:
        """What is said of exchanged electrodes; begins anew with each whole window of all ten."""
        if off or not self._raw.full:
            self._swaps.reset()
            return None
        return self._swaps.push(suspected(self._raw, end, faults))


def _runs(off: NDArray[np.uint16]) -> Iterator[tuple[int, int, int]]:
    """(start, stop, value) of the runs of equal values."""
    starts = [0, *(np.flatnonzero(off[1:] != off[:-1]) + 1).tolist()]
    for start, stop in zip(starts, [*starts[1:], len(off)], strict=True):
        yield start, stop, int(off[start])
