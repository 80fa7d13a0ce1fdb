"""Pictures in: JPEG, PNG, TIFF and WebP files, and the pages of a PDF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from hal.errors import RecordingError
from tools.extra import HOW

IMAGES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
PDF = ".pdf"
KINDS = "a JPEG, PNG, TIFF, WebP or PDF"
DPI = 300  # of what is made of a PDF's page
MOST_PIXELS = 80_000_000  # a scan of A4 at 600 dpi has 35 million


def is_picture(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in (*IMAGES, PDF)


def read_picture(path: Path, number: int = 0) -> NDArray[np.uint8]:
    """RGB [height, width, 3], as it is to be looked at; ``number`` : the page of a PDF.

    Raises RecordingError in one line.
    """
    try:
        image = _page(path, number) if path.suffix.lower() == PDF else _image(path)
    except FileNotFoundError:
        raise RecordingError(f"{path} does not exist", act="give a photo or a scan") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        what = str(error) if not isinstance(error, UnidentifiedImageError) else "no picture in it"
        raise RecordingError(f"{path} cannot be read: {what}", act="save it as JPEG") from None
    return np.asarray(image)


def pages_in(path: Path) -> int:
    """How many pictures ``path`` holds; 1 also where it cannot be read, which is said later."""
    if path.suffix.lower() != PDF:
        return 1
    with suppress(OSError, ValueError), _document(path) as document:
        return max(1, len(document))
    return 1


def _image(path: Path) -> Image.Image:
    with Image.open(path) as image:
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are too many")
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            under = Image.new("RGBA", upright.size, "white")
            under.alpha_composite(upright.convert("RGBA"))
            upright = under
        return upright.convert("RGB")


def _page(path: Path, number: int) -> Image.Image:
    with _document(path) as document:
        page = document[number]
        wide, high = page.get_size()
        if wide * high * (DPI / 72) ** 2 > MOST_PIXELS:
            raise ValueError(f"its page is {wide / 72:.0f} x {high / 72:.0f} inches")
        image: Image.Image = page.render(scale=DPI / 72).to_pil()
        return image.convert("RGB")


@contextmanager
def _document(path: Path) -> Iterator[Any]:
    """Raises ValueError for what is no PDF, and where there is nothing to read one with."""
    try:
        import pypdfium2
    except ImportError:
        raise ValueError(f"pypdfium2 is not installed ({HOW})") from None
    try:
        with pypdfium2.PdfDocument(path) as document:
            yield document
    except pypdfium2.PdfiumError as error:
        raise ValueError(f"no PDF ({error})") from None
