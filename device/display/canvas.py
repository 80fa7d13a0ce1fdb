"""A grid of pixels and the few marks the screens are made of."""

from __future__ import annotations

from copy import copy

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.display.faces import TEXT, Face, Mask, digit, fit

FULL = 255
DIM = 96  # decoration only: nothing is said by grey alone

HEART = np.array(
    [[c == "#" for c in row] for row in (".#.#.", "#####", "#####", ".###.", "..#..")], np.bool_
)


class Canvas:
    """Pixels uint8 [height, width], 0 black .. 255; ``grey`` False draws everything in full."""

    def __init__(self, width: int, height: int, grey: bool) -> None:
        self.width, self.height = width, height
        self.grey, self.dim = grey, DIM if grey else FULL
        self.pixels: NDArray[np.uint8] = np.zeros((height, width), np.uint8)

    def above(self, rows: int) -> Canvas:
        """The canvas without its last ``rows``; what is drawn there is drawn here."""
        part = copy(self)
        part.height -= rows
        part.pixels = self.pixels[: part.height]
        return part

    def fill(self, x: int, y: int, width: int, height: int, level: int = FULL) -> None:
        """A filled rectangle; what lies outside the canvas is left out."""
        self.pixels[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = level

    def frame(self, x: int, y: int, width: int, height: int, level: int = FULL) -> None:
        """A rectangle one pixel thick."""
        self.fill(x, y, width, 1, level)
        self.fill(x, y + height - 1, width, 1, level)
        self.fill(x, y, 1, height, level)
        self.fill(x + width - 1, y, 1, height, level)

    def stamp(self, x: int, y: int, mask: Mask, level: int = FULL) -> None:
        """``mask`` with its top left corner at (x, y), clipped at the right and the bottom."""
        region = self.pixels[y : y + mask.shape[0], x : x + mask.shape[1]]
        region[mask[: region.shape[0], : region.shape[1]]] = level

    def text(self, x: int, y: int, text: str, face: Face = TEXT, level: int = FULL) -> int:
        """Draw and return the x after it."""
        mask = face.mask(text)
        self.stamp(x, y, mask, level)
        return x + mask.shape[1]

    def text_in(
        self,
        x: int,
        y: int,
        width: int,
        text: str,
        faces: tuple[Face, ...] = (TEXT,),
        level: int = FULL,
    ) -> int:
        """Draw in the first of ``faces`` that fits ``width``, cut short if none; the x after it."""
        face, text = fit(text, width, faces)
        return self.text(x, y, text, face, level)

    def text_right(self, right: int, y: int, text: str, face: Face = TEXT, level: int = 255) -> int:
        """Draw ending before ``right``; return the x where it begins."""
        x = right - face.width(text)
        self.text(x, y, text, face, level)
        return x

    def text_in_right(
        self,
        right: int,
        y: int,
        width: int,
        text: str,
        faces: tuple[Face, ...] = (TEXT,),
        level: int = FULL,
    ) -> int:
        """Draw ending before ``right`` in the first of ``faces`` that fits; the x of its begin.

        All faces stand on the baseline of the first.
        """
        face, text = fit(text, width, faces)
        return self.text_right(right, y + faces[0].ascent - face.ascent, text, face, level)

    def digits(self, right: int, y: int, text: str, size: tuple[int, int, int, int]) -> None:
        """Large digits ending before ``right``; ``size``: width, height, stroke, gap in pixels."""
        width, height, stroke, gap = size
        for character in reversed(text):
            mask = digit(character, width, height, stroke)
            right -= mask.shape[1]
            self.stamp(right, y, mask)
            right -= gap

    def banner(self, y: int, height: int, *, solid: bool) -> int:
        """Rows across the canvas, filled or framed; the level of what is written on them."""
        if solid:
            self.fill(0, y, self.width, height)
        else:
            self.frame(0, y, self.width, height)
        return 0 if solid else FULL

    def line(self, x0: int, y0: int, x1: int, y1: int, level: int = FULL) -> None:
        """A line one pixel thick, both ends on the canvas."""
        n = max(abs(x1 - x0), abs(y1 - y0), 1)
        k = np.arange(n + 1)
        self.pixels[
            y0 + (k * (y1 - y0) * 2 + n) // (2 * n), x0 + (k * (x1 - x0) * 2 + n) // (2 * n)
        ] = level

    def spot(self, x: int, y: int, size: int, on: bool, lit: bool = True) -> None:
        """An electrode centred on (x, y): filled when on, hollow when off, hidden unless lit."""
        left, top = x - size // 2, y - size // 2
        self.fill(left - 1, top - 1, size + 2, size + 2, 0)
        self.fill(left, top, size, size, FULL if on else 0)
        if not on and lit:
            self.frame(left, top, size, size)
        if size >= 5:
            for cy in (top, top + size - 1):
                for cx in (left, left + size - 1):
                    self.pixels[cy, cx] = 0

    def darken(self) -> None:
        """Grey pixels for the night: everything at half its level; one bit has no such thing."""
        if self.grey:
            self.pixels //= 2

    def image(self) -> Image.Image:
        """The pixels as a Pillow image, mode L."""
        return Image.fromarray(self.pixels)
