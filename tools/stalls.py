"""When this machine itself stood still: a probe on each processor, of higher priority than acquire.

A sample that is lost while even the probe did not run was not lost by the instrument: a hypervisor
gave the processor to somebody else. ``python -m tools.stalls CPU`` prints the beginning and end of
each such moment, in seconds of the monotonic clock.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time

PRIORITY = 60  # acquire has 50
EVERY_S = 0.001
LATE_S = 0.001  # a frame waits for 2 ms until the next one takes its place; reading takes the other
AROUND_S = 0.02  # a block of samples, and those that were late because of it


class Stalls:
    """Probes at work; ``at`` says whether the machine stood still then.

    seen : beginning and end of each stall, in seconds of the monotonic clock
    """

    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        self.probes = [self._probe(cpu) for cpu in sorted(os.sched_getaffinity(0))]

    def _probe(self, cpu: int) -> subprocess.Popen[str]:
        probe = subprocess.Popen(
            [sys.executable, "-m", "tools.stalls", str(cpu)],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, args=(probe,), daemon=True).start()
        return probe

    def _read(self, probe: subprocess.Popen[str]) -> None:
        assert probe.stdout is not None
        for line in probe.stdout:
            begin, end = line.split()
            self.seen.append((float(begin), float(end)))

    def at(self, from_s: float, to_s: float) -> bool:
        """Whether it did between these moments, or just before."""
        return any(a <= to_s and from_s <= b + AROUND_S for a, b in list(self.seen))

    def close(self) -> None:
        """End the probes."""
        for probe in self.probes:
            probe.terminate()
            probe.wait()


def probe(cpu: int) -> None:
    """Wake up every millisecond and say when that was late; nothing where priority is refused.

    Without it the instrument itself makes the probe late, which then excuses what it should not.
    """
    os.sched_setaffinity(0, {cpu})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        return
    before = time.monotonic()
    while True:
        time.sleep(EVERY_S)
        now = time.monotonic()
        if now - before > EVERY_S + LATE_S:
            print(before, now, flush=True)
        before = now


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        probe(int(sys.argv[1]))
