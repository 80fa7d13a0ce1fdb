"""A display behind a thread: slow, blocked or absent, it never holds up the monitor."""

from __future__ import annotations

import contextlib
import threading

from device.display.outputs import Display, DisplayError
from device.display.screens import Frame


class Panel:
    """Shows the newest frame; frames that come while one is being shown replace each other."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.size, self.grey = display.size, display.grey
        self._frame: Frame | None = None
        self._wake = threading.Condition()
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="display", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str:
        """What is wrong with the display, "" while it works."""
        return self._display.failure

    @property
    def ready(self) -> bool:
        """Whether drawing a frame now is of use."""
        return not self._busy

    def show(self, frame: Frame) -> None:
        """Hand over a frame; returns at once."""
        with self._wake:
            self._frame = frame
            self._busy = True
            self._wake.notify()

    def close(self, timeout_s: float = 1.0) -> None:
        """Show the last frame and release the display; gives up on one that is stuck."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._frame is not None or self._closing)
                frame, self._frame = self._frame, None
            if frame is None:
                self._display.close()
                return
            with contextlib.suppress(DisplayError):  # ``failure`` says it; it tries again by itself
                self._display.show(frame)
            self.size = self._display.size  # a terminal's window may have changed
            self._busy = False
