"""A scenario on a monitor's serial line: verdicts as in virtual time, losses not hidden."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device.acquire import Acquisition
from device.config import Config, inject_path
from device.inject_pipe import FrameReceiver
from device.link.port import FdPort
from device.monitor import Monitor
from device.ring import RingWriter
from device.supervisor import Supervisor
from hal.clock import VirtualClock
from hal.frontend import FrontendInfo
from hal.injected import Frames, InjectedFrontend
from tests.device.waiting import wait_for
from tests.tools.lockstep import Lockstep, Loop
from tools.hil import virtual
from tools.hil.outcome import Message, Outcome
from tools.hil.scenario import Scenario, load
from tools.hil.target import run_target

SENTENCES = """
expect:
  - {that: "within 1 s of 12 s: electrodes_off == [V3]", shows: P-07}
  - {that: "within 11 s: call == SR", shows: P-03}
  - {that: "always from 8 s: rate 70 ± 3", shows: P-05}
  - {that: "samples lost 5..5", shows: Q-01}
  - {that: "no samples lost", shows: Q-01}
"""
TIMELINE = """
timeline:
  - {at: 3, fault: {torn_frame: 3}}
  - {at: 4, fault: {missed_edge: 2}}
  - {at: 12, electrode: {V3: "off"}}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    def make(rest: str = TIMELINE + SENTENCES, seconds: float = 13, preset: str = "") -> Scenario:
        path = tmp_path / "s.yaml"
        head = f"name: s\nabout: a test\nseconds: {seconds}\n"
        patient = f"patient: {{preset: {preset or 'sinus-70'}, seed: 1}}\n"
        path.write_text(head + patient + rest, encoding="utf-8")
        return load(path)

    return make


def of(outcome: Outcome, kind: str) -> list[Message]:
    return [message for message in outcome.messages if message["type"] == kind]


def said(message: Message) -> dict[str, Any]:
    """What does not depend on the line."""
    return {k: v for k, v in message.items() if k not in ("seq", "crc", "t_s")}


# -- two processes, real time


@pytest.mark.native("a monitor that answers within seconds")
def test_a_monitor_in_its_own_processes_says_what_it_says_in_virtual_time(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    config = Config().override(
        {
            "frontend.backend": "injected",
            "serial.port": "pty",
            "display.device": "none",
            "ring.path": str(tmp_path / "t.ring"),
            "model.store": str(tmp_path / "store"),
        }
    )
    supervisor = Supervisor(config, lambda line: None)
    running = threading.Thread(target=supervisor.run)
    running.start()
    try:
        port = wait_for("the serial line", lambda: supervisor.serial_name)
        target = run_target(scenario(), port, 921_600)
    finally:
        supervisor.stop()
        running.join()
    assert not target.error
    bench = virtual.run(scenario())
    assert [said(m) for m in of(target, "result")] == [said(m) for m in of(bench, "result")]
    assert [v.ok for v in target.verdicts] == [v.ok for v in bench.verdicts]
    assert [v.ok for v in target.verdicts] == [True, True, True, True, False]
    assert target.account["lost"] == bench.account["lost"] == 5
    assert target.account["lost_on_line"] == target.account["lost_to_acquire"] == 0
    assert target.account["lines_damaged"] == target.account["lines_missing"] == 0
    # ten seconds of filtered leads: not one count was another
    assert np.array_equal(target.moments[-1].uv, bench.moments[-1].uv)
    assert target.moments[-1].first_s == bench.moments[-1].first_s
    assert not list(tmp_path.glob("*.inject"))


# -- the same parts in one process, over a line that the test makes


class Cable:
    """A line of ``baud`` between two ends; ``spoil`` may change what the host sends, by lines."""

    BUFFER = 4096  # bytes that an end takes before the line has carried them

    def __init__(self, baud: int, spoil: Callable[[bytes], bytes] = bytes) -> None:
        self._near, self._far = socket.socketpair()
        self.device_fd = self._far.fileno()
        self._port = FdPort(self._near.fileno(), self._near.close)
        self._bytes_per_s = baud / 10
        self._spoil = spoil
        self._up, self._part, self._down, self._due = b"", b"", b"", b""

    def carry(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        n = round(seconds * self._bytes_per_s)
        *lines, self._part = (self._part + self._up[:n]).split(b"\n")
        self._up = self._up[n:]
        for line in lines:
            self._due += self._spoil(line) + b"\n"
        self._due = self._due[self._port.write(self._due) :] if self._due else b""
        self._down += self._port.read(n)

    # the host's end

    def read(self, max_bytes: int) -> bytes:
        data, self._down = self._down[:max_bytes], self._down[max_bytes:]
        return data

    def write(self, data: bytes) -> int:
        taken = data[: self.BUFFER - len(self._up)]
        self._up += taken
        return len(taken)

    def close(self) -> None:
        """The device's end stays as it is."""


class Waiting:
    """A ``FrameSource`` over acquire's socket in virtual time."""

    def __init__(self, receiver: FrameReceiver, clock: Loop) -> None:
        self._receiver, self._clock = receiver, clock

    def receive(self, timeout_ns: int) -> Frames | None:
        deadline_ns = self._clock.now_ns() + timeout_ns
        while (frames := self._receiver.receive(0)) is None:
            now_ns = self._clock.now_ns()
            if now_ns >= deadline_ns:
                return None
            self._clock.sleep_until_ns(min(deadline_ns, now_ns + 5_000_000))
        return frames


class World:
    """Bench, line, monitor and acquire, all real but the time and the wire; one monitor for all.

    info : of a front end that the monitor has instead
    changes : of its settings
    """

    def __init__(
        self,
        folder: Path,
        cable: Cable,
        info: FrontendInfo | None = None,
        changes: dict[str, object] | None = None,
    ) -> None:
        self.clock = (lockstep := Lockstep()).main()
        self._lockstep, self._cable, self._info = lockstep, cable, info
        self._config = Config().override(
            {
                "frontend.backend": "simulated" if info else "injected",
                "serial.port": f"fd:{cable.device_fd}",
                "display.device": "none",
                "model.path": "none",
                "ring.path": str(folder / "w.ring"),
                **(changes or {}),
            }
        )
        self._over = False
        self.kill_monitor_ns = 1 << 62

    def __enter__(self) -> World:
        self._ring = RingWriter(Path(self._config.ring.path), self.clock.now_ns())
        self._receiver = FrameReceiver(inject_path(self._config))
        if self._info:
            self._ring.describe(self._info)
        for loop in (self._acquire, self._monitor, self._line):
            self._lockstep.beside(loop)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._lockstep.join(self.clock)
        self._ring.close()
        self._receiver.close()

    def run(self, scenario: Scenario, baud: int = 115_200, key: bytes = b"") -> Outcome:
        return run_target(
            scenario, "cable", baud, key=key, clock=self.clock, opener=lambda *_: self._cable
        )

    def _acquire(self, clock: Loop) -> None:
        if self._info:
            return
        Acquisition(
            lambda: InjectedFrontend(Waiting(self._receiver, clock)),
            self._config.frontend.settings(),
            self._ring,
            clock,
            lambda line: None,
            injected=self._receiver,
        ).run(lambda: self._over)

    def _monitor(self, clock: Loop) -> None:
        while not self._over:
            monitor = Monitor(self._config, clock, lambda state: None)
            monitor.run(lambda: self._over or clock.now_ns() > self.kill_monitor_ns)
            self.kill_monitor_ns = 1 << 62

    def _line(self, clock: Loop) -> None:
        while not self._over:
            self._cable.carry(0.005)
            clock.sleep_until_ns(clock.now_ns() + 5_000_000)


RATE = """
expect:
  - {that: "always from 8 s: rate 70 ± 3", shows: P-05}
  - {that: "no samples lost", shows: Q-01}
  - {that: "never fault contains frontend", shows: Q-01}
"""


def test_a_quiet_patient_passes_over_115200_baud_run_after_run(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    with World(tmp_path, Cable(115_200)) as world:
        outcomes = [world.run(scenario(RATE, 10)) for _ in range(2)]
    for outcome in outcomes:
        assert not outcome.error
        assert outcome.ok, outcome.verdicts
        assert (outcome.account["written"], outcome.account["lost"]) == (5000, 0)
        assert outcome.account["bytes_per_s"] < 11_520
        assert 0 < outcome.account["result_lag_p50_ms"] < 500  # of virtual time
        assert not of(outcome, "event") or all(m["event"] != "gap" for m in of(outcome, "event"))
    assert outcomes[0].account["index0"] == 0
    assert outcomes[1].account["index0"] > 5000


def test_what_the_line_swallows_is_counted_alike_on_both_sides(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    spoilt: list[int] = []
    blocks = 0

    def spoil(line: bytes) -> bytes:
        nonlocal blocks
        found = re.search(rb'"action":"frames".*"n":(\d+)', line)
        if not found:
            return line
        blocks += 1
        if blocks % 25 not in (1, 2, 12) and blocks != 100:
            return line
        spoilt.append(int(found[1]))
        middle = len(line) // 2
        return b"" if blocks % 25 == 12 else line[:middle] + b"?" + line[middle + 1 :]

    with World(tmp_path, Cable(230_400, spoil)) as world:
        outcome = world.run(scenario(RATE, 10), 230_400)
    lost = sum(spoilt)
    assert not outcome.error
    assert lost == 13 * 50  # the first blocks and the last among them
    account = outcome.account
    assert (account["lost"], account["lost_on_line"], account["lost_to_acquire"]) == (lost, lost, 0)
    assert account["written"] == 5000 - lost
    inject = of(outcome, "health")[-1]["inject"]
    assert (inject["lost_line"], inject["frames"]) == (lost, 5000 - lost)
    gaps = [m["lost"] for m in of(outcome, "event") if m["event"] == "gap"]
    assert sum(gaps) == lost - 3 * 50  # no gap before the first sample nor behind the last
    assert account["index0"] == -100
    assert not outcome.verdicts[1].ok
    assert f"{lost} of 5000 samples lost" in outcome.verdicts[1].evidence
    assert any("CRC" in line for line in outcome.log)


def test_frames_that_are_none_are_a_fault_and_it_is_well_again_when_they_are(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    rest = """
timeline:
  - {at: 2, fault: {bit_slip: 1}}
  - {at: 5, fault: {bit_slip: "off"}}
  - {at: 8, fault: {drdy_stops: 1.5}}
expect:
  - {that: "within 1 s of 2 s: fault == [frontend]", shows: Q-01}
  - {that: "within 3 s of 5 s: fault == []", shows: Q-01}
  - {that: "always from 2.6 s to 4.9 s: fault == [frontend]", shows: Q-01}
  - {that: "within 1.5 s of 8 s: fault == [frontend]", shows: Q-01}
  - {that: "within 1 s of 9.5 s: fault == []", shows: Q-01}
  - {that: "samples lost 2200..3000", shows: Q-01}
"""
    with World(tmp_path, Cable(230_400)) as world:
        outcome = world.run(scenario(rest, 11), 230_400)
    assert not outcome.error
    assert [v.evidence for v in outcome.verdicts if not v.ok] == []
    told = " ".join(outcome.log)
    assert "8 frames in a row do not begin with 1100" in told
    assert "no frames on the serial line for 0.5 s" in told
    assert outcome.account["lost_on_line"] == 0


def test_a_line_too_slow_for_the_frames_ends_the_run_with_what_they_need(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    with World(tmp_path, Cable(57_600)) as world:
        outcome = world.run(scenario(RATE, 10), 57_600)
    assert re.match(
        r"the line does not keep up: 57600 baud, and these frames need \d{5}; "
        r"set both ends to 230400 or more \(at \d\.\d s\)",
        outcome.error,
    )
    assert not outcome.ok
    assert not outcome.verdicts


def test_a_monitor_started_again_ends_the_run(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    with World(tmp_path, Cable(115_200)) as world:
        world.kill_monitor_ns = world.clock.now_ns() + 5_000_000_000
        outcome = world.run(scenario(RATE, 10))
    assert re.match(r"the monitor was started again \(at \d\.\d s\)", outcome.error)


def test_settings_and_commands_of_the_scenario_are_sent(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    rest = """
settings: {filters: {mains_hz: 60}, electrodes: {naming: IEC}}
timeline:
  - {at: 1, command: {command: set, setting: mains_hz, value: 0}}
  - {at: 2, command: {command: info}}
expect:
  - {that: "samples lost 0..0", shows: Q-01}
"""
    with World(tmp_path, Cable(115_200)) as world:
        outcome = world.run(scenario(rest, 3))
    assert not outcome.error
    first, second = (hello["settings"] for hello in of(outcome, "hello"))
    assert (first["mains_hz"], first["naming"]) == (60, "IEC")
    assert (second["mains_hz"], second["naming"]) == (0, "IEC")


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("timeline: [{at: 3, serial: unplugged}]", "at 3 s, serial unplugged: not on a target"),
        ("timeline: [{at: 3, display: unplugged}]", "nobody is there to do it"),
        ("timeline: [{at: 3, fault: {wrong_id: ADS1294}}]", "registers are not on the line"),
        ("timeline: [{at: 3, fault: {clock_ppm: 100}}]", "the line has its own timing"),
        ("timeline: [{at: 3, install: {bundle: embedded}}]", "use lead12 model install"),
        ("settings: {model: {path: none}}", "settings: model.path cannot be set over the line"),
        ("settings: {frontend: {gain: 4}}", "takes frames of gain 6 at 500 Hz"),
    ],
)
def test_what_cannot_be_done_from_outside_is_refused_in_a_sentence(
    scenario: Callable[..., Scenario], tmp_path: Path, rest: str, said: str
) -> None:
    with World(tmp_path, Cable(115_200)) as world:
        outcome = world.run(scenario(rest + RATE, 10))
    assert said in (outcome.skipped or outcome.error)
    assert "\n" not in (outcome.skipped or outcome.error)
    assert not outcome.verdicts


def test_a_monitor_with_another_front_end_or_none_is_refused_in_a_sentence(
    scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    with World(tmp_path, Cable(115_200), FrontendInfo("ads1298", "a chip", 47.7, 6)) as world:
        outcome = world.run(scenario(RATE, 10))
    assert "reads ads1298; start it with --frontend injected" in outcome.error
    outcome = run_target(
        scenario(RATE, 10), "cable", 9600, clock=VirtualClock(), opener=lambda *_: Cable(9600)
    )
    assert "no monitor answers at cable, 9600 baud" in outcome.error


def test_a_port_that_is_not_there_is_one_sentence(scenario: Callable[..., Scenario]) -> None:
    outcome = run_target(scenario(RATE, 10), "/dev/ttyNOWHERE", 115_200)
    assert "/dev/ttyNOWHERE cannot be opened: it is not there" in outcome.error
