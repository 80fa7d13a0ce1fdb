"""QRS detection and rate against annotated beats, through the simulated chip.

LUDB (Kalyakulina et al. 2020) annotates each QRS peak in each lead; the reference beat is the
median over the leads, of beats that half of the leads have. Its first and last beats are often
not annotated, so that only what lies between the first and the last annotated beat, 75 ms more to
either side, is scored. Beats are matched one to one as in ANSI/AAMI EC57, with 75 ms instead of
its 150 ms. On every record, annotated or not, the detector on four channels is compared with the
detector on the other four. No beats were kept apart: LUDB was looked at in development, and what
it says of the detector is so far the best case; the agreement of the halves was not tuned.

``lead12 bench qrs [--data FOLDER] [--json]``
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware.qrs import QrsDetector
from firmware.rate import BEAT_LATENCY, RATE_WINDOW, RateMeter
from hal.frontend import CHANNEL_LEADS, CHANNELS, SAMPLE_RATE_HZ
from tools.bench.figures import Figure
from tools.bench.recordings import LEAD_IN, chip_counts, packed

MATCH = round(0.075 * SAMPLE_RATE_HZ)
ANNOTATED_LEADS = 12
WORST = 12  # records listed
HALVES = [
    np.isin(CHANNEL_LEADS, leads) for leads in (("I", "II", "V1", "V2"), ("V3", "V4", "V5", "V6"))
]


@dataclass(slots=True)
class Tally:
    """Beats of one record or of many."""

    found: int = 0
    missed: list[int] = field(default_factory=list)  # reference beats
    extra: list[int] = field(default_factory=list)  # detected beats
    offsets: list[int] = field(default_factory=list)  # detected less reference, samples
    rates: int = 0
    rates_off: int = 0  # beyond 5 bpm and 10 %, or not known

    @property
    def sensitivity(self) -> float:
        """Share of the reference beats that were found."""
        return self.found / max(1, self.found + len(self.missed))

    @property
    def predictivity(self) -> float:
        """Share of the detected beats that are beats."""
        return self.found / max(1, self.found + len(self.extra))

    def add(self, other: Tally) -> None:
        """Gross statistics: sum of the records."""
        self.found += other.found
        self.missed += other.missed
        self.extra += other.extra
        self.offsets += other.offsets
        self.rates += other.rates
        self.rates_off += other.rates_off


def match(reference: Sequence[int], detected: Sequence[int]) -> Tally:
    """Match one to one, nearest first, within 75 ms; beats outside the reference do not count."""
    inside = [beat for beat in detected if reference[0] - MATCH <= beat <= reference[-1] + MATCH]
    pairs = sorted(
        (abs(beat - truth), truth, beat)
        for truth in reference
        for beat in inside
        if abs(beat - truth) <= MATCH
    )
    tally = Tally()
    taken: dict[int, int] = {}
    for _, truth, beat in pairs:
        if truth not in taken and beat not in taken.values():
            taken[truth] = beat
            tally.offsets.append(beat - truth)
    tally.found = len(taken)
    tally.missed = [truth for truth in reference if truth not in taken]
    tally.extra = [beat for beat in inside if beat not in taken.values()]
    return tally


def ludb_beats(data: Path) -> dict[str, list[int]]:
    """Reference beats of each record, samples at 500 Hz."""
    peaks: dict[str, list[int]] = defaultdict(list)
    with gzip.open(data / "ludb_annotations.csv.gz", "rt", newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["symbol"] == "N":
                peaks[row["record_id"]].append(int(row["sample"]))
    beats = {}
    for record, samples in peaks.items():
        ordered = np.sort(samples)
        complexes = np.split(ordered, np.flatnonzero(np.diff(ordered) > 2 * MATCH) + 1)
        beats[record] = [int(np.median(c)) for c in complexes if 2 * len(c) >= ANNOTATED_LEADS]
    return beats


def detect(
    counts: NDArray[np.int32], nv_per_count: float, usable: NDArray[np.bool_] | None = None
) -> list[int]:
    """Beats in the time of the record, 0 its first sample."""
    on = np.ones(CHANNELS, np.bool_) if usable is None else usable
    return [beat - LEAD_IN for beat in QrsDetector(nv_per_count).push(0, counts, on)]


def score(reference: Sequence[int], detected: Sequence[int]) -> Tally:
    """Beats of one record, and its rate when the last annotated beat has become known."""
    tally = match(reference, detected)
    asked = reference[-1] + BEAT_LATENCY
    lately = [beat for beat in reference if beat >= asked - RATE_WINDOW]
    if len(lately) >= 3:
        meter = RateMeter()
        for beat in detected:
            if beat <= reference[-1] + MATCH:
                meter.beat(beat)
        truth = 60 * SAMPLE_RATE_HZ * (len(lately) - 1) / (lately[-1] - lately[0])
        bpm = meter.at(asked)[0]
        tally.rates = 1
        tally.rates_off = int(bpm is None or abs(bpm - truth) > max(5.0, 0.1 * truth))
    return tally


def score_annotated(data: Path, *, every: int = 1) -> Tally:
    """Gross statistics of every ``every``-th annotated record."""
    total = Tally()
    for tally in annotated(data, every=every).values():
        total.add(tally)
    return total


def annotated(data: Path, *, every: int = 1) -> dict[str, Tally]:
    """Each annotated record's beats."""
    beats = ludb_beats(data)
    tallies = {}
    for record in packed(data, "ecg_500hz", only="LUDB", every=every):
        nv_per_count, counts = chip_counts(record)
        tallies[record.record] = score(beats[record.record], detect(counts, nv_per_count))
    return tallies


@dataclass(frozen=True, slots=True)
class Halves:
    """How far the two halves of the channels agree on one record."""

    record: str
    source: str
    agreement: float  # matched beats over the mean number of the two
    bpm: float | None  # of all channels, at the end
    irregularity: float | None
    rhythm: str  # "AF", "SR" or ""


def compare_halves(data: Path, *, every: int = 1) -> list[Halves]:
    """Do four channels see what the other four see? Needs no annotation."""
    found = []
    for record in packed(data, "ecg_500hz", every=every):
        nv_per_count, counts = chip_counts(record)
        a, b = (detect(counts, nv_per_count, half) for half in HALVES)
        inside = [beat for beat in a if 0 <= beat < len(record.mv)]
        both = match(inside, b).found if inside else 0
        mean = (len(inside) + sum(0 <= beat < len(record.mv) for beat in b)) / 2
        meter = RateMeter()
        for beat in detect(counts, nv_per_count):
            if beat < len(record.mv):
                meter.beat(beat)
        bpm, irregularity = meter.at(len(record.mv) + BEAT_LATENCY)
        af = any(label in AF_LABELS for label in record.labels)
        rhythm = "AF" if af else "SR" if record.group == "SR" else ""
        share = both / mean if mean else 0.0
        found.append(Halves(record.record, record.source, share, bpm, irregularity, rhythm))
    return found


AF_LABELS = ("AFIB", "164889003", "Atrial fibrillation")  # SCP, SNOMED-CT, LUDB's words


def _auc(high: Sequence[float], low: Sequence[float]) -> float:
    """Chance that one of ``high`` is above one of ``low``."""
    above = np.subtract.outer(high, low)
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def measure(data: Path, *, every: int = 1, records: bool = False) -> list[Figure]:
    """Every figure; ``records`` also names the worst records on standard error."""
    each = annotated(data, every=every)
    total = Tally()
    for tally in each.values():
        total.add(tally)
    off_ms = np.abs(total.offsets) * 1000 / SAMPLE_RATE_HZ
    part = f"LUDB, {len(each)} records, {total.found + len(total.missed)} beats"
    rates = 100 * (1 - total.rates_off / max(1, total.rates))
    figures = [
        Figure(part, "sensitivity within 75 ms", 100 * total.sensitivity, "%", low=99.5),
        Figure(part, "positive predictivity", 100 * total.predictivity, "%", low=99.5),
        Figure(part, "distance from the annotation, median", float(np.median(off_ms)), "ms"),
        Figure(
            part,
            "distance from the annotation, 95th percentile",
            float(np.percentile(off_ms, 95)),
            "ms",
        ),
        Figure(part, "rate within 5 bpm or 10 %", rates, f"% of {total.rates}", low=99.0),
    ]
    halves = compare_halves(data, every=every)
    for source in sorted({half.source for half in halves}):
        of_source = [half for half in halves if half.source == source]
        agree = 100 * float(np.mean([half.agreement for half in of_source]))
        part = f"{source}, {len(of_source)} records"
        figures.append(Figure(part, "beats on which both halves of the leads agree", agree, "%"))
        known = 100 * sum(half.bpm is not None for half in of_source) / len(of_source)
        figures.append(Figure(part, "rate known at the end", known, "% of records"))
    spread = {
        rhythm: [
            h.irregularity for h in halves if h.rhythm == rhythm and h.irregularity is not None
        ]
        for rhythm in ("AF", "SR")
    }
    if all(spread.values()):
        part = f"irregularity, AF {len(spread['AF'])} and SR {len(spread['SR'])} records"
        figures += [
            Figure(part, "median in AF", float(np.median(spread["AF"])), ""),
            Figure(part, "median in sinus rhythm", float(np.median(spread["SR"])), ""),
            Figure(part, "area under the ROC", _auc(spread["AF"], spread["SR"]), ""),
        ]
    if records:
        _name_the_worst(each, halves)
    return figures


def _name_the_worst(each: dict[str, Tally], halves: Sequence[Halves]) -> None:
    for record, tally in each.items():
        if tally.missed or tally.extra or tally.rates_off:
            print(
                f"{record}: missed {tally.missed}, extra {tally.extra}, "
                f"rate {'off' if tally.rates_off else 'right'}",
                file=sys.stderr,
            )
    for half in sorted(halves, key=lambda half: half.agreement)[:WORST]:
        print(f"{half.record}: halves agree on {100 * half.agreement:.0f} %", file=sys.stderr)
