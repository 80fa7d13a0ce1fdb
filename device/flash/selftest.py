"""The self-test of a bundle, in a process of its own: what a bad network does there hurts nobody.

``python -m device.flash.selftest FILE MEMORY_MB SECONDS`` runs it and prints one JSON object;
``examine`` starts that process, ends it when it takes too long, and judges what came back.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from device.processes import ENVIRONMENT

WINDOWS = 24  # timed one by one
SLOWEST_S = 5.0  # then enough of them were timed
NICE = 10  # the monitor comes first
_SPARE_BYTES = 256 << 20  # address space of thread stacks and allocator arenas, hardly ever touched
_STDIN = "/dev/stdin"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a network may take on the device.

    latency_ms : of a window, median, for each second from one to the next: the screen and the rest
        of the analysis want their share
    memory_mb : more than the process had before the network was loaded
    seconds : for the whole test
    """

    latency_ms: float = 250.0
    memory_mb: float = 96.0
    seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What the self-test found.

    golden : vectors that agreed; sha256 : of the file it read; every_s : how often it wants to run
    """

    sha256: str
    golden: int
    latency_ms: float
    memory_mb: float
    runtime: str
    every_s: int = 1


class Flaw(StrEnum):
    """What a self-test fails on."""

    SELF_TEST = "self_test"
    SLOW = "slow"
    MEMORY = "memory"


class SelfTestError(RuntimeError):
    """The bundle failed; the message says in what, to follow the name of the model."""

    def __init__(self, flaw: Flaw, message: str) -> None:
        super().__init__(message)
        self.flaw = flaw


def examine(bundle: Path | bytes, sha256: str, budget: Budget) -> Measured:
    """Run the self-test on a file, or on bytes that are in no file, in a process of its own.

    sha256 : of the bytes that were verified; the process must have tested the same
    Raises SelfTestError when the network gives wrong results, crashes, hangs or exceeds ``budget``.
    """
    file = _STDIN if isinstance(bundle, bytes) else str(bundle)
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, file, str(budget.memory_mb), str(budget.seconds)],
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # killed whole; Ctrl-C ends the installer, and it the child
    )
    try:
        out, err = child.communicate(bundle if isinstance(bundle, bytes) else b"", budget.seconds)
    except subprocess.TimeoutExpired:
        raise SelfTestError(
            Flaw.SELF_TEST, f"did not finish its self-test within {budget.seconds:g} s"
        ) from None
    finally:
        _end(child)
    return judge(out, err, child.returncode, sha256, budget)


def judge(out: bytes, err: bytes, code: int, sha256: str, budget: Budget) -> Measured:
    """What the self-test's process wrote and how it ended. Raises SelfTestError."""
    if code < 0:
        raise _crash(-code, err)
    try:
        found = json.loads(out)
        if "error" in found:
            raise SelfTestError(Flaw(found["flaw"]), str(found["error"]))
        measured = Measured(**found)
    except (ValueError, TypeError, KeyError):
        raise SelfTestError(
            Flaw.SELF_TEST, f"gave no result in its self-test (exit code {code}{_last(err)})"
        ) from None
    if measured.sha256 != sha256:
        raise SelfTestError(
            Flaw.SELF_TEST, "was read back from the card otherwise than it was written"
        )
    allowed_ms = budget.latency_ms * measured.every_s
    if measured.latency_ms > allowed_ms:
        raise SelfTestError(
            Flaw.SLOW,
            f"needs {measured.latency_ms:.1f} ms for a window on this board, "
            f"{allowed_ms:g} ms are allowed",
        )
    if measured.memory_mb > budget.memory_mb:
        raise SelfTestError(
            Flaw.MEMORY,
            f"needs {measured.memory_mb:.0f} MB of memory, {budget.memory_mb:g} MB are allowed",
        )
    return measured


def _end(child: subprocess.Popen[bytes]) -> None:
    """However the wait ended: nothing of the child is left."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def _crash(number: int, err: bytes) -> SelfTestError:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if b"bad_alloc" in err or number == signal.SIGKILL:
        return SelfTestError(Flaw.MEMORY, f"ran out of memory in its self-test ({name})")
    return SelfTestError(Flaw.SELF_TEST, f"crashed in its self-test ({name}{_last(err)})")


def _last(err: bytes) -> str:
    lines = [line.strip() for line in err.decode(errors="replace").splitlines() if line.strip()]
    return f": {lines[-1][:160]}" if lines else ""


def measure(file: str) -> Measured:
    """The test itself, in this process. Raises BundleError, NetworkError, OSError, MemoryError."""
    from firmware.bundle import Bundle
    from firmware.network import Network, NetworkError

    bundle = Bundle.from_bytes(Path(file).read_bytes())
    before_mb = _memory_mb("VmRSS")
    network = Network(bundle)
    network.self_test()
    started_s, took_ms = time.monotonic(), []
    for i in range(WINDOWS):
        begin_ns = time.perf_counter_ns()
        try:
            scores = network.run(bundle.golden[i % len(bundle.golden)].tensor)
        except OverflowError:
            raise NetworkError("its calibration gives scores that are no numbers") from None
        took_ms.append((time.perf_counter_ns() - begin_ns) / 1e6)
        if not all(math.isfinite(p) for group in scores.values() for p in group.values()):
            raise NetworkError("its calibration gives scores that are no numbers")
        if time.monotonic() - started_s > SLOWEST_S:
            break
    return Measured(
        sha256=bundle.digest,
        golden=len(bundle.golden),
        latency_ms=round(statistics.median(took_ms), 3),
        memory_mb=round(max(0.0, _memory_mb("VmHWM") - before_mb), 1),
        runtime=str(network.runtime),
        every_s=bundle.input.every_s,
    )


def _memory_mb(field: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (peak) of this process; where there is no /proc, the peak."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _confine(memory_mb: float, seconds: float) -> None:
    """Limits that hold whatever the network does, and when nobody waits for it any more."""
    signal.alarm(math.ceil(seconds) + 1)
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(OSError):  # the kernel's choice when memory runs out: this, not the monitor
        Path("/proc/self/oom_score_adj").write_text("1000")
    with suppress(OSError, ValueError):
        limit = int((_memory_mb("VmSize") + memory_mb) * 1e6) + _SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main(arguments: list[str]) -> int:
    """Print what was measured, or {"flaw", "error"}. 0: passed, 1: not."""
    file, memory_mb, seconds = arguments[0], float(arguments[1]), float(arguments[2])
    from firmware.archive import BundleError
    from firmware.network import NetworkError

    _confine(memory_mb, seconds)
    found: dict[str, Any]
    try:
        found = asdict(measure(file))
    except MemoryError:
        found = {"flaw": Flaw.MEMORY, "error": "ran out of memory in its self-test"}
    except (BundleError, NetworkError, OSError) as error:
        found = {"flaw": Flaw.SELF_TEST, "error": f"failed: {error}"}
    print(json.dumps(found))
    return int("error" in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
