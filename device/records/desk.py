"""Where the instrument hands over what is to be kept, whether anybody keeps it or not."""

from __future__ import annotations

from device.patient import Patient
from device.records.interface import ASKED, Recorder, Why
from firmware.alarms import AlarmEvent
from firmware.events import Event
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, FrontendInfo

LEAST = SAMPLE_RATE_HZ  # samples of the patient before somebody may ask for a snapshot


class RecordDesk:
    """In front of a ``Recorder``; None: nothing is kept, and whoever asks for it is told."""

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._patient = Patient()
        self._of_patient = 0  # samples that were handed over

    @property
    def keeps(self) -> bool:
        """Whether there is a recorder."""
        return self._recorder is not None

    @property
    def failure(self) -> str:
        """See Recorder."""
        return self._recorder.failure if self._recorder else ""

    @property
    def recording(self) -> bool:
        """See Recorder."""
        return self._recorder is not None and self._recorder.recording

    @property
    def saved_at(self) -> int | None:
        """See Recorder."""
        return self._recorder.saved_at if self._recorder else None

    def source(self, info: FrontendInfo | None, model: str) -> None:
        """See Recorder; nothing before a front end is known."""
        if self._recorder and info is not None:
            self._recorder.source(info, model)

    def block(self, block: FrameBlock) -> None:
        """See Recorder."""
        if self._recorder:
            self._recorder.block(block)
            self._of_patient += len(block)

    def event(self, event: Event | AlarmEvent) -> None:
        """See Recorder."""
        if self._recorder:
            self._recorder.event(event)

    def set_patient(self, patient: Patient) -> None:
        """See Recorder; the same one again is only said again."""
        if patient and patient == self._patient:
            return
        self._patient, self._of_patient = patient, 0
        if self._recorder:
            self._recorder.set_patient(patient)

    def snapshot(self, why: Why, index: int, *, kept: int) -> str:
        """Keep the seconds around sample ``index``; "" or why that is not possible.

        kept : how many snapshots the settings allow
        """
        if self._recorder is None:
            return "this monitor keeps no records"
        if not kept:
            return "this monitor keeps no snapshots; raise [records] snapshots"
        if why in ASKED and self._of_patient < LEAST:
            return "less than a second of this patient is there; try again in a second"
        self._recorder.snapshot(why, index)
        return self._recorder.failure
