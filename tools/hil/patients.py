"""One patient of a scenario: a preset or a recording, its size and its noise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from device import source
from device.config_sections import PatientSection
from hal.frontend import Electrode
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ, Patient
from hal.patient.artefact import Artefacts, ArtefactSource, WithArtefacts
from hal.patient.changes import Scaled

RATED = ("sinus", "af")  # presets that take any rate
_DOSE_S = 20.0  # of the patient and of its noise, to set the signal-to-noise ratio by
_UNIT = 1000.0  # amplitude at which a kind of noise is measured
_KINDS = {
    "wander": "wander_uv",
    "muscle": "muscle_uv",
    "motion": "motion_uv",
    "mains": "mains_uv",
}


@dataclass(frozen=True, slots=True)
class Noise:
    """``kind`` with ``snr_db``, or ``amplitudes``: fields of ``Artefacts``."""

    kind: str = ""
    snr_db: float | None = None
    amplitudes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PatientSpec:
    """As in the scenario file. record : path, "" for the preset · rate_bpm : of sinus and af."""

    preset: str = ""
    record: str = ""
    seed: int = 1
    rate_bpm: int | None = None
    amplitude: float = 1.0
    noise: Noise = Noise()

    def __str__(self) -> str:
        parts = [Path(self.record).name or self.preset]
        if self.rate_bpm is not None:
            parts.append(f"at {self.rate_bpm}/min")
        if self.amplitude != 1.0:
            parts.append(f"times {self.amplitude:g}")
        if self.noise.kind:
            parts.append(f"with {self.noise.kind} at {self.noise.snr_db:g} dB")
        return " ".join(filter(None, parts))

    def build(self) -> Patient:
        """The patient with its noise.

        Raises ValueError or HalError: no such preset or recording, or what does not go together.
        """
        patient = self._heart()
        artefacts = self._artefacts()
        if self.noise.snr_db is not None:
            amplitude = _KINDS[self.noise.kind]
            dose = _dose(
                patient, replace(artefacts, offset_mv=()), self.seed + 1, self.noise.snr_db
            )
            artefacts = replace(artefacts, **{amplitude: _UNIT * dose})
        if artefacts != Artefacts():
            patient = WithArtefacts(patient, artefacts, self.seed + 1)
        return patient

    def check(self) -> None:
        """Raise as ``build`` does, in less time; only a dose of noise is not worked out."""
        self._heart()
        self._artefacts()

    def _heart(self) -> Patient:
        section = PatientSection(preset=self._preset(), seed=self.seed, record=self.record)
        patient = source.build_patient(section)
        return patient if self.amplitude == 1.0 else Scaled(patient, self.amplitude)

    def _preset(self) -> str:
        if self.preset and self.record:
            raise ValueError("preset and record both name a patient; give one of them")
        if self.record:
            if self.rate_bpm is not None:
                raise ValueError("a recording has the rate it has; take rate away")
            return ""
        if self.rate_bpm is None:
            return self.preset or PatientSection().preset
        kind = re.sub(r"-\d+$", "", self.preset) or RATED[0]
        if kind not in RATED:
            raise ValueError(f"rate goes with preset {' or '.join(RATED)}, not {self.preset}")
        return f"{kind}-{self.rate_bpm}"

    def _artefacts(self) -> Artefacts:
        """The noise; of a kind with a ratio, ``_UNIT``."""
        noise = self.noise
        given = dict(noise.amplitudes)
        if "only" in given:
            given["only"] = tuple(Electrode[name] for name in given["only"])
        if "offset_mv" in given:
            given["offset_mv"] = tuple(map(float, given["offset_mv"]))
        if (noise.kind == "") != (noise.snr_db is None):
            raise ValueError("noise wants kind and snr_db, both")
        if noise.kind:
            amplitude = _KINDS[noise.kind]
            if given.keys() & _KINDS.values():
                raise ValueError("noise has a ratio and an amplitude; give one")
            given[amplitude] = _UNIT
        return Artefacts(**given)


def _dose(patient: Patient, unit: Artefacts, seed: int, snr_db: float) -> float:
    """What ``unit`` is to be multiplied by, as the noise stress test (``models.data.noise``) does.

    QRS and noise are measured over the first 20 s in the channels that the noise reaches.
    """
    from models.data.noise import leads8, qrs_power  # scipy's filters: only where noise is dosed

    points = round(_DOSE_S * ANALOG_RATE_HZ)
    if patient.duration is not None:
        points = min(points, patient.duration)
    every = ANALOG_OVERSAMPLING * 5  # 100 Hz
    clean = leads8(patient.potentials(0, points).volts[::every] * 1e3)
    # at 500 Hz as the chip samples it
    noise = leads8(ArtefactSource(unit, seed).volts(0, points)[::ANALOG_OVERSAMPLING] * 1e3)
    variance = noise.var(axis=0)
    felt = np.isin(np.arange(len(Electrode)), unit.only or list(Electrode))
    reached = leads8(np.diag(felt.astype(float))).any(axis=0)
    signal, power = qrs_power(clean)[reached].mean(), variance[reached].mean()
    if signal == 0:
        raise ValueError("snr_db needs a heart: this patient has no QRS to measure against")
    return float(np.sqrt(signal * 10 ** (-snr_db / 10) / power))
