"""PR, QRS, QT, axis and ST against annotated records and against simulated hearts.

Records: LUDB, whose waves were marked lead by lead by two cardiologists. Limits are those that IEC
60601-2-51 (since 2011 in 60601-2-25) sets for global intervals of biological ECGs, the CSE data
base: quoted from memory. Thresholds were set on the odd records; the even ones are the result.
``lead12 bench intervals [--data FOLDER] [--json] [--update-docs]``.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from time import process_time

import numpy as np
from numpy.typing import NDArray

from firmware.intervals import measure
from firmware.measurements import Measurements
from firmware.pipeline import Pipeline
from firmware.qrs import QrsDetector
from firmware.raw_window import RawWindow
from hal.clock import VirtualClock
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools.bench.figures import DOCS, Figure, RecordingsAbsentError, markdown, write_section
from tools.bench.heart_truth import Truth, true_intervals
from tools.bench.recordings import LEAD_IN, Packed, chip_counts, frames_of, packed

PAGE = DOCS / "measurements.md"
MS = 1000 / SAMPLE_RATE_HZ
WINDOW = 10 * SAMPLE_RATE_HZ

INTERVALS = ("PR", "QRS", "QT")
CSE = {"PR": (10, 10), "QRS": (10, 10), "QT": (25, 30)}  # mean and SD of the differences, ms
FIDUCIALS = ("P onset", "QRS onset", "QRS end", "T end")
ENDS = {"PR": ("P onset", "QRS onset"), "QRS": ("QRS onset", "QRS end"),
        "QT": ("QRS onset", "T end")}  # fmt: skip
LEAST_LEADS, LEAST_BEATS = 4, 2  # that carry a mark, or the record has none
SAME_BEAT = int(80 / MS)

SEEDS = range(3)
HEARTS = (
    *(f"sinus-{bpm}" for bpm in (40, 50, 60, 70, 80, 90, 100, 110)),
    "sinus-arrhythmia", "avb1-70", "avb2-mobitz", "rbbb-70", "pvc-70", "pac-70", "bigeminy",
    "tall-t", "mains-50", "mains-60", "offset-300mv",
)  # fmt: skip
BLURRED = {  # where QRS and ST run into each other
    "simulated ST elevation and depression": ("stemi-inferior", "stemi-anterior", "st-depression"),
    "simulated LBBB": ("lbbb-70",),
}
WITHOUT_PR = ("af-90", "af-140", "flutter-1to1", "flutter-2to1", "flutter-3to1", "flutter-4to1",
              "svt-180", "avb2-wenckebach", "avb3", "a1-bigeminy-80", "vt-160", "vf", "asystole",
              "paced-60")  # fmt: skip
CALIBRATOR = {  # triangles of 100 ms; T ends 350 ms after the QRS began: IEC 60601-2-27's waves
    "qrs-1000uv-100ms-60bpm": (100.0, None),
    "qrs-2000uv-80ms-90bpm": (80.0, None),
    "t-300uv": (100.0, 350.0),
}


def measure_counts(counts: NDArray[np.int32], nv_per_count: float, end: int) -> Measurements:
    """Of the ten seconds before row ``end`` (whole seconds) of raw counts [n, 8]."""
    pipeline = Pipeline(nv_per_count, profile=None, first_call=end)
    events = pipeline.push(frames_of(counts))
    return next(event for event in events if isinstance(event, Measurements))


# -- LUDB


Marks = Mapping[str, Sequence[tuple[int, str]]]  # by lead: (sample, symbol)


def ludb(data: Path) -> Iterator[tuple[Packed, Marks]]:
    """The records with their marks. Raises RecordingsAbsentError without the marks."""
    path = data / "ludb_annotations.csv.gz"
    if not path.is_file():
        raise RecordingsAbsentError(f"no {path.name} in {data}")
    marks: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt", encoding="utf-8") as table:
        for row in csv.DictReader(table):
            marks[row["record_id"]][row["lead"]].append((int(row["sample"]), row["symbol"]))
    for record in packed(data, "ecg_500hz", only="LUDB"):
        yield record, marks[record.record]


def _waves(marks: Sequence[tuple[int, str]]) -> list[tuple[str, int | None, int, int | None]]:
    """(symbol, onset, peak, end) of a lead's P, QRS ("N") and T, in the order of time."""
    found, onset = [], None
    for (sample, symbol), (after, then) in zip(marks, [*marks[1:], (0, "")], strict=True):
        if symbol == "(":
            onset = sample
        elif symbol != ")":
            found.append((symbol, onset, sample, after if then == ")" else None))
            onset = None
    return found


def fiducials_of(marks: Marks) -> dict[str, list[float]]:
    """By fiducial: of each lead the median over the beats, in ms from the QRS mark of lead II."""
    beats = [peak for symbol, _, peak, _ in _waves(marks["ii"]) if symbol == "N"]
    found: dict[str, list[float]] = {name: [] for name in FIDUCIALS}
    for lead in marks.values():
        waves = [("", None, 0, None), *_waves(lead), ("", None, 0, None)]
        near: dict[str, list[float]] = {name: [] for name in FIDUCIALS}
        for before, (symbol, onset, peak, end), after in zip(
            waves, waves[1:], waves[2:], strict=False
        ):
            beat = min(beats, key=lambda at: abs(at - peak), default=None)
            if symbol != "N" or beat is None or abs(beat - peak) > SAME_BEAT:
                continue
            p_onset = before[1] if before[0] == "p" else None
            t_end = after[3] if after[0] == "t" else None
            for name, at in zip(FIDUCIALS, (p_onset, onset, end, t_end), strict=True):
                if at is not None:
                    near[name].append((at - beat) * MS)
        for name, times in near.items():
            if len(times) >= LEAST_BEATS:
                found[name].append(median(times))
    return found


def widest(times: Sequence[float], *, early: bool) -> float:
    """As the CSE has it, the earliest or latest lead; that another one bears out: the second."""
    return sorted(times)[1] if early else sorted(times)[-2]


def middle(times: Sequence[float], *, early: bool) -> float:
    """The median lead."""
    return median(times)


def annotated(marks: Marks, combine: Callable[..., float]) -> dict[str, float | None]:
    """Global intervals of a record in ms; None where too few leads carry the marks."""
    found = fiducials_of(marks)

    def at(name: str) -> float | None:
        times = found[name]
        return combine(times, early="onset" in name) if len(times) >= LEAST_LEADS else None

    ends = {of: (at(first), at(last)) for of, (first, last) in ENDS.items()}
    return {
        of: None if first is None or last is None else last - first
        for of, (first, last) in ends.items()
    }


def intervals_of(measured: Measurements) -> dict[str, float | None]:
    """PR, QRS and QT by name."""
    return dict(zip(INTERVALS, (measured.pr_ms, measured.qrs_ms, measured.qt_ms), strict=True))


def on_records(data: Path, *, odd: bool = True) -> Iterator[Figure]:
    """Differences on both halves of LUDB, paced ones apart; the even one is held to the limits.

    odd : measure the other half, too
    """
    paced = 0
    halves: dict[bool, list[tuple[Measurements, Marks]]] = {True: [], False: []}
    for record, marks in ludb(data):
        even = int(record.record[-3:]) % 2 == 0
        if not (even or odd):
            continue
        nv_per_count, counts = chip_counts(record)
        measured = measure_counts(counts, nv_per_count, LEAD_IN + WINDOW)
        if any("acing" in label or "acemaker" in label for label in record.labels):
            paced += measured.qrs_ms is not None
            continue
        halves[even].append((measured, marks))
    yield Figure("LUDB, labelled as paced", "measured all the same", paced, "records")
    for even, found in halves.items():
        if not found:
            continue
        part = f"LUDB, {'even' if even else 'odd (thresholds were set on these)'}"
        yield from _differences(f"{part}, {len(found)} records", found, held=even)


def _differences(
    part: str, found: Sequence[tuple[Measurements, Marks]], *, held: bool
) -> Iterator[Figure]:
    for of in INTERVALS:
        measured = [intervals_of(one)[of] for one, _ in found]
        outer = [annotated(marks, widest)[of] for _, marks in found]
        inner = [annotated(marks, middle)[of] for _, marks in found]
        gaps = [m - o for m, o in zip(measured, outer, strict=True) if m and o]
        central = [m - i for m, i in zip(measured, inner, strict=True) if m and i]
        most, spread = CSE[of] if held else (None, None)
        low = None if most is None else -most
        yield Figure(part, f"{of}: compared", len(gaps), "records")
        yield Figure(part, f"{of}: mean difference", fmean(gaps), "ms", low=low, high=most)
        yield Figure(part, f"{of}: standard deviation", stdev(gaps), "ms", high=spread)
        yield Figure(part, f"{of}: mean difference to the median lead", fmean(central), "ms")
        missed = sum(m is None and o is not None for m, o in zip(measured, outer, strict=True))
        extra = sum(m is not None and o is None for m, o in zip(measured, outer, strict=True))
        yield Figure(part, f"{of}: annotated, not measured", missed, "records")
        limit = 0 if held and of == "PR" else None
        yield Figure(part, f"{of}: measured, not annotated", extra, "records", high=limit)


# -- simulated hearts


def simulated(name: str, seed: int = 0, seconds: int = 14) -> Measurements:
    """Of the last ten seconds of a preset on the simulated chip."""
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    counts = frontend.read(seconds * SAMPLE_RATE_HZ, timeout_s=1.0).counts
    frontend.close()
    return measure_counts(counts, info.nv_per_count, seconds * SAMPLE_RATE_HZ)


def on_hearts() -> Iterator[Figure]:
    """Differences to the generator's own numbers."""
    yield from _to_truth("simulated hearts", HEARTS, held=True)
    for part, names in BLURRED.items():
        yield from _to_truth(part, names, held=False)
    shown = [simulated(name, seed) for name in WITHOUT_PR for seed in SEEDS]
    part = f"simulated, no constant PR, {len(shown)}"
    yield Figure(part, "PR shown", sum(m.pr_ms is not None for m in shown), "windows", high=0)


def _to_truth(part: str, names: Sequence[str], *, held: bool) -> Iterator[Figure]:
    gaps: dict[str, list[float]] = defaultdict(list)
    missing: dict[str, int] = defaultdict(int)
    for name in names:
        for seed in SEEDS:
            measured, truth = simulated(name, seed), true_intervals(name, seed)
            for of, value in _gaps(measured, truth).items():
                if value is None:
                    missing[of] += 1
                else:
                    gaps[of].append(value)
    part = f"{part}, {len(names) * len(SEEDS)}"
    for of in INTERVALS:
        spread = CSE[of][1] if held else None
        yield Figure(part, f"{of}: mean difference", fmean(gaps[of]), "ms")
        yield Figure(part, f"{of}: standard deviation", stdev(gaps[of]), "ms", high=spread)
        yield Figure(part, f"{of}: not measured", missing[of], "windows")
    axis, st = max(map(abs, gaps["axis"])), max(gaps["ST"])
    yield Figure(part, "axis: largest error", axis, "degrees", high=10 if held else None)
    yield Figure(part, "ST: largest error of a lead", st, "uV", high=50 if held else None)


def _gaps(measured: Measurements, truth: Truth) -> dict[str, float | None]:
    """Measured less true; ST is that of the lead with the largest difference."""
    found = intervals_of(measured)
    gaps = {of: None if ms is None else ms - truth.ms[of] for of, ms in found.items()}
    turn = None if measured.axis_deg is None else measured.axis_deg - truth.axis_deg
    gaps["axis"] = None if turn is None else (turn + 180) % 360 - 180
    pairs = zip(measured.st_uv, truth.st_uv, strict=True)
    gaps["ST"] = max((abs(uv - right) for uv, right in pairs if uv is not None), default=None)
    return gaps


def on_calibrator() -> Iterator[Figure]:
    """Waves with corners, whose ends are exact."""
    for name, (qrs_ms, qt_ms) in CALIBRATOR.items():
        measured = simulated(name)
        part = f"calibrator {name}"
        yield Figure(part, "QRS: difference", (measured.qrs_ms or np.nan) - qrs_ms, "ms")
        if qt_ms is not None:
            yield Figure(part, "QT: difference", (measured.qt_ms or np.nan) - qt_ms, "ms")
        yield Figure(part, "PR shown", measured.pr_ms is not None, "", high=0)


def cost(repeats: int = 50) -> Figure:
    """Processor time of one window, of a heart at 70."""
    frontend = simulated_frontend(preset("sinus-70"), VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    counts = frontend.read(WINDOW, timeout_s=1.0).counts
    raw = RawWindow(info.nv_per_count)
    raw.push(counts)
    for beat in QrsDetector(info.nv_per_count).push(0, counts, np.ones(CHANNELS, np.bool_)):
        raw.beat(beat)
    took = []
    for _ in range(repeats):
        began = process_time()
        measure(raw, WINDOW, {}, 70.0)
        took.append(process_time() - began)
    return Figure("cost", "processor time of a window, least", 1e3 * min(took), "ms", high=5)


def measure_all(data: Path) -> list[Figure]:
    """Every figure."""
    return [*on_records(data), *on_hearts(), *on_calibrator(), cost()]


def write_docs(figures: Sequence[Figure]) -> None:
    """Rewrite the table of docs/measurements.md."""
    write_section(PAGE, "intervals", markdown(figures))
