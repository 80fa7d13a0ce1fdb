"""Record what passes between a front end's driver and its wires, beside the running monitor.

``captured_driver`` puts a tap on SPI bus, data-ready line and pins; the driver cannot tell. The
acquiring thread only notes bytes in memory; another one compresses and writes them. A disk that
is full or too slow ends the capture, never the monitoring.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any, BinaryIO

from hal import capture_file as form
from hal.ads1298.driver import Ads1298
from hal.capture_file import CaptureReader, Kind, PinName
from hal.clock import Clock, RealClock
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError, Reason, RecordingError
from hal.frontend import Capability, FrontendConfig, FrontendInfo
from hal.spi import ControlPins, DataReady, Edge, SpiBus

BLOCK_NS = 1_000_000_000  # so much signal is lost at most when the process is killed
BLOCK_BYTES = 1 << 18  # before compression
WAITING_BLOCKS = 32  # half a minute of a disk that does not take anything
CLOSE_S = 10.0
_TOOK_MAX = (1 << 32) - 1


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Recorder:
    """Writes a capture file; one that exists goes on with a new part behind its last whole block.

    tell : takes the one line that says why nothing more is captured
    Raises FrontendError(BAD_CONFIG) when the file cannot be begun.
    """

    def __init__(self, path: Path, clock: Clock, tell: Callable[[str], None] = _say) -> None:
        self.bytes_written = 0
        self._path = path
        self._clock = clock
        self._tell = tell
        self._over = False  # nothing more is captured
        self._raw = bytearray()
        self._base_ns = self._last_ns = -BLOCK_NS
        self._sequence = 0
        self._blocks: Queue[tuple[int, bytes] | None] = Queue(WAITING_BLOCKS)
        self._file: BinaryIO
        try:
            self._begin()
        except (OSError, RecordingError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise FrontendError(
                Reason.BAD_CONFIG, f"capture: cannot write {path}: {why}", act="name another file"
            ) from None
        self._writer = Thread(target=self._write, name="capture", daemon=True)
        self._writer.start()

    # --- events ---------------------------------------------------------------------------

    def part(self, frontend: str, bus: str, spi: SpiBus) -> None:
        """A front end was built."""
        about = {"frontend": frontend, "bus": bus, "mode": spi.mode, "speed_hz": spi.speed_hz}
        self._text(Kind.PART, about)

    def settings(self, config: FrontendConfig) -> None:
        """``configure`` was called."""
        self._text(Kind.SETTINGS, asdict(config))

    def transfer(self, t_ns: int, took_ns: int, mosi: bytes, miso: bytes) -> None:
        """One low pulse of chip-select; as many bytes in as out."""
        delta = self._since(t_ns)
        took_ns = min(took_ns, _TOOK_MAX)
        if any(mosi):
            self._raw += form.TRANSFER.pack(Kind.TRANSFER, delta, took_ns, len(mosi)) + mosi + miso
        else:
            self._raw += form.TRANSFER.pack(Kind.READ, delta, took_ns, len(mosi)) + miso

    def edge(self, t_ns: int, edge: Edge) -> None:
        """A wait returned ``edge`` at ``t_ns``."""
        delta = self._since(t_ns)
        step = edge.sequence - self._sequence
        self._sequence = edge.sequence
        self._raw += form.EDGE.pack(Kind.EDGE, delta, edge.t_ns - self._base_ns, step)

    def quiet(self, t_ns: int, waited: bool) -> None:
        """A wait, or a mere look, found no edge."""
        delta = self._since(t_ns)
        self._raw += form.HEAD.pack(Kind.SILENCE if waited else Kind.POLL, delta)

    def restart(self) -> None:
        """Edges are numbered anew."""
        delta = self._since(self._clock.now_ns())
        self._raw += form.HEAD.pack(Kind.RESTART, delta)

    def pin(self, pin: PinName, asserted: bool) -> None:
        """A control pin was set."""
        delta = self._since(self._clock.now_ns())
        code = form.PINS.index(pin) << 1 | asserted
        self._raw += form.PIN.pack(Kind.PIN, delta, code)

    @contextmanager
    def refusals(self, call: str) -> Iterator[None]:
        """Note the FrontendError that ``call`` raises."""
        try:
            yield
        except FrontendError as error:
            self.refused(call, error)
            raise

    def refused(self, call: str, error: FrontendError) -> None:
        """``call`` raised ``error``."""
        self._text(Kind.REFUSED, {"call": call, "error": form.error_fields(error)})

    def close(self) -> None:
        """Write what is left, and wait for it."""
        if not self._writer.is_alive():
            return
        self._flush()
        with suppress(Full):
            self._blocks.put(None, timeout=CLOSE_S)
            self._writer.join(CLOSE_S)
        if self._writer.is_alive():
            self._end(f"the disk has not taken the rest in {CLOSE_S:g} s")

    def _text(self, kind: Kind, body: dict[str, Any]) -> None:
        text = json.dumps(body, ensure_ascii=False).encode()
        delta = self._since(self._clock.now_ns())
        self._raw += form.TEXT.pack(kind, delta, len(text)) + text

    def _since(self, t_ns: int) -> int:
        """Nanoseconds since the event before this one; begins a block where one is due."""
        if t_ns - self._base_ns >= BLOCK_NS or len(self._raw) >= BLOCK_BYTES:
            self._flush()
            self._base_ns = self._last_ns = t_ns
            self._sequence = 0
        delta = t_ns - self._last_ns
        self._last_ns = t_ns
        return delta

    # --- the file -------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._path.exists() and self._path.stat().st_size:
            reader = CaptureReader(self._path)
            for _ in reader:
                pass
            self._file = self._path.open("r+b")
            self._file.truncate(reader.whole_bytes)
            self._file.seek(0, 2)
        else:
            self._file = self._path.open("wb")
            self._file.write(form.header())
            self._file.flush()

    def _flush(self) -> None:
        """Hand the block to the writer. A real clock does not wait for the disk, others may."""
        raw, self._raw = bytes(self._raw), bytearray()
        if not raw or self._over:
            return
        try:
            self._blocks.put((self._base_ns, raw), block=not isinstance(self._clock, RealClock))
        except Full:
            self._end("the disk is too slow")

    def _write(self) -> None:
        while (block := self._blocks.get()) is not None:
            if self._over:
                continue
            try:
                self.bytes_written += self._file.write(form.pack_block(*block))
                self._file.flush()
            except OSError as error:
                self._end(str(error.strerror))
        try:
            self._file.close()
        except OSError as error:
            self._end(str(error.strerror))

    def _end(self, why: str) -> None:
        if not self._over:
            self._over = True
            self._tell(f"capture: {self._path}: {why}; nothing more is captured, all else goes on")


class CapturedSpi:
    """An SPI bus whose transfers are recorded."""

    def __init__(self, spi: SpiBus, recorder: Recorder, clock: Clock) -> None:
        self.mode = spi.mode
        self.speed_hz = spi.speed_hz
        self._spi = spi
        self._recorder = recorder
        self._now_ns = clock.now_ns

    def transfer(self, mosi: bytes) -> bytes:
        begin_ns = self._now_ns()
        try:
            miso = self._spi.transfer(mosi)
        except FrontendError as error:
            self._recorder.refused(form.call_of(mosi), error)
            raise
        self._recorder.transfer(begin_ns, self._now_ns() - begin_ns, mosi, miso)
        return miso

    def close(self) -> None:
        self._spi.close()


class CapturedDataReady:
    """A data-ready line whose edges, and their absence, are recorded."""

    def __init__(self, line: DataReady, recorder: Recorder, clock: Clock) -> None:
        self._line = line
        self._recorder = recorder
        self._now_ns = clock.now_ns

    def wait(self, timeout_ns: int) -> Edge | None:
        try:
            edge = self._line.wait(timeout_ns)
        except FrontendError as error:
            self._recorder.refused("wait", error)
            raise
        if edge is None:
            self._recorder.quiet(self._now_ns(), timeout_ns > 0)
        else:
            self._recorder.edge(self._now_ns(), edge)
        return edge

    def reset(self) -> None:
        with self._recorder.refusals("restart"):
            self._line.reset()
        self._recorder.restart()

    def close(self) -> None:
        self._line.close()


class CapturedPins:
    """Control pins whose changes are recorded."""

    def __init__(self, pins: ControlPins, recorder: Recorder) -> None:
        self._pins = pins
        self._recorder = recorder

    def power_down(self, asserted: bool) -> None:
        self._set(PinName.POWER_DOWN, self._pins.power_down, asserted)

    def reset(self, asserted: bool) -> None:
        self._set(PinName.RESET, self._pins.reset, asserted)

    def start(self, asserted: bool) -> None:
        self._set(PinName.START, self._pins.start, asserted)

    def close(self) -> None:
        self._pins.close()

    def _set(self, pin: PinName, change: Callable[[bool], None], asserted: bool) -> None:
        with self._recorder.refusals(form.call_of_pin(pin, asserted)):
            change(asserted)
        self._recorder.pin(pin, asserted)


class CapturedAds1298(Ads1298):
    """The driver, its settings noted and the file closed with it."""

    recorder: Recorder

    def configure(self, config: FrontendConfig) -> FrontendInfo:
        self.recorder.settings(config)
        return super().configure(config)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.recorder.close()


def captured_driver(
    spi: SpiBus,
    data_ready: DataReady,
    pins: ControlPins,
    clock: Clock,
    *,
    file: Path,
    frontend: str,
    bus: str,
    extra: Capability = Capability.NONE,
    tell: Callable[[str], None] = _say,
) -> CapturedAds1298:
    """The driver over these wires, all that passes recorded in ``file``.

    Raises FrontendError(BAD_CONFIG) when the file cannot be begun.
    """
    recorder = Recorder(file, clock, tell)
    recorder.part(frontend, bus, spi)
    tapped = CapturedSpi(spi, recorder, clock)
    line = CapturedDataReady(data_ready, recorder, clock)
    reader = EdgePacedReader(tapped, line)
    driver = CapturedAds1298(
        tapped, reader, CapturedPins(pins, recorder), line, clock, bus=bus, extra=extra
    )
    driver.recorder = recorder
    return driver
