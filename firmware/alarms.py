"""Alarms after IEC 60601-1-8 in spirit: what is wrong now, how soon it must be seen, what is heard.

Time is the sample index. Physiological conditions come from the pipeline's events, technical ones
(storage, battery, no data) from whoever sees them. A physiological alarm of high priority latches:
it stays when it is over, until somebody has acknowledged it. ``state`` and ``restore`` carry all
that over a restart, as plain data.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from firmware.alarm_conditions import YIELDS_TO, Condition, Conditions, Limits
from firmware.events import Call, Event
from firmware.findings import Priority
from hal.frontend import SAMPLE_RATE_HZ

PAUSE_S = 120
LOGGED = 100  # alarms remembered
MOST_TEXT = 500  # characters of one that is read back
SEEN_AGAIN_S = 15  # what was there before a restart and is not seen for so long is over
CODES = (
    *("asystole", "vf_vt", "extreme_brady", "extreme_tachy", "st_elevation", "injury", "avb3"),
    *("brady", "tachy", "af"),
    *("no_data", "electrode_off", "unreadable", "analysis"),
    *("chest_off", "swap", "model", "storage", "settings", "battery"),
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
    earlier : of another count of samples, before a restart: when it began, UTC as in ISO 8601, ""
        where no clock knew it; None for the alarms of this count
    """

    alarm: Alarm
    begin: int
    end: int | None = None
    acknowledged: int | None = None
    earlier: str | None = None


class Alarms:
    """The alarms of one patient: fed with events, asked by screen, sound and line.

    limits : of the heart rate; may be changed
    active : the gravest first, the newest first among equals
    revision : another number whenever ``state`` has changed
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, pause_s: int = PAUSE_S) -> None:
        self.active: tuple[Alarm, ...] = ()
        self.audio = Audio.QUIET
        self.limits = limits
        self.pause_s = pause_s
        self.revision = 0
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
        self._seen.pop(code, None)  # restored: from here on its fault says when it is over
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
        self.revision += 1
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
        self.revision += 1
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

    # -- over a restart

    def state(self) -> dict[str, Any]:
        """All that is to outlast a restart, of JSON's types; log: the oldest first."""
        entries = [entry for entry in self._now.values() if all(entry is not e for e in self._log)]
        log = [asdict(entry) for entry in (*entries, *self._log)]
        return {"log": log, "paused_until": self._paused_until} | self._conditions.state()

    def restore(self, state: Mapping[str, Any], index: int) -> None:
        """Go on at sample ``index`` of the same count as if there had been no restart.

        Raises KeyError, TypeError or ValueError for what ``state`` never gave, and changes nothing.
        """
        log, paused_until = [_logged(entry) for entry in state["log"]], int(state["paused_until"])
        self._conditions.restore(state)
        self._paused_until = min(paused_until, index + self.pause_s * SAMPLE_RATE_HZ)
        self._remember(log)
        for entry in log:
            alarm = entry.alarm
            if alarm.state is AlarmState.OFF:
                continue
            there = alarm.code in self._now  # raised by a fault since the start
            self._now[alarm.code] = entry
            if alarm.state is AlarmState.ON and not there:
                condition = Condition(
                    *(alarm.code, alarm.text, alarm.act, alarm.priority, alarm.technical),
                    release_s=SEEN_AGAIN_S,
                )
                self._seen[alarm.code] = _Seen(condition, alarm.since, index)
        self._settle(index)

    def restore_log(
        self,
        state: Mapping[str, Any],
        index: int,
        *,
        until: int,
        utc: Callable[[int], str],
        latches: bool,
    ) -> list[AlarmEvent]:
        """Begin a new count of samples at ``index``, knowing what was before it.

        until : last sample known of the count that ``state`` is of
        utc : of a sample of that count, ISO 8601, or ""
        latches : what was of high priority, of the patient and not acknowledged is latched

        Raises KeyError, TypeError or ValueError for what ``state`` never gave, and changes nothing.
        """
        log = [_logged(entry) for entry in state["log"]]
        changes: list[AlarmEvent] = []
        for entry in log:
            alarm = entry.alarm
            if entry.earlier is None:
                entry.earlier = utc(entry.begin)
            if entry.end is None:
                entry.end = max(until, entry.begin)
            there = alarm.state is not AlarmState.OFF
            high = alarm.priority is Priority.HIGH and not alarm.technical
            stays = latches and there and high and not alarm.acknowledged
            now = AlarmState.LATCHED if stays else AlarmState.OFF
            entry.alarm = replace(alarm, state=now, since=index)
            if stays:
                self._now.setdefault(alarm.code, entry)
                changes.append(AlarmEvent(index, entry.alarm))
        self._remember(log)
        self._settle(index)
        self.revision += 1
        return changes

    def _remember(self, log: list[Logged]) -> None:
        """Put ``log`` before what has been logged since the start; what goes on is in it once."""
        goes_on = {e.alarm.code for e in log if e.alarm.state is not AlarmState.OFF}
        anew = [entry for entry in self._log if entry.alarm.code not in goes_on]
        self._log = deque((*log, *anew), maxlen=LOGGED)

    def _stands(self, code: str) -> bool:
        return code in self._now and self._now[code].alarm.state is AlarmState.ON

    def _raise(self, alarm: Alarm, index: int) -> list[AlarmEvent]:
        """``alarm`` is there; nothing to tell where it was there before in the same words."""
        entry = self._now.get(alarm.code)
        if entry is not None and entry.earlier is not None:  # of before a restart: this one is new
            entry.alarm = replace(entry.alarm, state=AlarmState.OFF)
            entry = None
        if entry is None:
            if alarm.priority is Priority.HIGH:
                self._paused_until = 0
            self._now[alarm.code] = entry = Logged(alarm, index)
            self._log.append(entry)
            self.revision += 1
            return [AlarmEvent(index, alarm, new=True)]
        before = entry.alarm
        graver = _RANK[alarm.priority] < _RANK[before.priority]
        acknowledged = before.acknowledged and not graver
        alarm = replace(alarm, since=before.since, acknowledged=acknowledged)
        entry.alarm, entry.end = alarm, None
        self.revision += alarm != before
        return [AlarmEvent(index, alarm)] if alarm != before else []

    def _end(self, code: str, index: int, *, latches: bool = True) -> list[AlarmEvent]:
        """The condition is over: the alarm stays latched, or goes."""
        entry = self._now.get(code)
        if entry is None:
            return []
        if entry.end is None:
            entry.end = index
            self.revision += 1
        alarm = entry.alarm
        high = alarm.priority is Priority.HIGH and not alarm.technical
        stays = latches and high and not alarm.acknowledged
        entry.alarm = replace(alarm, state=AlarmState.LATCHED if stays else AlarmState.OFF)
        if not stays:
            self.revision += 1
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


def _logged(entry: Mapping[str, Any]) -> Logged:
    """An entry of ``Alarms.state``. Raises KeyError, TypeError or ValueError."""
    of, earlier = entry["alarm"], entry["earlier"]
    alarm = Alarm(
        code=str(of["code"]),
        text=_one_line(of["text"]),
        act=_one_line(of["act"]),
        priority=Priority(of["priority"]),
        since=int(of["since"]),
        technical=bool(of["technical"]),
        state=AlarmState(of["state"]),
        acknowledged=bool(of["acknowledged"]),
    )
    if alarm.code not in CODES or not alarm.text:
        raise ValueError(alarm.code)
    begin = int(entry["begin"])
    end, acknowledged = (
        None if entry[name] is None else int(entry[name]) for name in ("end", "acknowledged")
    )
    return Logged(alarm, begin, end, acknowledged, None if earlier is None else _one_line(earlier))


def _one_line(text: object) -> str:
    """For screen and line, whatever became of the memory that it comes from."""
    return "".join(c if c.isprintable() else "?" for c in str(text)[:MOST_TEXT])
