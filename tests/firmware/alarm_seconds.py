"""Seconds of a patient as the pipeline tells them: beats and a call, without the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from statistics import fmean
from typing import Any

from firmware.alarms import AlarmEvent, Alarms
from firmware.events import Beat, Call, QualityGrade, Refusal, Rest
from firmware.findings import Finding, Priority
from hal.frontend import SAMPLE_RATE_HZ


def call(index: int, **members: Any) -> Call:
    """Sinus rhythm at 70, unless said otherwise."""
    of: dict[str, Any] = {
        "index": index,
        "span": 5000,
        "label": "SR",
        "text": "SINUS RHYTHM",
        "probability": 0.97,
        "refusal": None,
        "act": "",
        "scores": {},
        "rate_bpm": 70.0,
        "irregularity": 0.01,
        "quality": QualityGrade.GOOD,
        "faults": {},
        "electrodes_off": 0,
        "model": "m",
    }
    return Call(**of | members)


def refused(why: Refusal, act: str = "hold still") -> dict[str, Any]:
    return {"label": None, "refusal": why, "text": str(why), "act": act, "probability": None}


def grave(code: str, text: str = "") -> dict[str, Any]:
    """A call with one high finding."""
    return {"findings": (Finding(code, text or code.upper(), "", Priority.HIGH, None),)}


ASYSTOLE = refused(Refusal.NO_SIGNAL) | grave("asystole")


class Patient:
    """Alarms, fed second by second from where it stopped last.

    said : (second, code, state) of every event since the start
    """

    def __init__(self, alarms: Alarms | None = None) -> None:
        self.alarms = alarms or Alarms()
        self.second = 0
        self.said: list[tuple[int, str, str]] = []
        self._beat = 0.0

    @property
    def index(self) -> int:
        return self.second * SAMPLE_RATE_HZ

    @property
    def codes(self) -> list[str]:
        return [alarm.code for alarm in self.alarms.active]

    def live(
        self,
        seconds: int,
        rr_s: float | Sequence[float] | None = 60 / 70,
        rest: float = 0.8,
        **of: Any,
    ) -> None:
        """``rr_s``: of the beats, in turn, None for none; ``of``: of the calls."""
        turn = count()
        if rr_s is not None:
            mean_s = rr_s if isinstance(rr_s, float | int) else fmean(rr_s)
            of = {"rate_bpm": 60 / mean_s} | of
        for _ in range(seconds):
            self.second += 1
            end = self.index
            while rr_s is not None and self._beat < end:
                self.alarms.push(Beat(round(self._beat)))
                rr = rr_s if isinstance(rr_s, float | int) else rr_s[next(turn) % len(rr_s)]
                self._beat += rr * SAMPLE_RATE_HZ
            self._beat = max(self._beat, end) if rr_s is None else self._beat
            self.alarms.push(Rest(end, rest))
            self.note(self.alarms.push(call(end - 1, **of)))
            self.alarms.pass_time(end)

    def note(self, changes: list[AlarmEvent]) -> None:
        self.said += [(self.second, c.alarm.code, str(c.alarm.state)) for c in changes]

    def silence(self) -> None:
        self.note(self.alarms.silence(self.index))
