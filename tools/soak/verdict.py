"""What came of a soak: one table, and whether all of it held."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from firmware.pipeline import BRIDGE
from tools.soak.bench import Hour
from tools.soak.growth import Reading, Slope, at_hours, slopes, warm

if TYPE_CHECKING:
    from tools.soak.real import Run

# More growth than this is a leak; a thousand hours of it would be 50 MB and 50 descriptors.
LIMITS = {"memory_kb": 50.0, "fds": 0.05, "threads": 0.05}
NAMES = {"memory_kb": "memory", "fds": "descriptors", "threads": "threads"}
UNITS = {"memory_kb": "kB/h", "fds": "descriptors/h", "threads": "threads/h"}
PROCESSES = ("acquire", "monitor")
Figures = dict[str, float | int | str | bool | None]
# Of each life: what it keeps (pictures of texts, code paths of each fault, a model installed) fills
# up in twelve hours. In real time no life is as long: there memory is told, not judged.
WARM_UP_H, WARM_UP_REAL_H = 12.0, 0.25
LATE_H = 40.0  # what still fills up at twelve hours has ended here; a leak has not
OWN_ONE_IN = 10_000  # samples: a simulated chip takes processor time that a real one does not
PERCENTILES = (50.0, 99.0, 99.9, 100.0)


@dataclass(frozen=True, slots=True)
class Row:
    """ok : None where nothing is required"""

    what: str
    value: str
    ok: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """rows : the table; problems : what did not hold, with its second"""

    rows: Sequence[Row]
    problems: Sequence[str]
    figures: Figures

    @property
    def ok(self) -> bool:
        return not self.problems and all(row.ok is not False for row in self.rows)

    def __str__(self) -> str:
        width = max(len(row.what) for row in self.rows)
        marks = {True: "ok", False: "BROKEN", None: ""}
        lines = [f"{row.what:<{width}}  {row.value}  {marks[row.ok]}".rstrip() for row in self.rows]
        return "\n".join([*lines, *(f"PROBLEM {problem}" for problem in self.problems)])


def cpu_ms_per_s(readings: Iterable[Reading], process: str) -> float | None:
    """Processor time per second of signal."""
    busy_s = hours = 0.0
    last: dict[str, Reading] = {}
    for reading in readings:
        if reading.process != process:
            continue
        if (before := last.get(reading.life)) is not None:
            busy_s += reading.cpu_s - before.cpu_s
            hours += reading.hour - before.hour
        last[reading.life] = reading
    return busy_s / hours / 3.6 if hours else None


def percentile(counts: Mapping[int, int], percent: float) -> int | None:
    """Of a histogram, value -> how often."""
    wanted, seen = sum(counts.values()) * percent / 100, 0
    for value in sorted(counts):
        seen += counts[value]
        if seen >= wanted:
            return value
    return None


def growth_rows(
    readings: Sequence[Reading], warm_up_h: float, told: Sequence[str] = ()
) -> tuple[list[Row], Figures]:
    """Slopes of both processes, without the first ``warm_up_h`` of each life.

    told : of LIMITS, those that nothing is required of
    """
    rows: list[Row] = []
    figures: Figures = {}
    kept = warm(readings, warm_up_h)
    for process in PROCESSES:
        for what, found in slopes(kept, process).items():
            row = _slope_row(f"{process}: {NAMES[what]}", what, found)
            rows.append(replace(row, ok=None) if what in told else row)
            figures[f"{process}_{what}_per_h"] = None if found.plus_minus is None else found.per_h
    return rows, figures


def _late_rows(readings: Sequence[Reading]) -> list[Row]:
    """Memory of long lives, told beside what is judged."""
    late = warm(readings, LATE_H)
    return [
        replace(
            _slope_row(
                f"{process}: memory after {LATE_H:g} h of life",
                "memory_kb",
                slopes(late, process)["memory_kb"],
            ),
            ok=None,
        )
        for process in PROCESSES
    ]


def _slope_row(name: str, what: str, found: Slope) -> Row:
    said = f"{found} {UNITS[what]}" if found.plus_minus is not None else str(found)
    over = f" over {found.hours:.1f} h, {found.readings} readings"
    held = None if found.plus_minus is None else not found.grows(LIMITS[what])
    return Row(name, said + over, held)


def virtual(hours: Sequence[Hour], asked_h: float) -> Verdict:
    """Of the hours that were done."""
    seconds, took_s = sum(h.seconds for h in hours), sum(h.took_s for h in hours)
    readings = at_hours(_readings(hours))
    growth_table, growth = growth_rows(readings, WARM_UP_H)
    rows, figures = _counted(
        hours, seconds, asked_h, ([*growth_table, *_late_rows(readings)], growth)
    )
    if (read := sum(bool(hour.readings) for hour in hours)) < len(hours):
        said = f"{read}; those before read memory with files, and are left out"
        rows.append(Row("hours with readings of processes", said))
    rows.append(
        Row("faster than real time, per bench", f"{seconds / took_s:.0f} times" if took_s else "-")
    )
    of = Counter[str]()
    for hour in hours:
        of[hour.code or "unknown"] += 1
    rows.append(Row("revision, and hours of it", _listed(of)))
    problems = [f"hour {h.number}: {problem}" for h in hours for problem in h.problems]
    return _verdict(rows, problems, figures)


def real(run: Run, asked_h: float) -> Verdict:
    """Of one run."""
    hour, latency_ms = run.hour, run.latency_ms
    growth = growth_rows(hour.readings, WARM_UP_REAL_H, told=("memory_kb",))
    rows, figures = _counted([hour], hour.seconds, asked_h, growth)
    still = f"{run.unplanned - run.own} while this machine stood still ({run.stalls} times)"
    few = run.own * OWN_ONE_IN <= hour.samples
    rows.append(Row("samples lost while nothing was planted", f"{still}, {run.own} otherwise", few))
    said = f"{hour.unheld}: ten seconds begin anew behind more than {BRIDGE} samples"
    rows.append(Row("results in calm not held to make sense because of these", said))
    figures |= {"unplanned": run.unplanned, "own": run.own}
    if latency_ms:
        worst = max(p99 for _, p99 in latency_ms)
        middle = sorted(p50 for p50, _ in latency_ms)[len(latency_ms) // 2]
        said = f"median {middle} ms, p99 of the worst ten seconds {worst} ms"
        rows.append(Row("data-ready edge to filtered leads, by health messages", said))
        figures |= {"latency_p50_ms": middle, "latency_worst_p99_ms": worst}
    rows.append(
        Row("load of the machine, last 15 minutes", f"{run.load:.1f} on {os.cpu_count()} cores")
    )
    return _verdict(rows, hour.problems, figures)


def _verdict(rows: list[Row], problems: Sequence[str], figures: Figures) -> Verdict:
    rows.append(Row("problems", str(len(problems)), not problems))
    return Verdict(rows, problems, {**figures, "problems": len(problems)})


def _counted(
    hours: Sequence[Hour], seconds: float, asked_h: float, growth: tuple[list[Row], Figures]
) -> tuple[list[Row], Figures]:
    """What both kinds of soak count."""

    def total(name: str) -> int:
        return sum(getattr(hour, name) for hour in hours)

    readings = _readings(hours)
    acts, skipped, ages = Counter[str](), Counter[str](), Counter[int]()
    for hour in hours:
        acts.update(hour.acts)
        skipped.update(hour.skipped)
        ages.update({int(age): n for age, n in hour.ages.items()})
    growth_table, slope_figures = growth
    lost = f"{total('lost')} in {total('gaps')} gaps; {total('estimated')} of them by the clock"
    schema = f"{total('lines')}, {total('checked')} of them held against the schema"
    calm = f"{total('results')}, {total('sane')} of them in calm: SR, 65 to 75/min, one a second"
    rows = [
        Row("hours", f"{seconds / 3600:.2f} of {asked_h:g}"),
        Row("faults planted", f"{sum(acts.values())}: {_listed(acts)}"),
        Row("faults that could not be planted", _listed(skipped)),
        Row("samples in the ring", str(total("samples"))),
        Row("samples lost", lost),
        Row("samples overwritten while the monitor stood still", str(total("overrun"))),
        Row("messages", schema),
        Row("messages dropped, and counted", str(total("dropped"))),
        Row("results", calm),
        Row("age of a result's last sample at the host", _ages(ages)),
        *growth_table,
        *(Row(f"{p}: processor", _cpu(cpu_ms_per_s(readings, p))) for p in PROCESSES),
    ]
    figures: Figures = {
        "hours": round(seconds / 3600, 2),
        "hours_asked": asked_h,
        "faults": sum(acts.values()),
        "samples": total("samples"),
        "lost": total("lost"),
        **slope_figures,
    }
    return rows, figures


def _readings(hours: Sequence[Hour]) -> list[Reading]:
    return [reading for hour in hours for reading in hour.readings]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"


def _ages(ages: Mapping[int, int]) -> str:
    if not ages:
        return "-"
    parts = [f"p{percent:g} {percentile(ages, percent)}" for percent in PERCENTILES]
    return ", ".join(parts).replace("p100", "max") + " ms"


def _cpu(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.2f} ms per second of signal"
