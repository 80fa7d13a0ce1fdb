"""Pages as an image network meets them while it learns: binarised, or as photos have them.

Ao & He, Image based deep learning in 12-lead ECG diagnosis, 2023 (2.2): each image in grey and
slightly blurred, each of them as it is and by simple, Otsu's and adaptive thresholds: eight copies.
Which parameters they took is not published; these are OpenCV's usual ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from firmware.page import INK

Grey = NDArray[np.uint8]

BLUR_PX = 1.1  # sigma of a 5 x 5 Gaussian, OpenCV's
SIMPLE = 127
AROUND_PX, DARKER = 11, 2  # of the adaptive threshold: its square, and how much below its mean


def variants(grey: Grey) -> NDArray[np.uint8]:
    """The eight copies of a picture [height, width], dark on bright: uint8 [8, height, width].

    Grey, simple, Otsu, adaptive; then the same of it blurred.
    """
    blurred = ndimage.gaussian_filter(grey, BLUR_PX, radius=2)
    return np.stack([copy for image in (grey, blurred) for copy in _copies(image)])


def _copies(grey: Grey) -> tuple[Grey, Grey, Grey, Grey]:
    around = ndimage.uniform_filter(grey.astype(np.float32), AROUND_PX)
    return grey, _white(grey > SIMPLE), _white(grey > otsu(grey)), _white(grey > around - DARKER)


def _white(where: NDArray[np.bool_]) -> Grey:
    return np.where(where, 255, 0).astype(np.uint8)


def otsu(grey: Grey) -> int:
    """The threshold that parts dark (not above it) from bright best (Otsu, 1979)."""
    share = np.bincount(grey.ravel(), minlength=256) / grey.size
    below = np.cumsum(share)
    mean = np.cumsum(share * np.arange(256))
    parted = below * (1 - below)
    between = np.divide(
        (mean[-1] * below - mean) ** 2, parted, out=np.zeros(256), where=parted > 1e-12
    )
    return int(between.argmax())


def as_tensor(grey: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Dark is 127 and bright -128, as ``firmware.page`` draws: int8 [..., 1]."""
    return (127 - grey.astype(np.int16)).astype(np.int8)[..., None]


def as_photographed(pages: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.int8]:
    """Drawn pages [n, height, width, 1] as ``tools.photo`` hands them over: names, thicker lines.

    Half of them with a pen of two pixels; on each a few blots where names and specks may be.
    """
    out = pages.copy()
    for image in out:
        if rng.random() < 0.5:
            image[1:] = np.maximum(image[1:], image[:-1])
        if rng.random() < 0.5:
            image[:, 1:] = np.maximum(image[:, 1:], image[:, :-1])
        high, wide = image.shape[:2]
        for _ in range(rng.integers(6, 18)):
            y, x = rng.integers(0, high - 6), rng.integers(0, wide - 14)
            blot = image[y : y + rng.integers(2, 7), x : x + rng.integers(2, 15), 0]
            blot[rng.random(blot.shape) < 0.6] = INK
    return out
