"""A scenario against a monitor on its serial line, in real time.

The bench's simulated chip makes the frames, the line carries them to a monitor that was started
with ``--frontend injected``, and what that says comes back the same way. Second 0 is when the
first frame is due, by the bench's clock; messages count from there when the bench has them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from device.config import Config
from device.link.commands import SETTINGS
from device.link.inject import pack_frames
from device.link.port import Port
from device.link.session import Access
from firmware.events import LEADS
from hal.ads1298.frame import FRAME_BYTES
from hal.clock import Clock, RealClock
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ
from tools.hil.chip_frames import NOT_IN_FRAMES, ScenarioFrames
from tools.hil.judge import Judge
from tools.hil.monitor_line import BITS_PER_BYTE, MonitorLine, open_line
from tools.hil.outcome import Message, Moment, Outcome
from tools.hil.scenario import CommandAction, FaultAction, InstallAction, PlugAction, Scenario
from tools.line_options import VARIABLE
from tools.line_session import LineSession, WrongDeviceError

BLOCK = 50  # frames in a line: 100 ms
POLL_NS = 5_000_000
ANSWER_S = 5.0  # a monitor answers within milliseconds; the first hello waits for its line
ACQUIRE_S = 15.0  # until a monitor just started has its front end
ACCOUNT_S = 12.0  # a health line comes at least every 10 s
BACKLOG_S = 1.0  # of frames that the line has not taken: it never will


class NotOnTargetError(ValueError):
    """A scenario asks for what cannot be done to a monitor from outside; one line."""


class TargetError(RuntimeError):
    """The run cannot go on; the message is one line: what is wrong and what to do."""


def run_target(
    scenario: Scenario,
    port: str,
    baud: int,
    *,
    key: bytes = b"",
    clock: Clock | None = None,
    opener: Callable[[str, int], Port] = open_line,
) -> Outcome:
    """Run ``scenario`` on the monitor at ``port``.

    What cannot be done to a monitor from outside is ``skipped``; other faults are its ``error``.

    key : of the device, where its line is keyed
    clock, opener : the time and the line, for tests
    """
    clock = clock or RealClock()
    run = _Run(scenario, port, baud, clock, key)
    try:
        _check(scenario)
        line = MonitorLine(opener(port, baud))
        try:
            run.run(line)
        finally:
            line.close()
    except NotOnTargetError as error:
        return run.outcome(skipped=str(error))
    except TargetError as error:
        return run.outcome(str(error))
    except OSError as error:
        return run.outcome(f"{error.strerror or error}{run.when}")
    return run.outcome()


def _check(scenario: Scenario) -> None:
    """Refuse what cannot be done to a monitor from outside."""
    for action in scenario.timeline:
        why = ""
        match action:
            case PlugAction():
                why = "nobody is there to do it"
            case InstallAction():
                why = "it does not trust the bench's keys; use lead12 model install"
            case FaultAction(name=name) if name in NOT_IN_FRAMES:
                why = NOT_IN_FRAMES[name]
        if why:
            raise NotOnTargetError(
                f"at {action.at_s:g} s, {action}: not on a target: {why}; "
                "run this scenario in virtual time"
            )
    usual = asdict(Config())
    for section, values in asdict(scenario.config).items():
        for key, value in values.items():
            dotted = f"{section}.{key}"
            free = section in ("frontend", "patient") or dotted in SETTINGS.values()
            if value != usual[section][key] and not free:
                raise NotOnTargetError(
                    f"settings: {dotted} cannot be set over the line; "
                    "run this scenario in virtual time"
                )


class _Run:
    """One scenario on one line."""

    def __init__(self, scenario: Scenario, port: str, baud: int, clock: Clock, key: bytes) -> None:
        self._scenario, self._port, self._baud, self._clock = scenario, port, baud, clock
        self._key = key
        self._began_ns = clock.now_ns()
        self._t0_ns: int | None = None  # when frame 0 is due
        self._over = False  # the last frame was sent: from then on there is no front end
        self._judge = Judge(scenario.expect)
        self._messages: list[Message] = []
        self._account: dict[str, int | float] = {}
        self._moments: list[Moment] = []
        self._log: list[str] = []
        self._before = 0  # samples written before the first frame
        self._ring_next = 0  # sample index at that time

    # -- the course

    def run(self, line: MonitorLine) -> None:
        self._line = line
        hello = self._meet()
        self._begin_session(hello)
        self._frames = ScenarioFrames(self._scenario, self._scenario.config.frontend.settings())
        self._settle(hello)
        self._ask({"command": "inject", "action": "begin", **self._scale()})
        ring = self._health(running=True)["ring"]
        self._before, self._ring_next = ring["written"], ring["written"] + ring["lost"]
        self._t0_ns = self._clock.now_ns()
        self._hear(
            {**hello, "faults": {k: v for k, v in hello["faults"].items() if k != "frontend"}}
        )
        end = round(self._scenario.seconds * SAMPLE_RATE_HZ)
        sent = self._stream(end)
        self._over = True
        self._ask({"command": "inject", "action": "end", "index": end})
        self._close(self._health(running=False), end, sent)
        self._look("the end")

    def _meet(self) -> Message:
        """The monitor's hello, once it has its front end."""
        self._line.send({"command": "info"})
        where = f"at {self._port}, {self._baud} baud"
        hello = self._until(
            lambda m: m["type"] == "hello",
            ANSWER_S,
            f"no monitor answers {where}; start it with --frontend injected and this line rate",
        )
        if hello["frontend"] is None:
            hello = self._until(
                lambda m: m["type"] == "hello" and m["frontend"] is not None,
                ACQUIRE_S,
                f"the monitor {where} has no front end; see what its acquire process says",
            )
        found = hello["frontend"]
        if found["name"] != "injected":
            raise TargetError(
                f"the monitor {where} reads {found['name']}; start it with --frontend injected"
            )
        return hello

    def _begin_session(self, hello: Message) -> None:
        """Where the line is keyed, or a key was given."""
        if not self._key and hello["access"] == Access.OPEN:
            return
        if not self._key:
            raise TargetError(
                f"the monitor at {self._port} wants a key: --key FILE, or {VARIABLE}=FILE"
            )
        session = LineSession(self._key)
        try:
            self._ask(session.prove(self._ask(session.begin)))
        except WrongDeviceError as error:
            raise TargetError(str(error)) from None
        self._line.session = session

    def _scale(self) -> dict[str, int]:
        return {"gain": self._scenario.config.frontend.gain, "rate_hz": SAMPLE_RATE_HZ}

    def _settle(self, hello: Message) -> None:
        """The scenario's settings, where the monitor has others."""
        for name, dotted in SETTINGS.items():
            section, _, key = dotted.partition(".")
            value = getattr(getattr(self._scenario.config, section), key)
            if hello["settings"][name] != value:
                body = {"command": "set", "setting": name, "value": value, "keep": False}
                answer = self._ask(body)
                hello["settings"][name] = answer["value"]

    def _stream(self, end: int) -> int:
        """Send frames when they are due until ``end``; how many there were."""
        assert self._t0_ns is not None
        commands = [a for a in self._scenario.timeline if isinstance(a, CommandAction)]
        done = sent = 0
        while done < end:
            now_ns = self._clock.now_ns()
            upto = min(done + BLOCK, end)
            due_ns = self._t0_ns + (upto - 1) * SAMPLE_NS
            while commands and self._t0_ns + commands[0].at_s * 1e9 <= now_ns:
                body = commands.pop(0).body
                is_set = body.get("command") == "set"  # a bench leaves the device as it was
                self._line.send({"keep": False, **body} if is_set else body)
            if now_ns >= due_ns:
                for index, data in self._frames.upto(upto):
                    sent += self._send_frames(index, data)
                done = upto
            self._check_backlog(done)
            self._poll()
            if now_ns < due_ns:
                self._clock.sleep_until_ns(min(due_ns, now_ns + POLL_NS))
        return sent

    def _send_frames(self, index: int, data: bytes) -> int:
        n = len(data) // FRAME_BYTES
        body = {"command": "inject", "action": "frames", "index": index, "n": n}
        self._line.send({**body, "data": pack_frames(data)})
        return n

    def _check_backlog(self, frames: int) -> None:
        seconds = frames / SAMPLE_RATE_HZ
        made = self._line.sent + self._line.backlog
        if seconds > 1 and self._line.backlog > BACKLOG_S * made / seconds:
            need = round(made / seconds * BITS_PER_BYTE)
            raise TargetError(
                f"the line does not keep up: {self._baud} baud, and these frames need {need}; "
                f"set both ends to 230400 or more{self.when}"
            )

    # -- messages

    def _poll(self) -> list[Message]:
        """What has come, heard."""
        messages = list(self._line.poll())
        for message in messages:
            if self._t0_ns is not None:
                self._hear(message)
        return messages

    def _hear(self, message: Message) -> None:
        assert self._t0_ns is not None
        message = {**message, "t_s": round((self._clock.now_ns() - self._t0_ns) * 1e-9, 3)}
        match message:
            case {"type": "hello", "seq": 0} if message["t_s"] > 0.0 or self._messages:
                raise TargetError(f"the monitor was started again{self.when}; see its log")
            case {"type": "error"}:
                self._log.append(f"{message['t_s']:.3f} s error: {message['message']}")
            case {"type": "event", "event": "gap"}:
                if message["index"] - message["lost"] == self._ring_next:
                    return  # the time before the first frame
            case {"type": "event", "event": "fault", "part": part, "text": text}:
                if self._over and part == "frontend":
                    return
                self._log.append(f"{message['t_s']:.3f} s {part}: {text or 'is well again'}")
        if message["type"] == "health":
            self._judge.hear({**message, "ring": None})  # its losses are not of this run alone
        elif message["type"] != "reply":
            self._judge.hear(message)
        if message["type"] != "reply":
            self._messages.append(message)

    def _ask(self, body: Mapping[str, Any]) -> Message:
        """The reply to a command."""
        seq = self._line.send(body)
        what = " ".join(str(body[key]) for key in ("command", "action", "setting") if key in body)
        answer = self._until(
            lambda m: m["type"] in ("reply", "error") and m["re"] == seq,
            ANSWER_S,
            f"no answer to {what} from {self._port}; check the cable",
        )
        if answer["type"] == "error":
            raise TargetError(f"the monitor at {self._port} refuses {what}: {answer['message']}")
        return answer

    def _health(self, *, running: bool) -> Message:
        """The account at the beginning and at the end of an injection."""
        return self._until(
            lambda m: (
                m["type"] == "health"
                and m["ring"] is not None
                and m.get("inject", {}).get("running") is running
            ),
            ACCOUNT_S,
            f"the monitor at {self._port} gives no account; check the cable",
        )

    def _until(self, wanted: Callable[[Message], bool], seconds: float, otherwise: str) -> Message:
        end_ns = self._clock.now_ns() + round(seconds * 1e9)
        while self._clock.now_ns() < end_ns:
            found = [message for message in self._poll() if wanted(message)]
            if found:
                return found[-1]
            self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
        raise TargetError(otherwise + self.when)

    # -- what came of it

    def _look(self, why: str) -> None:
        """The traces of the last ten seconds."""
        seq = self._line.send({"command": "snapshot"})
        parts: list[Message] = []
        kilobytes = 170  # fifty lines
        end_ns = self._clock.now_ns() + round(1e9 + kilobytes * 1e13 / self._baud)
        while self._clock.now_ns() < end_ns:
            parts += [m for m in self._poll() if m["type"] == "reply" and m["re"] == seq]
            if parts and parts[-1]["part"] + 1 == parts[-1]["parts"]:
                break
            self._clock.sleep_until_ns(self._clock.now_ns() + POLL_NS)
        if not parts or len(parts) != parts[0]["parts"]:
            self._log.append(f"{self._scenario.seconds:.3f} s the snapshot did not come whole")
            return
        rows = [
            np.frombuffer(base64.b64decode(p["uv"]), "<i2").reshape(-1, len(LEADS)) for p in parts
        ]
        first = parts[0]["index"] - int(self._account["index0"])
        uv = np.concatenate(rows).astype(np.int16)
        self._moments.append(Moment(self._scenario.seconds, why, first / SAMPLE_RATE_HZ, uv, LEADS))

    def _close(self, health: Message, end: int, sent: int) -> None:
        """The account of this run, from the monitor's own and the bench's clock."""
        ring, inject, checker = health["ring"], health["inject"], self._line.checker
        written = ring["written"] - self._before
        index0 = inject["index0"] if inject["index0"] is not None else self._ring_next
        lag_ms = inject["lag_ms"] or {}
        self._account = {
            "written": written,
            "lost": end - written,
            "sent": sent,
            "lost_on_line": sent - inject["frames"],
            "lost_to_acquire": inject["lost_acquire"],
            "lines_damaged": checker.bad,
            "lines_missing": checker.missing,
            "baud": self._baud,
            "bytes_per_s": round(self._line.sent / self._scenario.seconds),
            "index0": index0,
            **{f"line_lag_{name}_ms": value for name, value in lag_ms.items()},
        }
        late_ms = [
            1e3 * (m["t_s"] - (m["index"] - index0) / SAMPLE_RATE_HZ)
            for m in self._messages
            if m["type"] == "result"
        ]
        if late_ms:
            self._account["result_lag_p50_ms"] = round(float(np.median(late_ms)))
            self._account["result_lag_max_ms"] = round(max(late_ms))

    @property
    def when(self) -> str:
        """Behind a sentence: at what time of the scenario."""
        if self._t0_ns is None:
            return ""
        return f" (at {(self._clock.now_ns() - self._t0_ns) * 1e-9:.1f} s)"

    def outcome(self, error: str = "", skipped: str = "") -> Outcome:
        """Of what there was."""
        scenario = self._scenario
        verdicts = () if error or skipped else self._judge.close(scenario.seconds, self._account)
        return Outcome(
            name=scenario.name,
            about=scenario.about,
            file=str(scenario.path),
            seconds=scenario.seconds,
            target=f"serial:{self._port}",
            messages=self._messages,
            account=self._account,
            verdicts=verdicts,
            moments=tuple(self._moments),
            log=tuple(self._log),
            took_s=(self._clock.now_ns() - self._began_ns) * 1e-9,
            error=error,
            skipped=skipped,
        )
