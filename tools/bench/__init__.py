"""``lead12 bench``: one module per thing measured, one list of figures beside their limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.bench.figures import PERFORMANCE, Figure, markdown, show, write_section

NAMES = (
    "filters", "qrs", "quality", "refusal", "st", "intervals", "swaps", "alarms", "explain",
    "throughput", "screens", "report", "flash", "records", "live",
)  # fmt: skip


def run(what: str, *, as_json: bool, update_docs: bool, data: Path | None, seconds: float) -> int:
    """Measure ``what`` (or "all"), print, and optionally write docs/; 1 if a limit is broken.

    Raises RecordingsAbsentError where a bench needs recordings that are not there.
    """
    broken = 0
    for name in NAMES if what == "all" else (what,):
        figures = _measure(name, data, seconds)
        if update_docs:
            _write(name, figures)
        broken |= show(figures, as_json=as_json)
    return broken


def _measure(name: str, data: Path | None, seconds: float) -> Sequence[Figure]:
    """The modules are imported only when they are asked for: each brings its own packages."""
    match name:
        case "filters":
            from tools.bench import filters

            return filters.measure()
        case "qrs":
            from tools.bench import qrs, recordings

            return qrs.measure(recordings.folder(data), records=True)
        case "quality":
            from tools.bench import quality, recordings

            return quality.measure(recordings.folder(data))
        case "st":
            from tools.bench import recordings, st

            return st.measure(recordings.folder(data))
        case "intervals":
            from tools.bench import intervals, recordings

            return intervals.measure_all(recordings.folder(data))
        case "swaps":
            from tools.bench import recordings, swaps

            return swaps.measure(recordings.folder(data))
        case "alarms":
            from tools.bench import alarms, recordings

            return alarms.measure(recordings.folder(data))
        case "refusal":
            from tools.bench import recordings, refusal

            return refusal.measure(recordings.folder(data))
        case "explain":
            from tools.bench import explain

            return explain.measure(data)
        case "throughput":
            from tools.bench import throughput

            return throughput.measure()
        case "screens":
            from tools.bench import screens

            return screens.measure()
        case "report":
            from tools.bench import report

            return report.measure()
        case "records":
            from tools.bench import records

            return records.measure()
        case "flash":
            from tools.bench import flash

            return flash.measure()
        case _:
            from tools.bench import live

            return live.measure(seconds)


def _write(name: str, figures: Sequence[Figure]) -> None:
    if name == "filters":
        from tools.bench import filters

        filters.write_docs(figures)
    elif name == "refusal":
        from tools.bench import refusal

        refusal.write_docs(figures)
    elif name == "intervals":
        from tools.bench import intervals

        intervals.write_docs(figures)
    elif name == "report":
        from tools.bench import report

        report.write_docs(figures)
    elif name == "alarms":
        from tools.bench import alarms

        alarms.write_docs(figures)
    elif name == "quality":
        from tools.bench import quality

        quality.write_docs(figures)
    elif name == "swaps":
        from tools.bench import swaps

        swaps.write_docs(figures)
    elif name == "screens":
        from tools.bench import screens

        screens.write_docs(figures)
    else:
        write_section(PERFORMANCE, name, markdown(figures))
