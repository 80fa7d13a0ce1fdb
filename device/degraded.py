"""What is shown when the monitor does not stay up: that it failed, why, and when it is tried again.

``python -m device.degraded CONFIG`` is started in the monitor's place (OnFailure=), says so for a
minute on screen, serial line, lights and buzzer, and ends; then the monitor gets another chance.
The settings are found as the monitor finds them; without any, the known panels are tried in turn at
their usual wiring. Whatever broke the monitor may break one of these too: the others go on.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from device import last_good, last_words
from device.bundles import Model
from device.config import Config, ConfigError
from device.display.language import language
from device.display.oled import CONTROLLERS
from device.display.outputs import DisplayError, open_display
from device.display.screens import render
from device.display.state import FAILED, ScreenState
from device.faults import NO_DATA
from device.front_panel import FrontPanel
from device.instrument import firmware_version
from device.link import messages
from device.link.commands import SETTINGS
from device.link.port import Opener, Opening, Port
from device.link.protocol import encode, pack
from device.notify import notifier
from device.panel import Panel
from device.processes import asked_to_stop, logger
from firmware.alarms import Alarms, Audio
from firmware.findings import Priority
from hal.clock import Clock, RealClock
from hal.frontend import SAMPLE_RATE_HZ

LASTS_S = 60.0
TICK_NS = 20_000_000  # pulses of the buzzer are 150 ms
FRAME_NS = 250_000_000
TURN_S = 5.0  # of each panel, where it is not known which one there is
SAY_NS = 10_000_000_000  # the line, again, for a host that has come meanwhile
PART = "monitor"  # of the fault


def reason(environment: Mapping[str, str] = os.environ) -> str:
    """Why the monitor failed, as far as it or systemd said so (systemd.exec(5), MONITOR_…)."""
    if words := last_words.found():
        return words
    result = environment.get("MONITOR_SERVICE_RESULT", "")
    code = environment.get("MONITOR_EXIT_CODE", "")
    status = environment.get("MONITOR_EXIT_STATUS", "")
    if result == "oom-kill":
        return "no memory was left for it"
    if result == "watchdog" or (code == "killed" and status == "KILL"):
        return "it hung, or was killed"
    if result == "timeout":
        return "it did not start in time"
    if code in ("killed", "dumped"):
        return f"it was ended by SIG{status}"
    return f"it ended with code {status}" if code == "exited" else "it does not stay up"


def screen_state(why: str, left_s: int, *, code: str = "en", heard: bool = True) -> ScreenState:
    """What is drawn. ``left_s`` until the next try, ``heard``: whether the buzzer sounds."""
    tr = language(code)
    state = ScreenState(tr=tr, index=round((LASTS_S - left_s) * SAMPLE_RATE_HZ))
    alarms = Alarms()
    alarms.technical(*NO_DATA, 0)
    state.alarms, state.audio = alarms.active, Audio.SOUNDING if heard else Audio.QUIET
    again = tr("tries again in {seconds} s").format(seconds=left_s)
    state.message = (FAILED, f"{again}. {why}")
    return state


class Line:
    """Says to whoever listens on the serial line what has failed; hears nothing.

    Opened aside, and again every 10 s when it is lost.
    """

    def __init__(self, config: Config, why: str, opener: Callable[[str, int], Opening]) -> None:
        self._config, self._why, self._open = config, why, opener
        self._opening: Opening | None = None
        self._port: Port | None = None
        self._next_ns = 0
        self._left = b""  # of what is being sent
        self._seq = 0

    def poll(self, now_ns: int) -> None:
        """Open, or send what the line takes; returns at once."""
        if not self._config.serial.port:
            return
        try:
            if self._port is not None:
                self._port.read(4096)  # nobody obeys
                self._send(now_ns)
            elif self._opening is not None:
                self._port = self._opening.poll()
            elif now_ns >= self._next_ns:
                self._opening = self._open(self._config.serial.port, self._config.serial.baud)
        except OSError:
            self.close()
            self._next_ns = now_ns + SAY_NS

    def close(self) -> None:
        """Give the port back."""
        if self._port is not None:
            self._port.close()
        self._port = self._opening = None
        self._left = b""

    def _send(self, now_ns: int) -> None:
        assert self._port is not None
        if not self._left and now_ns >= self._next_ns:
            self._next_ns = now_ns + SAY_NS
            fault = messages.fault_event(0, PART, self._why)
            self._left = b"\n" + self._encoded("hello", self._hello())
            self._left += self._encoded("event", fault)
        if self._left:
            self._left = self._left[self._port.write(self._left) :]

    def _encoded(self, kind: str, body: Mapping[str, object]) -> bytes:
        self._seq += 1
        return encode(self._seq - 1, kind, pack(body))

    def _hello(self) -> dict[str, object]:
        alarms = Alarms()
        alarms.technical(*NO_DATA, 0)
        return messages.hello(
            firmware_version(),
            Model(None, "none"),
            None,
            settings={name: self._config.get(dotted) for name, dotted in SETTINGS.items()},
            faults={PART: self._why},
            alarms=alarms,
            access="read_only",
            index=0,
            utc=None,
        )


class Screen:
    """The panel of the settings; the known ones in turn while there are none."""

    def __init__(self, config: Config | None) -> None:
        self._specs = [config.display.device] if config else list(CONTROLLERS)
        self._language = config.display.language if config else "en"
        self._night = bool(config and config.display.night)
        self._heard = bool(config and config.indicators.buzzer >= 0)
        self._turn = -1
        self._panel: Panel | None = None

    def show(self, why: str, since_s: float) -> None:
        """The frame at ``since_s`` seconds; returns at once."""
        turn = int(since_s / TURN_S) % len(self._specs)
        if turn != self._turn:
            self._turn = turn
            self.close()
            self._panel = self._opened(self._specs[turn])
        if self._panel is None or not self._panel.ready:
            return
        left_s = max(0, round(LASTS_S - since_s))
        state = screen_state(why, left_s, code=self._language, heard=self._heard)
        state.index, state.night = round(since_s * SAMPLE_RATE_HZ), self._night
        self._panel.show(render(state, self._panel.size, grey=self._panel.grey))

    @staticmethod
    def _opened(spec: str) -> Panel | None:
        try:
            return Panel(open_display(spec))
        except DisplayError as error:
            logger("degraded")(str(error))
            return None

    def close(self) -> None:
        """Give the panel back, with the last frame on it."""
        if self._panel is not None:
            self._panel.close()
            self._panel = None


def run(
    config: Config | None,
    why: str,
    clock: Clock,
    stopping: Callable[[], bool],
    notify: Callable[[str], None] = lambda state: None,
    opener: Callable[[str, int], Opening] = Opener,
) -> None:
    """Say it everywhere for ``LASTS_S``, or until ``stopping``.

    config : None where there are no settings
    """
    screen, line = Screen(config), Line(config or Config(), why, opener)
    front_panel = FrontPanel(config or Config())
    notify("READY=1")
    began_ns = now_ns = next_frame_ns = clock.now_ns()
    try:
        while not stopping() and now_ns - began_ns < LASTS_S * 1e9:
            front_panel.show(now_ns, lit=Priority.HIGH, heard=Priority.HIGH)
            line.poll(now_ns)
            if now_ns >= next_frame_ns:
                next_frame_ns += FRAME_NS
                notify("WATCHDOG=1")
                screen.show(why, (now_ns - began_ns) * 1e-9)
            clock.sleep_until_ns(now_ns + TICK_NS)
            now_ns = clock.now_ns()
    finally:
        front_panel.close()
        line.close()
        screen.close()


def main(arguments: list[str]) -> int:
    """``CONFIG``. Returns 0."""
    stopping = asked_to_stop()
    why, config = reason(), None
    try:
        config = last_good.read(arguments, last_good.copy_path()).config
    except ConfigError as error:
        why = str(error)
    logger("degraded")(f"the monitor failed: {why}")
    run(config, why, RealClock(), stopping, notifier())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
