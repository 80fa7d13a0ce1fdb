"""Fit the network of ``firmware/acceptable.py``: which ten seconds people accept as an ECG.

``python -m models.quality DATA`` reads set a of the CinC Challenge 2011 in DATA, prints how well
networks agree with people on the part of the training half that each was fitted without, and
writes ``firmware/acceptable.npz`` from all of that half. The held half is only looked at by
``lead12 bench quality``.

The labels are of records: one network judges every channel alike, and the worst channel and the
sum of all are what must explain the label (multiple-instance learning: Maron and Lozano-Perez,
NIPS 1997). Plain numpy: 324 records fit in seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware import acceptable
from firmware.acceptable import WEIGHT_BITS, Weights
from firmware.quality import QualityMeter
from hal.frontend import CHANNELS
from models.data import chain, cinc2011

OUT = Path(acceptable.__file__).with_name(acceptable.WEIGHTS)
MAINS_HZ = 50
MEMBERS, HIDDEN = 4, 8
STEPS, RATE, DECAY = 600, 0.02, 5e-3
SMOOTHING = 0.02  # people disagree about one record in twenty
FOLDS, REPEATS = 10, 3

Array = NDArray[np.float64]


class Parameters(NamedTuple):
    """Of all members at once: the first axis is the member."""

    w0: Array  # [members, FEATURES, HIDDEN]
    b0: Array  # [members, 1, HIDDEN]
    w1: Array  # [members, HIDDEN, 1]
    b1: Array  # [members, 1, 1]
    mix: Array  # [members, 3]


def measured(counts: NDArray[np.int32], nv_per_count: float = chain.NV_PER_COUNT) -> Array:
    """``acceptable.features`` of records, float64 [n, channels, FEATURES]; counts [n, 5000, 8]."""
    found = []
    for record in counts:
        meter = QualityMeter(nv_per_count, MAINS_HZ)
        meter.push(0, record, np.ones(CHANNELS, np.bool_))
        found.append(acceptable.features(meter.measures()))
    return np.stack(found).astype(np.float64)


def fit(x: Array, accepted: NDArray[np.bool_], seed: int = 0) -> Weights:
    """The network, in integers, from features [n, channels, FEATURES] and people's verdicts."""
    mean, spread = x.mean(axis=(0, 1)), x.std(axis=(0, 1)) + 1e-6
    found = _descend((x - mean) / spread, accepted, np.random.default_rng(seed))
    # The device's features are not standardised: mean and spread go into the first layer.
    w0 = found.w0 / spread[:, None]
    b0 = found.b0 - mean @ w0[:, None]
    one, octave = 1 << WEIGHT_BITS, acceptable.OCTAVE
    return Weights(
        w0=np.rint(w0 * octave * one).astype(np.int64),
        b0=np.rint(b0 * one).astype(np.int64),
        w1=np.rint(found.w1 * one).astype(np.int64),
        b1=np.rint(found.b1 * one).astype(np.int64),
        mix=np.rint(found.mix * one).astype(np.int64),
    )


def _descend(x: Array, accepted: NDArray[np.bool_], rng: np.random.Generator) -> Parameters:
    """Adam (Kingma and Ba 2015) on the cross entropy, all records at once."""
    records, channels, size = x.shape
    wanted = np.where(accepted, 1 - SMOOTHING, SMOOTHING)
    x = x.reshape(1, records * channels, size)
    at = Parameters(
        rng.normal(0, size**-0.5, (MEMBERS, size, HIDDEN)),
        np.zeros((MEMBERS, 1, HIDDEN)),
        rng.normal(0, HIDDEN**-0.5, (MEMBERS, HIDDEN, 1)),
        np.full((MEMBERS, 1, 1), -1.0),
        np.tile([2.0, 4.0, 2.0], (MEMBERS, 1)),
    )
    slow = [np.zeros_like(p) for p in at]
    squared = [np.zeros_like(p) for p in at]
    for step in range(1, STEPS + 1):
        hidden = np.maximum(x @ at.w0 + at.b0, 0)
        bad = _sigmoid((hidden @ at.w1 + at.b1).reshape(MEMBERS, records, channels))
        worst = bad.argmax(axis=2)[..., None]
        evidence = np.stack(
            [np.ones((MEMBERS, records)), -bad.max(axis=2), -bad.sum(axis=2)], axis=2
        )
        error = (_sigmoid(np.einsum("mnk,mk->mn", evidence, at.mix)) - wanted) / records
        by_bad = np.repeat(-at.mix[:, 2, None, None] * error[..., None], channels, axis=2)
        at_worst = (
            np.take_along_axis(by_bad, worst, 2) - at.mix[:, 1, None, None] * error[..., None]
        )
        np.put_along_axis(by_bad, worst, at_worst, 2)
        by_odds = (by_bad * bad * (1 - bad)).reshape(MEMBERS, records * channels, 1)
        by_hidden = (by_odds @ at.w1.swapaxes(1, 2)) * (hidden > 0)
        slopes = Parameters(
            x.swapaxes(1, 2) @ by_hidden + 2 * DECAY * at.w0,
            by_hidden.sum(axis=1, keepdims=True),
            hidden.swapaxes(1, 2) @ by_odds + 2 * DECAY * at.w1,
            by_odds.sum(axis=1, keepdims=True),
            np.einsum("mnk,mn->mk", evidence, error),
        )
        slow = [0.9 * m + 0.1 * g for m, g in zip(slow, slopes, strict=True)]
        squared = [0.999 * v + 0.001 * g * g for v, g in zip(squared, slopes, strict=True)]
        first, second = 1 - 0.9**step, 1 - 0.999**step
        at = Parameters(
            *(
                p - RATE * (m / first) / (np.sqrt(v / second) + 1e-8)
                for p, m, v in zip(at, slow, squared, strict=True)
            )
        )
    return at


def _sigmoid(x: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-x))
    return found


def verdicts(x: Array, net: Weights) -> NDArray[np.bool_]:
    """Whether the device accepts records of features [n, channels, FEATURES]."""
    found: NDArray[np.bool_] = (
        acceptable.log_odds(acceptable.badness(x.astype(np.int64), net), net) > 0
    )
    return found


def cross_validated(x: Array, accepted: NDArray[np.bool_], repeats: int = REPEATS) -> list[float]:
    """Agreement with people on records that a network was fitted without, one per repetition."""
    shares = []
    for seed in range(repeats):
        fold = stratified(accepted, FOLDS, seed)
        agree = np.zeros(len(x), np.bool_)
        for out in range(FOLDS):
            net = fit(x[fold != out], accepted[fold != out], seed)
            agree[fold == out] = verdicts(x[fold == out], net) == accepted[fold == out]
        shares.append(float(agree.mean()))
    return shares


def stratified(accepted: NDArray[np.bool_], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each record, both verdicts spread evenly."""
    rng, fold = np.random.default_rng(seed), np.empty(len(accepted), np.int64)
    for verdict in (False, True):
        rows = rng.permutation(np.flatnonzero(accepted == verdict))
        fold[rows] = np.arange(len(rows)) % folds
    return fold


def save(net: Weights, path: Path) -> None:
    """Write the network as ``acceptable.weights`` reads it."""
    np.savez_compressed(
        path,
        w0=net.w0.astype(np.int32),
        b0=net.b0.astype(np.int32),
        w1=net.w1.astype(np.int32),
        b1=net.b1.astype(np.int32),
        mix=net.mix.astype(np.int32),
    )


def main() -> None:
    """Print the cross-validation, then fit on the training half and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with cinc2011_quality.h5 and .csv")
    parser.add_argument("--out", type=Path, default=OUT)
    wanted = parser.parse_args()
    records = cinc2011.load(wanted.data, chain.NV_PER_COUNT)
    x, accepted = measured(records.counts[~records.held]), records.acceptable[~records.held]
    print(f"{len(x)} records to fit, {accepted.sum()} of them acceptable", flush=True)
    shares = ", ".join(f"{100 * share:.1f} %" for share in cross_validated(x, accepted))
    print(f"agreement in {FOLDS}-fold cross-validation, repeated: {shares}", flush=True)
    save(fit(x, accepted), wanted.out)


if __name__ == "__main__":
    main()
