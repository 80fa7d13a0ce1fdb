"""The call row in words: the call, the alarms, or why there is no call and what to do.

One condition is told once: an alarm that the call or a finding names already is a mark before it.
What is heard is always named, also an electrode that is named as off.
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
# Alarms that the row or the words beside it tell in more detail: which electrode, what to do. They
# are named, too, until they are acknowledged: the sound needs a name.
UNREADABLE = "unreadable"
TOLD = ("electrode_off", "chest_off", UNREADABLE)
NO_DATA = "no_data"  # told by the message in place of the patient
AF = "af"  # asks for a record
_RANK = {priority: rank for rank, priority in enumerate(Priority)}


@dataclass(frozen=True, slots=True)
class Line:
    """The call row in words: ``head`` large, ``tail`` beside or below it.

    short : a shorter head for narrow screens, same meaning
    more : what takes turns beside the tail, where there is room
    alarm : 0 plain, 1 inverted, 2 inverted and blinking
    progress : 0..1 while the first window fills, else None
    electrodes : it is about them; no need to name them beside it
    """

    head: str
    tail: str = ""
    short: str = ""
    more: str = ""
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
    quiet: bool = False  # an acknowledged one

    def says(self, call: str) -> bool:
        """Whether ``call``, the text of one, tells it already."""
        return not self.over and (self.text == call or (not self.heads and self.text in call))

    @property
    def heads(self) -> bool:
        return self.priority is Priority.HIGH and not self.over

    @property
    def named(self) -> bool:
        """Whether it is said in words of its own."""
        return self.over or not self.quiet or self.code not in TOLD

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
    remarks = _told_once([*_of_alarms(state), *base.findings])
    level = max([base.line.alarm, *(remark.level for remark in remarks)])
    line = replace(base.line, alarm=level)
    remarks = [remark for remark in remarks if remark.named]
    own = [remark for remark in remarks if remark.says(base.key)]
    beside = [remark for remark in remarks if remark not in own]
    if any(remark.heads for remark in beside):
        return _headed(state, line, base, beside)
    marked = next((remark for remark in own if remark.heads or remark.alarm), None)
    if marked is not None:  # the call itself: marked as what it is
        mark = MARKS[marked.priority]
        line = replace(line, head=mark + line.head, short=mark + (line.short or line.head))
        if marked.heads and marked.alarm:
            return _instructed(state, line, marked, beside)
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
    """``also`` and the alarms, without that of code ``told``, in turns; None without any."""
    lines = []
    for remark in _told_once(_of_alarms(state)):
        if remark.over or (remark.named and remark.code != told):
            said = remark.said(state)
            lines.append(Line(said, state.tr(remark.act), short=said, alarm=remark.level))
    lines = [*also, *lines]
    if not lines:
        return None
    shown = lines[state.index // TURN % len(lines)]
    return replace(shown, alarm=max(line.alarm for line in lines))


def _headed(state: ScreenState, line: Line, base: _Base, beside: list[_Remark]) -> Line:
    """The gravest in place of the call; the call and the rest take turns beside what to do."""
    first = next(remark for remark in beside if remark.heads)
    called = " ".join(filter(None, (line.head, base.sure)))
    line = Line(first.said(state), short=first.said(state), alarm=line.alarm)
    return _instructed(state, line, first, [r for r in beside if r is not first], called)


def _instructed(
    state: ScreenState, line: Line, first: _Remark, rest: list[_Remark], called: str = ""
) -> Line:
    """Of an alarm what to do stays; of a finding it takes its turn with ``called`` and ``rest``."""
    act, others = state.tr(first.act), [called]
    if state.electrodes_off and not line.electrodes:
        others.append(electrode_row(state).head)
    others += [r.said(state) for r in rest if r.priority is not Priority.LOW]
    if first.alarm and act:
        return replace(line, tail=act, more=_turn(state, others))
    return replace(line, tail=_turn(state, [others[0], act, *others[1:]]))


def _accompanied(
    state: ScreenState, line: Line, base: _Base, own: list[_Remark], beside: list[_Remark]
) -> Line:
    """The call; never alone where there is something grave, low remarks wait for that."""
    grave = [remark for remark in beside if remark.priority is not Priority.LOW]
    told = [remark.said(state) for remark in grave or beside]
    if base.sure and grave:
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


def act_of(state: ScreenState, alarm: Alarm) -> str:
    """What to do about ``alarm``, in English; nothing where it was done."""
    recorded = state.saved_at is not None and state.saved_at >= alarm.since
    return "" if alarm.code == AF and recorded else alarm.act


def _of_alarms(state: ScreenState) -> Iterable[_Remark]:
    for alarm in state.alarms:
        over, act = alarm.state is AlarmState.LATCHED, act_of(state, alarm)
        text, priority = alarm.text, alarm.priority
        yield _Remark(alarm.code, text, act, priority, True, over, alarm.acknowledged)


def _of_finding(finding: Finding) -> _Remark:
    return _Remark(finding.code, finding.text, finding.act, finding.priority)


def _told_once(remarks: Iterable[_Remark]) -> list[_Remark]:
    """The gravest first; of those with the same words only the gravest."""
    first: dict[str, _Remark] = {}
    for remark in sorted(remarks, key=lambda r: (not r.heads, _RANK[r.priority])):
        first.setdefault(remark.text, remark)
    return list(first.values())
