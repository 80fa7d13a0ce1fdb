"""What the standard wants disclosed: irregular rhythms, response time, time to alarm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from firmware.events import Call
from hal.patient import ANALOG_RATE_HZ, Patient
from hal.patient.calibration import Calibration
from hal.patient.changes import Succession, later
from hal.patient.generator import RhythmPatient
from hal.patient.presets import preset
from hal.patient.standard import STEP_S, rate_step
from tools.conformance.bench import calls_of, rates_of, record
from tools.conformance.clause import IEC_27, Reading, Row
from tools.conformance.rate import LIMIT, allowed_bpm, rate_reading

DISCLOSED = f"{IEC_27} 201.7.9.2.9.101 b)"
IRREGULAR = (
    ("3a ventricular bigeminy", "a1-bigeminy-80", 80),
    ("3b slow alternating bigeminy", "a2-bigeminy-60", 60),
    ("3c rapid alternating bigeminy", "a3-bigeminy-120", 120),
    ("3d bidirectional systoles", "a4-bidirectional-90", 90),
)
STABLE_S = 20.0
STEPS_BPM = ((80, 120), (80, 40))
SHIFTS_S = (0.0, 0.2, 0.4, 0.6, 0.8)  # of the step against the whole seconds
AFTER_S = 20.0
RESPONSE_S = 11.0
ONSET_S = 20.0
ALARM_S = 11.0
ON_HEARTS = "the simulator's hearts at the standard's rates, not its printed waves"


def rows() -> Iterator[Row]:
    """Every clause of disclosure."""
    for what, name, bpm in IRREGULAR:
        shown = rates_of(record(preset(name, 1), STABLE_S + 10).said(), STABLE_S)
        known = [rate for rate in shown if rate is not None]
        yield Row(
            f"{DISCLOSED} 4)",
            "a e g",
            f"Irregular rhythm {what}: the rate after 20 s, {bpm} bpm expected",
            LIMIT,
            [
                rate_reading("worst", shown, bpm),
                Reading("least", min(known, default=None), "bpm"),
                Reading("most", max(known, default=None), "bpm"),
            ],
            note=ON_HEARTS,
        )
    for first, then in STEPS_BPM:
        yield _response(first, then)
    for wave, name in (("4a, 206 bpm", "b1"), ("4b, 195 bpm", "b2")):
        yield _ventricular(wave, name)
    yield _others()


def _response(first: int, then: int) -> Row:
    """From the beat that the first new interval begins with."""
    heart = RhythmPatient("rate step", rate_step(first, then), 1)
    points = heart.beats(round(STEP_S * ANALOG_RATE_HZ), 5 * ANALOG_RATE_HZ)
    step_s = points[0] / ANALOG_RATE_HZ
    toward, there = [], []
    for shift_s in SHIFTS_S:
        at_s = step_s - shift_s
        said = record(later(heart, shift_s), at_s + AFTER_S).said()
        seconds = range(int(at_s) + 1, int(at_s + AFTER_S))
        shown = {t: rates_of(said, t, t)[0] for t in seconds}
        near = {
            t: bpm is not None and abs(bpm - then) < 0.37 * abs(first - then)
            for t, bpm in shown.items()
        }
        right = {
            t: bpm is not None and abs(bpm - then) <= allowed_bpm(then) for t, bpm in shown.items()
        }
        toward.append(_since(near, at_s))
        there.append(_since(right, at_s))
    return Row(
        f"{DISCLOSED} 5)",
        "a e",
        f"Response time of the rate to a step from {first} to {then} bpm",
        f"{RESPONSE_S:g} s",
        [
            _longest("63 % of the way", toward, RESPONSE_S),
            _longest(f"within {allowed_bpm(then):g} bpm", there, RESPONSE_S),
            Reading("that on average", _mean(there), "s"),
        ],
        note=f"for good; the longest of {len(SHIFTS_S)} runs, the step at other times of a second",
    )


def _since(holds: Mapping[int, bool], at_s: float) -> float | None:
    """From ``at_s`` until it holds for good; None if it does not at the end."""
    seconds = sorted(holds)
    if not holds[seconds[-1]]:
        return None
    broken = [t for t in seconds if not holds[t]]
    return (broken[-1] + 1 if broken else seconds[0]) - at_s


def _longest(name: str, times: list[float | None], limit: float) -> Reading:
    known = [t for t in times if t is not None]
    return Reading(name, max(known) if len(known) == len(times) else None, "s", 0.0, limit)


def _mean(times: list[float | None]) -> float | None:
    known = [t for t in times if t is not None]
    return sum(known) / len(known) if known else None


def _until(patient: Patient, when: Callable[[Call], bool]) -> float | None:
    """Seconds from the onset of ``patient`` after sinus rhythm until a call says ``when``."""
    said = record(
        Succession([(0.0, preset("qrs-1000uv-70ms-80bpm")), (ONSET_S, patient)]), ONSET_S + 20
    ).said()
    return next((at - ONSET_S for at, call in calls_of(said) if at > ONSET_S and when(call)), None)


def _finds(code: str) -> Callable[[Call], bool]:
    return lambda call: any(finding.code == code for finding in call.findings)


def _ventricular(wave: str, name: str) -> Row:
    readings = []
    for size in ("half", "normal", "double"):
        at = _until(preset(f"{name}-vt-{size}", 1), _finds("vf_vt"))
        readings.append(Reading(f"VF OR VT?, {size}", at, "s", 0.0, ALARM_S))
    for size in ("half", "normal", "double"):
        patient = preset(f"{name}-vt-{size}", 1)
        at = _until(patient, lambda call: (call.rate_bpm or 0.0) > 140)
        readings.append(Reading(f"rate above 140, {size}", at, "s"))
    return Row(
        f"{DISCLOSED} 6)",
        "a e g",
        f"Time to the finding of ventricular tachycardia {wave}, half, normal and double height",
        f"{ALARM_S:g} s",
        readings,
        note=f"{ON_HEARTS}. The finding; the alarm comes sooner (docs/alarms.md)",
    )


def _others() -> Row:
    flat = Calibration("flat", {})
    return Row(
        IEC_27,
        "r",
        "Time to the finding of ventricular fibrillation and of asystole",
        f"{ALARM_S:g} s",
        [
            Reading("VF OR VT?", _until(preset("vf", 1), _finds("vf_vt")), "s", 0.0, ALARM_S),
            Reading("ASYSTOLE?", _until(flat, _finds("asystole")), "s", 0.0, ALARM_S),
        ],
        note="the finding; the alarm comes sooner (docs/alarms.md)",
    )
