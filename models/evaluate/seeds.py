"""The same recipe with other seeds: how much of a figure is luck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from firmware.network import Network
from models.evaluate.fold import Chain, Fold
from models.evaluate.outputs import from_results, int8_logits, probabilities
from models.evaluate.system import HEADLINES, headline, measured
from models.evaluate.targets import Target, bundle_of, load
from models.train import Progress, load_network, predict

Headlines = dict[str, dict[str, float]]  # system: {headline: value}


def seeds(
    target: Target, on: Fold, chain: Chain, say: Progress, chosen: Mapping[str, Any]
) -> dict[str, Any]:
    """Headline figures of every seed; those of the chosen one are in its systems, ``chosen``.

    A seed without a bundle has its float network measured only.
    """
    per_seed = {
        str(seed): _headlines(
            chosen if run == target.run else _systems(target, seed, on, chain, say)
        )
        for seed, run in target.seeds.items()
    }
    this = next((str(seed) for seed, run in target.seeds.items() if run == target.run), None)
    return {"chosen": this, "per_seed": per_seed, "spread": spread(per_seed)}


def spread(per_seed: Mapping[str, Headlines]) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation (n - 1) of each system over the seeds that have it."""
    out = {}
    for system in ("float", "int8", "device"):
        having = [figures[system] for figures in per_seed.values() if system in figures]
        if len(having) > 1:
            out[system] = {
                key: {
                    "mean": float(np.mean([one[key] for one in having])),
                    "sd": float(np.std([one[key] for one in having], ddof=1)),
                    "seeds": len(having),
                }
                for key in HEADLINES
            }
    return out


def _headlines(systems: Mapping[str, Any]) -> Headlines:
    return {
        name: {key: headline(figures, key) for key in HEADLINES}
        for name, figures in systems.items()
    }


def _systems(target: Target, seed: int, on: Fold, chain: Chain, say: Progress) -> dict[str, Any]:
    run = target.seeds[seed]
    contract = load(target.bundle).input
    logits = predict(load_network(run), on.tensors, contract)
    groups = load(target.bundle).groups  # temperatures do not change an order
    systems = {"float": measured(on.truth, probabilities(groups, logits)).figures}
    path = bundle_of(run)
    if path.is_file():
        bundle = load(path)
        int8 = int8_logits(Network(bundle), on.tensors, say, f"seed {seed}")
        systems["int8"] = measured(on.truth, probabilities(bundle.groups, int8)).figures
        results = chain.recordings(path, on.recordings(), len(on.dataset), say)
        systems["device"] = measured(on.truth, from_results(bundle.groups, results)).figures
    return systems
