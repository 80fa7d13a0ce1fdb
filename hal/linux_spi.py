"""The ADS1298's SPI link through the kernel's spidev."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hal.ads1298.registers import REGISTER_SPEED_MAX_HZ, SPI_MODE
from hal.errors import FrontendError, Reason

if TYPE_CHECKING:
    import spidev

GET_SPIDEV = "sudo apt install python3-spidev; in a checkout on a Pi: make pi-setup"
DEFAULT_SPEED_HZ = 2_000_000
# Below 0.5 MHz a frame takes more than a fifth of the 2 ms between two edges.
SPEED_RANGE_HZ = (500_000, REGISTER_SPEED_MAX_HZ)


class SpidevBus:
    """``/dev/spidevB.D`` in mode 1, 8 bits; one ``transfer`` is one low pulse of chip-select.

    Opens the node at once. Raises FrontendError NOT_FOUND, PERMISSION, BAD_CONFIG or BUS.
    """

    mode = SPI_MODE

    def __init__(self, bus: int = 0, device: int = 0, speed_hz: int = DEFAULT_SPEED_HZ) -> None:
        low, high = SPEED_RANGE_HZ
        if not low <= speed_hz <= high:
            raise FrontendError(
                Reason.BAD_CONFIG,
                f"SPI at {speed_hz} Hz is outside {low} to {high} Hz",
                act=f"set {DEFAULT_SPEED_HZ}",
            )
        self.speed_hz = speed_hz
        self.path = f"/dev/spidev{bus}.{device}"
        self._spi: spidev.SpiDev | None = self._open(bus, device)

    def transfer(self, mosi: bytes) -> bytes:
        """Clock ``mosi`` out and return as many bytes; raises FrontendError(BUS)."""
        if self._spi is None:
            raise FrontendError(Reason.BUS, f"{self.path} is closed", act="open it again")
        try:
            return bytes(self._spi.xfer2(list(mosi)))
        except OSError as error:
            raise FrontendError(
                Reason.BUS, f"{self.path} refused a transfer: {error.strerror}"
            ) from error

    def close(self) -> None:
        if self._spi is not None:
            self._spi.close()
            self._spi = None

    def _open(self, bus: int, device: int) -> spidev.SpiDev:
        try:
            import spidev
        except ImportError as error:
            raise FrontendError(
                Reason.NOT_FOUND,
                "the Python package spidev is not installed",
                act=GET_SPIDEV,
            ) from error
        spi = spidev.SpiDev()
        try:
            spi.open(bus, device)
            spi.mode = self.mode
            spi.bits_per_word = 8
            spi.max_speed_hz = self.speed_hz
        except OSError as error:
            spi.close()
            raise self._refusal(error) from error
        return spi

    def _refusal(self, error: OSError) -> FrontendError:
        if isinstance(error, FileNotFoundError):
            return FrontendError(
                Reason.NOT_FOUND,
                f"{self.path} does not exist",
                act="put dtparam=spi=on into /boot/firmware/config.txt and reboot",
            )
        if isinstance(error, PermissionError):
            return FrontendError(
                Reason.PERMISSION,
                f"no permission for {self.path}",
                act="on a device sudo udevadm trigger; else sudo usermod -aG spi $USER, then log "
                "in again",
            )
        return FrontendError(Reason.BUS, f"{self.path} refused its settings: {error.strerror}")
