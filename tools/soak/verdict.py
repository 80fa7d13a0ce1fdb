"""What came of a soak: one table, and whether all of it held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.soak.bench import Hour
from tools.soak.growth import Reading, Slope, slopes, warm

# More growth than this is a leak; a thousand hours of it would be 50 MB and 50 descriptors.
LIMITS = {"rss_kb": 50.0, "fds": 0.05, "threads": 0.05}
UNITS = {"rss_kb": "kB/h", "fds": "descriptors/h", "threads": "threads/h"}
PROCESSES = ("acquire", "monitor")
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
    figures: Mapping[str, float | int | str | bool | None]

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


def growth_rows(readings: Sequence[Reading]) -> tuple[list[Row], dict[str, float | None]]:
    """Slopes of both processes."""
    rows: list[Row] = []
    figures: dict[str, float | None] = {}
    kept = warm(readings)
    for process in PROCESSES:
        for what, found in slopes(kept, process).items():
            rows.append(_slope_row(f"{process}: {what.removesuffix('_kb')}", what, found))
            figures[f"{process}_{what}_per_h"] = None if found.plus_minus is None else found.per_h
    return rows, figures


def _slope_row(name: str, what: str, found: Slope) -> Row:
    said = f"{found} {UNITS[what]}" if found.plus_minus is not None else str(found)
    over = f" over {found.hours:.1f} h, {found.readings} readings"
    return Row(name, said + over, not found.grows(LIMITS[what]))


def virtual(hours: Sequence[Hour], asked_h: float) -> Verdict:
    """Of the hours that were done."""
    seconds = sum(hour.seconds for hour in hours)
    took_s = sum(hour.took_s for hour in hours)
    samples, lost = sum(h.samples for h in hours), sum(h.lost for h in hours)
    readings = [reading for hour in hours for reading in hour.readings]
    acts, skipped, ages = Counter[str](), Counter[str](), Counter[int]()
    for hour in hours:
        acts.update(hour.acts)
        skipped.update(hour.skipped)
        ages.update({int(age): n for age, n in hour.ages.items()})
    problems = [f"hour {h.number}: {problem}" for h in hours for problem in h.problems]
    growth, figures = growth_rows(readings)
    rows = [
        Row("virtual hours", f"{seconds / 3600:.2f} of {asked_h:g}"),
        Row("faults planted", f"{sum(acts.values())} of {len(acts)} kinds"),
        Row("faults that could not be planted here", _listed(skipped)),
        Row("samples in the ring", f"{samples}"),
        Row(
            "samples lost",
            f"{lost} in {sum(h.gaps for h in hours)} gaps, each within a planted fault; "
            f"{sum(h.estimated for h in hours)} of them measured by the clock",
        ),
        Row(
            "samples overwritten before a stopped monitor came", f"{sum(h.overrun for h in hours)}"
        ),
        Row(
            "messages",
            f"{sum(h.lines for h in hours)}, {sum(h.checked for h in hours)} of them "
            "held against the schema",
        ),
        Row("messages dropped, and counted", f"{sum(h.dropped for h in hours)}"),
        Row(
            "results",
            f"{sum(h.results for h in hours)}, {sum(h.sane for h in hours)} of them in "
            "calm: SR, 65 to 75/min, one a second",
        ),
        Row("age of a result's last sample", _ages(ages)),
        *growth,
        *(Row(f"{p}: processor", _cpu(cpu_ms_per_s(readings, p))) for p in PROCESSES),
        Row("faster than real time, per bench", f"{seconds / took_s:.0f} times" if took_s else "-"),
        Row("problems", str(len(problems)), not problems),
    ]
    return Verdict(
        rows,
        problems,
        {
            "hours": round(seconds / 3600, 2),
            "hours_asked": asked_h,
            "faults": sum(acts.values()),
            "samples": samples,
            "lost": lost,
            "problems": len(problems),
            **figures,
        },
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items())) or "none"


def _ages(ages: Mapping[int, int]) -> str:
    if not ages:
        return "-"
    parts = [f"p{percent:g} {percentile(ages, percent)}" for percent in PERCENTILES]
    return ", ".join(parts).replace("p100", "max") + " ms, in steps of 500 ms"


def _cpu(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.2f} ms per second of signal"
