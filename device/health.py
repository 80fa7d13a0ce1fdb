"""How this process and the board are doing, from what the system offers; nothing is guessed."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Any

from device.battery import battery_percent
from device.parts import Board

_ROLLUP = Path("/proc/self/smaps_rollup")
_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")


class Health:
    """Processor share since the last reading, memory and temperature."""

    def __init__(self) -> None:
        self._started_s = self._at_s = time.monotonic()
        self._busy_s = time.process_time()

    def read(self) -> dict[str, Any]:
        """cpu_percent of one core, memory_mb (proportional set size), temperature_c or None."""
        now_s, busy_s = time.monotonic(), time.process_time()
        elapsed_s = max(now_s - self._at_s, 1e-9)
        cpu_percent = 100 * (busy_s - self._busy_s) / elapsed_s
        self._at_s, self._busy_s = now_s, busy_s
        return {
            "uptime_s": round(now_s - self._started_s, 1),
            "cpu_percent": round(cpu_percent, 1),
            "memory_mb": round(memory_mb(), 1),
            "temperature_c": temperature_c(),
        }

    def board(self) -> Board:
        """For the health page."""
        uptime_s = time.monotonic() - self._started_s
        return Board(uptime_s, temperature_c(), battery_percent())


def memory_mb() -> float:
    """Share of memory of this process; the peak where the system tells no more."""
    try:
        for line in _ROLLUP.read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1000


def temperature_c() -> float | None:
    """The board's temperature, None where it has no sensor."""
    try:
        return int(_THERMAL.read_text()) / 1000
    except (OSError, ValueError):
        return None
