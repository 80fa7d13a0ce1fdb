"""``lead12 bench``: one module per thing measured, one list of figures beside their limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.bench.figures import PERFORMANCE, Figure, markdown, show, write_section

NAMES = ("filters", "qrs", "throughput", "live")


def run(what: str, *, as_json: bool, update_docs: bool, data: Path | None, seconds: float) -> int:
    """Measure ``what`` (or "all"), print, and optionally write docs/; 1 if a limit is broken."""
    broken = 0
    for name in NAMES if what == "all" else (what,):
        figures = _measure(name, data, seconds)
        if update_docs:
            _write(name, figures)
        broken |= show(figures, as_json=as_json)
    return broken


def _measure(name: str, data: Path | None, seconds: float) -> Sequence[Figure]:
    if name == "filters":
        from tools.bench import filters

        return filters.measure()
    if name == "qrs":
        from tools.bench import qrs

        return qrs.measure(data)
    if name == "throughput":
        from tools.bench import throughput

        return throughput.measure()
    from tools.bench import live

    return live.measure(seconds)


def _write(name: str, figures: Sequence[Figure]) -> None:
    if name == "filters":
        from tools.bench import filters

        filters.write_docs(figures)
    else:
        write_section(PERFORMANCE, name, markdown(figures))
