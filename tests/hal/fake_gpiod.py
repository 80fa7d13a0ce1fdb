"""A stand-in for the module ``gpiod`` (libgpiod 2): real settings and events, fake lines.

Signatures are those of the installed package (a test compares them). Edges come from a
simulated chip; the event queue drops its oldest events when full, as the kernel's does, while
its numbers go on.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Protocol

import gpiod
from gpiod.edge_event import EdgeEvent
from gpiod.exception import ChipClosedError, RequestReleasedError
from gpiod.line import Edge, Value
from gpiod.line_settings import LineSettings

QUEUE_EVENTS = 16  # per line, the kernel's default


class Lines(Protocol):
    """What the GPIO lines are wired to."""

    def wait_edge(self, timeout_ns: int) -> list[int]:
        """Times (ns) of the falling edges since the last call, waiting for one."""
        ...

    def drive(self, line: int, high: bool) -> None:
        """The Pi drives ``line``."""
        ...


class FakeGpiod(ModuleType):
    """Put into ``sys.modules["gpiod"]``; ``labels`` are those of /dev/gpiochipN, by name."""

    line = gpiod.line
    LineSettings = LineSettings
    EdgeEvent = EdgeEvent

    def __init__(self, lines: Lines, labels: dict[str, str] | None = None) -> None:
        super().__init__("gpiod")
        self.wired = lines
        self.labels = labels or {"gpiochip0": "pinctrl-bcm2711", "gpiochip1": "brcmvirt-gpio"}
        self.refuse: OSError | None = None
        self.held: dict[int, LineSettings] = {}
        self.consumers: set[str | None] = set()
        self.requests: list[FakeRequest] = []
        self.low: set[int] = set()  # pulled-up inputs that are connected to ground
        module = self

        class Chip:
            def __init__(self, path: str) -> None:
                if module.refuse is not None:
                    raise module.refuse
                if Path(path).name not in module.labels:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
                self.path = path
                self._open = True

            def __enter__(self) -> Chip:
                return self

            def __exit__(
                self,
                exc_type: type[BaseException] | None,
                exc_value: BaseException | None,
                traceback: TracebackType | None,
            ) -> None:
                self.close()

            def close(self) -> None:
                self._open = False

            def get_info(self) -> gpiod.ChipInfo:
                if not self._open:
                    raise ChipClosedError
                name = Path(self.path).name
                return gpiod.ChipInfo(name, module.labels[name], 58)

        self.Chip = Chip

    def request_lines(
        self,
        path: str,
        config: dict[Iterable[int | str] | int | str, LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
        output_values: dict[int | str, Value] | None = None,
    ) -> FakeRequest:
        with self.Chip(path):
            settings = {line: s or LineSettings() for line, s in config.items()}
            if self.held.keys() & settings.keys():
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            self.held |= settings
            self.consumers.add(consumer)
            request = FakeRequest(self, settings, event_buffer_size or QUEUE_EVENTS)
            self.requests.append(request)
            return request

    def contact(self, line: int, closed: bool, t_ns: int) -> None:
        """A switch from ``line`` to ground closes or opens."""
        self.low.add(line) if closed else self.low.discard(line)
        for request in self.requests:
            request.changed(line, closed, t_ns)


class FakeRequest:
    """gpiod.LineRequest over ``Lines``."""

    def __init__(
        self, module: FakeGpiod, settings: dict[int, LineSettings], queue_events: int
    ) -> None:
        self._module = module
        self._settings = settings
        self._queue: deque[EdgeEvent] = deque(maxlen=queue_events)
        self._seqno = 0
        self._released = False
        self.fail: OSError | None = None  # raised instead of whatever is asked
        for line, setting in settings.items():
            if setting.direction is gpiod.line.Direction.OUTPUT:
                self.set_value(line, setting.output_value)

    def changed(self, line: int, low: bool, t_ns: int) -> None:
        """An input that is listened to has another level."""
        setting = self._settings.get(line)
        if setting is None or self._released or setting.edge_detection is not Edge.BOTH:
            return
        kind = EdgeEvent.Type.FALLING_EDGE if low else EdgeEvent.Type.RISING_EDGE
        self._seqno += 1
        self._queue.append(EdgeEvent(kind.value, t_ns, line, self._seqno, self._seqno))

    def get_values(self, lines: Iterable[int | str] | None = None) -> list[Value]:
        self._check_released()
        asked = list(self._settings if lines is None else lines)
        assert all(self._settings[line].bias is gpiod.line.Bias.PULL_UP for line in asked)
        return [Value.INACTIVE if line in self._module.low else Value.ACTIVE for line in asked]

    def wait_edge_events(self, timeout: timedelta | float | None = None) -> bool:
        self._check_released()
        if all(s.edge_detection is Edge.BOTH for s in self._settings.values()):
            assert timeout == 0, "whoever waits for a finger holds up the monitor"
            return bool(self._queue)
        (line,) = self._settings
        if self._settings[line].edge_detection is not Edge.FALLING:
            raise AssertionError("this line detects no falling edges")
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if seconds is None:
            raise AssertionError("a wait without an end")
        for t_ns in self._module.wired.wait_edge(0 if self._queue else round(seconds * 1e9)):
            self._seqno += 1
            falling = EdgeEvent.Type.FALLING_EDGE.value
            self._queue.append(EdgeEvent(falling, t_ns, line, self._seqno, self._seqno))
        return bool(self._queue)

    def read_edge_events(self, max_events: int | None = None) -> list[EdgeEvent]:
        self._check_released()
        if not self._queue:
            raise AssertionError("the real call would block for ever")
        return [self._queue.popleft() for _ in range(min(len(self._queue), max_events or 64))]

    def set_value(self, line: int | str, value: Value) -> None:
        self._check_released()
        assert isinstance(line, int)
        setting = self._settings[line]
        if setting.direction is not gpiod.line.Direction.OUTPUT:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        self._module.wired.drive(line, (value is Value.ACTIVE) != setting.active_low)

    def release(self) -> None:
        if not self._released:
            self._released = True
            for line in self._settings:
                del self._module.held[line]

    def _check_released(self) -> None:
        if self.fail is not None:
            raise self.fail
        if self._released:
            raise RequestReleasedError
