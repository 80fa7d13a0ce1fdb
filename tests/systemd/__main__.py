"""``python -m tests.systemd [--update-docs]``: what systemd says of each unit."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.systemd.units import (
    ANALYZE,
    MAX_EXPOSURE,
    SERVICES,
    Settings,
    exposure,
    installed,
    verify,
    version,
)
from tools.reliability import Part, Table, save

COLUMNS = ("unit", "exposure", "user", "watchdog", "when it ends")
WHEN_IT_ENDS = {
    "lead12-acquire": "started again after 1 s, for ever",
    "lead12-monitor": "started again after 1 s; the sixth time within 180 s the degraded screen "
    "instead, and after 60 s again, for ever",
    "lead12-degraded": "gives way to the monitor; started again after 5 s when it fails",
    "lead12-housekeeping": "started 2 min after the boot and daily",
}


def part(units: Path) -> Part:
    """Measured on ``units``."""
    rows, figures = [], {}
    for name in SERVICES:
        service = Settings(name)["Service"]
        stem = name.removesuffix(".service")
        found = figures[stem] = exposure(units / name)
        watchdog = f"{service['WatchdogSec']} s" if "WatchdogSec" in service else "none"
        rows.append((stem, f"{found:.1f}", service["User"], watchdog, WHEN_IT_ENDS[stem]))
    said = verify(units)
    return Part(
        name="units",
        title="The units",
        command="python -m tests.systemd --update-docs",
        text=[
            f"systemd {version()}: `systemd-analyze verify` "
            + (f"says: {said}" if said else "finds nothing wrong")
            + f"; `systemd-analyze security --offline=true` gives the exposure, at most "
            f"{MAX_EXPOSURE} is allowed."
        ],
        tables=[Table(COLUMNS, rows)],
        figures={**figures, "verify_clean": not said},
    )


def main(arguments: list[str]) -> int:
    """0: all within their limits."""
    if ANALYZE is None:
        print("systemd-analyze is missing; type: apt-get install systemd", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        found = part(installed(Path(folder)))
    for row in found.tables[0].rows:
        print(*row, sep="  ")
    print(found.text[0])
    if "--update-docs" in arguments:
        save(found)
    exposures = [found.figures[name.removesuffix(".service")] for name in SERVICES]
    return 0 if found.figures["verify_clean"] and max(exposures) <= MAX_EXPOSURE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
