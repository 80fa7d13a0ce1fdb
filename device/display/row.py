"""The call row in words: the call, the alarms, or why there is no call and what to do.

One condition is told once: an alarm that the call or a finding names already, and an electrode
that is named as off, are not said again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from device.display.words import MARKS, PRESS_ON, confidence, percent
from firmware.alarms import Alarm, AlarmState
from firmware.events import Call, Refusal
from firmware.findings import Finding, Priority
from hal.frontend import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from device.display.state import ScreenState

STALE = 5 * SAMPLE_RATE_HZ  # a rate or call this old says nothing of now
WINDOW_S = 10  # the evidence of the first call
MANY_OFF = 3
TURN = 2 * SAMPLE_RATE_HZ  # how long each of several tails is shown
GRAVE = (Refusal.NO_SIGNAL, Refusal.VENTRICULAR)
# Alarms that the row or the words beside it tell in more detail: which electrode, what to do.
UNREADABLE = "unreadable"
TOLD = ("electrode_off", "chest_off", UNREADABLE)
NO_DATA = "no_data"  # told by the message in place of the patient
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True)
class Line:
    """The call row in words: ``head`` large, ``tail`` beside or below it.

    short : a shorter head for narrow screens, same meaning
    alarm : 0 plain, 1 inverted, 2 inverted and blinking
    progress : 0..1 while the first window fills, else None
    electrodes : it is about them; no need to name them beside it
    """

    head: str
    tail: str = ""
    short: str = ""
    alarm: int = 0
    progress: float | None = None
    electrodes: bool = False


@dataclass(frozen=True, slots=True)
class _Remark:
    """An alarm or a finding: what has to be said beside, or in place of, the call."""

    code: str
    text: str
    act: str
    priority: Priority
    alarm: bool = False
    over: bool = False  # a latched alarm

    def says(self, call: str) -> bool:
        """Whether ``call``, the text of one, tells it already."""
        return not self.over and (self.text == call or (not self.heads and self.text in call))

    @property
    def heads(self) -> bool:
        return self.priority is Priority.HIGH and not self.over

    @property
    def level(self) -> int:
        return 2 if self.heads else int(self.priority is not Priority.LOW)

    def said(self, state: ScreenState) -> str:
        text = state.tr(self.text)
        if self.over:
            text = state.tr("was {alarm}").format(alarm=text)
        return MARKS[self.priority] + text


@dataclass(frozen=True, slots=True)
class _Base:
    """What is known without alarms and findings; ``sure`` stands before what is said beside."""

    line: Line
    key: str = ""
    sure: str = ""
    findings: tuple[_Remark, ...] = ()


def call_row(state: ScreenState, call: Call | None, filled: int) -> Line:
    """What the row says of ``call``, the newest; ``filled``: samples gathered for the first one."""
    base = _base(state, call, filled)
    remarks = _told_once([*map(_of_alarm, state.alarms), *base.findings])
    level = max([base.line.alarm, *(remark.level for remark in remarks)])
    line = replace(base.line, alarm=level)
    remarks = [remark for remark in remarks if remark.code not in TOLD or remark.over]
    own = [remark for remark in remarks if remark.says(base.key)]
    beside = [remark for remark in remarks if remark not in own]
    if any(remark.heads for remark in beside):
        return _headed(state, line, base, beside)
    for remark in own:
        if remark.heads:  # the call itself: marked as what it is
            line = replace(line, head=remark.said(state), short=remark.said(state))
    return _accompanied(state, line, base, own, beside)


def electrode_row(state: ScreenState) -> Line:
    """Which electrodes are off, and what to do."""
    names = state.off_names
    if len(names) > MANY_OFF:
        head = state.tr("{n} ELECTRODES OFF").format(n=len(names))
    else:
        head = state.tr("{names} OFF").format(names=" ".join(names))
    short = state.tr("{names} OFF").format(names=len(names))
    return Line(head, state.tr(PRESS_ON), short=short, alarm=1, electrodes=True)


def alarm_row(state: ScreenState, *also: Line, told: str = "") -> Line | None:
    """The alarms, without that of code ``told``, and ``also`` in turns; None without any."""
    remarks = _told_once(map(_of_alarm, state.alarms))
    lines = [
        Line(remark.said(state), state.tr(remark.act), remark.said(state), remark.level)
        for remark in remarks
        if remark.over or remark.code not in (told, *TOLD)
    ]
    lines += also
    if not lines:
        return None
    shown = lines[state.index // TURN % len(lines)]
    return replace(shown, alarm=max(line.alarm for line in lines))


def _headed(state: ScreenState, line: Line, base: _Base, beside: list[_Remark]) -> Line:
    """The gravest in place of the call; the call, what to do and the rest take turns beside it."""
    first = next(remark for remark in beside if remark.heads)
    tails = [" ".join(filter(None, (line.head, base.sure))), state.tr(first.act)]
    if state.electrodes_off and not line.electrodes:
        tails.append(electrode_row(state).head)
    tails += [r.said(state) for r in beside if r is not first and r.priority is not Priority.LOW]
    head = first.said(state)
    return Line(head, _turn(state, tails), head, alarm=line.alarm)


def _accompanied(
    state: ScreenState, line: Line, base: _Base, own: list[_Remark], beside: list[_Remark]
) -> Line:
    """The call; never alone where there is something grave, low remarks wait for that."""
    grave = [remark for remark in beside if remark.priority is not Priority.LOW]
    told = [remark.said(state) for remark in grave or beside]
    if grave and base.key:
        tails = [f"{base.sure} {text}".strip() for text in told]
    else:
        tails = [line.tail, *told]
    tails += [state.tr(remark.act) for remark in own if remark.alarm]
    return replace(line, tail=_turn(state, tails))


def _turn(state: ScreenState, tails: Iterable[str]) -> str:
    shown = list(dict.fromkeys(tail for tail in tails if tail.strip()))
    return shown[state.index // TURN % len(shown)] if shown else ""


def _base(state: ScreenState, call: Call | None, filled: int) -> _Base:
    off = state.electrodes_off
    seen = call.electrodes_off if call else 0
    refused = call.refusal if call else Refusal.STARTING
    if off & ~seen or (off and refused is Refusal.ELECTRODE_OFF):
        return _Base(electrode_row(state))
    if call is None:
        return _Base(_filling(state, filled))
    if state.index - call.index > STALE:
        seconds = (state.index - call.index) // SAMPLE_RATE_HZ
        tail = state.tr("for {seconds} s").format(seconds=seconds)
        return _Base(Line(state.tr("NO RESULT"), tail))
    # Electrodes that are on again leave the window to fill anew.
    if refused in (Refusal.STARTING, Refusal.ELECTRODE_OFF):
        return _Base(_filling(state, call.span))
    return _of_call(state, call)


def _of_call(state: ScreenState, call: Call) -> _Base:
    sure, tail = "", state.tr(call.act)
    if call.label and call.probability is not None:
        sure = percent(call.probability)
        tail = f"{state.tr(confidence(call.probability))} {sure}"
    line = Line(
        state.tr(call.text), tail, call.label or "", alarm=2 if call.refusal in GRAVE else 0
    )
    return _Base(line, call.text, sure, tuple(map(_of_finding, call.findings)))


def _filling(state: ScreenState, filled: int) -> Line:
    seconds = min(filled // SAMPLE_RATE_HZ, WINDOW_S)
    progress = min(filled / (WINDOW_S * SAMPLE_RATE_HZ), 1.0)
    head = state.tr("ANALYSING {seconds} s").format(seconds=seconds)
    return Line(head, state.tr("of {seconds} s").format(seconds=WINDOW_S), progress=progress)


def _of_alarm(alarm: Alarm) -> _Remark:
    over = alarm.state is AlarmState.LATCHED
    return _Remark(alarm.code, alarm.text, alarm.act, alarm.priority, True, over)


def _of_finding(finding: Finding) -> _Remark:
    return _Remark(finding.code, finding.text, finding.act, finding.priority)


def _told_once(remarks: Iterable[_Remark]) -> list[_Remark]:
    """The gravest first; of those with the same words only the gravest."""
    first: dict[str, _Remark] = {}
    for remark in sorted(remarks, key=lambda r: (not r.heads, _RANK[r.priority])):
        first.setdefault(remark.text, remark)
    return list(first.values())
