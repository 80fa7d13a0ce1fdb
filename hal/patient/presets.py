"""Simulated patients by name: "sinus-70", "af-90", "v3-off"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import inf

from hal.frontend import Electrode
from hal.patient import Patient, background, morphology
from hal.patient.artefact import Artefacts, WithArtefacts
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults, swapped
from hal.patient.generator import Rhythm, RhythmPatient
from hal.patient.morphology import Shape
from hal.patient.rhythm import (
    atria,
    dropping,
    extrasystoles,
    fibrillation,
    flutter_response,
    regular,
    sinus,
    with_waves,
)
from hal.patient.standard import RHYTHMS, families, standard
from hal.patient.tour import Tour

_RESTING = Artefacts(wander_uv=30.0, muscle_uv=4.0)  # a quiet patient, good electrodes
_WALKING = Artefacts(wander_uv=250.0, muscle_uv=45.0, mains_uv=20.0, motion_uv=600.0)
_OFFSETS_MV = (-150.0, 150.0, 150.0, 0.0, -250.0, 300.0, -250.0, 300.0, -250.0, 300.0)
_SILENCE = Rhythm(())
_PARAMETRISED = re.compile(r"([a-z]+)-(\d{1,4})$")


@dataclass(frozen=True, slots=True)
class Preset:
    """A named patient: its heart, its noise and its electrodes, or a tour through others."""

    what: str
    rhythm: Rhythm = _SILENCE
    artefacts: Artefacts = _RESTING
    events: tuple[ElectrodeEvent, ...] = ()
    tour: tuple[tuple[Preset, float], ...] = ()  # and for how many seconds each

    def patient(self, name: str, seed: int) -> Patient:
        """The patient; ``seed`` is the person."""
        if self.tour:
            return Tour(name, [(stop.patient(name, seed), s) for stop, s in self.tour])
        patient: Patient = RhythmPatient(name, self.rhythm, seed)
        patient = WithArtefacts(patient, self.artefacts, seed)
        return WithElectrodeFaults(patient, self.events, seed) if self.events else patient


def preset(name: str, seed: int = 0) -> Patient:
    """The patient called ``name``; ``seed`` (>= 0) is the person.

    Any rate goes for sinus-<20..300>, af-<30..240>, svt-<100..300>, vt-<100..300> and
    paced-<30..180>; the standards' test waves are in ``standard``. Raises ValueError listing what
    exists.
    """
    return standard(name, seed) or _find(name).patient(name, seed)


def truth(name: str, seed: int = 0) -> RhythmPatient:
    """The heart of ``preset(name, seed)`` alone: its ``beats`` and ``mate4`` are the truth.

    Raises ValueError for unknown names and for tours, which have several hearts.
    """
    found = _find(name)
    if found.tour:
        raise ValueError(f"{name} goes through several rhythms; ask for one of them")
    return RhythmPatient(name, found.rhythm, seed)


def presets() -> dict[str, str]:
    """Every listed preset and what it shows."""
    return {name: entry.what for name, entry in _PRESETS.items()}


def sinus_group(bpm: float) -> str:
    """The MATE group of sinus rhythm at a rate: below 60 SB, above 100 (tachycardia) GSVT."""
    return "SB" if bpm < 60 else "GSVT" if bpm > 100 else "SR"


def _sinus(bpm: float, shape: Shape = morphology.NORMAL, *, pr: float | None = None) -> Rhythm:
    return Rhythm((sinus(bpm, shape=shape, pr=pr),), sinus_group(bpm))


def _af(bpm: float) -> Rhythm:
    return Rhythm((fibrillation(bpm),), "AFIB", background.atrial_fibrillation)


def _flutter(ratio: int) -> Rhythm:
    response = flutter_response(background.FLUTTER_CYCLE_S, ratio)
    return Rhythm((response,), "AFIB", background.atrial_flutter)


def _svt(bpm: float) -> Rhythm:
    beats = regular(bpm, morphology.NORMAL, spread=0.004)
    return Rhythm((with_waves(beats, morphology.RETROGRADE_P, 0.075),), "GSVT")


def _vt(bpm: float) -> Rhythm:
    return Rhythm((regular(bpm, morphology.VENTRICULAR_TACHYCARDIA, spread=0.012), atria(80)))


def _paced(bpm: float) -> Rhythm:
    beats = regular(bpm, morphology.PACED, spread=0.0)
    return Rhythm((with_waves(beats, morphology.SPIKE, -0.085), atria(85)))


_RATED: dict[str, tuple[int, int, Callable[[float], Rhythm]]] = {
    "sinus": (20, 300, _sinus),
    "af": (30, 240, _af),
    "svt": (100, 300, _svt),
    "vt": (100, 300, _vt),
    "paced": (30, 180, _paced),
}


def _find(name: str) -> Preset:
    if found := _PRESETS.get(name):
        return found
    match = _PARAMETRISED.match(name)
    if match and (rated := _RATED.get(match[1])):
        kind, bpm = match[1], int(match[2])
        low, high, rhythm = rated
        if not low <= bpm <= high:
            raise ValueError(f"{name}: the rate of {kind} goes from {low} to {high} bpm")
        return Preset(f"{kind} at {bpm} bpm", rhythm(bpm))
    close = get_close_matches(name, _PRESETS, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    known = ", ".join([*_PRESETS, *(f"{kind}-<bpm>" for kind in _RATED), *families()])
    raise ValueError(f"no simulated patient '{name}'; {hint}there are {known}")


_SINUS_70 = _sinus(70)
_V3 = Electrode.V3
_PRESETS: dict[str, Preset] = {
    "sinus-70": Preset("sinus rhythm", _SINUS_70),
    "sinus-40": Preset("sinus bradycardia", _sinus(40)),
    "sinus-120": Preset("sinus tachycardia", _sinus(120)),
    "sinus-arrhythmia": Preset(
        "sinus arrhythmia: RR swings 15 % with breathing",
        Rhythm((sinus(68, arrhythmia=0.15),), "SR"),
    ),
    "af-90": Preset("atrial fibrillation", _af(90)),
    "af-140": Preset("atrial fibrillation, fast", _af(140)),
    "flutter-1to1": Preset("atrial flutter 300/min, every wave conducted", _flutter(1)),
    "flutter-2to1": Preset("atrial flutter 300/min, every 2nd wave conducted", _flutter(2)),
    "flutter-3to1": Preset("atrial flutter 300/min, every 3rd wave conducted", _flutter(3)),
    "flutter-4to1": Preset("atrial flutter 300/min, every 4th wave conducted", _flutter(4)),
    "svt-180": Preset("AV-nodal re-entrant tachycardia, P just behind QRS", _svt(180)),
    "vt-160": Preset("ventricular tachycardia, atria dissociated at 80", _vt(160)),
    "vf": Preset(
        "ventricular fibrillation", Rhythm((), background=background.ventricular_fibrillation)
    ),
    "asystole": Preset("asystole: electrodes on, no activity", _SILENCE),
    "avb1-70": Preset("first-degree AV block, PR 0.28 s", _sinus(70, pr=0.28)),
    "avb2-wenckebach": Preset(
        "second-degree AV block, Wenckebach 4:3", Rhythm((dropping(75, (0.18, 0.27, 0.31)),))
    ),
    "avb2-mobitz": Preset(
        "second-degree AV block, Mobitz II 3:2 with RBBB",
        Rhythm((dropping(80, (0.17, 0.17), morphology.RBBB),)),
    ),
    "avb3": Preset(
        "third-degree AV block: atria 82, junctional escape 42",
        Rhythm((regular(42, morphology.NORMAL, spread=0.008), atria(82))),
    ),
    "lbbb-70": Preset("left bundle branch block", _sinus(70, morphology.LBBB)),
    "rbbb-70": Preset("right bundle branch block", _sinus(70, morphology.RBBB)),
    "pvc-70": Preset(
        "sinus rhythm with ventricular extrasystoles",
        Rhythm((extrasystoles(70, ventricular=True, between=(3, 8)),), "SR"),
    ),
    "pac-70": Preset(
        "sinus rhythm with atrial extrasystoles",
        Rhythm((extrasystoles(70, ventricular=False, between=(3, 8)),), "SR"),
    ),
    "bigeminy": Preset(
        "ventricular bigeminy", Rhythm((extrasystoles(75, ventricular=True, between=(1, 1)),))
    ),
    "paced-60": Preset("ventricular pacing at 60, atria at 85", _paced(60)),
    "stemi-anterior": Preset("ST elevation V1-V4", _sinus(85, morphology.ANTERIOR_INFARCTION)),
    "stemi-inferior": Preset(
        "ST elevation II, III, aVF", _sinus(65, morphology.INFERIOR_INFARCTION)
    ),
    "st-depression": Preset("ST depression V4-V6, II", _sinus(95, morphology.ST_DEPRESSION)),
    "tall-t": Preset("tall T waves", _sinus(70, morphology.TALL_T)),
    "noisy-70": Preset("sinus rhythm, walking: wander, muscle, motion", _SINUS_70, _WALKING),
    "mains-50": Preset(
        "sinus rhythm, 50 Hz mains",
        _SINUS_70,
        replace(_RESTING, mains_uv=300.0, mains_common_mv=5.0),
    ),
    "mains-60": Preset(
        "sinus rhythm, 60 Hz mains",
        _SINUS_70,
        replace(_RESTING, mains_uv=300.0, mains_common_mv=5.0, mains_hz=60.0),
    ),
    "offset-300mv": Preset(
        "sinus rhythm, every lead offset by up to 300 mV",
        _SINUS_70,
        replace(_RESTING, offset_mv=_OFFSETS_MV),
    ),
    "v3-off": Preset(
        "sinus rhythm, V3 off from 15 s to 25 s",
        _SINUS_70,
        events=(ElectrodeEvent(_V3, 15.0, 25.0, Fault.OFF),),
    ),
    "ra-off": Preset(
        "sinus rhythm, RA off from 15 s to 25 s",
        _SINUS_70,
        events=(ElectrodeEvent(Electrode.RA, 15.0, 25.0, Fault.OFF),),
    ),
    "v5-noisy": Preset(
        "sinus rhythm, V5 with poor contact from 10 s",
        _SINUS_70,
        events=(ElectrodeEvent(Electrode.V5, 10.0, inf, Fault.NOISY),),
    ),
    "la-ra-swap": Preset(
        "sinus rhythm, LA and RA exchanged",
        _SINUS_70,
        events=(swapped(Electrode.LA, Electrode.RA),),
    ),
    "v1-v2-swap": Preset(
        "sinus rhythm, V1 and V2 exchanged",
        _SINUS_70,
        events=(swapped(Electrode.V1, Electrode.V2),),
    ),
}
_PRESETS |= {name: Preset(what, rhythm) for name, (what, rhythm) in RHYTHMS.items()}
_PRESETS["demo"] = Preset(
    "a tour: sinus rhythm, atrial fibrillation, V3 off, extrasystoles, and again",
    tour=(
        (_PRESETS["sinus-70"], 25.0),
        (_PRESETS["af-90"], 25.0),
        (_PRESETS["sinus-70"], 15.0),
        (
            Preset("", _SINUS_70, events=(ElectrodeEvent(_V3, 0.0, inf, Fault.OFF),)),
            12.0,
        ),
        (_PRESETS["pvc-70"], 23.0),
    ),
)
