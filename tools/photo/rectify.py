"""The grid of a page, seen straight from above, evenly lit, eight pixels to the millimetre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.data.photos import bend, project
from tools.photo.corners import SHEET

PX = 8  # per millimetre
COARSE_PX = 5  # while the lines are looked at
LINES_MM = 5  # between the grid's bold lines
AROUND_CELLS = 3  # cells of 5 mm that are looked at together
TERMS = 4  # degree of the polynomial in x; one less in y
SHOWN = 0.004  # darkness of the lines below which there are none; where none are it is 0.001
INKED = 0.35  # darkness of what is no grid
MOST_OFF_MM = 2.4  # half a cell: more cannot be told

Image2D = NDArray[np.float32]
Map = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # grid mm [..., 2] -> pixels


@dataclass(frozen=True)
class Straight:
    """ink : float32 [145 PX, 265 PX], how dark it is, 0 paper to 1, where it is so in all colours

    bent_mm : how far the grid was bent out of the plane of its corners at most
    lined : whether grid lines were found to straighten it by; a hard black-and-white scan has none
    """

    ink: Image2D
    bent_mm: float
    lined: bool


def straighten(picture: NDArray[np.uint8], page: NDArray[np.float64]) -> Straight:
    """Look at the grid through ``page`` (mm to pixels), then along its own lines, twice."""
    image = Image.fromarray(picture)

    def flat(mm: NDArray[np.float64]) -> NDArray[np.float64]:
        return project(page, mm)

    off = np.zeros((2, *_terms(np.zeros(1), np.zeros(1)).shape[:1]))

    def along(mm: NDArray[np.float64]) -> NDArray[np.float64]:
        return flat(mm + _moved(off, mm))

    lined = False
    for _ in range(2):
        found = _bent(*_look(image, along, COARSE_PX), COARSE_PX)
        if found is None:
            break
        lined = True
        off += found
    ink, _ = _look(image, along, PX)
    where = np.stack(np.meshgrid(np.arange(0, 265, 5.0), np.arange(0, 145, 5.0)), axis=-1)
    bent = float(np.abs(_moved(off, where)).max())
    return Straight(ink, bent, lined)


def _look(image: Image.Image, to_pixels: Map, px: int) -> tuple[Image2D, Image2D]:
    """How dark it is in all colours (the pen), and in green (the grid, too)."""
    size = round(SHEET.grid_width) * px, round(SHEET.grid_height) * px
    seen = bend(
        image,
        size,
        lambda x, y: to_pixels(np.stack([x, y], axis=-1) / px),
        (255, 255, 255),
    )
    values = np.asarray(seen, np.float32)
    return _darkness(values.max(axis=2), px), _darkness(values[:, :, 1], px)


def _darkness(values: Image2D, px: int) -> Image2D:
    """1 - value / paper; paper is what is brightest around."""
    high, wide = (side // px for side in values.shape)
    cells = values.reshape(high, px, wide, px).transpose(0, 2, 1, 3).reshape(high, wide, -1)
    nearly = -max(1, px * px // 10)  # not a glint
    bright = np.partition(cells, nearly, axis=2)[:, :, nearly]
    paper = ndimage.gaussian_filter(ndimage.percentile_filter(bright, 60, 7), 2)
    whole = Image.fromarray(np.maximum(paper, 1)).resize(
        (wide * px, high * px), Image.Resampling.BILINEAR
    )
    return np.clip(1 - values / np.asarray(whole), 0, 1)


def _bent(ink: Image2D, grid: Image2D, px: int) -> NDArray[np.float64] | None:
    """Coefficients [2, terms] of how far (mm) the lines are from where they should be."""
    covered = ndimage.maximum_filter(ink > INKED, px // 2 | 1)
    cell = LINES_MM * px
    seen = (~covered).astype(np.float32)
    share = _cells(seen, cell)
    mean = _cells(grid * seen, cell) / np.maximum(share, 0.1)
    lines = (grid - np.repeat(np.repeat(mean, cell, axis=0), cell, axis=1)) * seen
    offs, weights = [], []
    for axis in (1, 0):
        wave = np.exp(-2j * np.pi * (np.arange(lines.shape[axis]) + 0.5) / cell).astype(
            np.complex64
        )
        turned = lines * (wave if axis == 1 else wave[:, None])
        cells = _cells(turned, cell)
        strength = np.abs(cells) / np.maximum(share, 0.2)
        offs.append(-np.angle(cells) * LINES_MM / (2 * np.pi))
        weights.append(strength * (share > 0.4))
    if min(float(np.median(weight)) for weight in weights) < SHOWN:
        return None
    rows, columns = np.indices(offs[0].shape)
    terms = _terms((columns.ravel() + 0.5) * LINES_MM, (rows.ravel() + 0.5) * LINES_MM)
    return np.stack([_fit(terms, o.ravel(), w.ravel()) for o, w in zip(offs, weights, strict=True)])


def _cells(values: NDArray[np.inexact], cell: int) -> NDArray[np.inexact]:
    """Means over cells of so many pixels and those around them."""
    high, wide = (side // cell for side in values.shape)
    means = values.reshape(high, cell, wide, cell).mean(axis=(1, 3))
    if np.iscomplexobj(means):
        return _smooth(means.real) + 1j * _smooth(means.imag)
    return _smooth(means)


def _smooth(means: NDArray[np.floating]) -> NDArray[np.floating]:
    return ndimage.uniform_filter(means, AROUND_CELLS, mode="nearest")


def _fit(
    terms: NDArray[np.float64], off: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Least squares, then once more without what does not follow it."""
    found = np.zeros(len(terms))
    for _ in range(3):
        scaled = (terms * weight).T
        found = np.linalg.lstsq(scaled, off * weight, rcond=None)[0]
        weight = weight * (np.abs(off - found @ terms) < 0.5)
    return found


def _terms(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Powers of place on the grid, from -1 to 1: [terms, ...]."""
    u, v = 2 * x / SHEET.grid_width - 1, 2 * y / SHEET.grid_height - 1
    return np.stack([u**i * v**j for i in range(TERMS + 1) for j in range(TERMS) if i + j <= TERMS])


def _moved(by: NDArray[np.float64], mm: NDArray[np.float64]) -> NDArray[np.float64]:
    off = np.tensordot(by, _terms(mm[..., 0], mm[..., 1]), axes=1)
    return np.asarray(np.clip(np.moveaxis(off, 0, -1), -2 * MOST_OFF_MM, 2 * MOST_OFF_MM))
