"""The grid of a page, seen straight from above, evenly lit, ten pixels to the millimetre."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from models.data.photos import bend, project
from tools.photo.corners import SHEET

PX = 10  # per millimetre
FINE_MM, BOLD_MM = 1, 5  # between the grid's lines
CELL = BOLD_MM * PX
AROUND_CELLS = 3  # cells of 5 mm that are looked at together
TERMS = 4  # degree of the polynomial in x; one less in y
SHOWN = 0.004  # darkness of the lines below which there are none; where none are it is 0.001
INKED = 0.35  # darkness of what is no grid
MOST_OFF_MM = 2.4  # half a cell: more cannot be told

Image2D = NDArray[np.float32]
Map = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # grid mm [..., 2] -> pixels


@dataclass(frozen=True)
class Straight:
    """ink, grid : float32 [1450, 2650], how dark it is, 0 paper to 1; ``grid`` with the colour

    bent_mm : how far the grid was bent out of the plane of its corners at most
    lined : whether grid lines were found to straighten it by
    """

    ink: Image2D
    grid: Image2D
    bent_mm: float
    lined: bool


def straighten(picture: NDArray[np.uint8], page: NDArray[np.float64]) -> Straight:
    """Look at the grid through ``page`` (mm to pixels), then along its own lines, twice."""
    image = Image.fromarray(picture)

    def flat(mm: NDArray[np.float64]) -> NDArray[np.float64]:
        return project(page, mm)

    ink, grid = _look(image, flat)
    off = np.zeros((2, *_terms(np.zeros(1), np.zeros(1)).shape[:1]))
    lined = False
    for _ in range(2):
        found = _bent(ink, grid)
        if found is None:
            break
        lined = True
        off += found
        kept = off.copy()
        ink, grid = _look(image, lambda mm, by=kept: flat(mm + _moved(by, mm)))  # type: ignore[misc]
    where = np.stack(np.meshgrid(np.arange(0, 265, 5.0), np.arange(0, 145, 5.0)), axis=-1)
    bent = float(np.abs(_moved(off, where)).max())
    return Straight(ink, grid, bent, lined)


def _look(image: Image.Image, to_pixels: Map) -> tuple[Image2D, Image2D]:
    size = round(SHEET.grid_width) * PX, round(SHEET.grid_height) * PX
    seen = bend(
        image,
        size,
        lambda x, y: to_pixels(np.stack([x, y], axis=-1) / PX),
        (255, 255, 255),
    )
    values = np.asarray(seen, np.float32)
    return _darkness(values.max(axis=2)), _darkness(values[:, :, 1])


def _darkness(values: Image2D) -> Image2D:
    """1 - value / paper; paper is what is brightest around."""
    high, wide = (side // PX for side in values.shape)
    cells = values.reshape(high, PX, wide, PX).transpose(0, 2, 1, 3).reshape(high, wide, -1)
    bright = np.partition(cells, -10, axis=2)[:, :, -10]  # the tenth: not a glint
    paper = ndimage.gaussian_filter(ndimage.percentile_filter(bright, 60, 7), 2)
    whole = Image.fromarray(np.maximum(paper, 1)).resize(
        (wide * PX, high * PX), Image.Resampling.BILINEAR
    )
    return np.clip(1 - values / np.asarray(whole), 0, 1)


def _bent(ink: Image2D, grid: Image2D) -> NDArray[np.float64] | None:
    """Coefficients [2, terms] of how far (mm) the lines are from where they should be."""
    covered = ndimage.maximum_filter(ink > INKED, 5)
    seen = (~covered).astype(np.float32)
    share = _cells(seen)
    mean = _cells(grid * seen) / np.maximum(share, 0.1)
    lines = (grid - np.repeat(np.repeat(mean, CELL, axis=0), CELL, axis=1)) * seen
    offs, weights = [], []
    for axis in (1, 0):
        wave = np.exp(-2j * np.pi * (np.arange(lines.shape[axis]) + 0.5) / CELL).astype(
            np.complex64
        )
        turned = lines * (wave if axis == 1 else wave[:, None])
        cells = _cells(turned)
        strength = np.abs(cells) / np.maximum(share, 0.2)
        offs.append(-np.angle(cells) * BOLD_MM / (2 * np.pi))
        weights.append(strength * (share > 0.4))
    if min(float(np.median(weight)) for weight in weights) < SHOWN:
        return None
    rows, columns = np.indices(offs[0].shape)
    terms = _terms((columns.ravel() + 0.5) * BOLD_MM, (rows.ravel() + 0.5) * BOLD_MM)
    return np.stack([_fit(terms, o.ravel(), w.ravel()) for o, w in zip(offs, weights, strict=True)])


def _cells(values: NDArray[np.inexact]) -> NDArray[np.inexact]:
    """Means over cells of 5 mm and those around them."""
    high, wide = (side // CELL for side in values.shape)
    means = values.reshape(high, CELL, wide, CELL).mean(axis=(1, 3))
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
