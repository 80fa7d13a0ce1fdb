"""What a report costs, start-up included: ``lead12 report`` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
from hal.patient.presets import preset
from tools.bench.figures import DOCS, Figure, markdown, write_section
from tools.bench.throughput import write_wfdb

RUNS = 5
PAGES = 10
PRESETS = ("sinus-70", "af-90", "lbbb-70", "stemi-inferior", "noisy-70")


def measure() -> list[Figure]:
    """Medians of ``RUNS`` runs on this machine, which should be otherwise idle."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [_recording(folder, preset_name) for preset_name in PRESETS]
        out = folder / "report.pdf"
        figures: list[Figure] = []
        for paper in ("a4", "a5"):
            costs = [_cost([files[run % len(files)]], out, paper) for run in range(RUNS)]
            wall_s, cpu_s, rss_mb = (median(column) for column in zip(*costs, strict=True))
            part = f"one page, {paper.upper()}"
            figures += [
                Figure(part, "until it is written", wall_s, "s", high=2.0),
                Figure(part, "CPU", cpu_s, "s"),
                Figure(part, "peak memory", rss_mb, "MB", high=200.0),
                Figure(part, "size", out.stat().st_size / 1e3, "kB"),
            ]
        wall_s, _, rss_mb = _cost([*files, *files], out, "a4")
        part = f"{PAGES} pages in one file"
        figures += [
            Figure(part, "until it is written", wall_s, "s"),
            Figure(part, "peak memory", rss_mb, "MB", high=200.0),
        ]
    return figures


def _recording(folder: Path, name: str) -> Path:
    first, points = 5 * ANALOG_RATE_HZ, 10 * ANALOG_RATE_HZ
    volts = preset(name).potentials(first, points).volts[::ANALOG_OVERSAMPLING]
    return write_wfdb(folder / name, volts)


def _cost(files: list[Path], out: Path, paper: str) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak resident megabytes of one run."""
    command = [sys.executable, "-m", "tools.entry", "report", *map(str, files)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "-o", str(out), "--paper", paper], stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"lead12 report ended with {process.returncode}")
    # Linux counts in it what this process held when it started the other: much less
    return wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6


def write_docs(figures: Sequence[Figure]) -> None:
    """Into docs/report.md."""
    write_section(DOCS / "report.md", "report", markdown(figures))
