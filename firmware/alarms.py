"""Alarms after IEC 60601-1-8 in spirit: what is wrong now, how soon it must be seen, what is heard.

Time is the sample index. Physiological conditions come from the pipeline's events, technical ones
(storage, battery, no data) from whoever sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from firmware.events import Event
from firmware.findings import Priority


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
    PAUSED = "paused"  # for some time, new ones too


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm.

    code : for programs ("asystole", "electrode_off"); text, act : for the screen
    since : sample index at which the condition began; technical : of the instrument
    """

    code: str
    text: str
    act: str
    priority: Priority
    since: int
    technical: bool = False
    state: AlarmState = AlarmState.ON


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """An alarm began, latched or ended at sample ``index``."""

    index: int
    alarm: Alarm


class Alarms:
    """The alarms of one patient: fed with events, asked by screen, sound and line."""

    def __init__(self) -> None:
        self.active: tuple[Alarm, ...] = ()  # gravest first, the newest first among equals
        self.audio = Audio.QUIET

    def push(self, event: Event) -> list[AlarmEvent]:
        """What an event of the pipeline begins or ends."""
        return []

    def technical(
        self, code: str, text: str, act: str, priority: Priority, index: int
    ) -> list[AlarmEvent]:
        """A condition of the instrument, seen by somebody else; an empty ``text``: it is over."""
        return []

    def pass_time(self, index: int) -> list[AlarmEvent]:
        """The newest sample is ``index``."""
        return []

    def silence(self, index: int) -> list[AlarmEvent]:
        """Acknowledge what there is: it is no longer heard, and what is over is forgotten."""
        return []

    def pause(self, index: int) -> None:
        """No sound for two minutes, or again from now on if it was paused."""

    @property
    def sounding(self) -> Priority | None:
        """The gravest alarm that is heard now; None in silence."""
        return None

    def left_s(self, index: int) -> int:
        """Seconds until a pause ends; 0 when there is none."""
        return 0
