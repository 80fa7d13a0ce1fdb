"""The screen in the place of a monitor that does not stay up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from device import degraded, last_good, last_words
from device.config import Config
from device.degraded import LASTS_S, SAY_NS, reason, screen_state
from device.display.canvas import Canvas
from device.display.oled import CONTROLLERS
from device.display.outputs import DisplayError, NoDisplay
from device.display.screens import Frame, render
from device.display.state import FAILED
from device.link.port import Port
from device.panel import Panel
from hal.clock import VirtualClock
from tests.device.host import Wire
from tests.device.test_front_panel import BUZZER, RED, YELLOW, Levels, gpiod, levels
from tests.device.waiting import wait_for

__all__ = ["gpiod", "levels"]  # fixtures
WHY = "ValueError: a defect (firmware/pipeline.py:96)"
S = 1_000_000_000


class Spy(NoDisplay):
    """Keeps what it is shown. ``fails``: what it raises instead."""

    fails: Exception | None = None
    opened: list[str]
    frames: list[Frame]

    def _show(self, frame: Frame) -> None:
        if self.fails:
            raise self.fails
        self.frames.append(frame)


class Awaited(Panel):
    """In virtual time frames come faster than any thread draws them."""

    def show(self, frame: Frame) -> None:
        super().show(frame)
        wait_for("the frame", lambda: self.ready or not self._thread.is_alive())


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> type[Spy]:
    Spy.opened, Spy.frames, Spy.fails = [], [], None

    def opened(spec: str) -> Spy:
        Spy.opened.append(spec)
        return Spy((128, 64), grey=False)

    monkeypatch.setattr(degraded, "open_display", opened)
    monkeypatch.setattr(degraded, "Panel", Awaited)
    return Spy


class Opened:
    """A port that is open when it is first asked for, ``refusals`` times not."""

    def __init__(self, port: Port, refusals: int = 0) -> None:
        self._port, self.left = port, refusals

    def __call__(self, name: str, baud: int) -> Opened:
        return self

    def poll(self) -> Port:
        if self.left:
            self.left -= 1
            raise OSError("not plugged in")
        return self._port


REASONS = [
    ({}, "it does not stay up"),
    ({"MONITOR_SERVICE_RESULT": "oom-kill"}, "no memory was left for it"),
    ({"MONITOR_SERVICE_RESULT": "watchdog"}, "it hung, or was killed"),
    (  # of the last of five
        {
            "MONITOR_SERVICE_RESULT": "start-limit-hit",
            "MONITOR_EXIT_CODE": "killed",
            "MONITOR_EXIT_STATUS": "KILL",
        },
        "it hung, or was killed",
    ),
    ({"MONITOR_SERVICE_RESULT": "timeout"}, "it did not start in time"),
    (
        {
            "MONITOR_SERVICE_RESULT": "core-dump",
            "MONITOR_EXIT_CODE": "dumped",
            "MONITOR_EXIT_STATUS": "SEGV",
        },
        "it was ended by SIGSEGV",
    ),
    (
        {
            "MONITOR_SERVICE_RESULT": "exit-code",
            "MONITOR_EXIT_CODE": "exited",
            "MONITOR_EXIT_STATUS": "1",
        },
        "it ended with code 1",
    ),
]


@pytest.mark.parametrize(("told", "said"), REASONS)
def test_reason_is_systemds_unless_the_monitor_left_one(
    told: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert reason(told) == said
    last_words.keep(WHY)
    assert reason(told) == WHY


@pytest.mark.parametrize("code", ["en", "de"])
@pytest.mark.parametrize("size", [(256, 64), (128, 64), (128, 96), (128, 128)])
def test_title_is_whole_and_blinks_on_every_panel(
    code: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    inner = Canvas.text

    def spy(self, x, y, text, *more, **others):  # type: ignore[no-untyped-def]
        written.append(text)
        return inner(self, x, y, text, *more, **others)

    monkeypatch.setattr(Canvas, "text", spy)
    state = screen_state(WHY, 43, code=code)
    first = render(state, size, grey=size[0] == 256)
    shown = " ".join(written)
    assert shown.startswith(state.tr(FAILED))
    assert state.tr("tries again in {seconds} s").format(seconds=43) in shown
    assert "ValueError" in shown
    state.index += 250  # half a second
    assert render(state, size, grey=size[0] == 256).image.tobytes() != first.image.tobytes()


def test_a_minute_on_screen_line_lights_and_buzzer(
    spy: type[Spy], gpiod: object, levels: Levels, clock: VirtualClock
) -> None:
    wire, said = Wire(), []
    config = Config().override(
        {"serial.port": "/dev/x", "display.device": "ssd1306", "indicators.red": RED,
         "indicators.yellow": YELLOW, "indicators.buzzer": BUZZER}
    )  # fmt: skip
    lit: set[tuple[bool, bool]] = set()

    def look() -> bool:
        lit.add((levels.get(RED, False), levels.get(BUZZER, False)))
        return False

    degraded.run(config, WHY, clock, look, said.append, Opened(wire.port, refusals=2))
    assert clock.now_ns() == pytest.approx(LASTS_S * S, abs=S // 10)
    assert spy.opened == ["ssd1306"]
    assert spy.frames
    assert all(FAILED in frame.status and WHY in frame.status for frame in spy.frames)
    assert "tries again in 0 s" in spy.frames[-1].status
    assert lit == {(False, False), (True, False), (False, True), (True, True)}
    assert not any(levels.values())  # all off at the end
    assert (said[0], set(said[1:])) == ("READY=1", {"WATCHDOG=1"})
    assert len(said) > LASTS_S
    wire.host.read()
    faults = wire.host.of("event", event="fault", part="monitor", text=WHY)
    refused_s = 2 * SAY_NS / S
    assert len(faults) == len(wire.host.of("hello")) == (LASTS_S - refused_s) * S // SAY_NS
    hello = wire.host.of("hello")[0]
    assert (hello["faults"], hello["alarms"]) == ({"monitor": WHY}, {"no_data": "on"})
    assert (hello["frontend"], hello["model"], hello["access"]) == (None, "", "read_only")


def test_host_that_hangs_up_or_stops_reading_changes_nothing(
    spy: type[Spy], clock: VirtualClock
) -> None:
    config = Config().override({"serial.port": "/dev/x"})
    gone = Wire()
    gone.hang_up()
    degraded.run(config, WHY, clock, lambda: False, opener=Opened(gone.port))
    full = Wire()
    while full.port.write(bytes(65_536)):
        pass
    degraded.run(config, WHY, clock, lambda: False, opener=Opened(full.port))
    assert clock.now_ns() == pytest.approx(2 * LASTS_S * S, abs=S // 5)


def test_without_settings_every_known_panel_is_tried_in_turn(
    spy: type[Spy], clock: VirtualClock
) -> None:
    degraded.run(None, WHY, clock, lambda: False)
    assert spy.opened == 2 * list(CONTROLLERS)
    assert len(spy.frames) >= 2 * len(CONTROLLERS)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [DisplayError("no answer"), RuntimeError("a defect")])
def test_panel_that_fails_leaves_the_line(
    spy: type[Spy], clock: VirtualClock, error: Exception
) -> None:
    spy.fails = error
    wire = Wire()
    config = Config().override({"serial.port": "/dev/x", "display.device": "ssd1306"})
    degraded.run(config, WHY, clock, lambda: False, opener=Opened(wire.port))
    wire.host.read()
    assert len(wire.host.of("event", event="fault")) == LASTS_S * S // SAY_NS


def test_display_of_no_name_is_told_and_the_line_goes_on(
    clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = Wire()
    config = Config().override({"serial.port": "/dev/x", "display.device": "oled"})
    degraded.run(config, WHY, clock, lambda: False, opener=Opened(wire.port))
    assert capsys.readouterr().err.startswith("degraded: display 'oled' is unknown")
    wire.host.read()
    assert wire.host.of("event", event="fault")


@pytest.mark.parametrize("settings", ["file", "copy", "none"])
def test_process_ends_at_once_when_the_monitor_comes_back(tmp_path: Path, settings: str) -> None:
    file, png = tmp_path / "lead12.toml", tmp_path / "png"
    text = f'[frontend]\nbackend = "ads1298"\n[display]\ndevice = "png:{png}"\n'
    if settings != "none":
        (file if settings == "file" else tmp_path / last_good.COPY).write_text(text)
    place = {"STATE_DIRECTORY": str(tmp_path), "RUNTIME_DIRECTORY": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "device.degraded", str(file)],
        env=os.environ | place, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.readline()
        if settings == "none":
            assert "lead12.toml: cannot be read" in said
        else:
            assert said == "degraded: the monitor failed: it does not stay up\n"
            wait_for("a picture", lambda: png.is_dir() and list(png.iterdir()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        if settings != "none":
            assert process.stderr.read() == ""
