"""Phone photos of a printed page, made up: seeded, in three grades.

The sheet lies on a table, bent, turned and seen at an angle; light falls from one side, a shadow
over it; the lens blurs, the sensor is noisy, and JPEG keeps what it likes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import ndimage

# Of points x, y [...] of a picture, where in another they come from: [..., 2]
Source = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
CELL_PX = 64  # the picture is bent in cells of this size


@dataclass(frozen=True)
class Grade:
    """How bad it is.

    wide : pixels across, a 4:3 picture; turn_deg, tilt (share of the sheet by which corners are
        moved), curl_mm, shadow (share of the light it takes), slope (of the light, over the
        sheet), blur_px (sigma), noise (of 255), quality (JPEG's); creases : how many
    """

    wide: int
    turn_deg: float
    tilt: float
    curl_mm: float
    shadow: float
    slope: float
    blur_px: float
    noise: float
    quality: int
    creases: int


GRADES = {
    "easy": Grade(3600, 2, 0.01, 0.3, 0.0, 0.15, 0.6, 2, 92, 0),
    "medium": Grade(3200, 6, 0.04, 1.0, 0.25, 0.30, 1.0, 4, 80, 1),
    "hard": Grade(2800, 12, 0.08, 2.0, 0.45, 0.50, 1.4, 8, 60, 2),
}
SHEET_MM = 297.0  # across


def photograph(sheet: NDArray[np.uint8], grade: Grade, rng: np.random.Generator) -> bytes:
    """A JPEG of ``sheet`` uint8 [height, width, 3], an A4 page lying across."""
    size = grade.wide, grade.wide * 3 // 4
    photo = _seen(_creased(sheet, grade, rng), size, grade, rng)
    light = _light(size, grade, rng)
    lit = photo.filter(ImageFilter.GaussianBlur(grade.blur_px))
    values = np.asarray(lit, np.float32)
    values *= light[:, :, None] * rng.uniform(0.92, 1.0, 3).astype(np.float32)  # and its colour
    values += grade.noise * rng.standard_normal(values.shape[:2], np.float32)[:, :, None]
    image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=grade.quality)
    return file.getvalue()


def _seen(
    sheet: Image.Image, size: tuple[int, int], grade: Grade, rng: np.random.Generator
) -> Image.Image:
    """The sheet on a table, turned, tilted and bent."""
    wide, high = sheet.size
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (wide / 2, high / 2)
    turn = np.deg2rad(rng.uniform(-grade.turn_deg, grade.turn_deg))
    spin = np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    placed = corners @ spin + rng.uniform(-grade.tilt, grade.tilt, (4, 2)) * wide / 2
    room = np.ptp(placed, axis=0) / (0.94 * np.array(size))
    placed = (placed - (placed.max(0) + placed.min(0)) / 2) / room.max() + np.array(size) / 2
    to_sheet = homography(placed, corners + np.array([wide, high]) / 2)
    mm = wide / SHEET_MM
    phase, across = rng.uniform(0, 2 * np.pi, 2)
    desk = rng.integers(40, 150, 3)

    def source(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        at = project(to_sheet, np.stack([x, y], axis=-1))
        u, v = at[..., 0] / wide * np.pi, at[..., 1] / high * np.pi
        bent = np.stack(
            [0.5 * np.sin(u + across) * np.cos(v / 2), np.sin(u + phase) * np.cos(v / 3)], axis=-1
        )
        return np.asarray(at + grade.curl_mm * mm * bent)

    grown = Image.new("RGB", (wide + 400, high + 400), tuple(map(int, desk)))
    grown.paste(sheet, (200, 200))
    return bend(grown, size, lambda x, y: source(x, y) + 200, tuple(map(int, desk)))


def bend(
    image: Image.Image, size: tuple[int, int], source: Source, fill: tuple[int, ...]
) -> Image.Image:
    """A picture of ``size`` whose point (x, y) is ``source(x, y)`` [..., 2] of ``image``."""
    xs = np.append(np.arange(0, size[0], CELL_PX), size[0])
    ys = np.append(np.arange(0, size[1], CELL_PX), size[1])
    at = source(*np.meshgrid(xs.astype(float), ys.astype(float)))
    mesh = [
        (
            (int(xs[i]), int(ys[j]), int(xs[i + 1]), int(ys[j + 1])),
            (*at[j, i], *at[j + 1, i], *at[j + 1, i + 1], *at[j, i + 1]),
        )
        for j in range(len(ys) - 1)
        for i in range(len(xs) - 1)
    ]
    return image.transform(
        size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC, fillcolor=fill
    )


def _creased(sheet: NDArray[np.uint8], grade: Grade, rng: np.random.Generator) -> Image.Image:
    """Folds: a pale line, one side of it darker."""
    high, wide = sheet.shape[:2]
    out = sheet.astype(np.float32)
    across = np.arange(wide, dtype=np.float32)
    for _ in range(grade.creases):
        x = rng.uniform(0.2, 0.8) * wide + rng.uniform(-0.1, 0.1) * np.arange(high)[:, None]
        away = (across - x) / (wide / SHEET_MM)  # mm
        out *= (1 - 0.12 * np.exp(-np.abs(away) / 6) * (away > 0))[:, :, None]
        out += (60 * np.exp(-((away / 0.25) ** 2)))[:, :, None]
    return Image.fromarray(np.clip(out, 0, 255).astype(np.uint8))


def _light(size: tuple[int, int], grade: Grade, rng: np.random.Generator) -> NDArray[np.float32]:
    """How bright it is where: a slope, and a soft-edged shadow."""
    x, y = np.meshgrid(np.linspace(-1, 1, 128), np.linspace(-1, 1, 96))
    angle, edge = rng.uniform(0, 2 * np.pi, 2)
    light = 1 - grade.slope / 2 * (1 + x * np.cos(angle) + y * np.sin(angle)) / 2
    behind = x * np.cos(edge) + y * np.sin(edge) > rng.uniform(-0.4, 0.4)
    light *= 1 - grade.shadow * ndimage.gaussian_filter(behind.astype(float), 3)
    whole = Image.fromarray(light.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(whole)


def homography(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """The projective map [3, 3] that takes four points [4, 2] to four others."""
    rows = []
    for (x, y), (u, v) in zip(here, there, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    found = np.linalg.solve(np.array(rows), there.reshape(-1))
    return np.append(found, 1.0).reshape(3, 3)


def project(by: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points [..., 2] through a projective map."""
    mapped = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ by.T
    return np.asarray(mapped[..., :2] / mapped[..., 2:])
