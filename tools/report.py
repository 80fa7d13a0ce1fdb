"""``lead12 report``: recordings as pages that a hospital can read and keep."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from reportlab import rl_config
from reportlab.pdfgen.canvas import Canvas

from device.patient import Patient
from hal.errors import HalError
from tools.report_layout import SHEETS
from tools.report_page import draw_page
from tools.study import Study, read_study
from tools.whole_file import write_whole

rl_config.useA85 = 0  # streams as bytes: a fifth smaller, and written in half the time

TITLE = "12-lead ECG"  # not whose: titles show in file lists and window bars


def render(studies: Iterable[Study], paper: str = "a4") -> bytes:
    """A PDF with one page per study: the same studies give the same bytes."""
    file = io.BytesIO()
    canvas = Canvas(file, invariant=1, pageCompression=1)
    canvas.setTitle(TITLE)
    canvas.setSubject("Not a medical device")
    canvas.setCreator("Lead12")
    for study in studies:
        draw_page(canvas, study, SHEETS[paper])
    canvas.save()
    return file.getvalue()


def report(
    files: Sequence[Path],
    out: Path,
    *,
    paper: str,
    model: str,
    mains_hz: int | None,
    patient: Patient,
    complain: Callable[[object], None],
) -> int:
    """One PDF with a page per file, in their order; the number of pages.

    A file that cannot be read is told to ``complain`` and has no page; without any page nothing
    is written. Raises OSError where ``out`` cannot be written: what stood there before still does.
    """
    studies = []
    for file in files:
        try:
            studies.append(read_study(file, model=model, mains_hz=mains_hz, patient=patient))
        except HalError as error:
            complain(error)
    if studies:
        write_whole(out, render(studies, paper))
    return len(studies)
