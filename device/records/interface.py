"""What keeps records, as the instrument sees it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from device.patient import Patient
from firmware.alarms import AlarmEvent
from firmware.events import Event
from hal.frontend import FrameBlock, FrontendInfo


class Why(StrEnum):
    """What a snapshot was taken for."""

    BUTTON = "button"
    ALARM = "alarm"
    CALL = "call"  # the call has changed
    COMMAND = "command"


ASKED = (Why.BUTTON, Why.COMMAND)  # for by a person


class Recorder(Protocol):
    """Keeps samples and events on disk; never waits for it and never raises."""

    @property
    def failure(self) -> str:
        """What is wrong with the storage, in one sentence; "" while all is kept."""
        ...

    @property
    def recording(self) -> bool:
        """Whether samples reach the disk now."""
        ...

    @property
    def saved_at(self) -> int | None:
        """Index of the newest snapshot on the disk that a person asked for."""
        ...

    def source(self, info: FrontendInfo, model: str) -> None:
        """What the samples that follow come from, and who makes the calls."""
        ...

    def set_patient(self, patient: Patient) -> None:
        """Another patient: the snapshots that follow are of this one, and hold nothing older."""
        ...

    def block(self, block: FrameBlock) -> None:
        """The next samples; what is on disk already is left out."""
        ...

    def event(self, event: Event | AlarmEvent) -> None:
        """Beats, calls, electrodes and alarms become annotations."""
        ...

    def snapshot(self, why: Why, index: int) -> None:
        """Keep the seconds around sample ``index``, as far as there are any of this patient."""
        ...

    def close(self) -> None:
        """No more will come."""
        ...
