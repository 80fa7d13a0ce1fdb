"""Every screen and state on every size, as PNG: ``python -m device.display.gallery [FOLDER]``.

The pictures in docs/screens are this program's output and are compared pixel by pixel in the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from device.controls import Page
from device.degraded import screen_state
from device.display import pages_gallery
from device.display.example import make_call, patient
from device.display.screens import Frame, render
from device.display.state import ScreenState
from device.display.words import PRESS_ON, Naming
from firmware.alarms import Alarm, AlarmState, Audio
from firmware.events import ElectrodeChange, LeadFault, QualityGrade, Refusal
from firmware.findings import Finding, Priority
from hal.frontend import Electrode, electrode_mask

COMMAND = "python -m device.display.gallery"
FOLDER = Path("docs/screens")
SIZES = {"256x64": ((256, 64), True), "128x64": ((128, 64), False)}
TALL = {"128x128": ((128, 128), True), "128x96": ((128, 96), True)}
ON_TALL = ("fibrillation", "leads-three", "connect-aha", "fault", "page-leads")
WIDE_ONLY = ("leads-three",)  # narrow ones have two at most

_MI = Finding("mi", "POSSIBLE MI", "symptoms? call ahead", Priority.HIGH, 0.84)
_LBBB = Finding("lbbb", "LBBB", "new? ST not readable", Priority.MEDIUM, 0.97)
_PACED = Finding("paced", "PACED RHYTHM", "read the trace", Priority.MEDIUM, 0.99)
_AXIS = Finding("left_axis", "LEFT AXIS", "", Priority.LOW, 0.7)


def _called(state: ScreenState, **changes: object) -> ScreenState:
    state.apply(make_call(state.index, electrodes_off=state.electrodes_off, **changes))
    return state


def _refused(
    state: ScreenState, refusal: Refusal, text: str, act: str, **more: object
) -> ScreenState:
    return _called(state, label=None, refusal=refusal, text=text, act=act, **more)


def _calls() -> Iterator[tuple[str, ScreenState]]:
    """The live screen, electrodes and faults."""
    yield "sinus", _called(patient())
    yield (
        "fibrillation",
        _called(
            patient(irregular=True, rate=104.0),
            label="AFIB",
            text="ATRIAL FIBRILLATION",
            probability=0.93,
        ),
    )
    yield (
        "tachycardia",
        _called(patient(rate=188.0), label="GSVT", text="SINUS TACHY OR SVT", probability=0.71),
    )
    yield "possible-mi", _called(patient(24.3), findings=(_MI, _LBBB))
    yield "left-bundle", _called(patient(), findings=(_LBBB, _AXIS))
    yield (
        "paced",
        _refused(
            patient(24.3), Refusal.OTHER_RHYTHM, _PACED.text, _PACED.act, findings=(_PACED, _AXIS)
        ),
    )
    yield "chest-electrode-off", _called(patient(off=(Electrode.V3,)), probability=0.88)
    state = patient(31, off=(Electrode.V3, Electrode.V5), invalid_from=28.0)
    yield (
        "cannot-analyse-off",
        _refused(state, Refusal.ELECTRODE_OFF, "V3 +1 OFF", "press on or replace"),
    )
    state = patient(grade=QualityGrade.BAD, rate=None)
    yield (
        "cannot-analyse-movement",
        _refused(state, Refusal.NOISE, "MOVEMENT", "hold still", faults={"II": LeadFault.NOISY}),
    )
    yield (
        "unsure",
        _refused(patient(), Refusal.UNSURE, "UNSURE", "read the trace", probability=0.41),
    )
    state = patient()
    state.model, state.on_trial = "core 1.3", True
    yield "model-on-trial", _called(state, model="core 1.3")
    yield "no-model", _refused(patient(), Refusal.NO_MODEL, "NO MODEL", "install a model", model="")
    state = patient(23.2, rate=172.0)
    yield "ventricular", _refused(state, Refusal.VENTRICULAR, "VF OR VT?", "check patient now")
    state = patient(23.2, flat=True, rate=None)
    yield "asystole", _refused(state, Refusal.NO_SIGNAL, "ASYSTOLE?", "check patient and cable")
    state = patient(23.2, flat=True, rate=None)
    state.apply(ElectrodeChange(state.index, electrode_mask((Electrode.V6,))))
    yield "electrode-fell-off", state
    state = patient(gap=(20.0, 21.5), rate=None)
    state.note("serial", "serial lost")
    yield "gap", _refused(state, Refusal.STARTING, "ANALYSING 1 s", "hold still", span=900)
    yield (
        "analysing",
        _refused(patient(4.6), Refusal.STARTING, "ANALYSING 4 s", "hold still", span=2300),
    )
    off = (Electrode.RA, Electrode.V2, Electrode.V6)
    state = patient(30.1, off=off, grade=QualityGrade.POOR, rate=None, invalid_from=20.0)
    yield "connect-aha", state
    state = patient(30.1, off=(Electrode.V4, Electrode.V5, Electrode.V6), rate=None)
    state.naming = Naming.IEC
    yield "connect-iec", state
    state = patient(0.5, grade=QualityGrade.FAIR, rate=None)
    yield "connect-all-on", state
    state = patient()
    state.message = ("NO SIGNAL", "ads1298 on spi0.0: no answer; check the cable to the front end")
    yield "fault", state


def _alarm(code: str, text: str, act: str, priority: Priority, **more: object) -> Alarm:
    return Alarm(code, text, act, priority, 0, **more)  # type: ignore[arg-type]


ASYSTOLE = _alarm("asystole", "ASYSTOLE?", "check patient and cable", Priority.HIGH)
_VF = _alarm("vf_vt", "VF OR VT?", "check patient now", Priority.HIGH)
_TACHY = _alarm("tachy", "TACHYCARDIA", "check patient", Priority.MEDIUM)
_AF = _alarm("af", "ATRIAL FIBRILLATION", "new? record 12 leads", Priority.MEDIUM)
_STORAGE = _alarm("storage", "STORAGE FAULT", "see health page", Priority.LOW, technical=True)
_V3 = _alarm("chest_off", "CHEST ELECTRODE OFF", PRESS_ON, Priority.LOW, technical=True)
_LIMB = _alarm("electrode_off", "LIMB ELECTRODE OFF", PRESS_ON, Priority.MEDIUM, technical=True)
_OVER = AlarmState.LATCHED
_VF_FOUND = Finding("vf_vt", "VF OR VT?", "check patient now", Priority.HIGH, None)
_NO_DATA = _alarm("no_data", "NO DATA", "check device and cable", Priority.HIGH, technical=True)


def _alarmed(state: ScreenState, audio: Audio, *alarms: Alarm, left_s: int = 0) -> ScreenState:
    state.alarms, state.audio, state.audio_left_s = alarms, audio, left_s
    return state


def _alarms() -> Iterator[tuple[str, ScreenState]]:
    """Alarms in the call row, and what is heard of them."""
    flat = {"refusal": Refusal.NO_SIGNAL, "text": "ASYSTOLE?", "act": "check patient and cable"}
    for name, seconds in (("alarm-high", 23.2), ("alarm-high-dark", 23.6)):
        state = _refused(patient(seconds, flat=True, rate=None), **flat)  # type: ignore[arg-type]
        yield name, _alarmed(state, Audio.SOUNDING, ASYSTOLE)
    fast = {"label": "GSVT", "text": "SINUS TACHY OR SVT", "probability": 0.71}
    yield (
        "alarm-medium-silenced",
        _alarmed(_called(patient(rate=158.0), **fast), Audio.SILENCED, _TACHY),
    )
    af = {"label": "AFIB", "text": "ATRIAL FIBRILLATION", "probability": 0.93}
    state = _called(patient(24.3, irregular=True, rate=104.0), **af)
    yield "alarm-new-fibrillation", _alarmed(state, Audio.SOUNDING, _AF)
    was = replace(_VF, state=AlarmState.LATCHED)
    state = _called(patient(24.3))
    yield "alarm-latched-paused", _alarmed(state, Audio.PAUSED, was, _STORAGE, left_s=112)
    state = patient(30.1, off=(Electrode.RA,), rate=None, invalid_from=20.0)
    yield "connect-alarm", _alarmed(state, Audio.SOUNDING, was)
    v3 = _called(patient(off=(Electrode.V3,)), probability=0.88)
    yield "alarm-chest-electrode", _alarmed(v3, Audio.SOUNDING, _V3)
    state = _refused(
        patient(23.2, rate=172.0), Refusal.VENTRICULAR, _VF.text, _VF.act, findings=(_VF_FOUND,)
    )
    yield "alarm-vf-latched", _alarmed(state, Audio.SOUNDING, _VF, replace(ASYSTOLE, state=_OVER))
    state = patient(30.1, off=(Electrode.RA,), rate=None, invalid_from=20.0)
    yield "connect-limb-alarm", _alarmed(state, Audio.SOUNDING, _LIMB)
    state = _called(patient(24.3), probability=0.88)
    state.controls.show(Page.TREND, state.index)
    yield "page-alarm", _alarmed(state, Audio.SOUNDING, _TACHY)
    message = ("NO SIGNAL", "ads1298 on spi0.0: no answer; check the cable to the front end")
    state = _alarmed(patient(), Audio.SOUNDING, _NO_DATA, was)
    state.message = message
    yield "fault-alarm", state


def _leads() -> Iterator[tuple[str, ScreenState]]:
    """What the button steps through, one lead to three."""
    for view, name in enumerate(("leads-v1", "leads-v5", "leads-two", "leads-three"), 1):
        state = _called(patient())
        state.view = view
        yield name, state


def _start() -> Iterator[tuple[str, ScreenState]]:
    """The self-test, begun and gone wrong."""
    fine = {"filters": "ok", "model": "ok core 1.2", "storage": "ok"}
    state = ScreenState(message=("STARTING", "waiting for the front end"), health=fine)
    yield "start", state
    state = ScreenState(message=("NO SIGNAL", "ads1298 on spi0.0: no answer"), health=fine)
    state.note("frontend", "ads1298 on spi0.0: no answer; check power and the cable to it")
    yield "start-fault", state


def _failed() -> Iterator[tuple[str, ScreenState]]:
    """In place of the monitor."""
    yield "monitor-failed", screen_state("ValueError: a defect (firmware/pipeline.py:96)", 43)


def _nights() -> Iterator[tuple[str, ScreenState]]:
    """In the dark."""
    calm, framed = _called(patient()), _called(patient(rate=158.0), findings=(_LBBB,))
    for name, state in (("night", calm), ("night-alarm", framed)):
        state.night = True
        yield name, state


def states() -> Iterator[tuple[str, ScreenState]]:
    """Name and state of every picture."""
    for part in (_calls, _alarms, _leads, _start, _failed, _nights):
        yield from part()
    yield from pages_gallery.states()


def frames() -> Iterator[tuple[str, Frame]]:
    """File name and frame of every picture."""
    for name, state in states():
        sizes = SIZES | (TALL if name in ON_TALL else {})
        for size, (pixels, grey) in sizes.items():
            if size != "128x64" or name not in WIDE_ONLY:
                yield f"{name}-{size}.png", render(state, pixels, grey=grey)


def main(folder: Path = FOLDER) -> None:
    """Write every picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames():
        frame.image.save(folder / name)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
