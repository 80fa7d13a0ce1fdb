"""A soak in real time: the processes as ``lead12 run`` starts them, and what befalls them."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from device.config import Config
from device.supervisor import Supervisor
from hal.patient.chunks import random_of
from tools.soak import growth, talk
from tools.soak.account import Account, records_problems
from tools.soak.bench import Hour
from tools.soak.disk import MIN_FREE_MB, Disk, state_in
from tools.soak.line import HostLine
from tools.soak.plan import Act, Kind, Where, draw
from tools.soak.sense import Sense
from tools.soak.talk import SETTINGS
from tools.soak.virtual import SHARED
from tools.stalls import Stalls

POLL_S, TALK_S, LOOK_S = 0.02, 1.0, 10.0
START_S, END_S = 60.0, 30.0  # at the beginning and at the end, nothing is planted
CALM_MEAN_S = 45.0
MOST_PROBLEMS = 200

# V3 falls off for ten seconds, fifteen after each start of acquire.
PRESET = "v3-off"


def _setting(rng: np.random.Generator) -> object:
    return SETTINGS[int(rng.integers(len(SETTINGS)))]


def _person(rng: np.random.Generator) -> object:
    return int(rng.integers(1, 9999))


KINDS: dict[str, Kind] = {
    "monitor_killed": Kind(Where.MONITOR, (0, 0), 30, 1.5),
    "monitor_stopped": Kind(Where.MONITOR, (1, 7), 30, 1.0),
    "monitor_hangs": Kind(Where.MONITOR, (14, 14), 30, 0.7),
    "acquire_killed": Kind(Where.ACQUIRE, (0, 0), 45, 1.0, loses=True),
    "acquire_stopped": Kind(Where.ACQUIRE, (0.2, 5), 30, 1.0, loses=True),
    "acquire_hangs": Kind(Where.ACQUIRE, (14, 14), 45, 0.5, loses=True),
    "serial_gone": Kind(Where.LINE, (1, 60), 45, 1.0),
    "serial_blocked": Kind(Where.LINE, (5, 60), 45, 1.0),
    "disk_full": Kind(Where.DISK, (5, 40), 60, 1.0),
    "disk_read_only": Kind(Where.DISK, (5, 40), 60, 1.0),
    "commands": Kind(Where.HOST, (5, 30), 20, 1.0),
    "nonsense": Kind(Where.HOST, (2, 20), 20, 1.0),
    "flood": Kind(Where.HOST, (2, 20), 30, 1.0),
    "setting": Kind(Where.HOST, (0, 0), 20, 1.0, _setting),
    "another_patient": Kind(Where.HOST, (0, 0), 20, 0.5, _person),
}


@dataclass
class Run:
    """What came of it.

    latency_ms : p50 and p99 of each ten seconds, as the monitor says them
    unplanned : samples lost while nothing was planted; own : of these, while the machine ran
    stalls : how often it stood still
    load : of the machine, over the last quarter of an hour
    """

    hour: Hour
    latency_ms: list[tuple[int, int]] = field(default_factory=list)
    unplanned: int = 0
    own: int = 0
    stalls: int = 0
    load: float = 0.0


def run(hours: float, seed: int, tell: Callable[[float], None] = lambda hours: None) -> Run:
    """For ``hours`` of a clock on the wall; ``tell`` hears of each minute, in hours."""
    seconds = hours * 3600
    shared = SHARED if SHARED.is_dir() else None
    with tempfile.TemporaryDirectory(
        prefix="lead12-soak-", dir=shared, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        disk = Disk(folder / "state")
        try:
            with state_in(folder / "state"), closing(Stalls()) as stalls:
                return _Watch(folder, disk, seed, seconds, stalls).run(tell)
        finally:
            disk.close()


class _Watch:
    """Supervisor in a thread; everything else here."""

    def __init__(self, folder: Path, disk: Disk, seed: int, seconds: float, stalls: Stalls) -> None:
        self._disk, self._seconds, self._stalls = disk, seconds, stalls
        self._records = folder / "state" / "records"
        ring = folder / "soak.ring"
        config = Config().override(
            {
                "ring.path": str(ring),
                "patient.preset": PRESET,
                "serial.port": str(folder / "line"),
                "display.device": "none",
                "records.folder": str(self._records),
                "records.snapshots": 20,
                "records.min_free_mb": MIN_FREE_MB,
            },
            "soak",
        )
        self._line = HostLine(folder / "line")
        self._sense = Sense(START_S)
        self._said: list[str] = []
        self._supervisor = Supervisor(config, self._said.append)
        self._origin_ns = time.monotonic_ns()
        self._account = Account(ring, self._origin_ns, late_machine=True)
        self._chance = random.Random(seed)
        self._acts = draw(random_of(seed, 2), KINDS, START_S, seconds - END_S, CALM_MEAN_S)
        self._waiting, self._begun, self._over = list(self._acts), list[Act](), list[Act]()
        self._stopped: dict[str, int] = {}  # process -> id, while it stands still
        self._died = set[int]()
        self._pids: dict[str, int] = {}
        self._run = Run(Hour(0))

    @property
    def now_s(self) -> float:
        """Since the beginning."""
        return (time.monotonic_ns() - self._origin_ns) * 1e-9

    def run(self, tell: Callable[[float], None]) -> Run:
        """Until the time is over."""
        self._line.plug()
        code: list[int] = []
        thread = threading.Thread(target=lambda: code.append(self._supervisor.run()))
        thread.start()
        talk_s = look_s = told_s = 0.0
        try:
            while (now_s := self.now_s) < self._seconds and thread.is_alive():
                time.sleep(POLL_S)
                self._plant(now_s)
                if now_s >= talk_s:
                    talk_s += TALK_S
                    for act in self._begun:
                        talk.go_on(self._line, act.name, self._chance)
                self._listen()
                if now_s >= look_s:
                    look_s += LOOK_S
                    self._look(now_s)
                if now_s >= told_s + 60:
                    tell((now_s - told_s) / 3600)
                    told_s = now_s
        finally:
            for act in self._begun:
                self._end(act)
            self._supervisor.stop()
            thread.join()
        if code != [0]:
            self._problem(f"the supervisor ended with {code}: {self._said[-5:]}")
        for problem in (*self._account.read(self._acts, self.now_s), *self._account.close()):
            self._problem(problem)
        for problem in records_problems(self._records, self._account, self._acts):
            self._problem(problem)
        self._line.unplug()
        return self._result()

    def _result(self) -> Run:
        hour = self._run.hour
        hour.seconds = self.now_s
        totals = self._account.totals()
        hour.samples, hour.lost, hour.estimated, hour.overrun, hour.gaps = totals
        hour.lines, hour.checked = self._line.lines, self._line.checked
        hour.results, hour.sane, hour.unheld, hour.dropped, hour.ages = self._sense.take()
        for from_s, to_s, lost in self._account.unplanned:
            self._run.unplanned += lost
            self._run.own += 0 if self._stalls.at(from_s, to_s) else lost
        self._run.stalls = len(self._stalls.seen)
        self._run.load = os.getloadavg()[2]
        return self._run

    def _listen(self) -> None:
        for problem in self._account.read(self._acts, self.now_s):
            self._problem(problem)
        for message in self._line.poll():
            for problem in self._sense.hear(message, self.now_s, self._acts, self._account):
                self._problem(problem)
            if message["type"] == "health":
                latency = message["latency_ms"]
                if latency["p50"] is not None:
                    self._run.latency_ms.append((latency["p50"], latency["p99"]))
        for problem in (*self._line.wrong, *self._sense.silence(self.now_s, self._acts)):
            self._problem(problem)
        self._line.wrong.clear()
        said, self._said[:] = list(self._said), []
        if any("Traceback" in line for line in said):
            self._problem(f"a traceback: {' | '.join(said)[-500:]}")

    def _look(self, now_s: float) -> None:
        """Of processes that run; one that has just been started is another life."""
        for name, pid in self._supervisor.pids.items():
            if self._pids.get(name, pid) != pid and self._pids[name] not in self._died:
                self._problem(f"{name} was started again, and nothing planted explains it")
            self._pids[name] = pid
            with suppress(OSError):
                reading = growth.look(name, f"{name} {pid}", now_s / 3600, pid)
                self._run.hour.readings.append(reading)

    def _problem(self, text: str) -> None:
        if len(self._run.hour.problems) < MOST_PROBLEMS:
            self._run.hour.problems.append(f"{self.now_s:.1f} s: {text}")

    # -- faults

    def _plant(self, now_s: float) -> None:
        while self._waiting and self._waiting[0].at_s <= now_s:
            act = self._waiting.pop(0)
            if self._begin(act):
                self._begun.append(act)
                _count(self._run.hour.acts, act.name)
            else:
                _count(self._run.hour.skipped, act.name)
        for act in [act for act in self._begun if act.end_s <= now_s]:
            self._end(act)
            self._begun.remove(act)
            self._over.append(act)
        for act in [act for act in self._over if act.over_s <= now_s]:
            self._over.remove(act)
            if problem := self._sense.untold(act, self._acts):
                self._problem(problem)

    def _begin(self, act: Act) -> bool:
        """False when that is not possible here."""
        who = str(act.kind.where)
        if act.name in ("monitor_killed", "monitor_hangs"):
            self._line.ends()
        match act.name:
            case "monitor_killed" | "acquire_killed":
                return self._signal(who, signal.SIGKILL)
            case "monitor_stopped" | "acquire_stopped" | "monitor_hangs" | "acquire_hangs":
                self._stopped[who] = self._supervisor.pids.get(who, 0)
                return self._signal(who, signal.SIGSTOP)
            case "serial_gone":
                self._line.unplug()
            case "serial_blocked":
                self._line.blocked = True
            case "disk_full" if self._disk.real:
                self._disk.fill()
            case "disk_read_only" if self._disk.real:
                return not self._disk.read_only(True)
            case "disk_full" | "disk_read_only":
                return False
            case _:
                talk.begin(self._line, act.name, act.value)
        return True

    def _signal(self, name: str, number: signal.Signals) -> bool:
        pid = self._supervisor.pids.get(name)
        if pid is None:
            return False
        self._died.add(pid)
        os.kill(pid, number)
        if name == "monitor":
            self._line.interrupted()
            self._sense.restarted()
        return True

    def _end(self, act: Act) -> None:
        match act.name:
            case "monitor_stopped" | "acquire_stopped":
                pid = self._stopped.pop(str(act.kind.where), 0)
                if pid in self._supervisor.pids.values():
                    os.kill(pid, signal.SIGCONT)
                if act.name == "monitor_stopped":
                    self._line.interrupted()
            case "monitor_hangs" | "acquire_hangs":
                name = str(act.kind.where)
                if self._supervisor.pids.get(name) == self._stopped.pop(name, 0):
                    self._problem(f"{name} hung for {act.seconds:.0f} s and was not restarted")
                if name == "monitor":
                    self._line.interrupted()
                    self._sense.restarted()
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


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1
