"""Do explanations show what the network looks at? Deletion, other weights, evidence that is known.

Right calls of the network in use are explained: of PTB-XL fold 9 where the recordings are, else of
simulated patients. ``lead12 bench explain [--data FOLDER] [--json]``.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device.bundles import read_bundle
from firmware.events import LEADS
from firmware.explain import CELL_MS, Explanation, Scorer, beats, explain
from firmware.network import Network
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from models.evaluate.saliency import CONTROLS, TOP, drop, likeness, top_cells
from models.metrics import wilson
from tools.bench.figures import Figure, RecordingsAbsentError
from tools.bench.occlusions import RIVALS
from tools.bench.recordings import folder

PER_LABEL = 4
LABELS = 12  # of a group, the most frequent
CURVE = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
PERSONS = 10
NOISE_STEPS = 1  # standard deviation, 20 uV
RANDOM_NETWORKS = 3
PRESETS = ("sinus-70", "sinus-40", "sinus-120", "af-90", "lbbb-70", "rbbb-70", "pvc-70", "paced-60")
EARLY = 0.8  # of the median RR: an extrasystole
BEAT_S = (-0.28, 0.48)  # what of it counts as evidence

Tensor = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Case:
    """A right call to be explained."""

    tensor: Tensor
    group: str
    label: str


def simulated(network: Network, name: str, person: int) -> Tensor:
    """What the network sees of a simulated patient, seconds 3 to 13."""
    frontend = simulated_frontend(preset(name, person), VirtualClock(), bulk=True)
    frontend.open()
    frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    counts = frontend.read(13 * SAMPLE_RATE_HZ, timeout_s=1.0).counts
    frontend.close()
    return network.tensor(counts)


def simulated_cases(network: Network) -> Iterator[Case]:
    """Of each preset the most probable label of each group."""
    for name in PRESETS:
        tensor = simulated(network, name, 0)
        for group, scores in network.run(tensor).items():
            yield Case(tensor, group, max(scores, key=lambda label: scores[label]))


def recorded_cases(network: Network, data: Path) -> Iterator[Case]:
    """``PER_LABEL`` records of fold 9 for each of the frequent labels, said with 0.5 or more."""
    from models.data import ptbxl
    from models.data.chain import record_tensor
    from models.groups import GROUPS, targets

    dataset = ptbxl.load(data)
    truth = targets(dataset)
    fold9 = np.flatnonzero(dataset.fold == ptbxl.VALIDATION_FOLD)
    order = np.random.default_rng(0).permutation(fold9)
    carried = {group.name: group.labels for group in network.bundle.groups}
    tensors: dict[int, Tensor] = {}
    for group in GROUPS:
        columns = group.first + np.argsort(-truth[fold9][:, group.columns].sum(axis=0))[:LABELS]
        for column in columns.tolist():
            label = group.labels[column - group.first]
            right = 0
            for row in order[truth[order, column] > 0].tolist():
                if label not in carried.get(group.name, ()) or right == PER_LABEL:
                    break
                if row not in tensors:
                    tensors[row] = record_tensor(dataset.mv(row), np.random.default_rng((0, row)))
                if network.run(tensors[row])[group.name][label] >= 0.5:
                    right += 1
                    yield Case(tensors[row], group.name, label)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Log odds lost without the cells that count most, and without others.

    top, random, moved : 10 % of the cells: those of the map; any; those of the map moved in time
        and between leads, so that they hang together just as much. ``zeroed``: top and random, set
        to zero instead of bridged. curve : without the shares CURVE, over the whole score's drop
    """

    group: str
    top: float
    random: float
    moved: float
    zeroed: tuple[float, float]
    curve: float
    random_curve: float
    rivals: dict[str, float]


def deletion(network: Network, case: Case, found: Explanation) -> Deletion:
    """The deletion check (Samek et al., IEEE Trans Neural Netw Learn Syst 2017;28:2660)."""
    score, tensor = Scorer(network, case.group, case.label), case.tensor
    rng = np.random.default_rng(0)
    shape = found.relevance.shape

    def lost(relevance: NDArray[np.generic], share: float = TOP, to_zero: bool = False) -> float:
        return drop(score, tensor, top_cells(relevance, share), to_zero=to_zero)

    by_lot = [rng.random(shape) for _ in range(CONTROLS)]
    elsewhere = [
        np.roll(found.relevance, rng.integers(shape[1]), axis=1)[rng.permutation(len(LEADS))]
        for _ in range(CONTROLS)
    ]
    return Deletion(
        group=case.group,
        top=lost(found.relevance),
        random=float(np.mean([lost(one) for one in by_lot])),
        moved=float(np.mean([lost(one) for one in elsewhere])),
        zeroed=(
            lost(found.relevance, to_zero=True),
            float(np.mean([lost(one, to_zero=True) for one in by_lot])),
        ),
        curve=float(np.mean([lost(found.relevance, share) for share in CURVE])),
        random_curve=float(np.mean([lost(by_lot[0], share) for share in CURVE])),
        rivals={name: lost(rival(tensor, shape[1], score)) for name, rival in RIVALS.items()},
    )


def _deletion_figures(source: str, deletions: Sequence[Deletion]) -> Iterator[Figure]:
    groups = sorted({one.group for one in deletions})
    for group in [*groups, ""]:
        chosen = [one for one in deletions if group in ("", one.group)]
        n = len(chosen)
        part = f"top 10 % removed, {source}, {group or 'all'}, {n} windows"
        for name, won in (
            ("random 10 %", [one.top > one.random for one in chosen]),
            ("as much elsewhere", [one.top > one.moved for one in chosen]),
        ):
            low, high = wilson(sum(won), n)
            yield Figure(
                part,
                f"loses more than {name} (95 %: {100 * low:.0f}-{100 * high:.0f})",
                100 * sum(won) / n,
                "%",
                low=90.0 if name.startswith("random") else None,
            )
        for name, values in (
            ("log odds lost, mean", [one.top for one in chosen]),
            ("log odds lost by random 10 %, mean", [one.random for one in chosen]),
            ("log odds lost by as much elsewhere, mean", [one.moved for one in chosen]),
        ):
            yield Figure(part, name, float(np.mean(values)), "")
    part = f"other ways, {source}, {len(deletions)} windows"
    yield Figure(part, "mean over 2-50 % removed", float(np.mean([o.curve for o in deletions])), "")
    yield Figure(part, "the same, random", float(np.mean([o.random_curve for o in deletions])), "")
    for k, name in enumerate(("top 10 % set to zero", "random 10 % set to zero")):
        yield Figure(part, name, float(np.mean([o.zeroed[k] for o in deletions])), "")
    for name in RIVALS:
        lost = float(np.mean([o.rivals[name] for o in deletions]))
        yield Figure(part, f"top 10 % by {name}", lost, "")


def random_network(network: Network, tensors: Sequence[Tensor], seed: int) -> Network:
    """The same architecture with weights never trained, quantised on these tensors."""
    from models.architectures import ARCHITECTURES
    from models.data.forms import stands_for
    from models.quantize import to_int8
    from models.train import quiet_keras

    run = network.bundle.manifest.get("training", {}).get("run", {})
    build = ARCHITECTURES.get(run.get("architecture", ""), ARCHITECTURES["residual"])
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    outputs = sum(len(group.labels) for group in network.bundle.groups)
    whole = np.stack(tensors)
    whole[0].flat[:2] = -128, 127  # the input's whole range
    of = network.bundle.input
    model = to_int8(build(outputs, of.samples), stands_for(whole, of))
    return Network(replace(network.bundle, model=model))


def _weights_figures(
    network: Network, cases: Sequence[Case], found: Sequence[Explanation]
) -> Iterator[Figure]:
    """Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018."""
    rng = np.random.default_rng(0)
    part = f"rank correlation of maps, {len(cases)} windows"
    noisy = []
    for case, whole in zip(cases, found, strict=True):
        noise = np.rint(rng.normal(0, NOISE_STEPS, case.tensor.shape))
        spoilt = np.clip(case.tensor + noise, -127, 127).astype(np.int8)
        noisy.append(
            likeness(whole.relevance, explain(network, spoilt, case.group, case.label).relevance)
        )
    yield Figure(part, "the same network, 20 uV of noise added", float(np.mean(noisy)), "", low=0.4)
    if importlib.util.find_spec("tensorflow") is None:
        print("random weights: TensorFlow is missing; run make train-setup", file=sys.stderr)
        return
    for seed in range(RANDOM_NETWORKS):
        other = random_network(network, [case.tensor for case in cases], seed)
        alike = [
            likeness(whole.relevance, explain(other, case.tensor, case.group, case.label).relevance)
            for case, whole in zip(cases, found, strict=True)
        ]
        yield Figure(part, f"random weights, seed {seed}", float(np.mean(alike)), "", high=0.3)


def planted_lead(network: Network, label: str, name: str, person: int) -> bool:
    """Whether V1 is found when it alone is of the ``name`` patient, the rest of a healthy one."""
    tensor, v1 = simulated(network, "sinus-70", person), LEADS.index("V1")
    tensor[:, v1] = simulated(network, name, person)[:, v1]
    shares = explain(network, tensor, "statements", label).lead_shares
    return max(shares, key=lambda lead: shares[lead]) == "V1"


def planted_beats(network: Network, person: int) -> tuple[float, float]:
    """Of a simulated patient's extrasystoles: their share of the time, and of the relevance."""
    contract = network.bundle.input
    tensor = simulated(network, "pvc-70", person)
    peaks = beats(tensor, contract) / contract.rate_hz
    rr = np.diff(peaks)
    found = explain(network, tensor, "statements", "PVC").window_shares
    at = (np.arange(len(found)) + 0.5) * CELL_MS / 1000
    inside = np.zeros(len(found), np.bool_)
    for peak in peaks[1:][rr < EARLY * np.median(rr)]:
        inside |= (at >= peak + BEAT_S[0]) & (at < peak + BEAT_S[1])
    return float(inside.mean()), float(found[inside].sum())


def _planted_figures(network: Network) -> Iterator[Figure]:
    part = f"evidence that is known, {PERSONS} simulated patients"
    for label, name in (("CRBBB", "rbbb-70"), ("CLBBB", "lbbb-70")):
        found = [planted_lead(network, label, name, person) for person in range(PERSONS)]
        title = f"{label} in V1 alone: V1 counts most"
        yield Figure(part, title, 100 * float(np.mean(found)), "%", low=80.0)
    of_time, of_relevance = np.mean([planted_beats(network, p) for p in range(PERSONS)], axis=0)
    yield Figure(part, "PVC: relevance in the extrasystoles", 100 * float(of_relevance), "%")
    yield Figure(part, "PVC: extrasystoles' share of the time", 100 * float(of_time), "%")
    times = float(of_relevance / of_time)
    yield Figure(part, "PVC: relevance over time", times, "x", low=2.0)


def measure(data: Path | None) -> list[Figure]:
    """Every figure, on the embedded network."""
    network = Network(read_bundle())
    try:
        source, cases = "PTB-XL fold 9", list(recorded_cases(network, folder(data)))
    except RecordingsAbsentError as error:
        if data is not None:
            raise
        print(f"simulated patients only: {error}", file=sys.stderr)
        source, cases = "simulated", list(simulated_cases(network))
    found, took_ms = [], []
    for case in cases:
        begin = time.process_time()  # of this process: what else the machine does is left out
        found.append(explain(network, case.tensor, case.group, case.label))
        took_ms.append(1000 * (time.process_time() - begin))
    deletions = [deletion(network, c, f) for c, f in zip(cases, found, strict=True)]
    part = f"one window, one thread, {len(cases)} windows"
    return [
        Figure(part, "processor time, median", float(np.median(took_ms)), "ms", high=300.0),
        Figure(part, "processor time, longest", max(took_ms), "ms"),
        Figure(part, "nothing found", sum(not one.relevance.any() for one in found), "windows"),
        *_deletion_figures(source, deletions),
        *_weights_figures(network, cases[::3], found[::3]),
        *_planted_figures(network),
    ]
