"""Signal quality against people: CinC 2011 set a, and ordinary records that must not be refused.

The network of ``firmware.acceptable`` was chosen and fitted on half of set a's distinct traces
(``models.data.cinc2011``); the other half is scored. Beside it stand networks fitted and scored on
other halves, for one split of 330 records says little. Which leads are to be doubted no one has
labelled: noise is put on single leads of ordinary records.
``lead12 bench quality [--data FOLDER] [--json]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.bundles import read_bundle
from firmware.events import Call, LeadFault, QualityGrade, Refusal
from firmware.network import Network
from firmware.pipeline import Pipeline
from firmware.quality import QualityMeter
from hal.clock import VirtualClock
from hal.frontend import (
    CHANNEL_LEADS,
    CHANNELS,
    SAMPLE_RATE_HZ,
    Electrode,
    FrameBlock,
    FrontendConfig,
)
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from models import quality as training
from models.data import cinc2011
from models.data.noise import Noise, NoiseKind, electrode_noise
from models.metrics import wilson
from tools.bench.figures import PERFORMANCE, Figure, write_section
from tools.bench.recordings import chip_counts, frames_of, packed, plain_counts

NV_PER_COUNT = 2.4e9 / 6 / ((1 << 23) - 1)  # 2.4 V reference, gain 6
MAINS_HZ = 50
SIMULATED = 20  # persons each
HALVES = 5
EVERY_NOISY = 4  # ordinary record
DOSES_DB = (-6, 0, 6, 24)
OFF_MV = 5.0  # a contact that comes and goes


@dataclass(frozen=True, slots=True)
class Share(Figure):
    """``hits`` of ``n``, in percent."""

    hits: int = 0
    n: int = 0


def share(part: str, name: str, found: NDArray[np.bool_], low: float | None = None) -> Share:
    """How many of ``found`` are true."""
    hits, n = int(found.sum()), len(found)
    return Share(part, name, 100 * hits / max(n, 1), "%", low, None, hits, n)


def measured(counts: NDArray[np.int32]) -> QualityMeter:
    """The meter after a record; counts [n, 8] with all electrodes on."""
    meter = QualityMeter(NV_PER_COUNT, MAINS_HZ)
    meter.push(0, counts, np.ones(CHANNELS, np.bool_))
    return meter


def accepted(counts: NDArray[np.int32]) -> bool:
    """Whether the device would accept a record of ten seconds as a 12-lead ECG."""
    return measured(counts).verdict(len(counts)).acceptable is True


def agreement(data: Path, *, every: int = 1) -> Iterator[Share]:
    """Against people, on the half that nothing was fitted on."""
    records = cinc2011.load(data, NV_PER_COUNT)
    rows = np.flatnonzero(records.held)[::every]
    people = records.acceptable[rows]
    device = np.array([accepted(records.counts[row]) for row in rows])
    dead = np.array([_dead(records.counts[row]) for row in rows])
    part = "CinC 2011, held half, distinct traces"
    yield share(part, "agreement with people", people == device)
    yield share(part, "acceptable ones accepted", device[people])
    yield share(part, "unacceptable ones not accepted", ~device[~people])
    yield share(part, "disagreements: a dead lead, accepted by people", dead[people != device])
    every_copy = np.repeat(people == device, records.copies[rows])
    yield share("CinC 2011, held half, copies counted", "agreement with people", every_copy)


def other_halves(data: Path) -> Iterator[Share]:
    """Agreement of networks fitted on one random half with people on the other."""
    records = cinc2011.load(data, NV_PER_COUNT)
    x, people = training.measured(records.counts, NV_PER_COUNT), records.acceptable
    readable = np.array([_readable(counts) for counts in records.counts])
    agree: list[NDArray[np.bool_]] = []
    for seed in range(HALVES):
        out = training.stratified(people, 2, seed) == 1
        net = training.fit(x[~out], people[~out], seed)
        agree.append((training.verdicts(x[out], net) & readable[out]) == people[out])
    part = f"CinC 2011, networks of {HALVES} random halves on the others"
    yield share(part, "agreement with people", np.concatenate(agree))
    shares = [100 * float(each.mean()) for each in agree]
    yield Share(part, "lowest of them", min(shares), "%")
    yield Share(part, "highest of them", max(shares), "%")


def _readable(counts: NDArray[np.int32]) -> bool:
    """What the rules ask for, whatever the network weighs."""
    return measured(counts).at(len(counts))[0] is not QualityGrade.BAD and not _dead(counts)


def _dead(counts: NDArray[np.int32]) -> bool:
    faults = measured(counts).at(len(counts))[1].values()
    return not {LeadFault.RAILED, LeadFault.FLAT}.isdisjoint(faults)


def doubts(data: Path) -> Iterator[Share]:
    """Which leads are named when one channel of an ordinary record is disturbed."""
    named: dict[str, list[bool]] = {}
    others: list[bool] = []
    clean: list[bool] = []
    for number, record in enumerate(packed(data, "ecg_500hz", every=EVERY_NOISY)):
        counts, rng = plain_counts(record, NV_PER_COUNT), np.random.default_rng((5, number))
        if record.source == "PTB-XL" or len(counts) < 10 * SAMPLE_RATE_HZ:
            continue
        clean += [lead in _named(counts) for lead in CHANNEL_LEADS]
        for what, wave in _disturbances(record.mv, rng):
            channel = int(rng.integers(CHANNELS))
            noisy = counts.copy()
            if wave is None:
                noisy[:, channel] = 0
            else:
                noisy[:, channel] += np.rint(wave[: len(counts)] * 1e6 / NV_PER_COUNT).astype(
                    np.int32
                )
            told = _named(noisy)
            named.setdefault(what, []).append(CHANNEL_LEADS[channel] in told)
            others += [lead in told for lead in CHANNEL_LEADS if lead != CHANNEL_LEADS[channel]]
    part = "one lead disturbed, other hospitals' records"
    yield share(part, "undisturbed leads trusted, nothing disturbed", ~np.array(clean))
    yield share(part, "undisturbed leads trusted beside a disturbed one", ~np.array(others))
    for what, found in named.items():
        yield share(part, f"{what}: lead named", np.array(found))


def _named(counts: NDArray[np.int32]) -> set[str]:
    meter = measured(counts)
    return {*meter.at(len(counts))[1], *meter.verdict(len(counts)).doubtful}


def _disturbances(
    mv: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[tuple[str, NDArray[np.float64] | None]]:
    """What is put on one lead of a record of 500 Hz, millivolts at 500 Hz; None: it is dead."""
    sharp = mv[:: SAMPLE_RATE_HZ // 100]
    for kind in (NoiseKind.MUSCLE, NoiseKind.MOTION, NoiseKind.WANDER, NoiseKind.MAINS):
        for db in DOSES_DB:
            noise = Noise(kind, snr_db=db, electrodes=(Electrode.V1,))
            samples = len(mv) if noise.fast else len(sharp)
            wave = electrode_noise(noise, samples, slice(None), sharp, rng)[:, Electrode.V1]
            if not noise.fast:
                wave = np.interp(np.arange(len(mv)) / 5, np.arange(len(wave)), wave)
            yield f"{kind} {db} dB", wave
    at, length = rng.integers(0, 3500), rng.integers(500, 1500)
    lost = np.zeros(len(mv))
    lost[at : at + length] = OFF_MV * np.sign(rng.normal(size=length)).cumsum().clip(-2, 2)
    yield "contact lost for 1-3 s", lost
    yield "no signal", None


def ordinary_shares(data: Path, *, every: int = 1) -> tuple[float, float]:
    """Shares of ordinary records graded BAD, and not accepted."""
    counts = [
        plain_counts(record, NV_PER_COUNT) for record in packed(data, "ecg_500hz", every=every)
    ]
    bad = [measured(each).at(len(each))[0] is QualityGrade.BAD for each in counts]
    rejected = [measured(each).verdict(len(each)).acceptable is False for each in counts]
    return float(np.mean(bad)), float(np.mean(rejected))


def _suspected(frames: Sequence[FrameBlock], nv_per_count: float, network: Network) -> bool:
    """Whether VF or VT is suspected in the last window."""
    pipeline = Pipeline(nv_per_count, profile=None, network=network)
    events = [event for block in frames for event in pipeline.push(block)]
    return [e.refusal for e in events if isinstance(e, Call)][-1] is Refusal.VENTRICULAR


def ventricular_shares(data: Path) -> tuple[float, float]:
    """Shares suspected of VF or VT: of ordinary records, and of simulated VF and VT."""
    network = Network(read_bundle())
    real = [
        _suspected([frames_of(chip_counts(record)[1])], NV_PER_COUNT, network)
        for record in packed(data, "ecg_500hz")
    ]
    simulated = [
        _suspected(list(_simulated(name, seed)), NV_PER_COUNT, network)
        for name in ("vf", "vt-160")
        for seed in range(SIMULATED)
    ]
    return float(np.mean(real)), float(np.mean(simulated))


def _simulated(name: str, seed: int) -> Iterator[FrameBlock]:
    frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
    frontend.open()
    frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    for _ in range(12):
        yield frontend.read(SAMPLE_RATE_HZ, timeout_s=1.0)
    frontend.close()


def measure(data: Path) -> list[Figure]:
    """Every figure."""
    ordinary, ventricular = ventricular_shares(data)
    bad, rejected = ordinary_shares(data)
    return [
        *agreement(data),
        *other_halves(data),
        *doubts(data),
        Figure("ordinary records", "graded BAD", 100 * bad, "%", high=2.0),
        Figure("ordinary records", "not accepted", 100 * rejected, "%", high=2.0),
        Figure("ordinary records", "suspected of VF or VT", 100 * ordinary, "%", high=0.5),
        Figure("simulated VF and VT", "suspected", 100 * ventricular, "%", low=95.0),
    ]


def write_docs(figures: Sequence[Figure]) -> None:
    """A table with intervals."""
    lines = ["| | measured | 95 % interval | of | limit |", "|---|---|---|---|---|"]
    for one in figures:
        low, high = (
            (100 * edge for edge in wilson(one.hits, one.n))
            if isinstance(one, Share) and one.n
            else (None, None)
        )
        between = "" if low is None or high is None else f"{low:z.1f}-{high:z.1f}"
        of = str(one.n) if isinstance(one, Share) and one.n else ""
        limit = f"{one.limit}{'' if one.ok else ' **(broken)**'}"
        lines.append(f"| {one.part}: {one.name} | {one.value:.1f} % | {between} | {of} | {limit} |")
    write_section(PERFORMANCE, "quality", "\n".join(lines))
