"""A capture as a value change dump (IEEE 1364-2005, clause 18): eight wires, bit by bit.

The capture knows when the host began a transfer, how long it took and what it carried; the bits
are drawn from its begin on, at the bus's speed. DRDY falls when its edge was stamped and rises, as
the chip's does, with the first SCLK after it, or 4 tCLK before the next edge when there was none.
Edges that nobody saw are in no capture, and so in no dump.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TextIO

from hal.ads1298 import registers as reg
from hal.capture_file import Event, Fell, Part, PinName, PinSet, Transfer

TICK_NS = 10
LATE_NS = 20_000_000  # so much later than it fell an edge may be told, and is still put in order
DRDY_HIGH_NS = reg.tclk_ns(4)
SORTED_AT_ONCE = 1 << 16

IDLE = {  # a wire's level before anything happened; MISO floats while CS is high
    "SCLK": "0",
    "MOSI": "0",
    "MISO": "z",
    "CS": "1",
    "DRDY": "1",
    PinName.POWER_DOWN: "1",
    PinName.RESET: "1",
    PinName.START: "0",
}
CODES = {wire: chr(ord("!") + n) for n, wire in enumerate(IDLE)}
ACTIVE_LOW = (PinName.POWER_DOWN, PinName.RESET)

Change = tuple[int, str, str]  # ns, wire, level


def write_vcd(
    events: Iterable[Event], out: TextIO, *, begin_s: float = 0.0, seconds: float | None = None
) -> int:
    """Write ``events`` from ``begin_s`` seconds after the first on; returns how many changes."""
    out.write(f"$version lead12 hil vcd $end\n$timescale {TICK_NS} ns $end\n")
    out.write("$scope module ads1298 $end\n")
    for wire, code in CODES.items():
        out.write(f"$var wire 1 {code} {wire} $end\n")
    out.write("$upscope $end\n$enddefinitions $end\n")
    events = iter(events)
    first = next(events, None)
    if first is None:
        return 0
    levels: dict[str, str] = dict(IDLE)
    begin_ns = first.t_ns + round(begin_s * 1e9)
    tick, written = -1, 0
    for t_ns, wire, level in _in_order(chain([first], events)):
        if t_ns >= begin_ns and tick < 0:
            tick = 0
            out.write("#0\n$dumpvars\n")
            out.writelines(f"{level}{CODES[wire]}\n" for wire, level in levels.items())
            out.write("$end\n")
        after_ns = t_ns - begin_ns
        if seconds is not None and after_ns >= seconds * 1e9:
            break
        if levels[wire] == level:
            continue
        levels[wire] = level
        if after_ns < 0:
            continue
        if after_ns // TICK_NS != tick:
            tick = after_ns // TICK_NS
            out.write(f"#{tick}\n")
        out.write(f"{level}{CODES[wire]}\n")
        written += 1
    out.write(f"#{tick + 1}\n")  # the last level lasts a tick, too
    return written


def _in_order(events: Iterable[Event]) -> Iterator[Change]:
    """All changes by time; an edge is told by the wait that found it, which may have come late."""
    waiting: list[Change] = []
    for told_ns, changes in _changes(events):
        waiting += changes
        if len(waiting) >= SORTED_AT_ONCE:
            waiting.sort(key=lambda change: change[0])
            safe = sum(t_ns < told_ns - LATE_NS for t_ns, _, _ in waiting)
            yield from waiting[:safe]
            del waiting[:safe]
    yield from sorted(waiting, key=lambda change: change[0])


def _changes(events: Iterable[Event]) -> Iterator[tuple[int, list[Change]]]:
    """For each event its time and what it did to the wires; not all of it is a change."""
    bit_ns, mode = 0.0, reg.SPI_MODE
    for event in events:
        if isinstance(event, Part):
            bit_ns, mode = 1e9 / event.speed_hz, event.mode
            yield event.t_ns, [(event.t_ns, "SCLK", str(mode >> 1))]
        elif isinstance(event, Transfer):
            yield event.t_ns, _transfer(event, bit_ns, mode)
        elif isinstance(event, Fell):
            fell = event.edge_ns
            yield event.t_ns, [(fell - DRDY_HIGH_NS, "DRDY", "1"), (fell, "DRDY", "0")]
        elif isinstance(event, PinSet):
            level = event.asserted != (event.pin in ACTIVE_LOW)
            yield event.t_ns, [(event.t_ns, event.pin, str(int(level)))]


def _transfer(event: Transfer, bit_ns: float, mode: int) -> list[Change]:
    """Chip-select low; each bit's clock edges at a quarter and three quarters of it."""
    begin_ns = event.t_ns
    idle, active = ("1", "0") if mode >> 1 else ("0", "1")
    setup = 0.25 if mode & 1 else 0.0  # CPHA 1: data change with the leading edge
    changes = [(begin_ns, "CS", "0")]
    last = {"MOSI": "", "MISO": ""}
    n = 0
    for sent, received in zip(event.mosi, event.miso, strict=True):
        for bit in range(7, -1, -1):
            data_ns = begin_ns + int((n + setup) * bit_ns)
            for wire, byte in (("MOSI", sent), ("MISO", received)):
                level = "1" if byte >> bit & 1 else "0"
                if level != last[wire]:
                    last[wire] = level
                    changes.append((data_ns, wire, level))
            lead_ns = begin_ns + int((n + 0.25) * bit_ns)
            if not n:
                changes.append((lead_ns, "DRDY", "1"))
            changes.append((lead_ns, "SCLK", active))
            changes.append((begin_ns + int((n + 0.75) * bit_ns), "SCLK", idle))
            n += 1
    end_ns = begin_ns + int((n - 0.125) * bit_ns)
    changes += [(end_ns, "CS", "1"), (end_ns, "MISO", "z")]
    return changes
