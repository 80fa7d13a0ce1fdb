"""The page in docs/report.md, of a simulated patient: ``python -m tools.report_picture``."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pypdfium2  # of [dev]

from device.patient import Patient
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
from hal.patient.presets import preset
from tools.bench.throughput import write_wfdb
from tools.report import render
from tools.study import read_study

PICTURE = Path(__file__).parents[1] / "docs" / "report.png"
PRESET = "stemi-inferior"
DPI = 130


def main() -> None:
    """Ten seconds through the whole chain, on A4."""
    with tempfile.TemporaryDirectory() as folder:
        first, points = 15 * ANALOG_RATE_HZ, 10 * ANALOG_RATE_HZ
        volts = preset(PRESET).potentials(first, points).volts[::ANALOG_OVERSAMPLING]
        study = read_study(write_wfdb(Path(folder) / PRESET, volts))
    study = replace(
        study,
        began=datetime(2026, 5, 17, 14, 3, 12, tzinfo=UTC),
        patient=Patient("4711", "Muster, Eva", "1950-02-28", "F"),
    )
    image = pypdfium2.PdfDocument(render([study]))[0].render(scale=DPI / 72).to_pil()
    image.quantize(64).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
