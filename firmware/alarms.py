"""Alarms after IEC 60601-1-8 in spirit: what is wrong now, how soon it must be seen, what is heard.

Time is the sample index. Physiological conditions come from the pipeline's events, technical ones
(storage, battery, no data) from whoever sees them. A physiological alarm of high priority latches:
it stays when it is over, until somebody has acknowledged it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from firmware.alarm_conditions import YIELDS_TO, Condition, Conditions, Limits
from firmware.events import Call, Event
from firmware.findings import Priority
from hal.frontend import SAMPLE_RATE_HZ

PAUSE_S = 120
LOGGED = 100  # alarms remembered
CODES = (
    *("asystole", "vf_vt", "extreme_brady", "extreme_tachy", "st_elevation", "injury", "avb3"),
    *("brady", "tachy", "af"),
    *("no_data", "electrode_off", "unreadable", "analysis"),
    *("chest_off", "swap", "model", "storage", "battery"),
)
DEFAULT_LIMITS = Limits()

_RANK = {priority: rank for rank, priority in enumerate(Priority)}


class AlarmState(StrEnum):
    """Of one alarm."""

    ON = "on"  # the condition is there
    LATCHED = "latched"  # it is over, and nobody has acknowledged it
    OFF = "off"


class Audio(StrEnum):
    """Of the alarm sound."""

    QUIET = "quiet"  # nothing to be heard
    SOUNDING = "sounding"
    SILENCED = "silenced"  # what is there was acknowledged; a new alarm sounds again
    PAUSED = "paused"  # for some time; a new alarm of high priority ends it


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm.

    code : for programs ("asystole", "electrode_off"); text, act : for the screen
    since : sample index at which the condition was first seen; technical : of the instrument
    acknowledged : it is no longer heard
    """

    code: str
    text: str
    act: str
    priority: Priority
    since: int
    technical: bool = False
    state: AlarmState = AlarmState.ON
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """An alarm began, came back, changed its words, latched or ended at sample ``index``.

    new : it was not there before, not even latched
    """

    index: int
    alarm: Alarm
    new: bool = False


@dataclass(slots=True)
class Logged:
    """One alarm from its beginning to now; the alarms themselves keep it up to date.

    alarm : as it is, or as it was at its end
    begin, end : when it was raised, and when its condition was over; None while it is there
    acknowledged : when somebody did, else None
    """

    alarm: Alarm
    begin: int
    end: int | None = None
    acknowledged: int | None = None


class Alarms:
    """The alarms of one patient: fed with events, asked by screen, sound and line.

    limits : of the heart rate; may be changed
    active : the gravest first, the newest first among equals
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, pause_s: int = PAUSE_S) -> None:
        self.active: tuple[Alarm, ...] = ()
        self.audio = Audio.QUIET
        self.limits = limits
        self.pause_s = pause_s
        self._conditions = Conditions()
        self._seen: dict[str, _Seen] = {}
        self._paused_until = 0
        self._now: dict[str, Logged] = {}  # what is active, by code
        self._log: deque[Logged] = deque(maxlen=LOGGED)

    @property
    def log(self) -> tuple[Logged, ...]:
        """The last alarms, the newest first, those of now among them."""
        return tuple(reversed(self._log))

    def push(self, event: Event) -> list[AlarmEvent]:
        """What an event of the pipeline begins or ends."""
        if not isinstance(event, Call):
            self._conditions.push(event)
            return []
        index = event.index
        for condition in self._conditions.present(event, self.limits):
            first = self._seen[condition.code].first if condition.code in self._seen else index
            self._seen[condition.code] = _Seen(condition, first, index)
        changes: list[AlarmEvent] = []
        for code, seen in list(self._seen.items()):
            stands = self._stands(code)  # else it must be there without a break to become one
            release = seen.condition.release_s * SAMPLE_RATE_HZ if stands else 1
            if index - seen.last >= release:
                del self._seen[code]
                changes += self._end(code, index)
        for code, seen in self._seen.items():
            gravers = YIELDS_TO.get(code, ())
            yields = any(graver in self._seen or graver in self._now for graver in gravers)
            if index - seen.first >= seen.condition.delay_s * SAMPLE_RATE_HZ and not yields:
                changes += self._raise(seen.alarm, index)
        for code in list(self._now):
            if any(self._stands(graver) for graver in YIELDS_TO.get(code, ())):
                changes += self._end(code, index, latches=False)
        self._settle(index)
        return changes

    def technical(
        self, code: str, text: str, act: str, priority: Priority, index: int
    ) -> list[AlarmEvent]:
        """A condition of the instrument, seen by somebody else; an empty ``text``: it is over."""
        alarm = Alarm(code, text, act, priority, index, technical=True)
        changes = self._raise(alarm, index) if text else self._end(code, index)
        self._settle(index)
        return changes

    def pass_time(self, index: int) -> None:
        """The newest sample is ``index``: a pause ends by itself."""
        if self.audio is Audio.PAUSED:
            self._settle(index)

    def silence(self, index: int) -> list[AlarmEvent]:
        """Acknowledge what there is: it is no longer heard, and what is over is forgotten."""
        changes: list[AlarmEvent] = []
        for code, entry in list(self._now.items()):
            entry.alarm = replace(entry.alarm, acknowledged=True)
            entry.acknowledged = index if entry.acknowledged is None else entry.acknowledged
            if entry.alarm.state is AlarmState.LATCHED:
                changes += self._end(code, index)
        self._settle(index)
        return changes

    def pause(self, index: int) -> None:
        """No sound for two minutes, or again from now on if it was paused.

        A new alarm of high priority ends the pause: nobody pauses what has not happened yet.
        """
        paused = index < self._paused_until
        self._paused_until = 0 if paused else index + self.pause_s * SAMPLE_RATE_HZ
        self._settle(index)

    @property
    def sounding(self) -> Priority | None:
        """The gravest alarm that is heard now; None in silence."""
        if self.audio is not Audio.SOUNDING:
            return None
        return next(alarm.priority for alarm in self.active if not alarm.acknowledged)

    def left_s(self, index: int) -> int:
        """Seconds until a pause ends; 0 when there is none."""
        return max(0, -(-(self._paused_until - index) // SAMPLE_RATE_HZ))

    def _stands(self, code: str) -> bool:
        return code in self._now and self._now[code].alarm.state is AlarmState.ON

    def _raise(self, alarm: Alarm, index: int) -> list[AlarmEvent]:
        """``alarm`` is there; nothing to tell where it was there before in the same words."""
        entry = self._now.get(alarm.code)
        if entry is None:
            if alarm.priority is Priority.HIGH:
                self._paused_until = 0
            self._now[alarm.code] = entry = Logged(alarm, index)
            self._log.append(entry)
            return [AlarmEvent(index, alarm, new=True)]
        before = entry.alarm
        graver = _RANK[alarm.priority] < _RANK[before.priority]
        acknowledged = before.acknowledged and not graver
        alarm = replace(alarm, since=before.since, acknowledged=acknowledged)
        entry.alarm, entry.end = alarm, None
        return [AlarmEvent(index, alarm)] if alarm != before else []

    def _end(self, code: str, index: int, *, latches: bool = True) -> list[AlarmEvent]:
        """The condition is over: the alarm stays latched, or goes."""
        entry = self._now.get(code)
        if entry is None:
            return []
        if entry.end is None:
            entry.end = index
        alarm = entry.alarm
        high = alarm.priority is Priority.HIGH and not alarm.technical
        stays = latches and high and not alarm.acknowledged
        entry.alarm = replace(alarm, state=AlarmState.LATCHED if stays else AlarmState.OFF)
        if not stays:
            del self._now[code]
        return [AlarmEvent(index, entry.alarm)] if entry.alarm != alarm else []

    def _settle(self, index: int) -> None:
        """What is active and heard at ``index``."""
        alarms = [entry.alarm for entry in self._now.values()]
        alarms.sort(key=lambda alarm: (_RANK[alarm.priority], -alarm.since))
        self.active = tuple(alarms)
        if index < self._paused_until:
            self.audio = Audio.PAUSED
        elif any(not alarm.acknowledged for alarm in alarms):
            self.audio = Audio.SOUNDING
        else:
            self.audio = Audio.SILENCED if alarms else Audio.QUIET


@dataclass(frozen=True, slots=True)
class _Seen:
    """A condition, and the calls that saw it first and last."""

    condition: Condition
    first: int
    last: int

    @property
    def alarm(self) -> Alarm:
        of = self.condition
        return Alarm(of.code, of.text, of.act, of.priority, self.first, technical=of.technical)
