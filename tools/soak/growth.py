"""Whether something grows: one slope over many lives of a process, with its uncertainty."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
JUST_H = 0.01  # after a full hour


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a process, which has a ``life`` of its own; ``hour`` of virtual time.

    memory_kb : resident, without files: a library's code is the kernel's to drop
    """

    process: str
    life: str
    hour: float
    memory_kb: int
    fds: int
    threads: int
    cpu_s: float


def look(process: str, life: str, hour: float, pid: int) -> Reading:
    """Raises OSError when it is gone."""
    proc = Path(f"/proc/{pid}")
    stat = (proc / "stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return Reading(
        process,
        life,
        round(hour, 4),
        sum(int(status[kind].split()[0]) for kind in ("RssAnon", "RssShmem")),
        len(os.listdir(proc / "fd")),
        int(stat[17]),
        (int(stat[11]) + int(stat[12])) / TICKS,
    )


@dataclass(frozen=True, slots=True)
class Slope:
    """per_h : least squares, one slope for all lives, each with a level of its own

    plus_minus : half width of its 95 % interval, by the scatter; None: too few readings
    """

    per_h: float
    plus_minus: float | None
    hours: float
    readings: int

    def grows(self, limit: float) -> bool:
        """Whether it is more than ``limit`` even at the lower end of the interval."""
        return self.plus_minus is not None and self.per_h - self.plus_minus > limit

    def __str__(self) -> str:
        if self.plus_minus is None:
            return "too short to say"
        return f"{self.per_h:+.2f} ± {self.plus_minus:.2f}"


def slope(points: Iterable[tuple[str, float, float]]) -> Slope:
    """Of (life, hour, value); lives of fewer than three readings say nothing."""
    lives: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for life, hour, value in points:
        lives[life].append((hour, value))
    n = groups = 0
    sxx = sxy = syy = hours = 0.0
    for readings in lives.values():
        if len(readings) < 3:
            continue
        mean_h = sum(hour for hour, _ in readings) / len(readings)
        mean = sum(value for _, value in readings) / len(readings)
        sxx += sum((hour - mean_h) ** 2 for hour, _ in readings)
        sxy += sum((hour - mean_h) * (value - mean) for hour, value in readings)
        syy += sum((value - mean) ** 2 for _, value in readings)
        hours += readings[-1][0] - readings[0][0]
        n, groups = n + len(readings), groups + 1
    if n - groups < 2 or sxx == 0:
        return Slope(0.0, None, hours, n)
    per_h = sxy / sxx
    rest = max(syy - per_h * sxy, 0.0)
    return Slope(per_h, 1.96 * math.sqrt(rest / (n - groups - 1) / sxx), hours, n)


def warm(readings: Iterable[Reading], warm_up_h: float) -> list[Reading]:
    """Without the beginning of each life."""
    began: dict[str, float] = {}
    kept = []
    for reading in readings:
        if reading.hour - began.setdefault(reading.life, reading.hour) >= warm_up_h:
            kept.append(reading)
    return kept


def at_hours(readings: Iterable[Reading]) -> list[Reading]:
    """Those a second into an hour, when the bench has let go of what the last hour needed.

    Those in between tell the same memory again: taken for news, they make the ± too small.
    """
    return [reading for reading in readings if 0 < reading.hour % 1 < JUST_H]


def slopes(readings: list[Reading], process: str) -> Mapping[str, Slope]:
    """Of memory (kB), descriptors and threads of ``process``."""
    of = [reading for reading in readings if reading.process == process]
    return {
        what: slope((r.life, r.hour, getattr(r, what)) for r in of)
        for what in ("memory_kb", "fds", "threads")
    }
