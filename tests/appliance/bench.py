"""The booted appliance with all that looks at it, and what must hold after every fault.

The settings differ from an installed device's, and nothing else does: a simulated patient instead
of the chip, a folder of pictures instead of the panel, a pseudo-terminal instead of the UART, and
records although the patient is made up, never deleted to make room, so that each can be sought.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from device.segment import RingError
from tests.appliance.container import CheckError, Container, wait_for
from tests.appliance.line import NAME, Line
from tests.appliance.witness import Witness
from tools.stalls import Stalls

if TYPE_CHECKING:
    from tests.appliance.start import Start

ACQUIRE, MONITOR = "lead12-acquire.service", "lead12-monitor.service"
DEGRADED, HOUSEKEEPING = "lead12-degraded.service", "lead12-housekeeping.service"
CONFIG, STATE, RUN = "/etc/lead12/lead12.toml", "/var/lib/lead12", "/run/lead12"
SCREEN = f"{RUN}/screen"
SETTINGS = f"""\
[frontend]
backend = "simulated"

[patient]
preset = "sinus-70"

[display]
device = "png:{SCREEN}"

[serial]
port = "{NAME}"
access = "keyed"

[records]
folder = "{STATE}/records"
min_free_mb = 0
"""
# PID 1 of a container without CAP_SYS_RESOURCE cannot raise RLIMIT_RTPRIO, so that acquire may not
# take its priority: PID 1 gives it before it drops what it may.
# There systemd gives the priority, before Python loads: that takes longer than a loop may.
REALTIME = "[Service]\nCPUSchedulingPolicy=fifo\nCPUSchedulingPriority=50\nLimitRTTIME=infinity\n"
CAUGHT_UP = 125  # samples that may wait for the monitor while it is at work
STALLED = 4  # samples: at least so many are lost when acquire was away


@dataclass
class Outcome:
    """What came of one kind of fault.

    recovery_s : of each time it was planted; lost : samples; rings : that were begun anew
    screen : in words, or "" for the trace
    """

    fault: str
    what: str
    recovery_s: list[float] = field(default_factory=list)
    lost: int = 0
    rings: int = 0
    screen: str = ""
    failures: list[str] = field(default_factory=list)


class Bench:
    """One machine, its line and its witness.

    pictures : folder for what the screen showed; random : chooses when and whom
    """

    def __init__(self, container: Container, data: Path, pictures: Path, random: Random) -> None:
        self.container, self.data, self.random = container, data, random
        self.witness = Witness()
        self.outcomes: list[Outcome] = []
        self.stalls = Stalls()
        self.stalled: dict[float, int] = {}  # samples lost while this machine stood still, by when
        self.unplanned: dict[float, int] = {}  # and those for which there is no such reason
        self.starts: list[Start] = []
        self._pictures = pictures
        self._line: Line | None = None
        self._planted: list[tuple[float, float]] = []  # acquire was away, seconds (monotonic)

    # -- power

    def boot(self, *options: str) -> float:
        """Switch on and connect the line; the moment it was switched on."""
        if self._line is not None:
            self._line.close()
        self.container.boot(*options)
        self._line = Line(self.container)
        self.witness.watch(self.container)
        return self.container.switched_on_s

    @property
    def line(self) -> Line:
        assert self._line is not None
        return self._line

    def close(self) -> None:
        """Switch off for good."""
        self.stalls.close()
        self.witness.close()
        if self._line is not None:
            self._line.close()
        self.container.close()

    # -- what must be true

    def monitoring(self, since_s: float, timeout_s: float = 30) -> float:
        """Seconds from ``since_s`` until a result of samples taken after it was on the line."""

        def restored() -> bool:
            first = self.witness.first_index_after(since_s)
            results = self.line.since(since_s, "result")
            return (
                first is not None
                and any(result["index"] >= first for result in results)
                and self.caught_up()
                and self._active()
            )

        wait_for("monitoring", restored, timeout_s, self.state)
        return time.monotonic() - since_s

    def _active(self) -> bool:
        return all(self.container.show(u)["ActiveState"] == "active" for u in (ACQUIRE, MONITOR))

    def caught_up(self) -> bool:
        """Whether the monitor is at the newest sample."""
        try:
            written, processed, overrun = self.witness.monitor_account()
        except (RingError, OSError, ValueError):
            return False  # there is no ring just now
        return written - overrun - processed <= CAUGHT_UP

    def state(self) -> str:
        """Of the services, in a line."""
        with contextlib.suppress(CheckError, KeyError):
            shown = {unit: self.container.show(unit) for unit in (ACQUIRE, MONITOR, DEGRADED)}
            return ", ".join(f"{u.split('.')[0]} {s['SubState']}" for u, s in shown.items())
        return "the container does not answer"

    def away(self, from_s: float, to_s: float | None = None) -> None:
        """Samples may be missing from ``from_s`` on, until now: it was planted."""
        self._planted.append((from_s, to_s if to_s is not None else time.monotonic()))

    def account(self) -> int:
        """Everything adds up; samples lost so far. Raises CheckError.

        In each ring there was: index and clock agree, and each loss was planted.
        """
        lost = 0
        rings = self.witness.rings
        overrun = self.witness.monitor_account()[2] if rings else 0
        if overrun and not rings[-1].damaged:
            raise CheckError(f"{overrun} samples were overwritten before the monitor read them")
        for number, ring in enumerate(rings, 1):
            if ring.damaged:
                continue  # on purpose, index and times with it
            lives = 1 + sum(1 for gap in ring.gaps() if gap.lost >= STALLED)
            if abs(drift := ring.drift()) > 1 + lives:
                raise CheckError(f"ring {number}: {drift} samples more than its clock says")
            for gap in ring.gaps():
                lost += gap.lost
                if not self._was_planted(gap.from_s, gap.to_s):
                    still = self.stalls.at(gap.from_s, gap.to_s)
                    (self.stalled if still else self.unplanned)[gap.from_s] = gap.lost
        return lost

    def _was_planted(self, from_s: float, to_s: float) -> bool:
        return any(a <= to_s and from_s <= b for a, b in self._planted)

    # -- what is seen

    def newest_picture(self, since_s: float) -> Path | None:
        """What the screen showed last, if that was after ``since_s`` (monotonic)."""
        since = time.time() - (time.monotonic() - since_s)
        there = list(self.container.path(SCREEN).glob("*.png"))
        newest = max(there, key=lambda file: file.stat().st_mtime, default=None)
        return newest if newest is not None and newest.stat().st_mtime >= since else None

    def keep_picture(self, name: str, since_s: float) -> None:
        """Save it for people."""
        if (picture := self.newest_picture(since_s)) is not None:
            self._pictures.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, self._pictures / f"{name}.png")

    def fault_told(self, part: str, since_s: float, timeout_s: float = 20) -> str:
        """The sentence of a fault of ``part`` that came after ``since_s``."""
        found: list[str] = []

        def told() -> bool:
            for event in self.line.since(since_s, "event"):
                if event["event"] == "fault" and event["part"] == part and event["text"]:
                    found.append(event["text"])
            for hello in self.line.since(since_s, "hello"):
                found.extend(text for name, text in hello["faults"].items() if name == part)
            return bool(found)

        wait_for(f"a fault of {part} on the line", told, timeout_s)
        return found[-1]

    def fault_over(self, part: str, since_s: float, timeout_s: float = 30) -> None:
        """Wait until the line says that the fault has ended."""

        def over() -> bool:
            return any(
                event["event"] == "fault" and event["part"] == part and not event["text"]
                for event in self.line.since(since_s, "event")
            )

        wait_for(f"the end of the fault of {part}", over, timeout_s)

    # -- what is done

    def restart_counts_anew(self) -> None:
        """``systemctl reset-failed``: what was planted before does not use up the restarts."""
        if self.container.answers:
            self.container.code("systemctl", "reset-failed", ACQUIRE, MONITOR)  # if they are there

    def hit(self, unit: str, number: signal.Signals = signal.SIGKILL) -> float:
        """A signal to a service; the moment it had it."""
        self.container.kill(unit, number)
        return time.monotonic()

    @contextlib.contextmanager
    def step(self, fault: str, what: str) -> Iterator[Outcome]:
        """One kind of fault: what it comes to is kept, also when it fails."""
        outcome, before = Outcome(fault, what), self._lost_so_far()
        rings = len(self.witness.rings)
        self.outcomes.append(outcome)
        print(f"  {fault}", end="", flush=True)
        began_s = time.monotonic()
        try:
            yield outcome
            outcome.lost = self.account() - before
            outcome.rings = len(self.witness.rings) - rings
            self._no_traceback()
        except CheckError as error:
            outcome.failures.append(str(error))
        except Exception as error:
            outcome.failures.append(f"{type(error).__name__}: {error}")
            if not self.container.running:
                raise
        verdict = f"FAILED: {'; '.join(outcome.failures)}" if outcome.failures else "ok"
        print(f": {verdict} ({time.monotonic() - began_s:.0f} s)", flush=True)
        self.restart_counts_anew()
        if outcome.failures:
            self._keep_journal(fault)
            self.recover()

    def _no_traceback(self) -> None:
        """Bad input gets a line, never a traceback: none in the journal of this boot."""
        journal = self.container.run("journalctl", "--boot", "--quiet", "--output=cat")
        if "Traceback (most recent call last)" in journal:
            at = journal.index("Traceback (most recent call last)")
            raise CheckError(f"a traceback in the journal: {journal[at : at + 2000]}")

    def _lost_so_far(self) -> int:
        with contextlib.suppress(CheckError):
            return self.account()
        return 0

    def _keep_journal(self, fault: str) -> None:
        self._pictures.mkdir(parents=True, exist_ok=True)
        if self.container.answers:
            name = re.sub(r"[^a-z0-9]+", "-", fault.lower()).strip("-")
            (self._pictures / f"{name}.log").write_text(self.container.journal("--lines=400"))

    def recover(self) -> None:
        """Back to monitoring for the steps that follow, by whatever it takes."""
        began_s = time.monotonic()
        with contextlib.suppress(CheckError):
            if not self.container.answers:
                self.container.close()
                self.boot()
            self.write_settings()
            self.restart_counts_anew()
            self.container.run("systemctl", "restart", ACQUIRE, MONITOR)
            self.monitoring(began_s)
        self.away(began_s)

    def write_settings(self, text: str = SETTINGS) -> None:
        """The settings file, as an installer leaves it."""
        path = self.container.path(CONFIG)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o640)
        self.container.run("chown", "root:lead12", CONFIG)
