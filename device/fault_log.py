"""What is wrong, for the journal: a line when it begins, when it changes, when it is over.

Not one for each try. A fault that comes and goes is one that lasts: it is over once it has stayed
away for ``CALM_NS``, and for twice as long each time it was back within ``LONGEST_NS``, up to that.
So a line that says "over" is true, and in the long run a part fills at most a line a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hal.clock import Clock

CALM_NS = 5_000_000_000
LONGEST_NS = 600_000_000_000
SENTENCES = 8  # of one fault are told as they come; any more, or again: one per ``LONGEST_NS``


@dataclass(slots=True)
class _Fault:
    """One that holds, or did until ``well_ns``; times : it was reported."""

    began_ns: int
    calm_ns: int
    told_ns: int = 0
    well_ns: int | None = None
    times: int = 0
    newest: str = ""
    told: list[str] = field(default_factory=list)


class FaultLog:
    """The faults of some parts.

    log : takes one line; retried : stands behind each fault, such as " (trying again)"
    """

    def __init__(self, log: Callable[[str], None], clock: Clock, retried: str = "") -> None:
        self._log, self._clock, self._retried = log, clock, retried
        self._open: dict[str, _Fault] = {}
        self._over: dict[str, _Fault] = {}  # the last one of each part

    def say(self, part: str, text: str) -> None:
        """``part`` has failed, again or anew; "" : it is well."""
        now_ns = self._clock.now_ns()
        fault = self._open.get(part)
        if not text:
            if fault is not None and fault.well_ns is None:
                fault.well_ns = now_ns
            return
        self.poll()
        fault = self._open.get(part)
        if fault is None:
            fault = self._open[part] = _Fault(now_ns, self._calm_ns(part, now_ns))
        fault.times += 1
        fault.well_ns = None
        new = text not in fault.told and len(fault.told) < SENTENCES
        if new or (text != fault.newest and now_ns - fault.told_ns >= LONGEST_NS):
            self._log(text + self._retried)
            fault.told_ns, fault.newest = now_ns, text
            if new:
                fault.told.append(text)

    def poll(self) -> None:
        """Say what is over; to be called every second or so."""
        now_ns = self._clock.now_ns()
        for part, fault in list(self._open.items()):
            if fault.well_ns is None or now_ns - fault.well_ns < fault.calm_ns:
                continue
            self._over[part] = self._open.pop(part)
            lasted_s = (fault.well_ns - fault.began_ns) / 1e9
            times = f", {fault.times} times" if fault.times > 1 else ""
            what = fault.newest.partition("; ")[0]
            self._log(f"over after {lasted_s:.1f} s{times}: {what}")

    def _calm_ns(self, part: str, now_ns: int) -> int:
        last = self._over.get(part)
        if last is None or last.well_ns is None or now_ns - last.well_ns > LONGEST_NS:
            return CALM_NS
        return min(2 * last.calm_ns, LONGEST_NS)
