"""Which front end the settings mean, and who is on the electrodes of a simulated one."""

from __future__ import annotations

from device.ahead import PatientAhead
from device.config import Config
from device.config_sections import INJECTED, SIMULATED, PatientSection
from hal import backends
from hal.clock import Clock
from hal.errors import FrontendError, Reason
from hal.frontend import Frontend
from hal.injected import FrameSource
from hal.patient import Patient


def build_patient(section: PatientSection) -> Patient:
    """The preset, or the recording if one is named. Raises HalError."""
    if section.record:
        from hal.patient.recording import RecordedPatient, read_recording

        return RecordedPatient(read_recording(section.record), loop=section.loop)
    from hal.patient.presets import preset

    try:
        return preset(section.preset, section.seed)
    except ValueError as error:
        raise FrontendError(Reason.BAD_CONFIG, str(error)) from None


def build_frontend(config: Config, clock: Clock, frames: FrameSource | None = None) -> Frontend:
    """The configured back end, not open yet, to run in real time.

    frames : what the injected front end reads
    Raises HalError: unknown, absent, bad recording.
    """
    name = config.frontend.backend
    patient = PatientAhead(build_patient(config.patient)) if name == SIMULATED else None
    options = config.frontend.options
    if name == INJECTED and frames is not None:
        options = {**options, "source": frames}
    return backends.build(name, clock, options=options, patient=patient)
