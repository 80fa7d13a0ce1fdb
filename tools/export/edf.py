"""EDF+ (Kemp and Olivan, Clin Neurophysiol 2003;114:1755), by edfio.

pyedflib writes no more than one note of 40 characters per second; the statements are longer.
"""

from __future__ import annotations

from datetime import date
from unicodedata import combining, normalize

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

from firmware.events import LEADS
from hal.frontend import SAMPLE_RATE_HZ
from tools.export.formats import LIMIT_UV, clipped
from tools.export.kinds import ExportError
from tools.export.wording import losses, statements
from tools.study import Study


def data_of(study: Study) -> bytes:
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
            code=_id(who.id),
            sex={"M": "M", "F": "F"}.get(who.sex, "X"),
            birthdate=date.fromisoformat(who.born) if who.born else None,
            name=_name(who.name),
        ),
        recording=Recording(
            startdate=began.date() if began else None, equipment_code=_spaceless(study.device)
        ),
        starttime=began.time().replace(tzinfo=None) if began else None,
        data_record_duration=1.0,
        annotations=_notes(study, whole),
    )
    return edf.to_bytes()


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


def _id(text: str) -> str:
    """As it is, or not at all: an altered number is another patient's."""
    if not text.isascii() or " " in text:
        raise ExportError(f"EDF cannot hold the patient id {text!r}: blanks, or no ASCII")
    return text or "X"


def _name(text: str) -> str:
    """Accents come off; another script than Latin is refused."""
    plain = "".join(c for c in normalize("NFKD", text) if not combining(c))
    if not plain.isascii():
        raise ExportError("EDF cannot hold the patient's name: letters beyond ASCII; leave it out")
    return _spaceless(plain) or "X"


def _spaceless(text: str) -> str:
    return text.replace(" ", "_")
