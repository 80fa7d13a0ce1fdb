"""The kernel's ti-ads1298 driver as a tree of files and a FIFO for its character device.

What sysfs does when written (rounding of the rate, refusal while busy, the kfifo that starts
empty and keeps its oldest scans when full, debugfs registers) happens when the code under test
writes, through the one function it writes with.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import termios
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hal import linux_iio
from hal.ads1298 import registers as reg
from hal.clock import VirtualClock
from hal.frontend import CHANNELS, SAMPLE_NS

RATES_HZ = (250, 500, 1000, 2000, 4000, 8000, 16000, 32000)
UNSETTLED = reg.SETTLED_EDGE


def ramp(index: int) -> list[int]:
    """Counts of sample ``index`` (0 = first settled): negative ones too, all channels differ."""
    return [(index * 8 + channel) * (-1) ** channel for channel in range(CHANNELS)]


class FakeKernel:
    """One IIO device under ``root``.

    big_endian, order : how the scan is stored; scan position of each channel
    stops_at : the sample from which DRDY makes no edge, or None
    """

    def __init__(
        self,
        root: Path,
        clock: VirtualClock,
        *,
        name: str = "ads1298",
        counts: Callable[[int], list[int]] = ramp,
        order: list[int] | None = None,
        big_endian: bool = False,
        stops_at: int | None = None,
        period_ns: int = SAMPLE_NS,
    ) -> None:
        self.clock = clock
        self.registers = {r.address: r.reset for r in reg.REGISTERS}
        self.registers[reg.CONFIG2.address] = 0x55
        self.registers[reg.CONFIG3.address] = reg.CONFIG3.encode(PD_REFBUF=1)
        self.busy = False
        self.dropped = 0
        self._counts = counts
        self._order = order or list(range(CHANNELS))
        self._dtype = np.dtype(">u4" if big_endian else "<u4")
        self._stops_at = stops_at
        self._period_ns = period_ns
        self._edges = 0
        self._start_ns: int | None = None
        self.device = root / "sys/bus/iio/devices/iio:device0"
        self.node = root / "dev/iio:device0"
        self.debug = root / "sys/kernel/debug/iio/iio:device0/direct_reg_access"
        files = {"name": name, "sampling_frequency": "250", "buffer/length": "2"}
        files |= {"buffer/enable": "0", "buffer/data_available": "0"}
        for n in range(CHANNELS):
            kind = ("be" if big_endian else "le") + ":s24/32>>0"
            files |= {f"in_voltage{n}_scale": "0.000047683", f"in_voltage{n}_raw": "0"}
            files |= {f"scan_elements/in_voltage{n}_en": "0"}
            files |= {f"scan_elements/in_voltage{n}_index": str(self._order[n])}
            files |= {f"scan_elements/in_voltage{n}_type": kind}
        for path, text in files.items():
            self.attribute(path).parent.mkdir(parents=True, exist_ok=True)
            self.attribute(path).write_text(text + "\n")
        self.debug.parent.mkdir(parents=True)
        self.debug.write_text("0x0\n")
        self.node.parent.mkdir()
        os.mkfifo(self.node)
        self._fifo = os.open(self.node, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(self._fifo, fcntl.F_SETPIPE_SZ, 1 << 18)

    def attribute(self, path: str) -> Path:
        return self.device / path

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
        """React to what hal.linux_iio writes."""
        put = linux_iio._put

        def written(path: Path, text: str) -> None:
            self._before(path)
            put(path, text)
            self._after(path, text)

        monkeypatch.setattr(linux_iio, "_put", written)
        return self

    def close(self) -> None:
        os.close(self._fifo)

    def elapse(self, samples: int) -> None:
        """Let the time of ``samples`` conversions pass, nobody reading."""
        if self._start_ns is None:
            self.clock.advance_ns(samples * self._period_ns)
            return
        length = int(self.attribute("buffer/length").read_text())
        room = length - self.waiting()
        indices = range(self._edges - UNSETTLED, self._edges - UNSETTLED + samples)
        if self._stops_at is not None:
            indices = range(indices.start, min(indices.stop, max(self._stops_at, indices.start)))
        self.dropped += max(0, len(indices) - room)
        scans = np.zeros((len(indices), CHANNELS), np.uint32)
        for row, index in enumerate(indices):
            counts = self._counts(index) if index >= 0 else [-1] * CHANNELS
            scans[row, self._order] = np.array(counts, np.int64) & 0xFFFFFF
        os.write(self._fifo, scans[:room].astype(self._dtype).tobytes())
        self._edges += len(indices)
        self.clock.advance_ns(samples * self._period_ns)

    def waiting(self) -> int:
        """Scans in the kfifo."""
        size = array.array("i", [0])
        fcntl.ioctl(self._fifo, termios.FIONREAD, size)
        return size[0] // linux_iio.SCAN_BYTES

    def unsettled_left(self) -> int:
        """Conversions still to come before the first settled one."""
        return max(0, UNSETTLED - self._edges)

    def readers(self) -> int:
        """Open file descriptors on the character device, the kernel's own excepted."""
        found = 0
        for fd in Path("/proc/self/fd").iterdir():
            try:
                found += fd.readlink() == self.node and int(fd.name) != self._fifo
            except FileNotFoundError:  # the descriptor of this listing
                continue
        return found

    def _before(self, path: Path) -> None:
        running = self._start_ns is not None and path.name != "enable"
        if self.busy or (running and path.parent.name in ("buffer", "scan_elements")):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))

    def _after(self, path: Path, text: str) -> None:
        if path == self.debug:
            numbers = [int(word, 0) for word in text.split()]
            if len(numbers) == 2:
                self.registers[numbers[0]] = numbers[1]
            self.debug.write_text(f"0x{self.registers[numbers[0]]:X}\n")
        elif path.name == "sampling_frequency":
            rate = max((r for r in RATES_HZ if r <= max(int(text), 250)), default=250)
            path.write_text(f"{rate}\n")
        elif path.name == "enable":
            if text == "1" and self._start_ns is None:
                while self.waiting():
                    os.read(self._fifo, 1 << 18)
                enabled = range(CHANNELS)
                assert all(
                    self.attribute(f"scan_elements/in_voltage{n}_en").read_text() == "1"
                    for n in enabled
                )
                self._edges = 0
                self._start_ns = self.clock.now_ns()
            elif text == "0":
                self._start_ns = None
