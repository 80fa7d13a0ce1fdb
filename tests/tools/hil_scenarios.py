"""Scenarios written for a test, a line at a time."""

from __future__ import annotations

from pathlib import Path

from tools.hil.scenario import Scenario, load

HEAD = "name: {name}\nabout: a test\nseconds: {seconds}\npatient: {patient}\n"


def written(
    folder: Path,
    *expect: str,
    timeline: tuple[str, ...] = (),
    seconds: float = 20,
    patient: str = "{preset: sinus-70}",
    settings: str = "",
    name: str = "one",
) -> Scenario:
    """A scenario in ``folder``; ``timeline`` and ``expect`` are entries and sentences."""
    text = HEAD.format(name=name, seconds=seconds, patient=patient)
    text += f"settings: {settings}\n" if settings else ""
    text += "timeline:\n" * bool(timeline) + "".join(f"  - {{{one}}}\n" for one in timeline)
    text += "expect:\n"
    for one in expect or ("always: lost == 0",):
        text += f"  - {{that: '{one}', shows: Q-01}}\n"
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)
