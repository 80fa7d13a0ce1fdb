"""Samples in, events out: the whole signal chain, synchronous and deterministic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from firmware.call import LIMB, WINDOW_S, Evidence, decide
from firmware.events import LEADS, Beat, ElectrodeChange, Event, Gap, Quality, Rate, Trace
from firmware.filters import FilterChain
from firmware.leads import channels_lost, leads_lost, twelve_leads
from firmware.model_window import ModelWindow
from firmware.network import Network
from firmware.profiles import PROFILES
from firmware.qrs import QrsDetector
from firmware.quality import QualityMeter
from firmware.rate import RateMeter
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ, Electrode, FrameBlock

# Beats and quality are worked out in steps that end on multiples of this index: doing it block
# by block would double the cost of a live block, and beats come some 200 ms late by their nature.
STEP = 50
CALL_EVERY = SAMPLE_RATE_HZ
WINDOW = WINDOW_S * SAMPLE_RATE_HZ
NEVER = -(1 << 62)

_CHANNEL_COLUMNS = np.array([LEADS.index(lead) for lead in CHANNEL_LEADS])


class Pipeline:
    """``push`` blocks of any length: beats, qualities and calls do not depend on the cuts.

    nv_per_count : input-referred nanovolts per count (FrontendInfo)
    profile : filter profile of the trace, "diagnostic" or "monitor"
    mains_hz : 50, 60, or None for no notch
    network : None leaves every call at "no model"
    """

    def __init__(
        self,
        nv_per_count: float,
        *,
        profile: str = "monitor",
        mains_hz: int | None = 50,
        network: Network | None = None,
    ) -> None:
        self._uv_per_count = nv_per_count / 1000
        self._trace_filter = FilterChain(PROFILES[profile], mains_hz=mains_hz)
        self._qrs = QrsDetector(nv_per_count)
        self._rate = RateMeter()
        self._quality = QualityMeter(nv_per_count, mains_hz=mains_hz)
        self._rule = network.rule if network else None
        self._window = ModelWindow(network) if network else None
        self._next: int | None = None  # the index that follows; None before the first block
        self._off = 0
        self._restart(0)

    def _restart(self, index: int) -> None:
        """Begin anew at ``index``: at the start and after a gap."""
        self._start = self._step_start = index
        self._last_off = dict.fromkeys(Electrode, NEVER)
        self._called_limbs_since = NEVER
        self._pending: list[NDArray[np.int32]] = []
        self._pending_lost = np.zeros(len(LEADS), dtype=np.bool_)
        self._trace_filter.reset()
        self._qrs.reset(index)
        self._rate.reset(index)
        self._quality.reset(index)
        if self._window:
            self._window.reset()

    def push(self, block: FrameBlock) -> list[Event]:
        """Take the next samples (``block.first_index`` not below the last); return what is known.

        A jump in the index, or ``block.lost_before``, restarts every filter and the window.
        """
        events: list[Event] = []
        if self._next is None:
            self._restart(block.first_index)
        elif block.first_index != self._next or block.lost_before:
            lost = max(block.lost_before, block.first_index - self._next)
            events.append(Gap(block.first_index, lost))
            self._restart(block.first_index)
        self._next = block.first_index + len(block)
        for start, stop, off in _runs(block):
            index = block.first_index + start
            if off != self._off:
                self._electrodes_changed(off)
                events.append(ElectrodeChange(index, off))
            events += self._run(index, block.counts[start:stop], off)
        return events

    def _electrodes_changed(self, off: int) -> None:
        """Filters of channels whose electrodes are back must forget the rail they sat on."""
        was, now = channels_lost(self._off), channels_lost(off)
        back = np.flatnonzero(was & ~now).tolist()
        if back:
            self._trace_filter.reset(back)
            if self._window:
                self._window.reset(back)
        self._off = off

    def _run(self, index: int, counts: NDArray[np.int32], off: int) -> Iterator[Event]:
        """Samples with one electrode state, none of them beyond the end of a step."""
        filtered = twelve_leads(self._trace_filter.push(counts))
        uv = np.rint(filtered * self._uv_per_count).astype(np.int32)
        lost = leads_lost(off)
        yield Trace(index - self._trace_filter.delay_samples, uv, ~lost)

        end = index + len(counts)
        for electrode in Electrode:
            if off >> electrode & 1:
                self._last_off[electrode] = end - 1
        if self._window:
            self._window.push(counts)
        self._pending.append(counts)
        self._pending_lost |= lost
        if end % STEP == 0:
            yield from self._step(end)

    def _step(self, end: int) -> Iterator[Event]:
        counts = np.concatenate(self._pending)
        usable = ~self._pending_lost[_CHANNEL_COLUMNS]
        start = self._step_start
        self._pending, self._step_start = [], end
        self._pending_lost = np.zeros(len(LEADS), dtype=np.bool_)

        for beat in self._qrs.push(start, counts, usable):
            self._rate.beat(beat)
            yield Beat(beat)
        self._quality.push(start, counts, usable)

        limbs_since = max(self._start, *(self._last_off[e] + 1 for e in Electrode if LIMB >> e & 1))
        # The first whole window is called at once: nobody waits for the next full second.
        first = end - limbs_since >= WINDOW and self._called_limbs_since != limbs_since
        if end % CALL_EVERY == 0 or first:
            yield from self._call(end, limbs_since)

    def _call(self, end: int, limbs_since: int) -> Iterator[Event]:
        span = min(end - limbs_since, WINDOW)
        if span == WINDOW:
            self._called_limbs_since = limbs_since
        off = 0
        for electrode, last in self._last_off.items():
            off |= (last >= end - WINDOW) << electrode
        bpm, irregularity = self._rate.at(end)
        grade, faults = self._quality.at(end)
        yield Quality(end, grade, faults)
        yield Rate(end, bpm, irregularity)
        scores: dict[str, dict[str, float]] = {}
        if self._window and self._window.full:
            scores = self._window.scores(leads_lost(off))
        evidence = Evidence(
            index=end - 1,
            span=span,
            electrodes_off=off,
            grade=grade,
            faults=faults,
            asystole=self._quality.asystole(end, self._rate.last_beat),
            rate_bpm=bpm,
            irregularity=irregularity,
        )
        yield decide(evidence, scores, self._rule)


def _runs(block: FrameBlock) -> Iterator[tuple[int, int, int]]:
    """(start, stop, electrodes off) of rows with one electrode state inside one step."""
    off = block.electrodes_off
    n = len(block)
    cuts = {0, *(np.flatnonzero(np.diff(off)) + 1).tolist()}
    cuts.update(range(-block.first_index % STEP, n, STEP))
    starts = sorted(cuts)
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        yield start, stop, int(off[start])
