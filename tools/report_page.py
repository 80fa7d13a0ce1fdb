"""One recording on one page."""

from __future__ import annotations

from reportlab.pdfgen.canvas import Canvas

from firmware.events import LEADS, Refusal
from tools import report_words as words
from tools.report_draw import INK, PALE, Pen
from tools.report_grid import draw_grid
from tools.report_layout import Layout, Sheet, arrange
from tools.study import Study

# Left edges of the blocks of the heading, as shares of the grid's width
WHO, MEASURED, CALLED, LEADWISE = 0.0, 0.215, 0.39, 0.735
STEP = 4.4  # millimetres from line to line, before the sheet's scale


def draw_page(canvas: Canvas, study: Study, sheet: Sheet) -> None:
    """Heading, grid, footing."""
    pen = Pen(canvas, sheet)
    layout = arrange(study.uv, study.present, words.lead_names(study), sheet)
    draw_grid(pen, layout, study.explanation)
    _who(pen, study, layout)
    _measured(pen, study)
    _called(pen, study)
    _leadwise(pen, study)
    _footing(pen, study, layout)
    canvas.showPage()


class _Block:
    """A column of the heading."""

    def __init__(self, pen: Pen, left: float, right: float) -> None:
        self.pen = pen
        self.left = pen.sheet.left + left * pen.sheet.grid_width
        self.room = (right - left) * pen.sheet.grid_width - 3
        self.step = STEP * pen.sheet.scale
        self.y = 5 + self.step

    def fit(self, lines: int) -> None:
        """Move closer together what would else reach into the grid."""
        self.step = min(self.step, (self.pen.sheet.top - self.y) / lines)

    def line(self, text: str, size: float = 8, *, bold: bool = False) -> None:
        """The next line."""
        self.pen.text(self.left, self.y, text, size, bold=bold, room=self.room)
        self.y += self.step


def _who(pen: Pen, study: Study, layout: Layout) -> None:
    block = _Block(pen, WHO, MEASURED)
    name, *others = words.who(study, len(study.uv) - layout.breaks[0])
    block.line(name, 10, bold=True)
    for line in others:
        block.line(line)


def _measured(pen: Pen, study: Study) -> None:
    block = _Block(pen, MEASURED, CALLED)
    for name, value in words.measurements(study):
        pen.text(block.left, block.y, name, 8)
        pen.text(block.left + block.room - 4, block.y, value, 8, bold=True, right=True)
        block.y += block.step
    block.line(words.median_of(study), 7)


def _called(pen: Pen, study: Study) -> None:
    block = _Block(pen, CALLED, LEADWISE)
    found = words.findings(study.last)
    text, sure = words.headline(study.last)
    rang = words.alarms(study)
    short = study.last.refusal is Refusal.STARTING  # there is no call: what rang is all there is
    leads = [line for line in rang if short or line.grave]
    lines = [
        *((line.text, 11.0 if short else 9.0, True) for line in leads),
        *((line.text, 9.0, True) for line in found if line.grave),
        (text, 9.0 if short and leads else 11.0, True),
        (sure, 9.0, False),
        *((line.text, 8.0, False) for line in rang if line not in leads),
        *((line.text, 8.0, False) for line in found if not line.grave),
        (words.whole_recording(study), 8.0, False),
    ]
    block.fit(len(lines))
    for said, size, bold in lines:
        block.line(said, size, bold=bold)


def _leadwise(pen: Pen, study: Study) -> None:
    """Of each lead ST, and its share in what carried the call."""
    scale = pen.sheet.scale
    block = _Block(pen, LEADWISE, 1.0)
    half = (block.room + 3) / 2
    shares = study.explanation.lead_shares if study.explanation else None
    most = max(0.01, *(shares or {"": 0.01}).values())
    title = "ST at J+60 ms, mV" + ("; what carried the call" if shares else "; no call to explain")
    pen.text(block.left, block.y, title, 7, ink=PALE, room=block.room + 3)
    for number, (lead, st) in enumerate(zip(LEADS, words.st_mv(study), strict=True)):
        x = block.left + number // 6 * half
        y = block.y + (number % 6 + 1) * block.step
        pen.text(x, y, lead, 8, bold=True)
        pen.text(x + 15 * scale, y, st, 8, right=True)
        if shares:
            bar = shares[lead] / most * (half - 25 * scale)
            pen.box(x + 16.5 * scale, y - 2.2 * scale, bar, 2.2 * scale, pen.inks.mark)
            pen.text(x + 17 * scale + bar, y, f"{shares[lead]:.0%}", 6.5)


def _footing(pen: Pen, study: Study, layout: Layout) -> None:
    sheet = pen.sheet
    right = sheet.left + sheet.grid_width
    y = sheet.top + sheet.grid_height + 4 * sheet.scale
    crowded = "   tall traces cross" if layout.crowded else ""
    said = f"{words.scales(study)}{crowded}   {words.signal(study)}"
    legend = "marked: what carried the call" if study.explanation else ""
    free = sheet.grid_width - pen.width(legend, 8) - 3
    pen.text(sheet.left, y, said, 8, room=free)
    pen.text(right, y, legend, 8, right=True)
    y += 4 * sheet.scale
    pen.text(sheet.left, y, words.made_by(study), 8)
    pen.text(right, y, words.NOT_A_DEVICE, 8, bold=True, right=True, ink=INK)
