"""Beat by beat, as ANSI/AAMI EC57: found, missed and extra beats per record, gross and average."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from hal.frontend import SAMPLE_RATE_HZ
from hal.patient import ANALOG_OVERSAMPLING, Patient
from hal.patient.presets import preset, presets, truth
from hal.patient.record import Recording as Ecg
from hal.patient.recording import RecordedPatient
from tools.bench.qrs import ludb_beats
from tools.bench.recordings import folder, packed
from tools.conformance.bench import beats_of, record
from tools.conformance.clause import EC57, Reading, Row

MATCH = round(0.150 * SAMPLE_RATE_HZ)
LEARNING_S = 300.0  # of the records long enough to have it
START_S = 2.0  # of the others: the detector's own
PRESET_S, LONG_S = 30.0, 480.0
LONG = "pvc-70"
LEFT_OUT = {
    "vf": "EC57 counts no beats in fibrillation",
    "ra-off": "for ten of its seconds no lead can be read",
    "demo": "several patients",
}
LEAD_IN_S, TAIL_S = 2.0, 1.0
LEAST_PERCENT = 99.5  # ours: EC57 asks for the report, not for a number
_NOTE = "pairs within 150 ms; record by record below"
_LEFT_OUT = "; left out: " + ", ".join(f"{name} ({why})" for name, why in LEFT_OUT.items())


@dataclass(frozen=True, slots=True)
class Beats:
    """One record's beats."""

    record: str
    true: int  # found
    missed: int
    extra: int

    @property
    def sensitivity(self) -> float | None:
        """Share of the reference beats that were found; None without any."""
        beats = self.true + self.missed
        return self.true / beats if beats else None

    @property
    def predictivity(self) -> float | None:
        """Share of the detected beats that are beats; None without any."""
        beats = self.true + self.extra
        return self.true / beats if beats else None


def compare(name: str, reference: Sequence[int], detected: Sequence[int], window: int) -> Beats:
    """Pair beats in order of time, each with the nearer neighbour, at most ``window`` apart.

    Both in rising order, samples. A beat pairs with one of the other list at most.
    """
    true = r = d = 0
    while r < len(reference) and d < len(detected):
        apart = abs(detected[d] - reference[r])
        if detected[d] < reference[r]:
            rival = abs(detected[d + 1] - reference[r]) if d + 1 < len(detected) else apart + 1
        else:
            rival = abs(reference[r + 1] - detected[d]) if r + 1 < len(reference) else apart + 1
        if apart <= window and apart < rival:
            true, r, d = true + 1, r + 1, d + 1
        elif detected[d] < reference[r]:
            d += 1
        else:
            r += 1
    return Beats(name, true, len(reference) - true, len(detected) - true)


def gross(records: Sequence[Beats]) -> Beats:
    """All beats of all records together."""
    return Beats(
        "gross",
        sum(b.true for b in records),
        sum(b.missed for b in records),
        sum(b.extra for b in records),
    )


def average(records: Sequence[Beats]) -> tuple[float | None, float | None]:
    """Mean of the records' sensitivities and predictivities, each record counting alike."""
    se = [b.sensitivity for b in records if b.sensitivity is not None]
    p = [b.predictivity for b in records if b.predictivity is not None]
    return fmean(se) if se else None, fmean(p) if p else None


def score(name: str, reference: Sequence[int], detected: Sequence[int]) -> Beats:
    """As ``compare`` within 150 ms; nothing counts beyond the first and the last reference beat."""
    if reference:
        low, high = reference[0] - MATCH, reference[-1] + MATCH
        detected = [beat for beat in detected if low <= beat <= high]
    return compare(name, reference, detected, MATCH)


def annotated_folder(data: Path | None) -> Path:
    """Where the annotated recordings are. Raises RecordingsAbsentError, also without h5py."""
    found = folder(data)
    next(packed(found, "ecg_500hz", only="LUDB"), None)
    return found


def ludb(data: Path, *, every: int = 1) -> list[Beats]:
    """Every ``every``-th annotated record, with a lead-in so that its first beat can be found."""
    reference = ludb_beats(data)
    found = []
    for one in packed(data, "ecg_500hz", only="LUDB", every=every):
        ecg = Ecg(one.record, SAMPLE_RATE_HZ, one.mv)
        patient = RecordedPatient(ecg, lead_in_s=LEAD_IN_S, tail_s=TAIL_S)
        detected = _detected(patient, len(one.mv) / SAMPLE_RATE_HZ + LEAD_IN_S + TAIL_S)
        lead_in = round(LEAD_IN_S * SAMPLE_RATE_HZ)
        found.append(score(one.record, reference[one.record], [b - lead_in for b in detected]))
    return found


def simulated(names: Sequence[str] | None = None) -> list[Beats]:
    """Every preset against its own truth, seed 1."""
    listed = names if names is not None else [n for n in presets() if n not in LEFT_OUT]
    return [_against_truth(name, PRESET_S, START_S) for name in listed]


def long_run() -> Beats:
    """One long record, its first five minutes left out as learning period."""
    return _against_truth(LONG, LONG_S, LEARNING_S)


def _against_truth(name: str, seconds: float, start_s: float) -> Beats:
    first, last = round(start_s * SAMPLE_RATE_HZ), round((seconds - 1) * SAMPLE_RATE_HZ)
    points = truth(name, 1).beats(0, last * ANALOG_OVERSAMPLING)
    reference = [beat for p in points if (beat := round(p / ANALOG_OVERSAMPLING)) >= first]
    return score(name, reference, _detected(preset(name, 1), seconds))


def _detected(patient: Patient, seconds: float) -> list[int]:
    return beats_of(record(patient, seconds, block=500).said(network=False))


def rows(tables: Mapping[str, Sequence[Beats]], absent: str) -> Iterator[Row]:
    """The gross figures as clauses; ``absent``: why the annotated records are not among them."""
    for title, records in tables.items():
        total = gross(records)
        yield Row(
            EC57,
            "h o",
            f"Beat by beat, {title}: {total.true + total.missed} beats, records: {len(records)}",
            f"report; sensitivity and predictivity {LEAST_PERCENT:g} % [o]",
            [
                Reading(name, None if share is None else 100 * share, "%", low, digits=2)
                for name, share, low in (
                    ("gross Se", total.sensitivity, LEAST_PERCENT),
                    ("gross +P", total.predictivity, LEAST_PERCENT),
                    ("average Se", average(records)[0], float("-inf")),
                    ("average +P", average(records)[1], float("-inf")),
                )
            ],
            note=_NOTE + (_LEFT_OUT if "presets" in title else ""),
        )
    if absent:
        yield Row(
            EC57, "h", "Beat by beat, annotated records (LUDB)", "report", why=absent, run=False
        )
    yield Row(
        EC57,
        "h",
        "Ventricular and supraventricular ectopic beats, runs, AF and VF episodes",
        "report",
        why="beats are not classified one by one, and no annotated episodes are here; the rhythm "
        "called is measured in docs/accuracy.md",
    )


def tables(data: Path | None) -> dict[str, list[Beats]]:
    """Every record's beats: annotated ones where ``data`` has them, each preset, one long run."""
    found = {"LUDB (Kalyakulina et al. 2020), 10 s each": ludb(data)} if data is not None else {}
    found[f"simulated presets, {PRESET_S:g} s each"] = simulated()
    found[f"{LONG}, {LONG_S / 60:g} min, 5 min of learning left out"] = [long_run()]
    return found
