"""EDF+ (Kemp and Olivan, Clin Neurophysiol 2003;114:1755), by edfio.

pyedflib writes no more than one note of 40 characters per second; the statements are longer.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from unicodedata import combining, normalize

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

from firmware.events import LEADS
from hal.frontend import SAMPLE_RATE_HZ
from tools.export.formats import LIMIT_UV, clipped
from tools.export.wording import losses, statements
from tools.study import Study


def write(study: Study, path: Path) -> None:
    """Whole seconds of 1 µV samples; a part of a last second is filled with zeros and noted.

    What was lost is a straight line, and noted: EDF has no value for it.
    """
    whole = -(-len(study.uv) // SAMPLE_RATE_HZ) * SAMPLE_RATE_HZ
    digital = np.zeros((whole, len(LEADS)), np.int16)
    digital[: len(study.uv)] = clipped(study)
    who, began = study.patient, study.began
    edf = Edf(
        [_signal(study, lead, uv) for lead, uv in zip(LEADS, digital.T, strict=True)],
        patient=Patient(
            code=_field(who.id),
            sex={"M": "M", "F": "F"}.get(who.sex, "X"),
            birthdate=date.fromisoformat(who.born) if who.born else None,
            name=_field(who.name),
        ),
        recording=Recording(
            startdate=began.date() if began else None, equipment_code=_field(study.device)
        ),
        starttime=began.time().replace(tzinfo=None) if began else None,
        data_record_duration=1.0,
        annotations=_notes(study, whole),
    )
    edf.write(path)


def _signal(study: Study, lead: str, uv: np.ndarray[tuple[int], np.dtype[np.int16]]) -> EdfSignal:
    notch = f" N:{study.mains_hz}Hz" if study.mains_hz else ""
    return EdfSignal.from_digital(
        np.ascontiguousarray(uv),
        SAMPLE_RATE_HZ,
        label=f"ECG {lead}",
        transducer_type="electrode",
        physical_dimension="uV",
        physical_range=(-LIMIT_UV, LIMIT_UV),
        digital_range=(-LIMIT_UV, LIMIT_UV),
        prefiltering=f"HP:0.05Hz LP:150Hz{notch}",
    )


def _notes(study: Study, whole: int) -> list[EdfAnnotation]:
    said = list(statements(study))
    if study.began is None:
        said.append("Time of recording not known")
    said += [f"{lead} not measured" for lead, v in zip(LEADS, study.valid, strict=True) if not v]
    notes = [EdfAnnotation(0.0, None, text) for text in said]
    notes += [EdfAnnotation(row / SAMPLE_RATE_HZ, None, "N") for row in study.beats]
    notes += [
        EdfAnnotation(start / SAMPLE_RATE_HZ, (stop - start) / SAMPLE_RATE_HZ, text)
        for start, stop, text in losses(study)
    ]
    if whole > len(study.uv):
        notes.append(EdfAnnotation(len(study.uv) / SAMPLE_RATE_HZ, None, "Recording ends"))
    return notes


def _field(text: str) -> str:
    """Header fields are ASCII without spaces: accents come off, the rest becomes underscores."""
    plain = "".join(c for c in normalize("NFKD", text) if not combining(c))
    return plain.encode("ascii", "replace").decode().replace("?", "_").replace(" ", "_") or "X"
