"""Where the report lies in a picture: its four corner marks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from hal.errors import RecordingError
from models.data.photos import homography
from tools.report_layout import CORNER_MM, SHEETS

SHEET = SHEETS["a4"]
MARKS = np.array(SHEET.corners) - (SHEET.left, SHEET.top)  # mm
SIDES = np.linalg.norm(np.roll(MARKS, -1, axis=0) - MARKS, axis=1)
LOOK_PX = 1600  # the longer side of what is searched
DARK = 0.6  # of the paper around it
SIDE_PX = (4, 40)  # of a mark, as searched
SOLID = 0.16  # how far a mark's moments may be from a parallelogram's
SLENDER = 0.25  # least ratio of its second moments
UNEVEN = 1.2  # how much larger or smaller a mark may look than where it lies says
BLUNT = 0.3  # sine of a corner of the page, at least
SLANTED = 1.4  # how much its width may be drawn out against its height
ROUGHLY = 1.5
TRIED = 3  # sets of four
MOST = 40  # dark squares, the largest: more are a pattern
LEAST_PX_PER_MM = 4.0

Points = NDArray[np.float64]


def find_page(picture: NDArray[np.uint8]) -> list[Points]:
    """Each way the page may lie, likeliest first: from grid millimetres to pixels, [3, 3].

    The grid's upper left corner is (0, 0). Turned by a half, the page would have the same marks:
    what is on it decides. Raises RecordingError where there are no such four marks.
    """
    image = Image.fromarray(picture).convert("L")
    by = max(1.0, max(image.size) / LOOK_PX)
    small = image.resize((round(image.width / by), round(image.height / by)), Image.Resampling.BOX)
    quads = sorted(_quads(_squares(np.asarray(small, np.float32))), key=lambda found: -found[0])
    if not quads:
        raise RecordingError(
            "no ECG grid found: a Lead12 report has a black square beside each corner of its grid",
            act="photograph all four, from above",
        )
    px_per_mm = quads[0][0] * by
    if px_per_mm < LEAST_PX_PER_MM:
        raise RecordingError(
            f"the page is too small in the picture, {px_per_mm:.1f} pixels per millimetre",
            act="go closer until the grid fills it",
        )
    grey = np.asarray(image, np.float32)
    ways = []
    for scale, quad in quads[:TRIED]:
        exact = np.array([_middle(grey, corner * by, scale * by) for corner in quad])
        ways += [homography(MARKS, np.roll(exact, shift, axis=0)) for shift in (0, 2)]
    return ways


def _squares(grey: NDArray[np.float32]) -> Points:
    """Middle and size of what is dark and square: float [n, 3], the largest first."""
    around = ndimage.gaussian_filter(ndimage.maximum_filter(grey, 31), 12)
    labels, _ = ndimage.label(grey < DARK * around)
    found = []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        high, wide = (side.stop - side.start for side in place)
        if not (SIDE_PX[0] <= min(high, wide) and max(high, wide) <= SIDE_PX[1]):
            continue
        y, x = np.nonzero(labels[place] == number)
        spread = np.cov(np.stack([x, y]), bias=True) + np.eye(2) / 12  # of pixels, not points
        small, large = np.linalg.eigvalsh(spread)
        solid = len(x) / (12 * np.sqrt(small * large))
        if abs(solid - 1) < SOLID and small > SLENDER * large:
            found.append((x.mean() + place[1].start, y.mean() + place[0].start, np.sqrt(len(x))))
    found.sort(key=lambda square: -square[2])
    return np.array(found[:MOST]).reshape(-1, 3)


def _quads(squares: Points) -> Iterator[tuple[float, Points]]:
    """Four squares that may be the page's marks: pixels per mm, and [4, 2].

    Each must be as large as a mark is there, seen as the four are seen. Clockwise from an upper
    left corner of the page, or from the opposite one.
    """
    for four in _apart(squares, float(np.linalg.norm(MARKS[2] - MARKS[0])) / CORNER_MM):
        about = four[:, :2] - four[:, :2].mean(axis=0)
        four = four[np.argsort(np.arctan2(about[:, 1], about[:, 0]))]
        if not _convex(four[:, :2]):
            continue
        for turned in (four, np.roll(four, 1, axis=0)):
            points = turned[:, :2]
            scales = _scales(homography(MARKS, points))
            sizes = turned[:, 2] / (CORNER_MM * scales)
            sides = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1) / SIDES
            slanted = (sides[0] + sides[2]) / (sides[1] + sides[3])
            if _within(sizes, UNEVEN) and _within(slanted, SLANTED):
                yield float(scales.mean()), points


def _within(ratio: NDArray[np.float64], factor: float) -> bool:
    return bool(np.all((ratio < factor) & (ratio > 1 / factor)))


def _scales(page: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixels per millimetre at each of the marks."""
    depth = np.append(MARKS, np.ones((4, 1)), axis=1) @ page[2]
    return np.asarray(np.sqrt(abs(np.linalg.det(page)) / np.abs(depth) ** 3))


def _apart(squares: Points, sizes: float) -> Points:
    """Every four of like size, the two farthest of which are about so many ``sizes`` apart."""
    chosen = np.array(list(combinations(range(len(squares)), 4)), np.int64).reshape(-1, 4)
    side = squares[:, 2][chosen]
    chosen = chosen[side.max(axis=1) < 2.2 * side.min(axis=1)]
    points = squares[chosen]
    between = points[:, :, None, :2] - points[:, None, :, :2]
    far = np.sqrt((between**2).sum(axis=-1)).max(axis=(1, 2))
    ratio = far / (sizes * points[:, :, 2].mean(axis=1))
    return np.asarray(points[(ratio > 1 / ROUGHLY) & (ratio < ROUGHLY)])


def _convex(points: Points) -> bool:
    """Clockwise, with corners that a page may have."""
    edge = np.roll(points, -1, axis=0) - points
    edge /= np.maximum(np.linalg.norm(edge, axis=1, keepdims=True), 1e-9)
    after = np.roll(edge, -1, axis=0)
    return bool((edge[:, 0] * after[:, 1] - edge[:, 1] * after[:, 0] > BLUNT).all())


def _middle(grey: NDArray[np.float32], about: Points, px_per_mm: float) -> Points:
    """Of a mark near ``about``: what is darker than halfway to the paper, weighted."""
    reach = round(CORNER_MM * px_per_mm)
    x, y = np.rint(about).astype(int)
    top, left = max(0, y - reach), max(0, x - reach)
    piece = grey[top : y + reach + 1, left : x + reach + 1]
    low, high = np.percentile(piece, (5, 90))
    dark = np.clip(((low + high) / 2 - piece) / max(high - low, 1), 0, 0.5)
    labels, n = ndimage.label(dark > 0)
    of = 1 + int(np.argmax(ndimage.sum_labels(dark, labels, range(1, n + 1))))
    weight = dark * (labels == of)
    down, right = np.indices(piece.shape)
    total = weight.sum()
    x, y = (weight * right).sum() / total + left, (weight * down).sum() / total + top
    return np.array([x, y]) + 0.5  # a pixel has its middle there
