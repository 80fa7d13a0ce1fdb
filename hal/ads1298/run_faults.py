"""What the faults do to one run of conversions, edge by edge: the same in bytes and in blocks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.ads1298.faults import Faults, Kind, Spell
from hal.ads1298.frame import FRAME_BYTES
from hal.ads1298.oscillator import Oscillator

LAST = 1 << 62  # an edge no run reaches
_TORN_BYTES = 9
_CHUNK = 256  # edges per random stream
_LATE_STREAM, _NOISE_STREAM, _REGISTER_STREAM = 1, 2, 3
_BYTE_BITS = 8


class Span(NamedTuple):
    """Edges first <= edge < stop, and what a fault does to them."""

    first: int
    stop: int
    value: tuple[int, ...] = ()


class EdgeSet:
    """Edges in any number of spans, joined."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.first: list[int] = []
        self.stop: list[int] = []
        for first, stop, _ in sorted(spans):
            if self.stop and first <= self.stop[-1]:
                self.stop[-1] = max(stop, self.stop[-1])
            elif first < stop:
                self.first.append(first)
                self.stop.append(stop)

    def __bool__(self) -> bool:
        return bool(self.first)

    def _before(self, edge: int) -> int:
        return bisect_right(self.first, edge) - 1

    def __contains__(self, edge: int) -> bool:
        n = self._before(edge)
        return n >= 0 and edge < self.stop[n]

    def next_outside(self, edge: int) -> int:
        """``edge``, or the first after it that is not in the set."""
        return self.stop[self._before(edge)] if edge in self else edge

    def last_outside(self, edge: int) -> int:
        """``edge``, or the last before it that is not in the set."""
        return self.first[self._before(edge)] - 1 if edge in self else edge

    def below(self, edge: int) -> int:
        """How many edges of the set come before ``edge``."""
        spans = zip(self.first, self.stop, strict=True)
        return sum(min(stop, edge) - first for first, stop in spans if first < edge)

    def among(self, edges: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of ``edges`` is in the set."""
        inside = np.zeros(len(edges), np.bool_)
        for first, stop in zip(self.first, self.stop, strict=True):
            inside |= (edges >= first) & (edges < stop)
        return inside


class RunFaults:
    """``faults`` as they meet the conversions started at ``t0_ns`` of the host's clock.

    limit : the first edge that never comes
    brown_out_ns : when the supply dips next; None = it does not
    unmade : edges that do not reach the line; missed : edges the host is too late for
    """

    def __init__(
        self,
        faults: Faults,
        oscillator: Oscillator,
        t0_ns: int,
        period_ns: int,
        *,
        seed: int,
        dipped_ns: int,
        dip_by_sample: bool,
    ) -> None:
        self._oscillator = oscillator
        self._ticks0 = oscillator.ticks(t0_ns)
        self._period_ns = period_ns
        self._key = (seed, t0_ns)
        self._spans: dict[Kind, list[Span]] = {kind: [] for kind in Kind}
        self._of_samples(faults)
        for spell in faults.spells:
            self._add(spell, t0_ns)
        self._stuck = faults.miso_stuck
        self.missed = EdgeSet(self._spans[Kind.MISSED_EDGE])
        self.unmade = EdgeSet(self._spans[Kind.DRDY_STOPS])
        dips = [s.start_ns for s in faults.spells if s.kind is Kind.BROWN_OUT]
        dips = [at_ns for at_ns in dips if at_ns > dipped_ns]
        if dip_by_sample and faults.brown_out_at is not None:
            dips.append(self.conversion_ns(faults.brown_out_at + reg.SETTLED_EDGE))
        self.brown_out_ns = min(dips, default=None)
        ends = [LAST] if self.brown_out_ns is None else [self.first_from(self.brown_out_ns)]
        if self.unmade and self.unmade.stop[-1] >= LAST:
            ends.append(self.unmade.first[-1])
        self.limit = min(ends)
        self._random = lru_cache(maxsize=4)(self._random_chunk)
        wire = (Kind.MISO_STUCK, Kind.BIT_SLIP, Kind.TORN_FRAME, Kind.SPI_NOISE)
        self._clean = self._stuck is None and not any(self._spans[kind] for kind in wire)

    def _of_samples(self, faults: Faults) -> None:
        settled = reg.SETTLED_EDGE
        for kind, indices in (
            (Kind.MISSED_EDGE, faults.missed_edges),
            (Kind.TORN_FRAME, faults.torn_frames),
        ):
            self._spans[kind] += [Span(i + settled, i + settled + 1) for i in indices]
        if faults.bits_slip_at is not None:
            self._spans[Kind.BIT_SLIP].append(Span(faults.bits_slip_at + settled, LAST, (1,)))
        if faults.drdy_stops_at is not None:
            self._spans[Kind.DRDY_STOPS].append(Span(faults.drdy_stops_at + settled, LAST))

    def _add(self, spell: Spell, t0_ns: int) -> None:
        first = self.first_from(spell.start_ns)
        stop = LAST if spell.end_ns is None else self.first_from(spell.end_ns)
        if spell.kind in (Kind.TORN_FRAME, Kind.MISSED_EDGE):
            if spell.start_ns < t0_ns:
                return  # nobody was reading: it has happened
            stop = first + spell.value[0]
        self._spans[spell.kind].append(Span(first, stop, spell.value))

    # --- time -----------------------------------------------------------------------------

    def conversion_ns(self, edge: int) -> int:
        """When conversion ``edge`` is done."""
        return self._oscillator.time_ns(self._ticks0 + (edge + 1) * self._period_ns)

    def first_from(self, t_ns: int) -> int:
        """The first conversion done at ``t_ns`` or later, >= 0."""
        return max(0, -((self._ticks0 - self._oscillator.ticks(t_ns)) // self._period_ns) - 1)

    def newest(self, now_ns: int) -> int:
        """The newest conversion done; -1 before the first. Without regard to ``limit``."""
        return (self._oscillator.ticks(now_ns) - self._ticks0) // self._period_ns - 1

    def late_ns(self, edge: int) -> int:
        """How long after its conversion DRDY falls."""
        late = 0
        for first, stop, (fixed_ns, jitter_ns) in self._spans[Kind.LATE_DRDY]:
            if first <= edge < stop:
                share = self._random(_LATE_STREAM, edge // _CHUNK)[edge % _CHUNK, 0]
                late = fixed_ns + int(share * jitter_ns)
        return late

    @property
    def regular(self) -> bool:
        """Whether edges fall every period, to the nanosecond."""
        return self._oscillator.steady and not self._spans[Kind.LATE_DRDY]

    # --- data -----------------------------------------------------------------------------

    def stick(self, first: int, counts: NDArray[np.int32]) -> None:
        """Stuck bits, in the lower 24 of counts [n, 8] of edges from ``first`` on, in place."""
        for begin, stop, (channel, kept, set_) in self._spans[Kind.STUCK_BITS]:
            rows = slice(max(begin - first, 0), max(stop - first, 0))
            counts[rows, channel] = counts[rows, channel] & kept | set_

    def on_wire(self, first: int, frames: bytes) -> bytes:
        """What becomes of whole frames, of edges from ``first`` on, on the way to the host."""
        if self._clean:
            return frames
        n = len(frames) // FRAME_BYTES
        rows = np.frombuffer(frames, np.uint8).reshape(n, FRAME_BYTES).copy()

        def hit(span: Span) -> slice:
            return slice(max(span.first - first, 0), min(max(span.stop - first, 0), n))

        for span in self._spans[Kind.TORN_FRAME]:
            part = rows[hit(span)]
            part[:, :-_TORN_BYTES] = part[:, _TORN_BYTES:].copy()
            part[:, -_TORN_BYTES:] = 0
        for span in self._spans[Kind.BIT_SLIP]:
            where = hit(span)
            for row in range(where.start, where.stop):
                late = shifted_right(rows[row].tobytes(), span.value[0])
                rows[row] = np.frombuffer(late, np.uint8)
        for span in self._spans[Kind.SPI_NOISE]:
            where = hit(span)
            for row in range(where.start, where.stop):
                errors = self._random(_NOISE_STREAM, (first + row) // _CHUNK)
                wrong = errors[(first + row) % _CHUNK] * (1 << 32) < span.value[0]
                rows[row] ^= np.packbits(wrong)
        for span in self._spans[Kind.MISO_STUCK]:
            rows[hit(span)] = span.value[0]
        if self._stuck is not None:
            rows[:] = self._stuck
        return rows.tobytes()

    def _random_chunk(self, stream: int, chunk: int) -> NDArray[np.float64]:
        """Uniform [_CHUNK, bits of a frame] of the edges of a chunk."""
        key = np.random.SeedSequence((*self._key, stream, chunk))
        return np.random.Generator(np.random.Philox(key)).random((_CHUNK, FRAME_BYTES * _BYTE_BITS))


def answer_on_wire(faults: Faults, now_ns: int, seed: int, miso: bytes) -> bytes:
    """What becomes of register values read at ``now_ns`` on the way to the host."""
    if faults.miso_stuck is not None:
        return bytes([faults.miso_stuck]) * len(miso)
    for spell in faults.spells:
        if spell.start_ns <= now_ns and (spell.end_ns is None or now_ns < spell.end_ns):
            if spell.kind is Kind.MISO_STUCK:
                return bytes(spell.value) * len(miso)
            if spell.kind is Kind.BIT_SLIP:
                miso = shifted_right(miso, spell.value[0])
            elif spell.kind is Kind.SPI_NOISE:
                key = np.random.SeedSequence((seed, now_ns, _REGISTER_STREAM))
                draws = np.random.Generator(np.random.Philox(key)).random(len(miso) * _BYTE_BITS)
                wrong = np.packbits(draws * (1 << 32) < spell.value[0])
                miso = (np.frombuffer(miso, np.uint8) ^ wrong).tobytes()
    return miso


def shifted_right(data: bytes, bits: int = 1) -> bytes:
    """``data`` as it looks to a master that samples every bit ``bits`` clocks early."""
    return (int.from_bytes(data, "big") >> bits).to_bytes(len(data), "big")
