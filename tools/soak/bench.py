"""One instrument on the bench for any number of virtual hours: faults planted, all counted.

``Bench.run`` gives one ``Hour`` after the other. What must hold is looked at all the time; what
does not is a problem, with its second.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from device.bundles import Model
from device.flash.store import Store, StoreError
from hal.errors import HalError
from tools.hil.installer import BenchFlasher
from tools.hil.scenario import InstallAction
from tools.soak import growth, instrument, talk
from tools.soak.account import Account, records_problems
from tools.soak.children import ORIGIN_NS, START, Child, HungError
from tools.soak.disk import Disk, state_in
from tools.soak.line import HostLine
from tools.soak.plan import HOUR_S, Act, Course, Where
from tools.soak.sense import Sense

STEP_NS = 1_000_000_000
LOOK_S = 300.0  # between two readings of memory and descriptors
MOST_PROBLEMS = 25  # of an hour


@dataclass
class Hour:
    """What came of one hour, or of the part of it that was run. code : revision that it is of"""

    number: int
    code: str = ""
    seconds: float = 0.0
    samples: int = 0
    lost: int = 0
    estimated: int = 0
    overrun: int = 0
    gaps: int = 0
    lines: int = 0
    checked: int = 0
    results: int = 0
    sane: int = 0
    unheld: int = 0
    dropped: int = 0
    took_s: float = 0.0
    ages: dict[int, int] = field(default_factory=dict)
    acts: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    readings: list[growth.Reading] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class Bench:
    """Folder, processes, line and disk of one run, from the beginning of hour ``first`` on."""

    def __init__(self, course: Course, folder: Path, first: int = 0) -> None:
        self._course, self._folder = course, folder
        self._config = instrument.configuration(folder)
        self._disk = Disk(folder / instrument.STATE)
        self._line = HostLine(folder / instrument.LINE)
        self._logs = {name: folder / f"{name}.log" for name in ("acquire", "monitor")}
        self._read_logs = dict.fromkeys(self._logs, 0)
        self._now_ns = ORIGIN_NS + round(first * HOUR_S * 1e9)
        self._ahead_ns = 0
        self._hangs = False
        self._children: dict[str, Child | None] = {"acquire": None, "monitor": None}
        self._lives = Counter[str]()
        self._stopped: set[str] = set()
        self._lived_ns: dict[str, int] = {}  # what a killed process had, and may have written of
        self._chance = random.Random(course.seed)
        self._account = Account(Path(self._config.ring.path))
        self._sense = Sense()
        self._begun: list[Act] = []
        self._over: list[Act] = []  # and not yet asked whether they were told
        self._done: set[Act] = set()
        self._hour, self._first = Hour(first), first
        self._installs = 0

    # -- time

    @property
    def now_s(self) -> float:
        """Virtual seconds."""
        return (self._now_ns - ORIGIN_NS) * 1e-9

    def run(self, hours: float) -> Iterator[Hour]:
        """``hours`` from here on; the last one may be a part."""
        with state_in(self._folder / instrument.STATE):
            yield from self._run(hours)

    def _run(self, hours: float) -> Iterator[Hour]:
        end_s = self.now_s + hours * HOUR_S
        self._done = {act for act in self._acts() if act.at_s < self.now_s}  # of the hour before
        self._line.plug()
        self._start("acquire")
        self._start("monitor")
        try:
            while self.now_s < end_s:
                yield self._run_hour(min(end_s, (self._hour.number + 1) * HOUR_S))
            self._finish()
        finally:
            for child in self._children.values():
                if child is not None:
                    child.kill()
            self._line.unplug()
            self._disk.close()

    def _run_hour(self, end_s: float) -> Hour:
        began, hour = time.monotonic(), self._hour
        begin_s, look_s = self.now_s, self.now_s
        before = self._account.totals()
        lines, checked = self._line.lines, self._line.checked
        while self.now_s < end_s:
            self._step()
            if self.now_s >= look_s:
                look_s += LOOK_S
                self._look()
        for problem in records_problems(
            self._folder / instrument.STATE / "records", self._account, self._acts()
        ):
            self._problem(problem)
        self._look()
        hour.seconds = round(self.now_s - begin_s, 3)
        totals = self._account.totals()
        hour.samples, hour.lost, hour.estimated, hour.overrun, hour.gaps = (
            now - then for now, then in zip(totals, before, strict=True)
        )
        hour.lines, hour.checked = self._line.lines - lines, self._line.checked - checked
        hour.results, hour.sane, hour.unheld, hour.dropped, hour.ages = self._sense.take()
        hour.took_s = round(time.monotonic() - began, 3)
        self._hour = Hour(hour.number + 1)
        return hour

    def _acts(self) -> list[Act]:
        """All that may still be felt, and what was a moment ago."""
        hour = int(self.now_s // HOUR_S)
        before = self._course.acts(hour - 1) if hour else ()
        return [*before, *self._course.acts(hour)]

    def _step(self) -> None:
        self._plant()
        from_ns, self._now_ns = self._now_ns, self._now_ns + STEP_NS
        for name in self._children:
            self._let(name, from_ns)
            if name == "acquire":
                for problem in self._account.read(self._acts(), self.now_s):
                    self._problem(problem)
        for message in self._line.poll():
            for problem in self._sense.hear(message, self.now_s, self._acts(), self._account):
                self._problem(problem)
        for flaw in self._line.wrong:
            self._problem(flaw)
        self._line.wrong.clear()
        for problem in self._sense.silence(self.now_s, self._acts()):
            self._problem(problem)

    def _let(self, name: str, from_ns: int) -> None:
        child = self._children[name]
        if child is None or name in self._stopped:
            return
        child.grant(from_ns, self._now_ns, self._ahead_ns, self._hangs)
        try:
            code = child.wait()
        except HungError as error:
            self._problem(f"{name}: {error}")
            code = -signal.SIGKILL
        if code is not None:
            self._problem(f"{name} ended by itself (exit code {code}): {self._said(name)}")
            self._start(name)

    # -- processes

    def _start(self, name: str) -> None:
        self._lives[name] += 1
        strangers = list(self._line.fds)
        strangers += [child.fileno() for child in self._children.values() if child and child.alive]
        config, course = self._config, self._course
        if name == "acquire":
            body = partial(instrument.acquire, config=config, course=course)
            child = Child(body, self._logs[name], strangers)
        else:
            child = Child(
                lambda link: instrument.monitor(link, config), self._logs[name], strangers
            )
            self._line.interrupted()
            self._sense.restarted()
        self._children[name] = child

    def _kill(self, name: str) -> None:
        """In the midst of its work."""
        child = self._children[name]
        if child is None:
            return
        child.grant(self._now_ns, self._now_ns + STEP_NS, self._ahead_ns, self._hangs)
        time.sleep(self._chance.uniform(0, 0.003))
        child.kill()
        self._children[name] = None
        self._lived_ns[name] = self._now_ns + STEP_NS
        if name == "monitor":
            self._line.interrupted()

    def _look(self) -> None:
        for name, child in self._children.items():
            if child is not None and name not in self._stopped:
                life = f"{name} {self._first} {self._lives[name]}"  # over hours
                with suppress(OSError):
                    reading = growth.look(name, life, self.now_s / HOUR_S, child.pid)
                    self._hour.readings.append(reading)
            if (said := self._said(name)) and "Traceback" in said:
                self._problem(f"{name} wrote a traceback: {said[-500:]}")

    def _said(self, name: str) -> str:
        """What it wrote since the last look."""
        with suppress(OSError), self._logs[name].open("rb") as log:
            log.seek(self._read_logs[name])
            data = log.read()
            self._read_logs[name] += len(data)
            return data.decode(errors="replace")
        return ""

    def _finish(self) -> None:
        """Acquire ends first; the monitor processes what is there. Then the account is closed."""
        for name in ("acquire", "monitor"):
            self._stopped.discard(name)
            child = self._children[name]
            if child is not None and (code := child.stop(self._now_ns)):
                self._problem(f"{name} ended with {code}: {self._said(name)}")
            self._children[name] = None
        for problem in self._account.close():
            self._problem(problem)

    def _problem(self, text: str) -> None:
        if len(self._hour.problems) < MOST_PROBLEMS:
            self._hour.problems.append(f"{self.now_s:.1f} s: {text}")

    # -- faults

    def _plant(self) -> None:
        """Begin and end what is due."""
        for act in self._acts():
            if act not in self._done and act not in self._begun and act.at_s <= self.now_s:
                if self._begin(act):
                    self._hour.acts[act.name] = self._hour.acts.get(act.name, 0) + 1
                    self._begun.append(act)
                else:
                    self._hour.skipped[act.name] = self._hour.skipped.get(act.name, 0) + 1
                    self._done.add(act)
        for act in list(self._begun):
            lived_ns = self._lived_ns.get(act.kind.where, 0)  # nobody is born before a death
            if act.end_s <= self.now_s and lived_ns <= self._now_ns:
                self._end(act)
                self._begun.remove(act)
                self._done.add(act)
                self._over.append(act)
            elif act.kind.where is Where.HOST:
                talk.go_on(self._line, act.name, self._chance)
        for act in [act for act in self._over if act.over_s <= self.now_s]:
            self._over.remove(act)
            if problem := self._sense.untold(act, self._acts()):
                self._problem(problem)
        self._done = {act for act in self._done if act.at_s > self.now_s - 2 * HOUR_S}

    def _begin(self, act: Act) -> bool:
        """False when that is not possible here."""
        match act.name:
            case "monitor_killed" | "acquire_killed":
                self._kill(act.kind.where)
            case "monitor_stopped" | "monitor_laps" | "acquire_stopped":
                self._stopped.add(act.kind.where)
            case "serial_gone":
                self._line.unplug()
            case "serial_blocked":
                self._line.blocked = True
            case "disk_full" if self._disk.real:
                self._disk.fill()
            case "disk_read_only" if self._disk.real:
                return self._read_only()
            case "disk_full" | "disk_read_only":
                return False
            case "disk_hangs":
                self._hangs = True
            case "clock_jumps":
                self._ahead_ns = act.value * 1_000_000_000
            case "setting" | "another_patient" | "model_rolled_back":
                talk.begin(self._line, act.name, act.value)
            case "model_installed":
                return self._install()
        return True

    def _end(self, act: Act) -> None:
        match act.name:
            case "monitor_killed" | "acquire_killed":
                self._start(act.kind.where)
            case "monitor_stopped" | "monitor_laps" | "acquire_stopped":
                self._stopped.discard(act.kind.where)
            case "serial_gone":
                self._line.plug()
            case "serial_blocked":
                self._line.blocked = False
            case "disk_full":
                if self._disk.empty():
                    self._sense.mended(act, act.end_s)
            case "disk_read_only":
                if wrong := self._disk.read_only(False):
                    raise RuntimeError(f"the bench's disk stays read-only: {wrong}")
            case "disk_hangs":
                self._hangs = False

    def _read_only(self) -> bool:
        """Linux refuses while a file is open for writing; the keeper's segment is, mostly."""
        return not self._disk.read_only(True)

    # -- models

    def _install(self) -> bool:
        self._installs += 1
        folder = self._folder / instrument.STATE / "models"
        store = Store(folder, self._config.model.confirm_windows)
        release = f"9.{self._hour.number}.{self._installs}"
        action = InstallAction(self.now_s, "embedded", release, None, "production", "")
        try:
            flasher = BenchFlasher(self._config, store, lambda: Model(None, "none"), self._utc)
            flasher.install(action)
        except (OSError, StoreError, HalError):  # the disk is full just now
            return False
        return True

    def _utc(self) -> datetime:
        return START + timedelta(seconds=self.now_s)
