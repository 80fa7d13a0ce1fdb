"""From power to the first trace: what was measured here, and what it would be on a Raspberry Pi 4.

The measured part is this machine's: moments of one boot after another. The estimate takes the
processor time of our two processes times a factor, which is one benchmark of CPython, published for
a Pi 4 and run here by the root's own interpreter, in turn with the starts: a shared machine's speed
changes by the minute. Firmware and kernel are somebody's measurement.
Both load at once, as they do here and as four processors allow; what it would be on one is told
beside it. The factor is taken whole although that Pi's Python was older.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from PIL import Image

from tests.appliance.bench import ACQUIRE, MONITOR, SCREEN, Bench
from tests.appliance.container import wait_for
from tools.reliability import Part, Table

TITLE = (0, 0, 96, 6)  # lead, speed and size: of the page with the trace, and of no other
PI4_NBODY_S = 158.26  # 5 million steps, CPython, 1.5 GHz, governor "performance"
PI4_NBODY = (
    "https://chaitanyamehta.github.io/projects/performance-analysis-of-programming-languages"
)
STEPS, PI4_STEPS = 500_000, 5_000_000
FASTER_3_11 = 1.25  # than 3.10, on average; that Pi had an older one
WHATS_NEW = "https://docs.python.org/3/whatsnew/3.11.html"
PI4_POWER_TO_KERNEL_S = 7.0  # "6-7s from power up to the kernel", most of it the memory's training
PI4_FIRMWARE = "https://github.com/raspberrypi/firmware/issues/1866"
PI4_KERNEL_S, PI4_USERSPACE_S = 1.234, 2.571
PI4_SYSTEMD = "https://github.com/raspberrypi/firmware/issues/1749"
LIMIT_S = 20.0
ROUNDS = 9
READY_CPU = """\
systemctl restart "$1"
systemctl show "$1" --property=CPUUsageNSec --value
cat "/proc/$(systemctl show "$1" --property=MainPID --value)/stat"
getconf CLK_TCK
"""
UTIME, CSTIME_END = 11, 15  # of proc(5)'s stat behind the name: its own time, its children's
NBODY = Path(__file__).with_name("nbody.py")


@dataclass(frozen=True)
class Start:
    """Seconds from the start of PID 1, of one boot."""

    acquire_started_s: float
    acquire_ready_s: float
    monitor_started_s: float
    monitor_ready_s: float
    first_sample_s: float
    first_picture_s: float
    first_trace_s: float
    first_call_s: float


def measure(bench: Bench, on_s: float) -> Start:
    """One boot, which must have been watched since ``on_s``; waits for the first call."""

    def called() -> bool:
        return any(result["call"] for result in bench.line.since(on_s, "result"))

    wait_for("the first call", called, 30)
    calls = [m.at_s for m in bench.line.messages if m.at_s >= on_s and m.body.get("call")]
    acquire, monitor = (_unit(bench, unit) for unit in (ACQUIRE, MONITOR))
    ring = bench.witness.now
    assert ring is not None
    pictures = _pictures(bench)
    return Start(
        acquire_started_s=acquire[0] - on_s,
        acquire_ready_s=acquire[1] - on_s,
        monitor_started_s=monitor[0] - on_s,
        monitor_ready_s=monitor[1] - on_s,
        first_sample_s=float(ring.blocks[0].t_ns[0]) * 1e-9 - on_s,
        first_picture_s=pictures[0][0] - on_s,
        first_trace_s=_first_trace_s(pictures) - on_s,
        first_call_s=calls[0] - on_s,
    )


def _unit(bench: Bench, unit: str) -> tuple[float, float]:
    """Process started and READY=1, seconds (monotonic)."""
    names = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    shown = bench.container.run("systemctl", "show", unit, f"--property={','.join(names)}")
    found = dict(line.split("=", 1) for line in shown.splitlines())
    started_s, ready_s = (int(found[name]) * 1e-6 for name in names)
    return started_s, ready_s


@dataclass(frozen=True)
class Round:
    """Processor seconds of the benchmark and, next to it, of each service up to READY=1."""

    benchmark_s: float
    cpu_s: Mapping[str, float]

    @property
    def factor(self) -> float:
        """By how much a Pi 4 is slower than this machine was just then."""
        return PI4_NBODY_S / (self.benchmark_s * PI4_STEPS / STEPS)


def rounds(bench: Bench, units: Mapping[str, str]) -> list[Round]:
    """``ROUNDS`` of them, of the unit of each service's name."""
    return [
        Round(_nbody_s(bench), {name: _ready_cpu_s(bench, unit) for name, unit in units.items()})
        for _ in range(ROUNDS)
    ]


def _ready_cpu_s(bench: Bench, unit: str) -> float:
    """Counted twice, by the service's cgroup and by its process; the larger. ``restart`` waits for
    READY=1.
    """
    bench.restart_counts_anew()
    at_s = time.monotonic()
    told = bench.container.run("sh", "-c", READY_CPU, "sh", unit)
    of_cgroup_ns, of_process, ticks_per_s = told.split("\n")[:3]
    after_name = of_process.rpartition(")")[2].split()
    ticks = sum(map(int, after_name[UTIME:CSTIME_END]))
    bench.monitoring(at_s)
    bench.away(at_s)
    return max(int(of_cgroup_ns) * 1e-9, ticks / int(ticks_per_s))


def _pictures(bench: Bench) -> list[tuple[float, Path]]:
    """Of the screen, oldest first, each with its moment (monotonic)."""
    to_monotonic_s = time.monotonic() - time.time()
    there = bench.container.path(SCREEN).glob("*.png")
    return sorted((file.stat().st_mtime + to_monotonic_s, file) for file in there)


def _first_trace_s(pictures: list[tuple[float, Path]]) -> float:
    """Of the page that is there at the first call; before it come self-test and electrodes."""
    title = _title(pictures[-1][1])
    return next(at_s for at_s, file in pictures if _title(file) == title)


def _title(file: Path) -> bytes:
    with Image.open(file) as picture:
        return picture.crop(TITLE).tobytes()


def _nbody_s(bench: Bench) -> float:
    """The benchmark by the root's interpreter."""
    return float(bench.container.run("/usr/bin/python3", "-c", NBODY.read_text(), str(STEPS)))


def part(starts: list[Start], measured_rounds: list[Round], command: str) -> Part:
    """For the reliability page."""
    median = {f.name: statistics.median(asdict(s)[f.name] for s in starts) for f in fields(Start)}
    cpu_s = {
        name: statistics.median(one.cpu_s[name] for one in measured_rounds)
        for name in measured_rounds[0].cpu_s
    }
    factor = statistics.median(one.factor for one in measured_rounds)
    benchmark_s = PI4_NBODY_S / factor
    # Loading is processor time and scales; what is waited for, samples, does not.
    one_by_one_s = statistics.median(
        sum(one.cpu_s.values()) * one.factor for one in measured_rounds
    )
    at_once_s = statistics.median(max(one.cpu_s.values()) * one.factor for one in measured_rounds)
    chip_s = median["first_sample_s"] - median["acquire_ready_s"]
    looking_s = median["first_trace_s"] - median["first_sample_s"]
    estimate = [
        ("power to kernel", PI4_POWER_TO_KERNEL_S, f"[a Pi 4]({PI4_FIRMWARE}), its makers agree"),
        ("kernel", PI4_KERNEL_S, f"[a Pi 4]({PI4_SYSTEMD})"),
        ("systemd up to our units", PI4_USERSPACE_S, "the same: all of that system's"),
        (
            "our processes, both at once, up to READY=1",
            at_once_s,
            f"the longer one: {max(cpu_s.values()):.2f} s of a processor here, times {factor:.1f}",
        ),
        ("chip set up and checked", chip_s, "as here: it is the chip's time"),
        ("electrodes and signal looked at", looking_s, "as here: it is the time of samples"),
    ]
    total_s = sum(seconds for _, seconds, _ in estimate)
    one_processor_s = total_s - at_once_s + one_by_one_s
    likely_s = total_s - at_once_s + at_once_s / FASTER_3_11
    worst = {f.name: max(asdict(s)[f.name] for s in starts) for f in fields(Start)}
    measured = [
        (name.removesuffix("_s").replace("_", " "), _s(median[name]), _s(worst[name]))
        for name in median
    ]
    verdict = "below" if round(total_s, 1) < LIMIT_S else "not below"  # as it is printed
    return Part(
        name="start",
        title="Power to the first trace",
        command=command,
        text=(
            f"Measured: {len(starts)} boots of the container, from the start of PID 1 on, beside "
            "all else that this machine does; there is a picture for each second of signal, so the "
            "trace may have been there up to a second earlier. Up to READY=1 the services take "
            + " and ".join(f"{seconds:.2f} s ({name})" for name, seconds in cpu_s.items())
            + f" of a processor: the medians of {len(measured_rounds)} starts, each the larger of "
            "what the cgroup and the process itself (/proc/PID/stat) count, systemd's sandbox "
            "included. An installed device's modules are compiled ahead; in a checkout where they "
            "are not, loading takes longer.",
            f"**An estimate, not a measurement**, for a Raspberry Pi 4: {total_s:.1f} s, {verdict} "
            f"{LIMIT_S:.0f} s, with both services loading at once, as they do here and as the four "
            f"processors of that board allow; had they one between them, {one_processor_s:.1f} s. "
            "For the rest it is on the slow side where there is a choice. The factor is n-body in "
            f"CPython: {PI4_STEPS:,} steps took {PI4_NBODY_S} s on a "
            f"[Pi 4 at 1.5 GHz]({PI4_NBODY}) and "
            f"would take {benchmark_s:.1f} s here, {factor:.1f} times less: run before each "
            f"pair of starts and held against that pair, medians again; of that, {FASTER_3_11} is "
            f"[what Python 3.11 gained]({WHATS_NEW}) on 3.10, and that Pi had an older one still. "
            f"With that taken into account it is {likely_s:.1f} s. "
            "Reading from an SD card is not in it. Only a board will tell.",
        ),
        tables=(
            Table(("Moment of a boot here", "median", "worst"), measured),
            Table(
                ("Estimate for a Pi 4", "s", "from"),
                [(name, f"{seconds:.1f}", source) for name, seconds, source in estimate]
                + [("power to first trace", f"{total_s:.1f}", "the sum")]
                + [("the same on one processor", f"{one_processor_s:.1f}", "one after the other")],
            ),
        ),
        figures={name: round(value, 3) for name, value in median.items()}
        | {f"{name}_cpu_s": round(seconds, 3) for name, seconds in cpu_s.items()}
        | {"boots": len(starts), "factor": round(factor, 2), "pi4_estimate_s": round(total_s, 1)}
        | {"pi4_one_processor_s": round(one_processor_s, 1)},
    )


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s"
