"""Which front end the settings mean, and who is on the electrodes of a simulated one."""

from __future__ import annotations

from device.ahead import PatientAhead
from device.config import Config, PatientSection
from hal import backends
from hal.clock import Clock
from hal.errors import FrontendError, Reason
from hal.frontend import Frontend
from hal.patient import Patient

SIMULATED = "simulated"


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


def build_frontend(config: Config, clock: Clock) -> Frontend:
    """The configured back end, not open yet, to run in real time.

    Raises HalError: unknown, absent, bad recording.
    """
    name = config.frontend.backend
    patient = PatientAhead(build_patient(config.patient)) if name == SIMULATED else None
    return backends.build(name, clock, options=config.frontend.options, patient=patient)
