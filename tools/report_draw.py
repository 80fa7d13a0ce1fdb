"""Strokes and words on a PDF page, in millimetres from its upper left corner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from tools.report_layout import Sheet

Grey = tuple[float, float, float]
INK: Grey = (0, 0, 0)
PALE: Grey = (0.35, 0.35, 0.35)
TRACE_MM = 0.24
SMALLEST = 0.7  # of a text's size, to make it fit
_FONTS = ("Helvetica", "Helvetica-Bold")


@dataclass(frozen=True, slots=True)
class Inks:
    """Of the grid and of what is marked behind the trace; readable without colour, too."""

    fine: Grey
    fine_mm: float
    bold: Grey
    bold_mm: float
    mark: Grey
    dotted: bool


COLOUR = Inks((0.97, 0.80, 0.78), 0.08, (0.90, 0.56, 0.54), 0.16, (1.0, 0.80, 0.36), False)
MONO = Inks((0.35, 0.35, 0.35), 0.14, (0.55, 0.55, 0.55), 0.10, (0.80, 0.80, 0.80), True)


class Pen:
    """Draws on one page of ``canvas``."""

    def __init__(self, canvas: Canvas, sheet: Sheet) -> None:
        self._canvas = canvas
        self.sheet = sheet
        self.inks = COLOUR if sheet.coloured else MONO
        canvas.setPageSize((sheet.width * mm, sheet.height * mm))
        canvas.setLineJoin(1)
        canvas.setLineCap(1)

    def _y(self, y: float) -> float:
        return (self.sheet.height - y) * mm

    def width(self, text: str, size: float, bold: bool = False) -> float:
        """Millimetres of ``text``; ``size`` in points before the sheet's scale."""
        return float(stringWidth(text, _FONTS[bold], size * self.sheet.scale)) / mm

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 7.5,
        *,
        bold: bool = False,
        right: bool = False,
        ink: Grey = INK,
        room: float | None = None,
    ) -> None:
        """One line on the foot ``y``; too wide for ``room``, it is set smaller, then cut."""
        if room is not None and (wide := self.width(text, size, bold)) > room:
            size *= max(SMALLEST, room / wide)
        if room is not None and self.width(text, size, bold) > room + 0.01:
            while text and self.width(f"{text}\u2026", size, bold) > room:
                text = text[:-1]
            text = f"{text}\u2026"
        canvas = self._canvas
        canvas.setFillColorRGB(*ink)
        canvas.setFont(_FONTS[bold], size * self.sheet.scale)
        draw = canvas.drawRightString if right else canvas.drawString
        draw(x * mm, self._y(y), text)

    def line(self, *points: tuple[float, float], width: float, ink: Grey = INK) -> None:
        """A polyline."""
        x, y = zip(*points, strict=True)
        self.curve(np.array(x), np.array(y), width=width, ink=ink)

    def curve(
        self, x: NDArray[np.float64], y: NDArray[np.float64], *, width: float, ink: Grey = INK
    ) -> None:
        """A polyline through many points."""
        canvas = self._canvas
        canvas.setStrokeColorRGB(*ink)
        canvas.setLineWidth(width * mm)
        # 1/100 point: far below what can be seen, and short in the file
        points = np.round(np.stack([x * mm, self._y(y)], axis=1), 2).tolist()  # type: ignore[arg-type]
        path = canvas.beginPath()
        path.moveTo(*points[0])
        for point in points[1:]:
            path.lineTo(*point)
        canvas.drawPath(path)

    def lines(self, ends: Iterable[Sequence[float]], *, width: float, ink: Grey) -> None:
        """Many straight lines, each (x, y, x, y)."""
        self._canvas.setStrokeColorRGB(*ink)
        self._canvas.setLineWidth(width * mm)
        self._canvas.lines([(a * mm, self._y(b), c * mm, self._y(d)) for a, b, c, d in ends])

    def dots(self, on: float, off: float) -> None:
        """Lines that follow are dashed so; ``on`` 0 ends it."""
        if on:
            self._canvas.setDash([on * mm, off * mm], on / 2 * mm)
        else:
            self._canvas.setDash([])

    def box(self, x: float, y: float, width: float, height: float, ink: Grey) -> None:
        """A filled rectangle from its upper left corner."""
        self._canvas.setFillColorRGB(*ink)
        self._canvas.rect(x * mm, self._y(y + height), width * mm, height * mm, stroke=0, fill=1)

    def arrow(self, x: float, y: float, up: bool) -> None:
        """A small triangle that points beyond the edge at ``y``."""
        canvas, tip = self._canvas, 1.6 if up else -1.6
        canvas.setFillColorRGB(*INK)
        path = canvas.beginPath()
        path.moveTo(x * mm, self._y(y))
        path.lineTo((x - 0.8) * mm, self._y(y + tip))
        path.lineTo((x + 0.8) * mm, self._y(y + tip))
        path.close()
        canvas.drawPath(path, stroke=0, fill=1)
