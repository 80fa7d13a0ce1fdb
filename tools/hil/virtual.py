"""A scenario in virtual time: the live acquisition, instrument, link and screen, a simulated chip.

Only ring, processes and the wall clock are left out. Second 0 is when the first sample is due;
whatever a machine does, what leaves the monitor is the same to the byte. The line is served and the
screen drawn five times a second, in runs longer than ten minutes once. Health lines are not sent:
processor, memory and latency are the machine's, not the scenario's.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from device.acquire import Acquisition
from device.bundles import Model, load_model
from device.config import Config
from device.display.outputs import DisplayError
from device.flash.store import Store
from device.installed import Installed
from device.instrument import Instrument
from device.link import messages
from device.link.protocol import encode, pack
from device.ring import WriterState
from firmware.events import LEADS
from hal.ads1298 import faults
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, Frontend, FrontendConfig, FrontendInfo
from hal.patient.changes import later
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools.hil.course import build_patient
from tools.hil.installer import START, BenchFlasher
from tools.hil.judge import Judge
from tools.hil.outcome import Message, Moment, Outcome
from tools.hil.scenario import (
    Action,
    CommandAction,
    FaultAction,
    InstallAction,
    PlugAction,
    Scenario,
)
from tools.hil.wires import SIZE, Digest, Line, Screen

PORT = "bench"  # the line's name in messages
ORIGIN_NS = 10_000_000_000  # the clock at second 0
TICK_NS, LONG_TICK_NS = 200_000_000, 1_000_000_000  # between two looks at line and screen
FRAMES = SAMPLE_RATE_HZ  # asked of the front end at once
HISTORY = 12 * SAMPLE_RATE_HZ  # as the live monitor takes from the ring
AFTER_NS = 7_000_000_000  # an action is looked at so long after it
MOMENTS = 16  # pictures of one run, at most
KEEP_ALL_S = 600.0  # of longer runs most results are not kept, and ticks are long


def run(scenario: Scenario) -> Outcome:
    """Run it. Whatever goes wrong with the bench itself is raised."""
    began = time.monotonic()
    with ExitStack() as stack:
        bench = _Bench(scenario, stack)
        clock = VirtualClock(ORIGIN_NS - _start_up_ns())
        acquisition = Acquisition(
            lambda: _front_end(scenario, clock),
            scenario.config.frontend.settings(),
            bench,
            clock,
            lambda line: bench.note("acquire", line, clock.now_ns()),
            max_frames=FRAMES,
        )
        acquisition.run(lambda: bench.done)
        bench.finish()
    return bench.outcome(time.monotonic() - began)


# -- the patient and the chip


def _front_end(scenario: Scenario, clock: VirtualClock) -> Frontend:
    """A fresh one, as after a restart: the patient and the faults have gone on meanwhile."""
    gone_ns = clock.now_ns() + _start_up_ns() - ORIGIN_NS
    start_up_s = _start_up_ns() * 1e-9
    injected = [  # at 0 s means from power-on: the chip's identity is read before its samples
        (action.at_s or -start_up_s, {action.name: action.value})
        for action in scenario.timeline
        if isinstance(action, FaultAction)
    ]
    return simulated_frontend(
        later(build_patient(scenario), gone_ns / 1e9),
        clock,
        bulk=not injected,
        faults=faults.timeline(injected, ORIGIN_NS),
    )


@cache
def _start_up_ns() -> int:
    """From power-on to the first sample of a healthy chip."""
    clock = VirtualClock()
    frontend = simulated_frontend(preset("asystole"), clock, bulk=True)
    frontend.open()
    frontend.configure(FrontendConfig())
    frontend.start()
    return int(frontend.read(1, 1.0).t_ns[0])


# -- the monitor


class _Bench:
    """What Acquisition takes for its ring: samples go on into the instrument at once.

    Between samples, in the order of time, the line is served, the screen drawn, and what the
    timeline has for line, screen and host is done.
    """

    def __init__(self, scenario: Scenario, stack: ExitStack) -> None:
        self.next_index = 0
        self.last_t_ns: int | None = None
        self._scenario = scenario
        self._now_ns = ORIGIN_NS - _start_up_ns()
        self._end_ns = ORIGIN_NS + round(scenario.seconds * 1e9)
        self._every_ns = TICK_NS if scenario.seconds <= KEEP_ALL_S else LONG_TICK_NS
        self._tick_ns = ORIGIN_NS - self._every_ns * (_start_up_ns() // self._every_ns)
        self._actions: deque[Action] = deque(
            action
            for action in scenario.timeline
            if isinstance(action, PlugAction | CommandAction | InstallAction)
        )
        self._written = self._lost = self._estimated = 0
        self._state = WriterState.STARTING
        self._past: deque[FrameBlock] = deque()  # the last 12 s
        self._log: list[str] = []
        self._judge = Judge(scenario.expect)
        self._messages: list[Message] = []
        self._kept: Message = {}
        self._moments: list[Moment] = []
        self._to_see = deque(_times_to_see(scenario))
        self._digest = Digest()
        self._line = Line(self._digest, self._hear)
        self._screen = Screen(self._digest)
        self._commands = 0
        config = scenario.config.override({"serial.port": PORT}, "bench")
        self._flasher, self._installed = self._store(config, stack)
        self._instrument = Instrument(
            config,
            model=self._installed.start() if self._installed else _model(config.model.path),
            instead=lambda why: self._installed.give_way(why) if self._installed else None,
            port=self._line,
            opener=lambda name, baud: self._line,
            flasher=self._flasher,
            history=lambda: list(self._past),
            journal=lambda part, text: self.note("monitor", f"{part}: {text or 'is well again'}"),
        )

    def _store(
        self, config: Config, stack: ExitStack
    ) -> tuple[BenchFlasher | None, Installed | None]:
        """A store of its own, where the scenario has to do with models."""
        if not any(_about_models(action) for action in self._scenario.timeline):
            return None, None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lead12-hil-")))
        store = Store(folder, config.model.confirm_windows)
        flasher = BenchFlasher(config, store, lambda: self._instrument.model, self._utc)
        return flasher, Installed(store, self._utc, lambda line: self.note("monitor", line))

    def _utc(self) -> datetime:
        return START + timedelta(microseconds=max(0, self._now_ns - ORIGIN_NS) // 1000)

    @property
    def done(self) -> bool:
        """Whether the scenario's end has come."""
        return self._tick_ns > self._end_ns

    @property
    def _t_s(self) -> float:
        return _seconds(self._now_ns)

    def note(self, who: str, line: str, now_ns: int | None = None) -> None:
        """One line of the log."""
        at_s = self._t_s if now_ns is None else _seconds(now_ns)
        self._log.append(f"{at_s:.3f} s {who}: {line}")

    # -- the ring, as acquire sees it

    def write(self, block: FrameBlock, *, estimated: bool = False) -> None:
        """The next samples, those after the scenario's end left out."""
        self.next_index = block.first_index + len(block)
        self.last_t_ns = int(block.t_ns[-1])
        lost, first = block.lost_before, 0
        while first < len(block) and not self.done:
            end = int(np.searchsorted(block.t_ns, self._due_ns))
            if end > first:
                self._take(_part(block, first, end, lost))
                self._estimated += lost * estimated
                lost, first = 0, end
            if first < len(block):
                self._next()

    def describe(self, info: FrontendInfo) -> None:
        """A front end was found."""
        if info != self._instrument.info:
            self._instrument.connect(info)

    def say(self, state: WriterState, now_ns: int, fault: str = "") -> None:
        """What acquire does now."""
        self.heartbeat(now_ns)
        self._state = state
        self._instrument.front_end(fault, samples=self._written > 0)

    def heartbeat(self, now_ns: int) -> None:
        """Time has passed to ``now_ns``, without a sample."""
        while not self.done and self._due_ns <= now_ns:
            self._next()

    def _take(self, part: FrameBlock) -> None:
        self._written += len(part)
        self._lost += part.lost_before
        instrument = self._instrument
        judged = instrument.judged
        instrument.process(part)
        if self._installed is not None:
            self._installed.judged(instrument.judged - judged, 0.0)
        self._past.append(part)
        oldest = part.first_index + len(part) - HISTORY
        while self._past[0].first_index + len(self._past[0]) <= oldest:
            self._past.popleft()

    # -- time

    @property
    def _due_ns(self) -> int:
        """When something is to be done next."""
        return min(self._tick_ns, _ns(self._actions[0])) if self._actions else self._tick_ns

    def _next(self) -> None:
        """Do what is due next."""
        self._now_ns = self._due_ns
        if self._actions and _ns(self._actions[0]) == self._now_ns:
            self._do(self._actions.popleft())
        else:
            self._tick_ns += self._every_ns
            self._tick()

    def _tick(self) -> None:
        instrument = self._instrument
        if self._state is WriterState.STARTING:
            instrument.front_end("", samples=False)
        if self._installed is not None and (model := self._installed.check()) is not None:
            instrument.adopt(model)
        if self._flasher is not None:
            for said in self._flasher.poll():
                instrument.link.send("event", messages.flash_event(instrument.index, said))
        instrument.fault("display", self._screen.failure)
        instrument.fault("serial", instrument.link.failure)
        instrument.link.poll(self._now_ns)
        with contextlib.suppress(DisplayError):  # ``failure`` says it
            self._screen.show(instrument.frame(SIZE, grey=True))
        for sentence in self._judge.failed_since():
            self._look(sentence)
        while self._to_see and self._to_see[0][0] <= self._now_ns:
            self._look(self._to_see.popleft()[1])

    def _do(self, action: Action) -> None:
        match action:
            case PlugAction(part="serial"):
                self._line.plug(action.state)
            case PlugAction():
                self._screen.plugged = action.state == "plugged"
            case CommandAction():
                self._line.type(encode(self._commands, "command", pack(action.body)))
                self._commands += 1
            case InstallAction():
                assert self._flasher is not None
                self._flasher.install(action)

    def finish(self) -> None:
        """Let the time pass that is left, after the last sample or without any."""
        self.heartbeat(self._end_ns + self._every_ns)
        self._look("the end")
        if self._installed is not None:
            self._installed.stop()
        self._instrument.link.close()
        self._screen.close()

    # -- what came of it

    def _hear(self, message: Message) -> None:
        message["t_s"] = self._t_s
        self._judge.hear(message)
        if self._keeps(message):
            self._messages.append(message)

    def _keeps(self, message: Message) -> bool:
        """Not a day's results, one like the other: then one a minute, and those that differ."""
        if self._scenario.seconds <= KEEP_ALL_S or message["type"] != "result":
            return True
        before, said = self._kept, ("call", "refusal", "quality", "electrodes_off")
        same = before and all(before[key] == message[key] for key in said)
        if same and message["t_s"] < before["t_s"] + 60.0:
            return False
        self._kept = message
        return True

    def _look(self, why: str) -> None:
        if len(self._moments) >= MOMENTS and why != "the end":
            return
        first, uv = self._instrument.snapshot()
        picture = io.BytesIO()
        self._instrument.frame(SIZE, grey=True).image.save(picture, "PNG")
        self._moments.append(
            Moment(self._t_s, why, first / SAMPLE_RATE_HZ, uv, LEADS, picture.getvalue())
        )

    def outcome(self, took_s: float) -> Outcome:
        """Of the whole run."""
        scenario, link = self._scenario, self._instrument.link
        account = {
            "written": self._written,
            "lost": self._lost,
            "lost_estimated": self._estimated,
            "messages": link.counters.sent,
            "dropped": link.dropped,
            "damaged": self._line.damaged,
        }
        return Outcome(
            name=scenario.name,
            about=scenario.about,
            file=str(scenario.path),
            seconds=scenario.seconds,
            target="virtual",
            messages=self._messages,
            account=account,
            digest=self._digest.hex(),
            verdicts=self._judge.close(scenario.seconds, account),
            moments=tuple(self._moments),
            log=tuple(self._log),
            took_s=took_s,
        )


def _ns(action: Action) -> int:
    return ORIGIN_NS + round(action.at_s * 1e9)


def _seconds(now_ns: int) -> float:
    return round((now_ns - ORIGIN_NS) * 1e-9, 3)


def _times_to_see(scenario: Scenario) -> list[tuple[int, str]]:
    """Of each time at which the timeline does something, when to look and what it did."""
    done: dict[int, list[str]] = {}
    for action in scenario.timeline:
        done.setdefault(_ns(action), []).append(str(action))
    return [
        (at_ns + AFTER_NS, f"{(at_ns - ORIGIN_NS) * 1e-9:g} s: {', '.join(what)}")
        for at_ns, what in sorted(done.items())
    ]


def _about_models(action: Action) -> bool:
    return isinstance(action, InstallAction) or (
        isinstance(action, CommandAction) and action.body.get("command") == "model"
    )


@cache
def _model(path: str) -> Model:
    return load_model(path)


def _part(block: FrameBlock, first: int, end: int, lost: int) -> FrameBlock:
    return FrameBlock(
        first_index=block.first_index + first,
        t_ns=block.t_ns[first:end],
        counts=block.counts[first:end],
        status=block.status[first:end],
        electrodes_off=block.electrodes_off[first:end],
        lost_before=lost,
    )
