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
from firmware.explain import CELL_MS, Scorer, beats, explain, without
from firmware.inputs import Form, InputContract
from firmware.network import Network, NetworkError
from firmware.tensor import R_AT
from models.architectures import ARCHITECTURES
from models.data import ptbxl
from models.data.dataset import VALIDATION_FOLD
from models.data.labels import SUPERCLASSES
from models.evaluate import targets
from models.evaluate.compare import OURS
from models.evaluate.saliency import (
    Aggregate,
    Relevance,
    Tensor,
    aggregate,
    checked,
    deletion,
    lead_shares,
    likeness,
    median_trace,
    told_apart,
)
from models.explain.methods import FloatMaps, methods
from models.groups import OUTPUTS
from models.report.explanations import ALIKE, NAME, WON, figure, page
from models.run_folder import read_config
from models.train import Progress, load_network, quiet_keras
from tools.bench.evidence import CHECKED, GROUP, RANDOM, Fold9, Found, column
from tools.bench.explain import random_network
from tools.bench.figures import DOCS, Figure
from tools.bench.page_saliency import page_maps
from tools.models_cli import EMBEDDED

RECORDS = 100  # of a class
ANTERIOR, INFERIOR = ("AMI", "ASMI", "ALMI"), ("IMI", "IPMI")
FACING = {"anterior": ("V1", "V2", "V3", "V4"), "inferior": ("II", "III", "aVF")}
OCCLUSION = "occlusion, int8"

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


def measure(target: Path | None, data: Path, records: int | None, say: Progress) -> Found:
    """Maps, shares and checks of one network; None takes the firmware's own.

    target : a bundle, or the folder of a training, whose float network is asked as well; of a
        network that reads pages it is needed
    records : of each class, RECORDS if None
    Raises BundleError, DataError, NetworkError or TrainError in one line. Needs the [train] extra.
    """
    found = targets.find(target or EMBEDDED)
    bundle = targets.load(found.bundle)
    name = OURS if bundle.digest == targets.load(EMBEDDED).digest else bundle.name
    fold9 = Fold9(ptbxl.load(data), bundle.input, records or RECORDS, say)
    classes = {label: fold9.carrying((label,)) for label in SUPERCLASSES}
    if bundle.input.form is Form.PAGE:
        if found.run is None:
            raise NetworkError(f"{bundle.id} reads pages: give the folder of its training")
        methods_told, pictures = page_maps(name, found.run, bundle.input, classes, say)
    else:
        asked = [_occlusion(Network(bundle), _some(classes))]
        if found.run:
            asked += _float(found.run, bundle.input, classes[SUPERCLASSES[0]][0])
        infarctions = {
            "anterior": fold9.carrying(ANTERIOR, but_not=INFERIOR),
            "inferior": fold9.carrying(INFERIOR, but_not=ANTERIOR),
        }
        methods_told, pictures = _of_leads(name, asked, classes, infarctions, bundle.input, say)
    network = {
        "name": name,
        "id": bundle.id,
        "data": {"name": ptbxl.NAME, "fold": VALIDATION_FOLD, "sha256": fold9.dataset.digest},
        "methods": methods_told,
        "pictures": list(pictures),
    }
    return Found(network, pictures)


def _some(classes: Mapping[str, Sequence[Tensor]]) -> list[Tensor]:
    return [tensor for tensors in classes.values() for tensor in tensors[:CHECKED]]


def _of_leads(
    name: str,
    asked: Sequence[Method],
    classes: Mapping[str, Sequence[Tensor]],
    infarctions: Mapping[str, Sequence[Tensor]],
    contract: InputContract,
    say: Progress,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What every method tells, and the pictures of those that tell the leads apart."""
    peaks = {label: _peaks(tensors, contract) for label, tensors in classes.items()}
    told: dict[str, Any] = {}
    pictures: dict[str, bytes] = {}
    for method in asked:
        what = f"{name}: {method.name}"
        drawn = {}
        for at, (label, tensors) in enumerate(classes.items()):
            say(f"{what}, {label}", at, len(classes))
            drawn[label] = aggregate(method.maps(tensors, label), peaks[label])
        told[method.name] = {
            "leads": method.leads,
            "place_ms": method.place_ms,
            "classes": {label: _told(one) for label, one in drawn.items()},
            "checks": _checks(method, classes, contract.zero, what, say),
        }
        if method.leads:
            told[method.name]["infarctions"] = _located(method, infarctions)
            kind = method.name.split(",")[0].lower()
            for label, one in drawn.items():
                beat = median_trace(classes[label], peaks[label], contract)
                pictures[f"saliency-{name}-{kind}-{label.lower()}"] = figure(one, beat, label)
    return told, pictures


def _peaks(tensors: Sequence[Tensor], of: InputContract) -> list[NDArray[np.float64]]:
    """R peaks in windows of 40 ms."""
    if of.form is Form.MEDIAN_BEAT:
        rows = [np.array([float(R_AT)])] * len(tensors)
    else:
        rows = [beats(tensor, of) for tensor in tensors]
    return [one * 1000 / (of.rate_hz * CELL_MS) for one in rows]


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
    keras = quiet_keras()
    architecture = ARCHITECTURES[read_config(run)["architecture"]]
    others = []
    for seed in range(RANDOM):
        keras.utils.set_random_seed(seed)
        others.append(architecture.build(OUTPUTS, contract.samples))

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
    method: Method,
    classes: Mapping[str, Sequence[Tensor]],
    zero: int,
    what: str,
    say: Progress,
) -> dict[str, Any]:
    """Random weights, and deletion."""
    alike: list[list[float]] = [[] for _ in method.random]
    lost = []
    for at, (label, every) in enumerate(classes.items()):
        say(f"{what}, checks, {label}", at, len(classes))
        tensors = every[:CHECKED]
        maps = method.maps(tensors, label)
        for values, other in zip(alike, method.random, strict=True):
            values += map(likeness, maps, other(tensors, label))
        scores = partial(method.scores, label=label)
        lost.append(deletion(scores, tensors, maps, partial(without, zero=zero)))
    return checked(alike, lost)


def _located(method: Method, infarctions: Mapping[str, Sequence[Tensor]]) -> dict[str, Any]:
    """Does the map of MI lie in the leads that face it?"""
    shares = {
        where: np.array([lead_shares(one) for one in method.maps(tensors, "MI")])
        for where, tensors in infarctions.items()
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
