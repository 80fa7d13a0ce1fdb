"""The kernel's own driver, ti-ads1298: sysfs attributes and a character device.

What mainline gives (drivers/iio/adc/ti-ads1298.c): eight channels of s24 in 32 bits (the top
byte is 0, not the sign), the sampling frequency, a read-only scale, a kfifo. What it does not
give: the status word, so no electrode state and no check of the frame; a timestamp channel; a
count of lost samples; and it leaves right-leg drive and WCT off, so those are written through
debugfs.
"""

from __future__ import annotations

import errno
import os
import re
import select
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.ads1298 import wiring
from hal.clock import Clock
from hal.errors import FrontendError, Reason
from hal.frontend import (
    CHANNELS,
    SAMPLE_NS,
    SAMPLE_RATE_HZ,
    Capability,
    Check,
    FrameBlock,
    FrontendConfig,
    FrontendInfo,
    Housekeeping,
)

DRIVER_NAMES = ("ads1298", "ads1298r")
SCAN_BYTES = 4 * CHANNELS
BUFFER_SCANS = 4096  # 8.2 s; a power of two, as the kernel would round it up to one
PERIOD_AFTER_NS = 10_000_000_000  # arrival times over this span give the true period
GAIN = 6  # the driver's reset value; it offers no way to change it

_TYPE = re.compile(r"(le|be):s24/32>>0")

# Bits to set for right-leg drive and WCT; the reference itself is left as the driver chose it.
REFERENCES = (
    (reg.CONFIG3, reg.CONFIG3.encode(RLDREF_INT=1, PD_RLD=1)),
    (reg.RLD_SENSP, wiring.RLD_SENSP_VALUE),
    (reg.RLD_SENSN, wiring.RLD_SENSN_VALUE),
    (reg.WCT1, wiring.WCT1_VALUE),
    (reg.WCT2, wiring.WCT2_VALUE),
)


class LinuxIio:
    """A Frontend over ``/sys/bus/iio`` and ``/dev/iio:deviceN``.

    Losses are estimated: samples are missing only when the kernel's buffer (8.2 s) ran full, and
    their number is the time without samples over the period measured so far.

    root : where sys, dev and the debug file system hang ("/" but in tests)
    external_references : True where the board itself drives RL and makes WCT; then debugfs
        is not needed
    """

    capabilities = Capability.NONE

    def __init__(
        self, clock: Clock, *, root: Path = Path("/"), external_references: bool = False
    ) -> None:
        self._clock = clock
        self._root = root
        self._external_references = external_references
        self._device = Path()
        self._fd: int | None = None
        self._order: list[int] = []
        self._dtype = np.dtype("<u4")
        self._configured = False
        self._running = False
        self._waiting: deque[FrameBlock] = deque()
        self._arrivals = _Arrivals()

    def open(self) -> None:
        """Find the device and claim its buffer.

        Raises FrontendError NOT_FOUND, WRONG_CHIP, PERMISSION or BUS (buffer in use).
        """
        self._device = self._find()
        node = self._root / "dev" / self._device.name
        try:
            self._fd = os.open(node, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _refusal(error, node) from error

    def configure(self, config: FrontendConfig) -> FrontendInfo:
        """Set 500 SPS and the references; raises FrontendError BAD_CONFIG for other gains.

        The lead-off settings of ``config`` have no effect: the driver has none.
        """
        if self._fd is None:
            raise FrontendError(Reason.BAD_CONFIG, "configure before open", act="open first")
        if config.gain != GAIN:
            raise FrontendError(
                Reason.BAD_CONFIG,
                f"the kernel driver fixes gain {GAIN}, {config.gain} was asked for",
                act=f"set gain = {GAIN}, or use the back-end ads1298",
            )
        self._write("buffer/enable", 0)  # left on by a reader that was killed
        self._write("sampling_frequency", SAMPLE_RATE_HZ)
        if (rate := self._read("sampling_frequency")) != str(SAMPLE_RATE_HZ):
            raise FrontendError(
                Reason.BAD_CONFIG,
                f"the kernel driver samples at {rate} Hz, not {SAMPLE_RATE_HZ}",
                act="check the clock in the device tree: the chip needs 2.048 MHz",
            )
        for n in range(CHANNELS):
            self._write(f"scan_elements/in_voltage{n}_en", 1)
        self._write("buffer/length", BUFFER_SCANS)
        self._learn_layout()
        registers = {} if self._external_references else self._drive_references()
        self._configured = True
        return FrontendInfo(
            name="linux-iio",
            detail=(
                f"kernel driver {self._read('name')} as {self._device.name}: it reports no "
                "electrode state (a lead that is off can only show as a bad signal), no "
                "self-test, no frame check; losses are estimated from time"
            ),
            nv_per_count=self._nv_per_count(),
            gain=GAIN,
            registers=registers,
        )

    def start(self) -> None:
        if not self._configured:
            raise FrontendError(Reason.BAD_CONFIG, "start before configure", act="configure first")
        self._waiting.clear()
        self._arrivals = _Arrivals()
        self._write("buffer/enable", 1)
        self._running = True

    def read(self, max_frames: int, timeout_s: float) -> FrameBlock:
        """See hal.frontend.Frontend; status words and electrodes_off are 0."""
        if not self._running or self._fd is None:
            raise FrontendError(Reason.BAD_CONFIG, "read before start", act="start first")
        deadline_ns = self._clock.now_ns() + round(timeout_s * 1e9)
        while not self._waiting:
            left_s = max(0, deadline_ns - self._clock.now_ns()) / 1e9
            if not select.select([self._fd], [], [], left_s)[0]:
                raise FrontendError(
                    Reason.DATA_READY_TIMEOUT,
                    f"no sample from {self._device.name} in {timeout_s:g} s",
                    act="check the DRDY interrupt in the device tree and the wiring",
                )
            self._fetch(self._fd)
        block = self._waiting.popleft()
        if len(block) > max_frames:
            self._waiting.appendleft(_part(block, max_frames, len(block), lost=0))
            block = _part(block, 0, max_frames, lost=block.lost_before)
        return block

    def stop(self) -> None:
        if self._running:
            self._running = False
            self._write("buffer/enable", 0)

    def close(self) -> None:
        if self._fd is None:
            return
        try:
            self.stop()
        finally:
            os.close(self._fd)
            self._fd = None
            self._configured = False

    def self_test(self) -> list[Check]:
        """Always raises FrontendError(UNSUPPORTED)."""
        raise _unsupported("a self-test")

    def housekeeping(self) -> Housekeeping:
        """Always raises FrontendError(UNSUPPORTED)."""
        raise _unsupported("temperature and supplies")

    def _find(self) -> Path:
        others = []
        for device in sorted((self._root / "sys/bus/iio/devices").glob("iio:device*")):
            name = _get(device / "name")
            if name in DRIVER_NAMES:
                return device
            others.append(name)
        for name in others:
            if name.startswith("ads129"):
                raise FrontendError(
                    Reason.WRONG_CHIP,
                    f"the kernel found an {name}, not an ADS1298",
                    act="fit an ADS1298: twelve leads need eight channels",
                )
        found = f"only {', '.join(others)}" if others else "no IIO device"
        raise FrontendError(
            Reason.NOT_FOUND,
            f"no ADS1298 under the kernel's IIO drivers ({found} found)",
            act="load ti-ads1298 with a device-tree node, see docs/wiring.md",
        )

    def _learn_layout(self) -> None:
        index = [int(self._read(f"scan_elements/in_voltage{n}_index")) for n in range(CHANNELS)]
        types = {self._read(f"scan_elements/in_voltage{n}_type") for n in range(CHANNELS)}
        match = _TYPE.fullmatch(types.pop()) if len(types) == 1 else None
        if match is None or sorted(index) != list(range(CHANNELS)):
            raise FrontendError(
                Reason.BAD_CONFIG,
                f"{self._device.name} stores its samples in a form this driver does not know",
                act="use the mainline ti-ads1298 driver",
            )
        self._order = index
        self._dtype = np.dtype("<u4" if match[1] == "le" else ">u4")

    def _nv_per_count(self) -> float:
        """Exact where the driver's rounded scale names one of the chip's own references."""
        scale_mv = float(self._read("in_voltage0_scale"))
        for vref_v in (reg.VREF_V, reg.VREF_HIGH_V):
            whole_mv = round(vref_v * 1000) // GAIN  # the driver divides in whole millivolts
            if abs(scale_mv - whole_mv / (1 << 23)) < 1e-8:
                return reg.volts_per_count(GAIN, vref_v) * 1e9
        return scale_mv * 1e6

    def _drive_references(self) -> dict[str, int]:
        """Switch right-leg drive and WCT on through debugfs; what the kernel then holds."""
        node = self._root / "sys/kernel/debug/iio" / self._device.name / "direct_reg_access"
        held = {}
        try:
            for register, bits in REFERENCES:
                _put(node, f"{register.address:#x}")
                value = int(_get(node), 16) | bits
                _put(node, f"{register.address:#x} {value:#x}")
                held[register.name] = int(_get(node), 16)
        except OSError as error:
            raise FrontendError(
                Reason.PERMISSION,
                "the kernel driver leaves right-leg drive and WCT off, and "
                f"{node} cannot be written ({error.strerror})",
                act="run as root with debugfs mounted, or use the back-end ads1298",
            ) from error
        return held

    def _read(self, attribute: str) -> str:
        path = self._device / attribute
        try:
            return _get(path)
        except OSError as error:
            raise _refusal(error, path) from error

    def _write(self, attribute: str, value: int) -> None:
        path = self._device / attribute
        try:
            _put(path, str(value))
        except OSError as error:
            raise _refusal(error, path) from error

    def _fetch(self, fd: int) -> None:
        try:
            data = os.read(fd, BUFFER_SCANS * SCAN_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            raise _refusal(error, self._device) from error
        if not data or len(data) % SCAN_BYTES:
            raise FrontendError(
                Reason.BAD_STATUS,
                f"{len(data)} bytes from {self._device.name} are not whole scans",
                act="restart the monitor",
            )
        words = np.frombuffer(data, self._dtype).reshape(-1, CHANNELS)[:, self._order]
        counts = (words.astype(np.uint32) << np.uint32(8)).view(np.int32) >> 8
        first, lost, t_ns = self._arrivals.place(len(counts), self._clock.now_ns())
        unsettled = min(max(0, reg.SETTLED_EDGE - first), len(counts))
        if unsettled == len(counts):
            return
        n = len(counts) - unsettled
        self._waiting.append(
            FrameBlock(
                first_index=first + unsettled - reg.SETTLED_EDGE,
                t_ns=t_ns[unsettled:],
                counts=np.ascontiguousarray(counts[unsettled:]),
                status=np.zeros(n, np.uint32),
                electrodes_off=np.zeros(n, np.uint16),
                lost_before=lost,
            )
        )


class _Arrivals:
    """Index and time of scans that carry neither: from when they could be read."""

    def __init__(self) -> None:
        self._next = 0
        self._last_ns: int | None = None
        self._overrun = False
        self._period_ns = float(SAMPLE_NS)
        self._anchor: tuple[int, int] | None = None

    def place(self, n: int, now_ns: int) -> tuple[int, int, NDArray[np.int64]]:
        """First index, samples lost before it, and times of ``n`` scans read at ``now_ns``."""
        full = n >= BUFFER_SCANS
        steps = np.arange(n, dtype=np.float64) * self._period_ns
        if full and self._last_ns is not None:
            # A full kfifo keeps the oldest scans: these follow the last ones read.
            first_ns = self._last_ns + round(self._period_ns)
        else:
            first_ns = now_ns - round(steps[-1])
        lost = 0
        if self._last_ns is not None:
            if self._overrun and not full:
                lost = max(0, round((first_ns - self._last_ns) / self._period_ns) - 1)
            first_ns = max(first_ns, self._last_ns + 1)
        first = self._next + lost
        t_ns = np.maximum(first_ns + np.rint(steps).astype(np.int64), first_ns)
        self._next = first + n
        self._last_ns = int(t_ns[-1])
        self._overrun = full
        if not full:
            self._measure(now_ns)
        return first, lost, t_ns

    def _measure(self, now_ns: int) -> None:
        if self._anchor is None:
            self._anchor = (self._next, now_ns)
        index, t_ns = self._anchor
        if now_ns - t_ns >= PERIOD_AFTER_NS:
            self._period_ns = (now_ns - t_ns) / (self._next - index)


def _get(path: Path) -> str:
    return path.read_text().strip()


def _put(path: Path, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)  # never creates: a missing attribute is an error
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _part(block: FrameBlock, start: int, stop: int, lost: int) -> FrameBlock:
    rows = slice(start, stop)
    return FrameBlock(
        block.first_index + start,
        block.t_ns[rows],
        block.counts[rows],
        block.status[rows],
        block.electrodes_off[rows],
        lost,
    )


def _unsupported(what: str) -> FrontendError:
    return FrontendError(
        Reason.UNSUPPORTED,
        f"the kernel driver has no {what}".replace("no a ", "no "),
        act="use the back-end ads1298",
    )


def _refusal(error: OSError, path: Path) -> FrontendError:
    if isinstance(error, PermissionError):
        return FrontendError(
            Reason.PERMISSION, f"no permission for {path}", act="add a udev rule, or run as root"
        )
    if isinstance(error, FileNotFoundError):
        return FrontendError(
            Reason.NOT_FOUND, f"{path} does not exist", act="load the mainline ti-ads1298 driver"
        )
    if error.errno == errno.EBUSY:
        return FrontendError(
            Reason.BUS,
            f"{path}: another program reads this device",
            act="stop it (often iiod), then try again",
        )
    return FrontendError(Reason.BUS, f"{path}: {error.strerror}")
