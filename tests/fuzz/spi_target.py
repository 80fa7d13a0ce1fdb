"""The chip's side of the bus: what a driver reads there, and when it is told to."""

from __future__ import annotations

import random
import struct
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from device.acquire import Acquisition, Exit
from device.ring import RingReader, RingWriter, WriterState
from hal.ads1298.chip import SimulatedChip
from hal.ads1298.driver import Ads1298
from hal.ads1298.wire import ChipDataReady, ChipPins, ChipSpi
from hal.clock import VirtualClock
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError, Reason
from hal.frontend import SAMPLE_NS, FrontendConfig
from hal.spi import Edge
from tests.fuzz.mutate import change_bytes
from tests.fuzz.watch import FindingError, one_line
from tests.hal.ads1298_bench import BenchPatient

SLOTS = 256
SAMPLES = 24  # in the ring, and the run is over
LONGEST_NS = 60_000_000_000
MOST_CALLS = 4000  # of the bus and the line, within that time
MOST_TROUBLES = 24


class Trouble(NamedTuple):
    """After so many calls of the same kind since the last one, this happens once or for a while."""

    after: int  # calls
    what: int
    at: int  # byte of the answer, or how much
    value: int  # what is put there, or for how many calls it lasts


_FORM = struct.Struct("<BBBB")


class Troubles:
    """Those of one side, in order."""

    def __init__(self, all_of_them: list[Trouble]) -> None:
        self._due = iter(all_of_them)
        self._next = next(self._due, None)
        self._calls = self._lasts = 0

    def now(self) -> Trouble | None:
        """What happens in this call."""
        self._calls += 1
        if self._next is None or self._calls <= self._next.after:
            return None
        found = self._next
        self._lasts += 1
        if found.what % 2 == 0 or self._lasts > found.value:  # the even ones happen once
            self._next, self._calls, self._lasts = next(self._due, None), 0, 0
        return found


class Calls:
    """Counts what the driver asks of its wires."""

    def __init__(self) -> None:
        self._left = MOST_CALLS

    def one(self) -> None:
        """One more. Raises FindingError when it does not end."""
        self._left -= 1
        if self._left < 0:
            raise FindingError(f"more than {MOST_CALLS} calls in {LONGEST_NS / 1e9:g} s")


class HostileSpi(ChipSpi):
    """The simulated chip's answers, some of them spoilt."""

    calls: Calls
    troubles: Troubles

    def transfer(self, mosi: bytes) -> bytes:
        self.calls.one()
        miso = super().transfer(mosi)
        trouble = self.troubles.now()
        if trouble is None:
            return miso
        at = trouble.at % len(miso)
        match trouble.what // 2 % 7:
            case 0:
                return miso[:at] + bytes([trouble.value]) + miso[at + 1 :]
            case 1:
                return bytes([0xFF if trouble.at & 1 else 0]) * len(miso)
            case 2:
                return bytes([miso[0] >> 1, *((a << 7 | b >> 1) & 0xFF for a, b in
                              pairwise(miso))])  # fmt: skip
            case 3:
                return miso[:at]  # a bus that breaks its contract
            case 4:
                return miso + miso[: at + 1]
            case 5:
                return random.Random(trouble.at << 8 | trouble.value).randbytes(len(miso))
            case _:
                raise FrontendError(Reason.BUS, "the bus refused a transfer: I/O error")


class HostileLine(ChipDataReady):
    """The simulated chip's data-ready line, with edges too few, too many, at any time."""

    calls: Calls
    troubles: Troubles
    clock: VirtualClock
    _told: Edge | None = None

    def wait(self, timeout_ns: int) -> Edge | None:
        self.calls.one()
        trouble = self.troubles.now()
        if trouble is None:
            return self._tell(super().wait(timeout_ns))
        amount = trouble.at << trouble.value % 24
        last = self._told or Edge(0, self.clock.now_ns())
        match trouble.what // 2 % 6:
            case 0:  # an edge goes by unseen
                self.clock.advance_ns(timeout_ns)
                return None
            case 1:  # a storm: an edge at once
                return self._tell(Edge(last.sequence + 1, self.clock.now_ns()))
            case 2:  # the count jumps
                return self._tell(Edge(last.sequence + 1 + amount, self.clock.now_ns()))
            case 3:  # a stamp that is late
                edge = super().wait(timeout_ns)
                return edge and self._tell(Edge(edge.sequence, edge.t_ns + amount))
            case 4:  # so busy that edges were missed
                self.clock.advance_ns(trouble.at * SAMPLE_NS // 8)
                return self._tell(super().wait(timeout_ns))
            case _:
                raise FrontendError(Reason.BUS, "the data-ready line is gone")

    def _tell(self, edge: Edge | None) -> Edge | None:
        self._told = edge or self._told
        return edge


def account(ring: RingWriter, reader: RingReader) -> None:
    """Every sample is in the ring, in order, or counted as lost; a fault is one line."""
    status = reader.status()
    if status.fault:
        one_line(status.fault)
    if status.samples + status.lost != ring.next_index:
        raise FindingError(f"{status.samples} and {status.lost} lost of {ring.next_index}")
    samples = lost = 0
    for block in iter(lambda: reader.read(1 << 16), None):
        if block.first_index != samples + lost + block.lost_before:
            raise FindingError(f"index {block.first_index} after {samples} and {lost} lost")
        samples, lost = samples + len(block), lost + block.lost_before
    if reader.account.overrun == 0 and (samples, lost) != (status.samples, status.lost):
        raise FindingError(f"the reader has {samples}, {lost} of {status}")


@cache
def _patient() -> BenchPatient:
    return BenchPatient()


class SpiTarget:
    """An input is troubles of four bytes: when, which, where, what."""

    def seeds(self) -> list[bytes]:
        """None; each alone, early and late; some one after the other."""
        alone = [_FORM.pack(after, what, 3, 5) for after in (2, 30, 60) for what in range(26)]
        return [b"", *alone, b"".join(alone[::7]), b"".join(alone[5::11])]

    def run(self, data: bytes, folder: Path) -> None:
        """Every sample in the ring or counted as lost, in order; faults in one line; it ends."""
        troubles = [Trouble(*one) for one in _FORM.iter_unpack(data[: len(data) // 4 * 4])]
        troubles = troubles[:MOST_TROUBLES]
        clock = VirtualClock()
        calls = Calls()
        on_bus = Troubles([t for t in troubles if t.what % 26 < 14])
        on_line = Troubles(
            [t._replace(what=t.what % 26 - 14) for t in troubles if t.what % 26 > 13]
        )

        def build() -> Ads1298:
            chip = SimulatedChip(_patient(), clock)
            spi, line = HostileSpi(chip), HostileLine(chip)
            spi.calls = line.calls = calls
            spi.troubles, line.troubles, line.clock = on_bus, on_line, clock
            reader = EdgePacedReader(spi, line)
            return Ads1298(spi, reader, ChipPins(chip), line, clock)

        ring = RingWriter(folder / "ring", clock.now_ns(), SLOTS)
        reader = RingReader(folder / "ring")

        def over() -> bool:
            return reader.lag >= SAMPLES or clock.now_ns() > LONGEST_NS

        config = FrontendConfig(rl_check_every=16)
        code = Acquisition(build, config, ring, clock, one_line, max_frames=4).run(over)
        account(ring, reader)
        if code is Exit.USAGE or reader.status().state is WriterState.ENDED:
            raise FindingError(f"acquire gave up: {reader.status().fault}")
        ring.close()
        reader.close()

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A trouble more, less, another or from elsewhere."""
        whole = [data[i : i + 4] for i in range(0, len(data) // 4 * 4, 4)]
        match rng.randrange(5):
            case 0:
                whole.insert(rng.randrange(len(whole) + 1), rng.randbytes(4))
            case 1 if whole:
                del whole[rng.randrange(len(whole))]
            case 2 if other:
                at = 4 * rng.randrange(max(1, len(other) // 4))
                whole.insert(rng.randrange(len(whole) + 1), other[at : at + 4])
            case _ if whole:
                at = rng.randrange(len(whole))
                parts = [*_FORM.unpack(whole[at])]
                place = rng.randrange(4)
                parts[place] = rng.choice((rng.randrange(256), rng.randrange(8), 255,
                                           (parts[place] + 1) % 256))  # fmt: skip
                whole[at] = _FORM.pack(*parts)
            case _:
                return change_bytes(rng, data, other)
        return b"".join(whole)


TARGET = SpiTarget()
