"""A process of Python beside a measurement, and what a bare timer loop loses on this machine."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

HOG = "while True: pass"
# 500 edges a second with acquire's priority and nothing to do: what it misses, the machine misses.
BARE = """
import gc, signal, sys, time
from device.acquire import take_priority
take_priority()
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
gc.freeze()
period, lost, edge = 2_000_000, 0, 0
start = time.monotonic_ns()
while not stopping:
    due = start + (edge + 1) * period
    wait = due - time.monotonic_ns()
    if wait > 0:
        time.sleep(wait / 1e9)
    newest = (time.monotonic_ns() - start) // period
    lost += newest - edge - 1
    edge = newest
print(edge, lost)
"""


@contextlib.contextmanager
def beside(program: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that runs ``program`` until the end of the block."""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def missed(bare: subprocess.Popen[str]) -> int:
    """End the ``BARE`` loop: the edges it came too late for."""
    bare.terminate()
    return int(bare.communicate()[0].split()[1])
