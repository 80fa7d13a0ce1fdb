"""Alarms: how soon they come on waves that must raise one, and how often on people who need none.

Real recordings are short: most are repeated to half a minute with a cross-fade. An alarm of such a
record is raised about once however long it is repeated, so that the rate per hour is that of
watching another patient every half minute. Every alarm is acknowledged as it comes, so that it can
come again. An alarm counts as true when the labels of the record allow it, which says more of
rhythms than of rates and ST: no label gives beats per minute, or the age of an infarction.
``lead12 bench alarms [--data FOLDER] [--json] [--update-docs]``.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from device.bundles import load_network
from firmware.alarms import CODES, AlarmEvent, Alarms
from firmware.findings import Priority
from firmware.network import Network
from firmware.pipeline import Pipeline
from hal.clock import VirtualClock
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ, FrontendConfig
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
from hal.patient.changes import Succession
from hal.patient.presets import preset
from hal.patient.record import Recording
from hal.patient.recording import RecordedPatient
from hal.simulated import simulated_frontend
from models.data import ludb
from models.data.label_table import Meaning, meaning
from models.data.noise import Noise, NoiseKind, electrode_noise, leads8
from models.data.ptbxl import LEADS8
from tools.bench.figures import DOCS, Figure, write_section
from tools.bench.recordings import Packed, frames_of, packed, packed_long
from tools.workers import workers

PAGE = DOCS / "alarms.md"
REPEATED_S = 30.0
EVERY_FOLD9, EVERY_JUDGED, EVERY_NOISY = 4, 2, 10  # of the records
JOBS = 2
NV_PER_COUNT = 47.68
PTBXL_RATE_HZ = 100
SNR_DB = (12.0, 6.0, 0.0)
WITHIN_S, MOST_PER_HOUR = 10.0, 4.0
HIGH = "all of high priority"
DELAYS = "time to an alarm of high priority"

# The waves of IEC 60601-2-27, 201.7.9.2.9.101 b), on this simulator's hearts, and its other rhythms
WAVES = (
    *("asystole", "vf", "vt-160", "vt-200", "svt-180", "sinus-30", "pacer-2mv-2000us-ineffective"),
    *(f"{wave}-vt-{size}" for wave in ("b1", "b2") for size in ("half", "normal", "double")),
)
SEEDS = range(1, 6)
BEGINS_S, WATCHED_S = 15, 35

FAST = {"STACH", "SVTAC", "PSVT", "SVARR", "AFIB", "AFLT"}
SLOW = {"SBRAD", "AFIB", "AFLT", "2AVB", "3AVB"}
INJURY = {"INJAS", "INJAL", "INJIN", "INJLA", "INJIL", "STE_"}
TRUE_BY: dict[str, set[str]] = {  # statements that allow an alarm
    "af": {"AFIB", "AFLT"},
    "tachy": FAST,
    "extreme_tachy": FAST,
    "brady": SLOW,
    "extreme_brady": SLOW,
    "st_elevation": INJURY,
    "injury": INJURY,
    "avb3": {"3AVB"},
}
BY_INFARCTION = ("st_elevation", "injury")  # allowed by any infarction, too
BY_PEOPLE = ("unreadable",)  # allowed by "unacceptable"; the hearts were beating all the same


_CHANNELS = [LEADS8.index(lead) for lead in CHANNEL_LEADS]


Rows = Iterator["Raised"]


@dataclass(frozen=True, slots=True)
class Raised(Figure):
    """Alarms of one code in one set; ``value`` is the false ones per hour.

    records, hours : of the set; true, false : alarms; wrongly : records with a false one
    """

    priority: Priority = Priority.HIGH
    records: int = 0
    hours: float = 0.0
    true: int = 0
    false: int = 0
    wrongly: int = 0


@dataclass(slots=True)
class _Tally:
    records: int = 0
    samples: int = 0
    priority: dict[str, Priority] = field(default_factory=dict)
    true: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    wrongly: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Watched:
    """A record at ``rate_hz``, repeated to ``seconds`` (None: once), with noise added."""

    record: Packed
    rate_hz: int
    seconds: float | None = REPEATED_S
    noise: Noise | None = None

    def counts(self) -> NDArray[np.int32]:
        """Of an ideal converter, int32 [n, 8]."""
        recording = Recording(self.record.record, self.rate_hz, self.record.mv)
        patient = RecordedPatient(recording, loop=self.seconds is not None)
        points = patient.duration or round((self.seconds or 0) * ANALOG_RATE_HZ)
        mv = leads8(patient.potentials(0, points).volts[::ANALOG_OVERSAMPLING] * 1e3)
        if self.noise is not None:
            mv = mv + _noise(self.record, self.noise, mv)
        counts = np.rint(mv[:, _CHANNELS] * 1e6 / NV_PER_COUNT).clip(-(1 << 23), (1 << 23) - 1)
        exact: NDArray[np.int32] = counts.astype(np.int32)
        return exact


_network = cache(load_network)


def _watch(watched: Watched) -> tuple[Packed, int, list[tuple[str, Priority]]]:
    """The record, how many samples of it were seen, and what was raised; in another process."""
    counts = watched.counts()
    said = [(c.alarm.code, c.alarm.priority) for c in raised(counts, NV_PER_COUNT, _network())]
    return watched.record, len(counts), said


def raised(
    counts: NDArray[np.int32], nv_per_count: float, network: Network | None
) -> list[AlarmEvent]:
    """The alarms that begin in counts int32 [n, 8], each acknowledged at once."""
    pipeline = Pipeline(nv_per_count, profile=None, network=network)
    alarms, found = Alarms(), []
    for event in pipeline.push(frames_of(counts)):
        new = [change for change in alarms.push(event) if change.new]
        if new:
            alarms.silence(new[0].index)
        found += new
    return found


def _noise(record: Packed, noise: Noise, mv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of all electrodes, as the chip's wiring measures it, millivolts [n, 8]."""
    rng = np.random.default_rng(zlib.crc32(record.record.encode()))
    step = 1 if noise.fast else SAMPLE_RATE_HZ // 100
    n = -(-len(mv) // step)
    wave = leads8(electrode_noise(noise, n, slice(0, n), mv[::5][:1000], rng))
    if noise.fast:
        return wave
    at = np.arange(len(mv)) / step
    return np.stack([np.interp(at, np.arange(n), column) for column in wave.T], axis=1)


# -- what was rightly raised


def _meaning(record: Packed) -> Meaning:
    labels = set(record.labels) - {"", "acceptable", "unacceptable", "indeterminate"}
    if record.source == "LUDB":
        return meaning(record.record, "LUDB", ludb.diagnoses("\n".join(labels).splitlines()))
    coded = {label for label in labels if label.isdigit()}
    return meaning(record.record, "SNOMED-CT" if coded else "SCP", coded or labels)


def allowed(code: str, record: Packed) -> bool:
    """Whether the labels of ``record`` allow an alarm ``code``."""
    if code in BY_PEOPLE and "unacceptable" in record.labels:
        return True
    says = _meaning(record)
    infarction = code in BY_INFARCTION and "MI" in says.superclasses
    return infarction or not TRUE_BY.get(code, set()).isdisjoint(says.statements)


def tally(part: str, watched: Iterable[Watched], pool: Executor, high: float | None = None) -> Rows:
    """One row per code that was raised in a set, and a last one for all of high priority.

    high : the most false alarms of high priority per hour
    """
    of = _Tally()
    for record, samples, said in pool.map(_watch, watched, chunksize=8):
        of.records += 1
        of.samples += samples
        false = set()
        for code, priority in said:
            of.priority[code] = priority
            (of.true if allowed(code, record) else of.false)[code] += 1
            if not allowed(code, record):
                false |= {code} | ({HIGH} if priority is Priority.HIGH else set())
        of.wrongly.update(false)
    for counter in (of.true, of.false):
        grave = (n for code, n in counter.items() if of.priority[code] is Priority.HIGH)
        counter[HIGH] = sum(grave)
    for code in (*(code for code in CODES if code in of.priority), HIGH):
        hours = of.samples / SAMPLE_RATE_HZ / 3600
        yield Raised(
            part=part,
            name=code,
            value=of.false[code] / hours,
            unit="false / h",
            high=high if code == HIGH else None,
            priority=of.priority.get(code, Priority.HIGH),
            records=of.records,
            hours=hours,
            true=of.true[code],
            false=of.false[code],
            wrongly=of.wrongly[code],
        )


def recorded(data: Path, pool: Executor) -> Rows:
    """Every set of recordings."""
    long = (Watched(record, rate_hz, None) for record, rate_hz in packed_long(data))
    yield from tally("Longer recordings, once", long, pool, MOST_PER_HOUR)
    fold = packed(data, "ptbxl_100hz", fold="9", every=EVERY_FOLD9)
    yield from tally(
        "PTB-XL fold 9", (Watched(r, PTBXL_RATE_HZ) for r in fold), pool, MOST_PER_HOUR
    )
    others = [r for r in packed(data, "ecg_500hz") if r.source != "PTB-XL"]
    part = "Other hospitals"
    yield from tally(part, (Watched(r, SAMPLE_RATE_HZ) for r in others), pool, MOST_PER_HOUR)
    for judged in ("acceptable", "unacceptable"):
        every = packed(data, "cinc2011_quality", every=EVERY_JUDGED)
        people = (r for r in every if judged in r.labels)
        part = f"CinC 2011, {judged}"
        yield from tally(part, (Watched(r, SAMPLE_RATE_HZ) for r in people), pool)
    for noise in (Noise(kind, snr_db=snr_db) for kind in NoiseKind for snr_db in SNR_DB):
        part = f"Other hospitals, {noise.kind} at {noise.snr_db:g} dB"
        some = (Watched(r, SAMPLE_RATE_HZ, REPEATED_S, noise) for r in others[::EVERY_NOISY])
        yield from tally(part, some, pool)


# -- how soon


def delays(pool: Executor) -> Iterator[Figure]:
    """From the onset of each wave to the first alarm of high priority: the longest of five."""
    runs = [(wave, seed) for wave in WAVES for seed in SEEDS]
    found = dict(zip(runs, pool.map(_delay_s, runs), strict=True))
    for wave in WAVES:
        worst = max(found[wave, seed] for seed in SEEDS)
        yield Figure(DELAYS, wave, worst, "s", high=WITHIN_S)


def _delay_s(run: tuple[str, int]) -> float:
    wave, seed = run
    patient = Succession([(0.0, preset("sinus-70", seed)), (BEGINS_S, preset(wave, seed))])
    frontend = simulated_frontend(patient, VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    frontend.start()
    counts = [frontend.read(SAMPLE_RATE_HZ, timeout_s=1.0).counts for _ in range(WATCHED_S)]
    frontend.close()
    for change in raised(np.concatenate(counts), info.nv_per_count, _network()):
        if change.alarm.priority is Priority.HIGH:
            return (change.index + 1) / SAMPLE_RATE_HZ - BEGINS_S
    return inf


def measure(data: Path) -> list[Figure]:
    """Every figure."""
    with workers(JOBS) as pool:
        return [*delays(pool), *recorded(data, pool)]


def write_docs(figures: Sequence[Figure]) -> None:
    """Both tables, the rates with intervals."""
    lines = ["| sinus rhythm, then at 15 s | longest of 5 until an alarm of high priority |"]
    lines += ["|---|---|"]
    lines += [f"| {f.name} | {f.value:.0f} s |" for f in figures if f.part == DELAYS]
    write_section(PAGE, "alarms delays", "\n".join(lines))
    rows = [figure for figure in figures if isinstance(figure, Raised)]
    lines = []
    for part in dict.fromkeys(row.part for row in rows):
        of = [row for row in rows if row.part == part]
        lines += ["", f"**{part}**: {of[0].records} recordings, {of[0].hours:.1f} h", ""]
        lines += ["| alarm | priority | labels allow it | false | false per hour | recordings |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_line(row) for row in of]
    write_section(PAGE, "alarms rates", "\n".join(lines[1:]))


def _line(row: Raised) -> str:
    low, high = (edge / row.hours for edge in poisson(row.false))
    rate = f"{row.value:.2f} ({low:.2f}-{high:.2f})" + ("" if row.ok else " **(broken)**")
    wrongly = f"{row.wrongly} ({100 * row.wrongly / row.records:.1f} %)"
    return f"| {row.name} | {row.priority} | {row.true} | {row.false} | {rate} | {wrongly} |"


def poisson(n: int) -> tuple[float, float]:
    """95 % interval of the mean of a Poisson count (Garwood, Biometrika 1936;28:437)."""
    low = chi2.ppf(0.025, 2 * n) / 2 if n else 0.0
    return float(low), float(chi2.ppf(0.975, 2 * n + 2) / 2)
