"""Where frames go: a terminal, PNG files, an OLED through luma, or nowhere."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from device.display.screens import Frame
from hal.frontend import SAMPLE_RATE_HZ

RETRY = 5 * SAMPLE_RATE_HZ  # samples of signal between attempts at a display that failed


class DisplayError(Exception):
    """A display cannot be used: what is wrong and what to do, in one line."""


class Display(ABC):
    """One place for frames. A display that fails says so once, then is tried again every 5 s.

    size : (width, height) in pixels to render for
    grey : whether it shows levels between black and white
    failure : what is wrong now; "" while it works
    caption : what a terminal writes below the picture, the first whatever its width; panels have no
        room for it
    """

    def __init__(self, size: tuple[int, int], *, grey: bool) -> None:
        self.size, self.grey = size, grey
        self.failure = ""
        self.caption: list[str] = []
        self._retry_at = 0
        self._is_open = False

    def show(self, frame: Frame) -> None:
        """Show ``frame``; opens the display at the first call and after a failure.

        Raises DisplayError at the frame with which a failure begins, and is silent until the
        display works again (``failure`` tells): the caller reports and carries on.
        """
        if self.failure and frame.index < self._retry_at:
            return
        try:
            if not self._is_open:
                self._open()
                self._is_open = True
            self._show(frame)
        except DisplayError as error:
            known, self.failure = bool(self.failure), str(error)
            self._retry_at = frame.index + RETRY
            self.close()
            if not known:
                raise
        else:
            self.failure = ""

    def close(self) -> None:
        """Give back the device or terminal; safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._close()

    @abstractmethod
    def _open(self) -> None:
        """Get ready to show; raises DisplayError."""

    @abstractmethod
    def _show(self, frame: Frame) -> None:
        """Show one frame; raises DisplayError."""

    @abstractmethod
    def _close(self) -> None:
        """Undo _open; raises nothing."""


class NoDisplay(Display):
    """For an instrument without a screen."""

    def _open(self) -> None:
        pass

    def _show(self, frame: Frame) -> None:
        pass

    def _close(self) -> None:
        pass


class PngFolder(Display):
    """At most one PNG per second of signal, only when the picture changed.

    Files are named by the sample index of the frame: ``000012500.png``.
    """

    def __init__(self, folder: Path, size: tuple[int, int] = (256, 64)) -> None:
        super().__init__(size, grey=True)
        self.folder = folder
        self._second = -1
        self._shown = b""

    def prepare(self) -> None:
        """Make the folder now. Raises DisplayError when that is not possible."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise DisplayError(
                f"display png: {self.folder} is not a folder; choose another folder"
            ) from None
        except OSError as error:
            raise DisplayError(
                f"display png: cannot create {self.folder}: {error.strerror}; choose another folder"
            ) from error

    def _open(self) -> None:
        self.prepare()

    def _show(self, frame: Frame) -> None:
        second, pixels = frame.index // SAMPLE_RATE_HZ, frame.image.tobytes()
        if second == self._second or pixels == self._shown:
            return
        path = self.folder / f"{frame.index:09d}.png"
        try:
            frame.image.save(path)
        except OSError as error:
            raise DisplayError(
                f"display png: cannot write {path}: {error.strerror}; make room or choose another "
                "folder"
            ) from error
        self._second, self._shown = second, pixels

    def _close(self) -> None:
        pass


def open_display(spec: str) -> Display:
    """The display that ``spec`` names; it is touched only at the first frame.

    ``none`` · ``terminal`` · ``png:FOLDER`` · a controller with its bus:
    ``ssd1306``, ``sh1106``, ``ssd1309`` (128x64, by default on I2C bus 1 at 0x3C: ``:i2c1@0x3c``),
    ``ssd1322`` (256x64), ``ssd1327`` (128x128), ``ssd1351`` (128x128; ``:...,size=128x96``),
    by default on ``:spi1.0,dc=5,rst=6`` (BCM numbers). ``rotate=2`` turns any upside down.
    Raises DisplayError when ``spec`` says none of these.
    """
    from device.display.oled import CONTROLLERS, Oled
    from device.display.terminal import Terminal

    kind, _, options = spec.partition(":")
    if kind == "none" and not options:
        return NoDisplay((128, 64), grey=False)
    if kind == "terminal" and not options:
        return Terminal()
    if kind == "png" and options:
        return PngFolder(Path(options))
    if kind in CONTROLLERS:
        return Oled(kind, **_oled_options(spec, options))
    known = ", ".join(["none", "terminal", "png:FOLDER", *CONTROLLERS])
    raise DisplayError(f"display {spec!r} is unknown; use one of {known}")


def _oled_options(spec: str, options: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in filter(None, options.split(",")):
        if match := re.fullmatch(r"spi(\d+)\.(\d+)", option):
            found["spi"] = int(match[1]), int(match[2])
        elif match := re.fullmatch(r"i2c(\d+)(?:@0x([0-9a-fA-F]{2}))?", option):
            found["i2c"] = int(match[1]), int(match[2] or "3c", 16)
        elif match := re.fullmatch(r"(dc|rst)=(\d+)", option):
            found[f"{match[1]}_gpio"] = int(match[2])
        elif match := re.fullmatch(r"rotate=([02])", option):
            found["rotate"] = int(match[1])
        elif match := re.fullmatch(r"size=(\d+)x(\d+)", option):
            found["size"] = int(match[1]), int(match[2])
        else:
            raise DisplayError(
                f"display {spec!r}: option {option!r} is unknown; use spi1.0, i2c1@0x3c, dc=5, "
                "rst=6, rotate=2 or size=128x96"
            )
    return found
