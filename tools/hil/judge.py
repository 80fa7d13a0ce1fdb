"""Expectations held against the monitor's messages as they come; nothing is kept but the count.

A result, once a second, says everything: all sentences are looked at with it. Those about
electrodes, faults, the model or losses are looked at also when an event says one of them anew.
"""

from __future__ import annotations

import base64
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from device.traces import NO_SAMPLE
from firmware.events import LEADS
from tools.hil.fields import FIELDS, Kind, State
from tools.hil.outcome import Message, Verdict
from tools.hil.scenario import Expectation
from tools.hil.sentences import Form, Sentence

_NEAR_S = 1e-6  # of two times that are the same


class Judge:
    """All expectations of one scenario."""

    def __init__(self, expect: Iterable[Expectation]) -> None:
        self._watches = [(one, _WATCHES[one.sentence.form](one.sentence)) for one in expect]
        self._state: dict[str, Any] = {
            "lost": 0,
            "fault": (),
            "alarms": (),
            "latched": (),
            "audio": "quiet",
        }
        self._told: set[int] = set()

    def hear(self, message: Message) -> None:
        """The next message, in the order of ``t_s``."""
        t_s = float(message["t_s"])
        for _, watch in self._watches:
            watch.pass_to(t_s, self._state)
        said = _apply(message, self._state)
        if not said:
            return
        for _, watch in self._watches:
            watch.hear(t_s, self._state, said)

    def failed_since(self) -> list[str]:
        """Sentences that have turned out not to hold since this was asked last."""
        new = [n for n, (_, w) in enumerate(self._watches) if w.failed_s is not None]
        new = [n for n in new if n not in self._told]
        self._told.update(new)
        return [self._watches[n][0].sentence.text for n in new]

    def close(self, end_s: float, account: Mapping[str, int | float]) -> tuple[Verdict, ...]:
        """The verdicts, at the end of the run."""
        for _, watch in self._watches:
            watch.pass_to(end_s, self._state)
        return tuple(
            Verdict(
                sentence=one.sentence.text,
                shows=one.shows,
                ok=ok,
                evidence=evidence,
                known=one.known,
                at_s=None
                if ok
                else min(end_s, end_s if watch.failed_s is None else watch.failed_s),
            )
            for one, watch in self._watches
            for ok, evidence in [watch.verdict(account)]
        )


def _apply(message: Message, state: dict[str, Any]) -> frozenset[str]:
    """Bring ``state`` up to date; the fields that were said."""
    match message.get("type"), message.get("event"):
        case "result", _:
            state |= {
                "call": message["call"],
                "refusal": message["refusal"],
                "text": message["text"],
                "rate": message["rate_bpm"],
                "quality": message["quality"],
                "probability": message["probability"],
                "findings": tuple(finding["code"] for finding in message["findings"]),
                "faults": tuple(message["faults"]),
                "electrodes_off": tuple(message["electrodes_off"]),
                "model": message["model"] or None,
            }
            return frozenset(name for name in FIELDS.keys() & state if not FIELDS[name].momentary)
        case "event", "electrodes":
            return _say(state, electrodes_off=tuple(message["off"]))
        case "event", "gap":
            return _say(state, lost=state["lost"] + message["lost"])
        case "event", "alarm":
            code, state_of = message["code"], {"on": "alarms", "latched": "latched"}
            now = {name: tuple(c for c in state[name] if c != code) for name in state_of.values()}
            if (name := state_of.get(message["state"])) is not None:
                now[name] = (*now[name], code)
            return _say(state, **now)
        case "event", "audio":
            return _say(state, audio=message["audio"])
        case "event", "page":
            return _say(state, page=message["page"])
        case "event", "model":
            return _say(state, model=message["model"] or None, model_state=message["state"])
        case "event", "flash":
            if "outcome" not in message:
                return frozenset()
            return _say(state, flash=message["outcome"], reason=message["reason"] or None)
        case "error", _:
            return _say(state, error=message["reason"])
        case "reply", _ if message["command"] == "snapshot":
            return _measure(message, state)
        case "event", "fault":
            parts = [part for part in state["fault"] if part != message["part"]]
            return _say(state, fault=(*parts, *[message["part"]] * bool(message["text"])))
        case "hello", _:
            return _say(
                state,
                fault=tuple(message["faults"]),
                alarms=tuple(c for c, its in message["alarms"].items() if its == "on"),
                latched=tuple(c for c, its in message["alarms"].items() if its == "latched"),
                audio=message["audio"],
                model=message["model"] or None,
                model_state=message["model_state"],
            )
        case "health", _:
            ring = message.get("ring")
            return _say(
                state,
                fault=tuple(message["faults"]),
                lost=ring["lost"] if ring else state["lost"],
            )
        case _:
            return frozenset()


def _measure(part: Message, state: dict[str, Any]) -> frozenset[str]:
    """One line of a snapshot: the height of lead II when it is the last."""
    rows = np.frombuffer(base64.b64decode(part["uv"]), "<i2").reshape(-1, len(LEADS))
    uv = rows[:, LEADS.index("II")]
    uv = uv[uv != NO_SAMPLE]
    before = () if part["part"] == 0 else state["snapshot"]
    state["snapshot"] = (*before, *([int(uv.min()), int(uv.max())] if len(uv) else []))
    if part["part"] + 1 < part["parts"] or not state["snapshot"]:
        return frozenset()
    return _say(state, height=max(state["snapshot"]) - min(state["snapshot"]))


def _say(state: dict[str, Any], **fields: Any) -> frozenset[str]:
    state |= fields
    return frozenset(fields)


class _Watch(ABC):
    """One sentence."""

    def __init__(self, sentence: Sentence) -> None:
        self.sentence = sentence
        self.failed_s: float | None = None  # when it was clear
        self._began = False
        self._fields = frozenset(sentence.fields)
        self._looks = 0

    def pass_to(self, t_s: float, state: State) -> None:
        """Time goes on to ``t_s``, where ``state`` still holds.

        What was said before the sentence's time, and lasts, is looked at when that begins.
        """
        of = self.sentence
        if self._began or t_s <= of.start_s + _NEAR_S:
            return
        self._began = True
        lasting = not of.windowed and not any(FIELDS[name].momentary for name in self._fields)
        if of.start_s > -math.inf and lasting and self._fields <= state.keys():
            self._looks += 1
            self.look(of.start_s, state)

    def hear(self, t_s: float, state: State, said: frozenset[str]) -> None:
        """Look at ``state`` if it is time, and ``said`` concerns this sentence."""
        of = self.sentence
        if not of.start_s - _NEAR_S <= t_s <= of.end_s + _NEAR_S:
            return
        due = "call" in said if of.windowed else bool(said & self._fields)
        if due and self._fields <= state.keys():
            self._looks += 1
            self.look(t_s, state)

    @abstractmethod
    def look(self, t_s: float, state: State) -> None: ...

    @abstractmethod
    def verdict(self, account: Mapping[str, int | float]) -> tuple[bool, str]:
        """Whether it held, and the evidence."""

    def _fail(self, t_s: float) -> None:
        if self.failed_s is None:
            self.failed_s = t_s

    @property
    def _many(self) -> str:
        what = "window" if self.sentence.windowed else "message"
        return f"{self._looks} {what}{'s' * (self._looks != 1)}"

    @property
    def _silence(self) -> str:
        start, end = self.sentence.start_s, self.sentence.end_s
        since = f" from {start:g} s" if start > -math.inf else ""
        until = f" to {end:g} s" if end < math.inf else ""
        return f"nothing was said of {', '.join(self.sentence.fields)}{since}{until}"


class _Within(_Watch):
    """What holds already at the beginning of its time holds within it."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self._held_s: float | None = None
        self._last = ""

    def pass_to(self, t_s: float, state: State) -> None:
        super().pass_to(t_s, state)
        if self._held_s is None and t_s > self.sentence.end_s + _NEAR_S:
            self._fail(self.sentence.end_s)

    def look(self, t_s: float, state: State) -> None:
        if self._held_s is not None:
            return
        assert self.sentence.condition is not None
        self._last = f"{seen(self.sentence.fields, state)} at {t_s:.1f} s"
        if self.sentence.condition.holds(state):
            self._held_s = t_s

    def verdict(self, account: Mapping[str, int | float]) -> tuple[bool, str]:
        if self._held_s is not None:
            if self._held_s <= self.sentence.start_s:  # carried over from before
                return True, f"{self._last}, and before"
            spare = self.sentence.end_s - self._held_s
            return True, f"{self._last}, {spare:.1f} s to spare"
        return False, f"{self._last}, the last look" if self._looks else self._silence


class _Counting(_Watch):
    """Looks at which the sentence's condition held, and the extremes of its numbers."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self._held = 0
        self._odd = ""  # the first look that was not as wanted
        self._range: dict[str, tuple[float, float]] = {}

    def wanted(self, state: State) -> bool:
        assert self.sentence.condition is not None
        return self.sentence.condition.holds(state)

    def look(self, t_s: float, state: State) -> None:
        for name in self._fields:
            number = state.get(name)
            if FIELDS[name].kind is Kind.NUMBER and number is not None:
                low, high = self._range.get(name, (number, number))
                self._range[name] = min(low, number), max(high, number)
        if self.wanted(state):
            self._held += 1
        elif not self._odd:
            self._odd = f"{seen(self.sentence.fields, state)} at {t_s:.1f} s"
            self.odd(t_s)

    def odd(self, t_s: float) -> None:
        """The first look that was not as wanted."""
        self._fail(t_s)

    @property
    def _extremes(self) -> str:
        return "".join(
            f", {name} {low:g} to {high:g}" for name, (low, high) in sorted(self._range.items())
        )

    def verdict(self, account: Mapping[str, int | float]) -> tuple[bool, str]:
        if not self._looks:
            return False, self._silence
        if self._odd:
            return False, f"{self._odd}; it held in {self._held} of {self._many}"
        return True, f"{self._many}{self._extremes}"


class _Always(_Counting):
    pass


class _Never(_Counting):
    """``while`` never being so is no failure; the evidence says it."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self._met = 0

    def wanted(self, state: State) -> bool:
        of = self.sentence
        assert of.condition is not None
        if of.meanwhile is not None and not of.meanwhile.holds(state):
            return True
        self._met += 1
        return not of.condition.holds(state)

    def hear(self, t_s: float, state: State, said: frozenset[str]) -> None:
        of = self.sentence
        if of.start_s - _NEAR_S <= t_s <= of.end_s + _NEAR_S:
            self._alive = True
        super().hear(t_s, state, said)

    _alive = False  # something was heard at all

    def verdict(self, account: Mapping[str, int | float]) -> tuple[bool, str]:
        if self._odd:
            return False, self._odd
        if not self._alive and not self._looks:
            return False, "nothing was heard of the monitor at all"
        if self.sentence.meanwhile is not None:
            return True, f"{self._met} of {self._many} were such a case" + (
                "" if self._met else ": it was not put to the test"
            )
        if not self._looks:
            return True, f"{', '.join(self.sentence.fields)} was never said"
        return True, f"in none of {self._many}{self._extremes}"


class _Share(_Counting):
    def odd(self, t_s: float) -> None:
        """One does not decide."""

    def verdict(self, account: Mapping[str, int | float]) -> tuple[bool, str]:
        if not self._looks:
            return False, self._silence
        share = 100 * self._held / self._looks
        ok = share >= self.sentence.percent - 1e-9
        text = f"{share:.4g} % of {self._many}{self._extremes}"
        return ok, text if ok or not self._odd else f"{text}; {self._odd}"


class _Lost(_Watch):
    def look(self, t_s: float, state: State) -> None:
        """Only the account at the end counts."""

    def verdict(self, account: Mapping[str, int | float]) -> tuple[bool, str]:
        of = self.sentence
        if "lost" not in account:
            return False, "the monitor gave no account of its samples"
        lost, written = int(account["lost"]), int(account.get("written", 0))
        if not written:
            return False, "not a single sample came"
        allowed = f", {of.least} to {of.most} allowed" if of.most else ""
        return of.least <= lost <= of.most, f"{lost} of {written + lost} samples lost{allowed}"


_WATCHES: Mapping[Form, type[_Watch]] = {
    Form.WITHIN: _Within,
    Form.ALWAYS: _Always,
    Form.NEVER: _Never,
    Form.SHARE: _Share,
    Form.LOST: _Lost,
}


def seen(fields: Iterable[str], state: State) -> str:
    """As ``rate was 73.4, call was none (noise)``."""
    parts = []
    for name in fields:
        value = state.get(name)
        if isinstance(value, tuple):
            text = f"[{', '.join(map(str, value))}]"
        elif value is None:
            text = "blank" if FIELDS[name].kind is Kind.NUMBER else "none"
        else:
            text = f"{value:g}" if FIELDS[name].kind is Kind.NUMBER else str(value)
        if name == "call" and value is None and state.get("refusal"):
            text += f" ({state['refusal']})"
        parts.append(f"{name} was {text}")
    return ", ".join(parts)
