"""What a reader finds in a PDF, in millimetres from the upper left corner of its page."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import pypdfium2
import pypdfium2.raw as raw
from numpy.typing import NDArray

MM = 72 / 25.4


@dataclass(frozen=True)
class Path:
    """Stroked or filled; ``pieces`` of points [n, 2] in millimetres."""

    pieces: tuple[NDArray[np.float64], ...]
    stroke: tuple[int, int, int] | None
    width: float


class Page:
    """One page of ``data``."""

    def __init__(self, data: bytes, number: int = 0) -> None:
        self._document = pypdfium2.PdfDocument(data)
        self._page = self._document[number]
        self.pages = len(self._document)
        self.size = tuple(length / MM for length in self._page.get_size())

    @property
    def text(self) -> str:
        """All words."""
        return str(self._page.get_textpage().get_text_range())

    @property
    def title(self) -> dict[str, str]:
        """The document's metadata."""
        return dict(self._document.get_metadata_dict())

    def where(self, words: str) -> list[tuple[float, float, float, float]]:
        """Left, top, right, bottom of each time ``words`` stand on the page."""
        page = self._page.get_textpage()
        found = page.search(words, match_case=True)
        boxes = []
        while (hit := found.get_next()) is not None:
            rects = [page.get_rect(i) for i in range(page.count_rects(*hit))]
            left, bottom, right, top = np.array(rects)[0] / MM
            boxes.append((left, self.size[1] - top, right, self.size[1] - bottom))
        return boxes

    def paths(self) -> list[Path]:
        """Every vector path."""
        return [
            self._path(found.raw)
            for found in self._page.get_objects(filter=[raw.FPDF_PAGEOBJ_PATH])
        ]

    def _path(self, of: ctypes.c_void_p) -> Path:
        pieces: list[list[tuple[float, float]]] = []
        x, y = ctypes.c_float(), ctypes.c_float()
        for number in range(raw.FPDFPath_CountSegments(of)):
            segment = raw.FPDFPath_GetPathSegment(of, number)
            raw.FPDFPathSegment_GetPoint(segment, x, y)
            if raw.FPDFPathSegment_GetType(segment) == raw.FPDF_SEGMENT_MOVETO:
                pieces.append([])
            pieces[-1].append((x.value / MM, self.size[1] - y.value / MM))
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        raw.FPDFPath_GetDrawMode(of, fill, stroke)
        r, g, b, a = (ctypes.c_uint() for _ in range(4))
        raw.FPDFPageObj_GetStrokeColor(of, r, g, b, a)
        width = ctypes.c_float()
        raw.FPDFPageObj_GetStrokeWidth(of, width)
        return Path(
            tuple(np.array(piece) for piece in pieces),
            (r.value, g.value, b.value) if stroke.value else None,
            width.value / MM,
        )
