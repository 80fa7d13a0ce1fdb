"""Every screen and state on every size, as PNG: ``python -m device.display.gallery [FOLDER]``.

The pictures in docs/screens are this program's output and are compared pixel by pixel in the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.display.screens import Frame, render
from device.display.state import ScreenState
from device.display.words import Naming
from firmware.events import (
    Beat,
    Call,
    ElectrodeChange,
    Gap,
    LeadFault,
    Quality,
    QualityGrade,
    Rate,
    Refusal,
    Trace,
)
from firmware.findings import Finding, Priority
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask

COMMAND = "python -m device.display.gallery"
FOLDER = Path("docs/screens")
SIZES = {"256x64": ((256, 64), True), "128x64": ((128, 64), False)}
TALL = {"128x128": ((128, 128), True), "128x96": ((128, 96), True)}
BLOCK = 50  # samples per event, as the pipeline gives them
# Waves of a beat: centre (s from the R peak), width (s), height (uV); P, Q, R, S, T.
_WAVES = (
    (-0.17, 0.022, 130),
    (-0.03, 0.008, -120),
    (0, 0.011, 1150),
    (0.03, 0.009, -260),
    (0.27, 0.045, 290),
)
# How much of it each lead sees, in the order of LEADS.
_GAINS = np.array((0.7, 1.0, 0.45, -0.8, 0.25, 0.7, -0.5, -0.8, 0.5, 1.2, 1.1, 0.8))

_MI = Finding("mi", "POSSIBLE MI", "symptoms? call ahead", Priority.HIGH, 0.84)
_LBBB = Finding("lbbb", "LBBB", "new? ST not readable", Priority.MEDIUM, 0.97)
_PACED = Finding("paced", "PACED RHYTHM", "read the trace", Priority.MEDIUM, 0.99)
_AXIS = Finding("left_axis", "LEFT AXIS", "", Priority.LOW, 0.7)


def synthetic_ecg(seconds: float, peaks: NDArray[np.float64], p_wave: bool) -> NDArray[np.int32]:
    """Twelve leads in microvolts, int32 [n, 12], with a beat at each of ``peaks`` (s)."""
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    uv = np.zeros(len(t))
    for centre, width, height in _WAVES[0 if p_wave else 1 :]:
        for peak in peaks:
            uv += height * np.exp(-0.5 * ((t - peak - centre) / width) ** 2)
    if not p_wave:  # fibrillation waves in place of P
        uv += 45 * np.sin(2 * np.pi * 6.1 * t) * np.sin(2 * np.pi * 0.31 * t + 1)
    uv += np.random.default_rng(12).normal(0, 8, len(t))
    leads: NDArray[np.int32] = np.round(uv[:, None] * _GAINS).astype(np.int32)
    return leads


def _peaks(seconds: float, irregular: bool) -> NDArray[np.float64]:
    rng = np.random.default_rng(7)
    intervals = rng.uniform(0.45, 0.95, 60) if irregular else np.full(60, 60 / 78)
    peaks = 0.4 + np.cumsum(intervals) - intervals[0]
    return np.asarray(peaks[peaks < seconds])


def make_call(index: int, **changes: object) -> Call:
    """A call of sinus rhythm at ``index`` with ``changes``."""
    fields: dict[str, object] = {
        "index": index,
        "span": 10 * SAMPLE_RATE_HZ,
        "label": "SR",
        "text": "SINUS RHYTHM",
        "probability": 0.97,
        "refusal": None,
        "act": "",
        "scores": {},
        "rate_bpm": 78.0,
        "irregularity": 0.02,
        "quality": QualityGrade.GOOD,
        "faults": {},
        "electrodes_off": 0,
        "model": "core 1.2",
    }
    return Call(**{**fields, **changes})  # type: ignore[arg-type]


def patient(
    seconds: float = 23.3,
    *,
    irregular: bool = False,
    rate: float | None = 78.0,
    off: tuple[Electrode, ...] = (),
    gap: tuple[float, float] | None = None,
    flat: bool = False,
    grade: QualityGrade = QualityGrade.GOOD,
    invalid_from: float | None = None,
) -> ScreenState:
    """A state after ``seconds`` of synthetic signal, without a call yet."""
    state = ScreenState(model="core 1.2", recording=True)
    peaks = _peaks(seconds, irregular)
    uv = synthetic_ecg(seconds, peaks, p_wave=not irregular)
    if flat:
        uv = np.random.default_rng(3).integers(-9, 10, uv.shape).astype(np.int32)
    for first in range(0, len(uv), BLOCK):
        block = uv[first : first + BLOCK]
        if gap and gap[0] <= first / SAMPLE_RATE_HZ < gap[1]:
            continue
        if gap and first == round(gap[1] * SAMPLE_RATE_HZ):
            state.apply(Gap(first, round((gap[1] - gap[0]) * SAMPLE_RATE_HZ)))
        bad = invalid_from is not None and first >= invalid_from * SAMPLE_RATE_HZ
        state.apply(Trace(first, block, np.full(12, not bad)))
        if not flat:
            for peak in peaks[
                (peaks * SAMPLE_RATE_HZ >= first) & (peaks * SAMPLE_RATE_HZ < first + BLOCK)
            ]:
                state.apply(Beat(round(peak * SAMPLE_RATE_HZ)))
        if first % SAMPLE_RATE_HZ == 0:
            state.apply(Quality(first, grade, {}))
    state.apply(Rate(state.index, rate, 0.02))
    if off:
        state.apply(ElectrodeChange(state.index, electrode_mask(off)))
    return state


def _called(state: ScreenState, **changes: object) -> ScreenState:
    state.apply(make_call(state.index, electrodes_off=state.electrodes_off, **changes))
    return state


def _refused(
    state: ScreenState, refusal: Refusal, text: str, act: str, **more: object
) -> ScreenState:
    return _called(state, label=None, refusal=refusal, text=text, act=act, **more)


def states() -> Iterator[tuple[str, ScreenState]]:
    """Name and state of every picture."""
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
    yield "start", ScreenState(message=("LEAD12", "Self-test: front end, filters, model"))
    yield (
        "fault",
        ScreenState(message=("NO SIGNAL FROM ADS1298", "Check the cable to the front end")),
    )


def frames() -> Iterator[tuple[str, Frame]]:
    """File name and frame of every picture."""
    for name, state in states():
        for size, (pixels, grey) in SIZES.items():
            yield f"{name}-{size}.png", render(state, pixels, grey=grey)
        if name in ("fibrillation", "connect-aha", "fault"):
            for size, (pixels, grey) in TALL.items():
                yield f"{name}-{size}.png", render(state, pixels, grey=grey)


def main(folder: Path = FOLDER) -> None:
    """Write every picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames():
        frame.image.save(folder / name)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
