"""OLED controllers through luma's own drivers, over SPI or I2C."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from device.display.outputs import Display, DisplayError
from device.display.screens import Frame
from hal.linux_gpio import GET_GPIO
from hal.linux_spi import GET_SPIDEV


class Controller(NamedTuple):
    """Sizes a controller comes in (the first is the default), its mode in luma, its usual bus.

    contrast : by day, 0..255, luma's own choice
    """

    sizes: tuple[tuple[int, int], ...]
    mode: str
    bus: str
    contrast: int = 0x7F


CONTROLLERS = {
    "ssd1306": Controller(((128, 64),), "1", "i2c", 0xCF),
    "sh1106": Controller(((128, 64),), "1", "i2c"),
    "ssd1309": Controller(((128, 64),), "1", "i2c", 0xCF),
    "ssd1322": Controller(((256, 64),), "RGB", "spi"),
    "ssd1327": Controller(((128, 128),), "RGB", "spi"),
    "ssd1351": Controller(((128, 128), (128, 96)), "RGB", "spi", 0xFF),
}
NIGHT_CONTRAST = 0x10
# The ADS1298 has SPI0 to itself; data/command and reset are free header pins (BCM numbers).
DEFAULT_SPI = (1, 0)
DEFAULT_I2C = (1, 0x3C)
DC_GPIO = 5
RST_GPIO = 6
NOP = 0xE3  # of SSD1306, SSD1309 and SH1106
SH1106_LEFT = 2  # columns of its memory left of the glass
SEGMENTS = 16  # a sweep changes few columns: small pieces keep the pixels to convert and send few


class Oled(Display):
    """One controller on one bus; ``serial`` replaces the bus (command, data, cleanup)."""

    def __init__(
        self,
        controller: str,
        *,
        spi: tuple[int, int] | None = None,
        i2c: tuple[int, int] | None = None,
        dc_gpio: int = DC_GPIO,
        rst_gpio: int = RST_GPIO,
        rotate: int = 0,
        size: tuple[int, int] | None = None,
        serial: Any = None,
    ) -> None:
        sizes, self._mode, bus, self._contrast = CONTROLLERS[controller]
        if size is not None and size not in sizes:
            known = " or ".join(f"{width}x{height}" for width, height in sizes)
            raise DisplayError(f"display {controller} is {known}, not {size[0]}x{size[1]}")
        super().__init__(size or sizes[0], grey=self._mode == "RGB")
        self.controller = controller
        if spi is None and (i2c is not None or bus == "i2c"):
            self._spi, self._i2c = None, i2c or DEFAULT_I2C
        else:
            self._spi, self._i2c = spi or DEFAULT_SPI, (0, 0)
        self._gpio = {"gpio_DC": dc_gpio, "gpio_RST": rst_gpio}
        self._rotate = rotate
        self._serial = serial
        self._device: Any = None
        self._pages: NDArray[np.uint8] | None = None  # what a panel of one bit shows
        self._turn = 0
        self._night = False

    @property
    def bus(self) -> str:
        """Where it is wired, as in the spec: "spi1.0" or "i2c1@0x3c"."""
        if self._spi is not None:
            return f"spi{self._spi[0]}.{self._spi[1]}"
        return f"i2c{self._i2c[0]}@0x{self._i2c[1]:02x}"

    def _error(self, error: BaseException, act: str = "check power and wiring") -> DisplayError:
        what = str(error) or type(error).__name__
        return DisplayError(f"display {self.controller} on {self.bus}: {what}; {act}")

    def _open(self) -> None:
        self._pages, self._night = None, False
        try:
            import luma.core.error
            import luma.core.framebuffer
            import luma.core.interface.serial as buses
            import luma.oled.device as drivers
        except ImportError as error:
            raise self._error(
                error, "install Lead12 again; in a checkout: make clean setup"
            ) from error
        try:
            serial = self._serial or self._open_bus(buses)
            more = {}
            if self._mode == "RGB":
                more["framebuffer"] = luma.core.framebuffer.diff_to_previous(num_segments=SEGMENTS)
            width, height = self.size
            self._device = getattr(drivers, self.controller)(
                serial, width=width, height=height, rotate=self._rotate, **more
            )
        except (ImportError, luma.core.error.UnsupportedPlatform) as error:
            spidev = getattr(error, "name", "") == "spidev"
            raise self._error(error, GET_SPIDEV if spidev else GET_GPIO) from error
        except (OSError, RuntimeError, luma.core.error.Error) as error:
            raise self._error(error) from error

    def _open_bus(self, buses: Any) -> Any:
        if self._spi is not None:
            port, device = self._spi
            return buses.spi(port=port, device=device, **self._gpio)
        bus = buses.i2c(port=self._i2c[0], address=self._i2c[1])
        try:
            # An absent panel is found here: luma keeps every driver it builds until the exit.
            bus.command(NOP)
        except Exception:
            bus.cleanup()
            raise
        return bus

    def _show(self, frame: Frame) -> None:
        import luma.core.error

        try:
            if frame.night != self._night:
                self._device.contrast(NIGHT_CONTRAST if frame.night else self._contrast)
                self._night = frame.night
            if self._mode == "1":
                self._send_pages(self._device.preprocess(frame.image.convert("1")))
            else:
                self._device.display(frame.image.convert(self._mode))
        except (OSError, RuntimeError, luma.core.error.Error) as error:
            raise self._error(error) from error

    def _send_pages(self, image: Image.Image) -> None:
        """Of each page (8 rows, one byte a column) the columns that have changed.

        One page in turn is sent whole: a panel that was pulled off is noticed, and a byte that
        went wrong is put right within eight frames. luma sends every byte every time, after a
        loop over every pixel: on I2C at 100 kHz that alone fills the bus at ten frames a second.
        """
        bits = np.asarray(image).reshape(-1, 8, image.width)
        pages = np.packbits(bits, axis=1, bitorder="little")[:, 0]
        shown = ~pages if self._pages is None else self._pages
        self._pages, self._turn = pages, (self._turn + 1) % len(pages)
        for number, page in enumerate(pages):
            whole = number == self._turn
            changed = range(len(page)) if whole else np.flatnonzero(page != shown[number])
            if len(changed):
                first, last = int(changed[0]), int(changed[-1])
                self._device.command(*self._address(number, first, last))
                self._device.data(page[first : last + 1].tolist())

    def _address(self, page: int, first: int, last: int) -> tuple[int, ...]:
        """The command behind which data go into columns ``first``..``last`` of ``page``."""
        if self.controller == "sh1106":
            column = first + SH1106_LEFT
            return 0xB0 | page, column & 0x0F, 0x10 | column >> 4
        return 0x21, first, last, 0x22, page, page

    def _close(self) -> None:
        import luma.core.error

        device, self._device = self._device, None
        try:
            device.cleanup()
        except (OSError, RuntimeError, luma.core.error.Error):
            device._serial_interface.cleanup()  # the panel is gone; the bus is given back
