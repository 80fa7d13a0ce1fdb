"""Where the evidence of each class lies: ``lead12 bench saliency [RUN] --data FOLDER``.

Of a bundle the device's own occlusion; of a trained run its float network's maps as well. Records
of PTB-XL fold 9 that carry the class; the superclasses, as the networks name them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.explain import CELL_MS, Scorer, beats, explain
from firmware.inputs import Form, InputContract
from firmware.network import Network, NetworkError
from firmware.tensor import R_AT
from models.architectures import ARCHITECTURES
from models.data import forms, ptbxl
from models.data.dataset import VALIDATION_FOLD, Dataset
from models.data.labels import STATEMENTS, SUPERCLASSES
from models.evaluate import targets
from models.evaluate.compare import OURS
from models.evaluate.saliency import (
    Aggregate,
    Deletion,
    Relevance,
    Tensor,
    aggregate,
    deletion,
    lead_shares,
    likeness,
    median_trace,
    told_apart,
)
from models.explain.methods import FloatMaps, methods
from models.groups import GROUPS, OUTPUTS
from models.report.explanations import ALIKE, NAME, WON, figure, page
from models.run_folder import read_config
from models.train import Progress, load_network
from tools.bench.explain import random_network
from tools.bench.figures import DOCS, Figure
from tools.models_cli import EMBEDDED

GROUP = next(group for group in GROUPS if group.name == "superclasses")
RECORDS = 100  # of a class
CHECKED = 20  # of them, for the checks
RANDOM = 3  # networks that were never trained
ANTERIOR, INFERIOR = ("AMI", "ASMI", "ALMI"), ("IMI", "IPMI")
FACING = {"anterior": ("V1", "V2", "V3", "V4"), "inferior": ("II", "III", "aVF")}
OCCLUSION = "occlusion, int8"
LOST = ("top", "random")

Maps = Callable[[Sequence[Tensor], str], list[Relevance]]  # of records, for a label


@dataclass(frozen=True)
class Method:
    """One way to ask one network.

    scores : log odds of a label; random : the same maps of networks that were never trained
    leads : whether it tells the leads apart; place_ms : of time, what it tells apart
    """

    name: str
    maps: Maps
    scores: Callable[[Sequence[Tensor], str], Sequence[float] | NDArray[np.float64]]
    random: Sequence[Maps]
    leads: bool = True
    place_ms: float = CELL_MS


@dataclass(frozen=True)
class Cases:
    """Records that carry a label, as the network is shown them; R peaks in windows of 40 ms."""

    tensors: list[Tensor]
    peaks: list[NDArray[np.float64]]


@dataclass(frozen=True)
class Found:
    """``network`` goes into docs/explanations.json; ``pictures``: PNG by name."""

    network: dict[str, Any]
    pictures: dict[str, bytes]


def measure(target: Path | None, data: Path, records: int | None, say: Progress) -> Found:
    """Maps, shares and checks of one network; None takes the firmware's own.

    target : a bundle, or the folder of a training, whose float network is asked as well
    records : of each class, RECORDS if None
    Raises BundleError, DataError, NetworkError or TrainError in one line. Needs the [train] extra.
    """
    found = targets.find(target or EMBEDDED)
    bundle = targets.load(found.bundle)
    if bundle.input.form is Form.PAGE:
        raise NetworkError(f"{bundle.id} reads pages, which have no beats to fold; name another")
    name = OURS if bundle.digest == targets.load(EMBEDDED).digest else bundle.name
    fold9 = _Fold9(ptbxl.load(data), bundle.input, records or RECORDS, say)
    classes = {label: fold9.carrying((label,)) for label in SUPERCLASSES}
    infarctions = {
        "anterior": fold9.carrying(ANTERIOR, without=INFERIOR),
        "inferior": fold9.carrying(INFERIOR, without=ANTERIOR),
    }
    some = [tensor for of in classes.values() for tensor in of.tensors[:CHECKED]]
    asked = [_occlusion(Network(bundle), some)]
    if found.run:
        asked += _float(found.run, bundle.input, some[0])
    told: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}
    for method in asked:
        what = f"{name}: {method.name}"
        drawn = {}
        for at, (label, of) in enumerate(classes.items()):
            say(f"{what}, {label}", at, len(classes))
            drawn[label] = aggregate(method.maps(of.tensors, label), of.peaks)
        told[method.name] = {
            "leads": method.leads,
            "place_ms": method.place_ms,
            "classes": {label: _told(one) for label, one in drawn.items()},
            "checks": _checks(method, classes, bundle.input.zero, what, say),
        }
        if method.leads:
            told[method.name]["infarctions"] = _located(method, infarctions)
            kind = method.name.split(",")[0].lower()
            for label, one in drawn.items():
                beat = median_trace(classes[label].tensors, classes[label].peaks, bundle.input)
                pictures[f"saliency-{name}-{kind}-{label.lower()}"] = figure(one, beat, label)
    network = {
        "name": name,
        "id": bundle.id,
        "data": {"name": ptbxl.NAME, "fold": VALIDATION_FOLD, "sha256": fold9.dataset.digest},
        "methods": told,
        "pictures": list(pictures),
    }
    return Found(network, pictures)


@dataclass
class _Fold9:
    """Its records, in an order drawn once; ``most`` of a kind are taken."""

    dataset: Dataset
    contract: InputContract
    most: int
    say: Progress

    def carrying(self, labels: Sequence[str], without: Sequence[str] = ()) -> Cases:
        """Records with any of some superclasses or statements, and none of others."""
        fold9 = np.flatnonzero(self.dataset.fold == VALIDATION_FOLD)
        order = np.random.default_rng(0).permutation(fold9)
        wanted = self._any(labels)[order] & ~self._any(without)[order]
        rows = np.sort(order[wanted][: self.most])
        tensors = list(forms.tensors(self.dataset, self.contract, rows, self.say))
        return Cases(tensors, [self._peaks(tensor) for tensor in tensors])

    def _any(self, labels: Sequence[str]) -> NDArray[np.bool_]:
        has = np.zeros(len(self.dataset), np.bool_)
        for label in labels:
            if label in SUPERCLASSES:
                has |= self.dataset.superclasses[:, SUPERCLASSES.index(label)] > 0
            else:
                has |= self.dataset.statements[:, STATEMENTS.index(label)] > 0
        return has

    def _peaks(self, tensor: Tensor) -> NDArray[np.float64]:
        of = self.contract
        rows = np.array([R_AT]) if of.form is Form.MEDIAN_BEAT else beats(tensor, of)
        found: NDArray[np.float64] = rows * 1000 / (of.rate_hz * CELL_MS)
        return found


def _occlusion(network: Network, some: Sequence[Tensor]) -> Method:
    """As the device explains its calls."""

    def of(one: Network) -> Maps:
        return lambda tensors, label: [
            explain(one, tensor, GROUP.name, label).relevance.astype(float) for tensor in tensors
        ]

    def scores(tensors: Sequence[Tensor], label: str) -> list[float]:
        return list(map(Scorer(network, GROUP.name, label), tensors))

    random = [of(random_network(network, some, seed)) for seed in range(RANDOM)]
    return Method(OCCLUSION, of(network), scores, random)


def _float(run: Path, contract: InputContract, one: Tensor) -> Iterator[Method]:
    """The float network of a run, by every method that its head allows."""
    import keras

    architecture = ARCHITECTURES[read_config(run)["architecture"]]
    others = []
    for seed in range(RANDOM):
        keras.utils.set_random_seed(seed)
        others.append(architecture.build(OUTPUTS, contract.samples))

    def column(label: str) -> int:
        return GROUP.first + GROUP.labels.index(label)

    def of(float_maps: FloatMaps) -> Maps:
        return lambda tensors, label: float_maps.relevance(tensors, column(label))

    def scores_of(
        float_maps: FloatMaps,
    ) -> Callable[[Sequence[Tensor], str], NDArray[np.float64]]:
        return lambda tensors, label: float_maps.scores(tensors, column(label))

    for found in methods(load_network(run), contract, one):
        random = [of(replace(found, network=other)) for other in others]
        yield Method(found.method, of(found), scores_of(found), random, found.leads, found.place_ms)


def _told(one: Aggregate) -> dict[str, Any]:
    return {
        "records": one.records,
        "leads": dict(zip(LEADS, one.leads.tolist(), strict=True)),
        "parts": one.parts,
        "time": one.parts_time,
    }


def _checks(
    method: Method, classes: Mapping[str, Cases], zero: int, what: str, say: Progress
) -> dict[str, Any]:
    """Random weights, and deletion."""
    alike: list[list[float]] = [[] for _ in method.random]
    lost = []
    for at, (label, of) in enumerate(classes.items()):
        say(f"{what}, checks, {label}", at, len(classes))
        tensors = of.tensors[:CHECKED]
        maps = method.maps(tensors, label)
        for values, other in zip(alike, method.random, strict=True):
            values += map(likeness, maps, other(tensors, label))
        lost.append(deletion(partial(method.scores, label=label), tensors, maps, zero))
    every = Deletion(*(np.concatenate([getattr(one, key) for one in lost]) for key in LOST))
    return {
        "records": len(every.top),
        "random": [float(np.mean(values)) for values in alike],
        "won": every.won,
        "effect": every.effect,
    }


def _located(method: Method, infarctions: Mapping[str, Cases]) -> dict[str, Any]:
    """Does the map of MI lie in the leads that face it?"""
    shares = {
        where: np.array([lead_shares(one) for one in method.maps(of.tensors, "MI")])
        for where, of in infarctions.items()
    }
    of_part = {
        where: {part: of[:, _columns(part)].sum(1) for part in FACING}
        for where, of in shares.items()
    }
    lean = [of["anterior"] - of["inferior"] for of in of_part.values()]
    apart, low, high = told_apart(*lean)
    return {
        "records": {where: len(of) for where, of in shares.items()},
        "facing": {
            where: {part: float(of.mean()) for part, of in parts.items()}
            for where, parts in of_part.items()
        },
        "auc": apart,
        "interval": [low, high],
    }


def _columns(part: str) -> list[int]:
    return [LEADS.index(lead) for lead in FACING[part]]


def figures(found: Found) -> list[Figure]:
    """The checks; the device's own explanation beside what it must keep."""
    out = []
    for name, method in found.network["methods"].items():
        part = f"{found.network['name']}, {name}, {method['checks']['records']} records"
        won, effect, random = (method["checks"][key] for key in ("won", "effect", "random"))
        rows = [
            ("random weights: rank correlation, worst", max(random), "", None, ALIKE),
            ("top 10 % removed loses more than random", 100 * won[0], "%", WON, None),
            ("log odds lost more by it, mean", effect[0], "", None, None),
            ("the same, 95 % from", effect[1], "", 0.0, None),
        ]
        if located := method.get("infarctions"):
            what = "anterior from inferior infarction by leads, AUC"
            rows.append((what, located["auc"], "", None, None))
            rows.append(("the same, 95 % from", located["interval"][0], "", 0.5, None))
        for text, value, unit, low, high in rows:
            must = name == OCCLUSION
            out.append(
                Figure(part, text, value, unit, low if must else None, high if must else None)
            )
    return out


def write_docs(found: Found) -> list[Path]:
    """Its part of docs/explanations.json, the page anew, and the pictures."""
    stored = DOCS / f"{NAME}.json"
    networks = json.loads(stored.read_text()) if stored.is_file() else {}
    networks[found.network["name"]] = found.network
    stored.write_text(json.dumps(networks, indent=1) + "\n")
    written = [stored, DOCS / f"{NAME}.md"]
    written[1].write_text(page(list(networks.values())))
    (DOCS / "pictures").mkdir(exist_ok=True)
    for name, png in found.pictures.items():
        written.append(DOCS / "pictures" / f"{name}.png")
        written[-1].write_bytes(png)
    return written
