"""A stand-in for the module ``spidev`` 3.8 whose bytes go to a simulated chip.

It has the real object's attributes and no others, copies what the kernel refuses, and keeps
every setting and transfer for the tests to look at.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from types import ModuleType

BUFFER_BYTES = 4096  # the module's own limit for xfer and xfer2


class FakeSpidev(ModuleType):
    """Put into ``sys.modules["spidev"]``.

    exchange : (bytes, mode, Hz) -> what the chip answers within one low pulse of chip-select
    nodes : (bus, device) that exist
    refuse : raised by ``open``
    """

    def __init__(self, exchange: Callable[[bytes, int, int], bytes]) -> None:
        super().__init__("spidev")
        self.exchange = exchange
        self.nodes = {(0, 0)}
        self.refuse: OSError | None = None
        self.transfers: list[bytes] = []
        self.speeds_hz: set[int] = set()
        self.modes: set[int] = set()
        self.open_count = 0
        module = self

        class SpiDev:
            __slots__ = ("_bits", "_mode", "_open", "_speed_hz")

            def __init__(self, bus: int | None = None, client: int | None = None) -> None:
                self._open = False
                self._mode, self._bits, self._speed_hz = 0, 8, 500_000
                if bus is not None and client is not None:
                    self.open(bus, client)

            def open(self, bus: int, device: int, /) -> None:
                if module.refuse is not None:
                    raise module.refuse
                if (bus, device) not in module.nodes:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                self._open = True
                module.open_count += 1

            def close(self) -> None:
                module.open_count -= self._open
                self._open = False

            def fileno(self) -> int:
                return 3 if self._open else -1

            @property
            def mode(self) -> int:
                return self._mode

            @mode.setter
            def mode(self, value: int) -> None:
                self._needs_open()
                if value not in range(4):
                    raise TypeError("The mode attribute must be an integer between 0 and 3.")
                self._mode = value

            @property
            def bits_per_word(self) -> int:
                return self._bits

            @bits_per_word.setter
            def bits_per_word(self, value: int) -> None:
                self._needs_open()
                if not 8 <= value <= 32:
                    raise TypeError("invalid bits_per_word (8 to 32)")
                self._bits = value

            @property
            def max_speed_hz(self) -> int:
                return self._speed_hz

            @max_speed_hz.setter
            def max_speed_hz(self, value: int) -> None:
                self._needs_open()
                if not isinstance(value, int):
                    raise TypeError("The max_speed_hz attribute must be an integer")
                self._speed_hz = value

            def xfer2(
                self,
                values: Sequence[int],
                speed_hz: int = 0,
                delay_usec: int = 0,
                bits_per_word: int = 0,
                /,
            ) -> list[int]:
                self._needs_open()
                if not values:
                    raise TypeError("Expected a sequence of at least one value")
                if len(values) > BUFFER_BYTES:
                    raise OverflowError("Argument list size exceeds 4096 bytes.")
                mosi = bytes(values)
                module.transfers.append(mosi)
                speed_hz = speed_hz or self._speed_hz
                module.speeds_hz.add(speed_hz)
                module.modes.add(self._mode)
                return list(module.exchange(mosi, self._mode, speed_hz))

            def _needs_open(self) -> None:
                if not self._open:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))

        self.SpiDev = SpiDev
