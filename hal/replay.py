"""A captured front end, once more: the real driver over the wires as they were.

What the chip said, and when, comes from the file; what the driver sends is compared with what was
sent then. Times are the file's, moved to where the clock stands when the replay begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import TypeGuard

from hal.ads1298 import registers as reg
from hal.ads1298.driver import Ads1298
from hal.capture_file import (
    CaptureReader,
    Event,
    Fell,
    Part,
    PinName,
    PinSet,
    Quiet,
    Refused,
    Restart,
    Settings,
    Transfer,
    call_of,
    call_of_pin,
)
from hal.clock import Clock
from hal.edge_reader import EdgePacedReader
from hal.errors import FrontendError, Reason, RecordingError
from hal.frontend import FrontendConfig, FrontendInfo
from hal.spi import Edge

_STOP = (bytes([reg.Opcode.SDATAC]), bytes([reg.Opcode.STOP]))


class Tape:
    """The events of a capture in the order in which the driver asks for them.

    Raises FrontendError(BAD_CONFIG) when the file is no capture, cannot be read, or when the
    driver does something else than was captured; FrontendError(END_OF_SIGNAL) at the end.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        try:
            self._reader = CaptureReader(path)
        except RecordingError as error:
            raise FrontendError(Reason.BAD_CONFIG, str(error)) from None
        except OSError as error:
            raise FrontendError(
                Reason.BAD_CONFIG, f"{path}: {error.strerror}", act="name a capture"
            ) from None
        self._clock = clock
        self._events = iter(self._reader)
        self._ahead: deque[Event] = deque()
        self._shift_ns: int | None = None
        self._begin_ns = 0
        self._vain: Quiet | Refused | None = None  # the last wait, when it gave no edge
        self._failure: FrontendError | None = None  # departed
        self._ended = False

    @property
    def damage(self) -> str:
        """At the end, what ended the file before its end; "" for a whole one."""
        return self._reader.damage

    # --- parts ----------------------------------------------------------------------------

    def next_part(self) -> Part:
        """Go to where the next front end was built."""
        self._ended, self._vain = False, None
        while (event := self._peek()) is not None:
            self._ahead.popleft()
            if isinstance(event, Part):
                if self._shift_ns is None:
                    self._begin_ns = event.t_ns
                    self._shift_ns = self._clock.now_ns() - event.t_ns
                self._pass(event.t_ns)
                return event
        raise self._end()

    def settings(self) -> FrontendConfig | None:
        """What ``configure`` was given next; None when it was not called."""
        event = self._peek()
        if not isinstance(event, Settings):
            return None
        self._ahead.popleft()
        known = asdict(FrontendConfig())
        for name, value in event.fields.items():
            if name not in known or type(value) not in (int, type(known[name])):
                raise self._depart("asks for its settings", event)
        return FrontendConfig(**event.fields)

    # --- what the driver does -------------------------------------------------------------

    def transfer(self, mosi: bytes) -> bytes:
        event = self._sent(
            call_of(mosi),
            lambda event: isinstance(event, Transfer) and event.mosi == mosi,
            lambda: f"sends {spoken(mosi)}",
        )
        if not isinstance(event, Transfer):
            return bytes(len(mosi))
        self._pass(event.t_ns + event.took_ns)
        return event.miso

    def pin(self, pin: PinName, asserted: bool) -> None:
        self._sent(
            call_of_pin(pin, asserted),
            lambda event: isinstance(event, PinSet) and event[1:] == (pin, asserted),
            lambda: f"{_verb(asserted)} {pin}",
        )

    def restart(self) -> None:
        self._sent("restart", lambda event: isinstance(event, Restart), lambda: "numbers edges")

    def wait(self, timeout_ns: int) -> Edge | None:
        """What the wait gave. A wait in vain may be met more or less often than captured."""
        if self._failure is not None:
            raise self._failure
        event = None if self._ended else self._peek()
        if event is None or isinstance(event, Part):
            raise self._end()
        if isinstance(event, Fell):
            self._take(event)
            assert self._shift_ns is not None
            return Edge(event.sequence, event.edge_ns + self._shift_ns)
        if isinstance(event, Quiet) or _in_vain(event):
            self._take(event)
            self._vain = event if _in_vain(event) else None
        elif self._vain is None or not timeout_ns:
            if [getattr(e, "mosi", None) for e in (event, self._peek(1))] == list(_STOP):
                raise self._end()
            raise self._depart("waits for data-ready", event)
        if isinstance(self._vain, Refused):
            raise self._vain.raised()
        return None

    # --- the tape -------------------------------------------------------------------------

    def _sent(
        self, call: str, same: Callable[[Event], bool], doing: Callable[[], str]
    ) -> Event | None:
        """The captured event of something the driver does; None after the end, when all goes."""
        if self._failure is not None:
            raise self._failure
        if self._ended:
            return None
        event = self._peek()
        while event is not None and _in_vain(event):
            self._take(event)
            event = self._peek()
        if event is None or isinstance(event, Part):
            raise self._end()
        if isinstance(event, Refused) and event.call == call:
            self._take(event)
            raise event.raised()
        if not same(event):
            raise self._depart(doing(), event)
        self._take(event)
        return event

    def _peek(self, n: int = 0) -> Event | None:
        while len(self._ahead) <= n:
            event = next(self._events, None)
            if event is None:
                return None
            self._ahead.append(event)
        return self._ahead[n]

    def _take(self, event: Event) -> None:
        self._ahead.popleft()
        self._vain = None
        self._pass(event.t_ns)

    def _pass(self, t_ns: int) -> None:
        assert self._shift_ns is not None
        self._clock.sleep_until_ns(t_ns + self._shift_ns)

    def _end(self) -> FrontendError:
        self._ended = True
        damage = f" ({self.damage})" if self.damage else ""
        return FrontendError(Reason.END_OF_SIGNAL, f"the capture ends here{damage}")

    def _depart(self, doing: str, event: Event) -> FrontendError:
        after_s = (event.t_ns - self._begin_ns) / 1e9
        self._failure = FrontendError(
            Reason.BAD_CONFIG,
            f"replay: {after_s:.6f} s from the begin this driver {doing}, "
            f"the captured one {_told(event)}",
            act="use the firmware that made the capture, or make a new one",
        )
        return self._failure


class TapeSpi:
    """The SPI bus of a capture."""

    def __init__(self, tape: Tape, part: Part) -> None:
        self.mode = part.mode
        self.speed_hz = part.speed_hz
        self.transfer = tape.transfer

    def close(self) -> None:
        """Nothing to release."""


class TapeDataReady:
    """The data-ready line of a capture."""

    def __init__(self, tape: Tape) -> None:
        self.wait = tape.wait
        self.reset = tape.restart

    def close(self) -> None:
        """Nothing to release."""


class TapePins:
    """The control pins of a capture: compared."""

    def __init__(self, tape: Tape) -> None:
        self._pin = tape.pin

    def power_down(self, asserted: bool) -> None:
        self._pin(PinName.POWER_DOWN, asserted)

    def reset(self, asserted: bool) -> None:
        self._pin(PinName.RESET, asserted)

    def start(self, asserted: bool) -> None:
        self._pin(PinName.START, asserted)

    def close(self) -> None:
        """Nothing to release."""


class ReplayedAds1298(Ads1298):
    """The driver with the settings of the capture, whatever is asked for."""

    tape: Tape

    def configure(self, config: FrontendConfig) -> FrontendInfo:
        info = super().configure(self.tape.settings() or config)
        return replace(info, detail=f"{info.detail}, replayed from {self.tape.path.name}")


@lru_cache(maxsize=1)
def _tape(path: Path, clock: Clock) -> Tape:
    return Tape(path, clock)


def replay_frontend(path: Path, clock: Clock) -> ReplayedAds1298:
    """The next part of the capture ``path``, as a front end.

    Asked again with the same clock, it goes on where the file does: a run that builds its front
    end anew after a captured fault meets what the captured run met.
    Raises FrontendError BAD_CONFIG (no such capture), END_OF_SIGNAL (no part left).
    """
    tape = _tape(path, clock)  # type: ignore[arg-type]  # a clock is hashable, as itself
    part = tape.next_part()
    spi, line = TapeSpi(tape, part), TapeDataReady(tape)
    reader = EdgePacedReader(spi, line)
    driver = ReplayedAds1298(spi, reader, TapePins(tape), line, clock, bus=part.bus)
    driver.tape = tape
    return driver


def spoken(mosi: bytes) -> str:
    """The bytes of one chip-select in words: "WREG CH1SET 10", "27 bytes of reading"."""
    if not any(mosi):
        return f"{len(mosi)} bytes of reading"
    address = mosi[0] & reg.OPCODE_ADDRESS_MASK
    kind = mosi[0] & ~reg.OPCODE_ADDRESS_MASK
    if (
        kind in (reg.Opcode.RREG, reg.Opcode.WREG)
        and len(mosi) > 1
        and address < len(reg.REGISTERS)
    ):
        words = f"{reg.Opcode(kind).name} {reg.REGISTERS[address].name}"
        return f"{words} {mosi[2:].hex(' ')}" if kind == reg.Opcode.WREG else words
    if len(mosi) == 1 and mosi[0] in set(reg.Opcode):
        return reg.Opcode(mosi[0]).name
    return mosi.hex(" ")


def _in_vain(event: Event) -> TypeGuard[Quiet | Refused]:
    """A wait that ran out of time, or failed."""
    return (isinstance(event, Quiet) and event.waited) or (
        isinstance(event, Refused) and event.call == "wait"
    )


def _verb(asserted: bool) -> str:
    return "asserts" if asserted else "releases"


def _told(event: Event) -> str:
    if isinstance(event, Transfer):
        return f"sent {spoken(event.mosi)}"
    if isinstance(event, PinSet):
        return f"{'asserted' if event.asserted else 'released'} {event.pin}"
    if isinstance(event, Fell | Quiet):
        return "waited for data-ready"
    if isinstance(event, Restart):
        return "numbered edges anew"
    if isinstance(event, Settings):
        return "was configured"
    return f"was refused ({event.call})" if isinstance(event, Refused) else "was built anew"
