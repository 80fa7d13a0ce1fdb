"""A recorded 12-lead ECG in memory, and what makes one fit to stand in for a patient."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.errors import RecordingError
from hal.plain_file import open_plain

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
MIN_RATE_HZ, MAX_RATE_HZ = 50.0, 20_000.0
MIN_SECONDS = 1.0
_DERIVED = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}
_CANONICAL = {lead.upper(): lead for lead in (*INDEPENDENT_LEADS, *_DERIVED)}
_EINTHOVEN_MV = 0.2  # RMS a limb lead may miss its sum by: filters and rounding stay far below


def read_text(path: Path, most: int) -> str:
    """A text file of at most ``most`` bytes, whatever its encoding does.

    Raises RecordingError: absent, unreadable, no file, or too long.
    """
    try:
        with open_plain(path) as file:
            if os.fstat(file.fileno()).st_size <= most:
                return file.read(most).decode("utf-8-sig", "replace")
    except FileNotFoundError:
        raise RecordingError(f"{path} does not exist", act="give a WFDB record or a .csv") from None
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be read ({error.strerror})", act="check the path and its permissions"
        ) from None
    raise RecordingError(f"{path} is longer than {most >> 20} MiB", act="give a shorter one")


@dataclass(frozen=True, slots=True)
class Recording:
    """The eight independent leads of a recorded ECG; make one with ``from_leads`` or from a file.

    name : record name, for messages and file names
    rate_hz : sampling rate, 50 .. 20 000
    mv : float64 [n, 8], millivolts, columns in the order of INDEPENDENT_LEADS, all finite
    labels : diagnoses as the source writes them (SNOMED-CT codes, SCP statements, words)
    comments : the source's comment lines
    notes : what is odd about it but no reason to refuse
    began : date and time of the first sample as the source writes them, None where it does not
    lost : rows (start, stop) that were never sampled; ``mv`` is a straight line there
    """

    name: str
    rate_hz: float
    mv: NDArray[np.float64]
    labels: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    began: datetime | None = None
    lost: tuple[tuple[int, int], ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.mv) / self.rate_hz

    @classmethod
    def from_leads(
        cls,
        name: str,
        rate_hz: float,
        leads: Mapping[str, NDArray[np.float64]],
        *,
        labels: tuple[str, ...] = (),
        comments: tuple[str, ...] = (),
        began: datetime | None = None,
        lost: NDArray[np.bool_] | None = None,
    ) -> Recording:
        """Check ``leads`` (any order and case, [n] millivolts each) and keep the independent ones.

        III, aVR, aVL and aVF follow from I and II: where given they are compared and dropped.
        lost : bool [n], rows that were never sampled; what ``leads`` hold there does not count

        Raises RecordingError for missing leads, NaN, a rate or a length out of range, no signal.
        """
        check_rate(name, rate_hz)
        by_name: dict[str, NDArray[np.float64]] = {}
        for given, values in leads.items():
            if (lead := lead_name(given)) is None:
                continue  # Frank leads, respiration, pressure
            if lead in by_name:
                raise RecordingError(f"{name}: lead {lead} appears twice", act="keep one of them")
            by_name[lead] = values
        missing = [lead for lead in INDEPENDENT_LEADS if lead not in by_name]
        if missing:
            raise RecordingError(
                f"{name}: lead {', '.join(missing)} missing (found {', '.join(leads) or 'none'})",
                act="record I, II and V1-V6 at least",
            )
        lengths = {len(by_name[lead]) for lead in INDEPENDENT_LEADS}
        if len(lengths) > 1:
            raise RecordingError(
                f"{name}: leads differ in length ({min(lengths)} to {max(lengths)} samples)",
                act="export it again",
            )
        if lost is not None and lost.any() and not lost.all():
            by_name = {lead: _bridged(values, lost) for lead, values in by_name.items()}
        mv = np.stack([by_name[lead] for lead in INDEPENDENT_LEADS], axis=1)
        _check_samples(name, rate_hz, mv)
        for lead, values in by_name.items():
            _check_finite(name, rate_hz, lead, values)
        notes = _einthoven_notes(by_name)
        gaps = () if lost is None else runs(lost)
        return cls(name, float(rate_hz), mv, labels, comments, notes, began, gaps)


def lead_name(text: str) -> str | None:
    """The standard name of a lead ("AVR", "v1", " ii " -> "aVR", "V1", "II"), None for others.

    MLII and other modified or Frank leads are not standard leads and stay None.
    """
    return _CANONICAL.get(text.strip().upper())


def check_rate(name: str, rate_hz: float) -> None:
    """Raise RecordingError unless MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ."""
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise RecordingError(
            f"{name}: sampling rate {rate_hz:g} Hz is not {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz",
            act="correct the rate in the header",
        )


def _check_samples(name: str, rate_hz: float, mv: NDArray[np.float64]) -> None:
    if len(mv) < MIN_SECONDS * rate_hz:
        raise RecordingError(
            f"{name}: lasts {len(mv) / rate_hz:.2f} s, less than {MIN_SECONDS:g} s",
            act="use a longer record",
        )
    if np.isfinite(mv[0]).all() and (mv == mv[0]).all():
        raise RecordingError(f"{name}: every lead is flat", act="use a record with a signal in it")


def runs(where: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """(start, stop) of what is true in ``where`` [n]."""
    edges = np.flatnonzero(np.diff(where, prepend=False, append=False)).reshape(-1, 2)
    return tuple((start, stop) for start, stop in edges.tolist())


def _bridged(values: NDArray[np.float64], lost: NDArray[np.bool_]) -> NDArray[np.float64]:
    """A straight line over what is lost."""
    rows = np.arange(len(values))
    return np.asarray(np.where(lost, np.interp(rows, rows[~lost], values[~lost]), values))


def _check_finite(name: str, rate_hz: float, lead: str, mv: NDArray[np.float64]) -> None:
    bad = ~np.isfinite(mv)
    if bad.any():
        what = "missing samples (NaN)" if np.isnan(mv[bad]).all() else "samples that are no numbers"
        raise RecordingError(
            f"{name}: lead {lead} has {int(bad.sum())} {what}, "
            f"the first at {int(np.argmax(bad)) / rate_hz:.3f} s",
            act="cut them out or use another record",
        )


def _einthoven_notes(leads: Mapping[str, NDArray[np.float64]]) -> tuple[str, ...]:
    notes = []
    for lead, (of_i, of_ii) in _DERIVED.items():
        given = leads.get(lead)
        if given is None or len(given) != len(leads["I"]):
            continue
        miss = given - (of_i * leads["I"] + of_ii * leads["II"])
        rms = float(np.sqrt(np.mean((miss - np.mean(miss)) ** 2)))
        if rms > _EINTHOVEN_MV:
            notes.append(f"{lead} differs from its sum of I and II by {rms:.2f} mV RMS; not used")
    return tuple(notes)
