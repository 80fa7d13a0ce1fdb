"""Fit the network of ``firmware/swaps.py``: median beats, with electrodes exchanged and without.

``python -m models.swaps DATA`` reads PTB-XL's folds 1-8 in DATA, draws simulated patients, and
writes ``firmware/swaps.npz``. First it prints, for two folds and a network fitted without them,
how many records seem swapped by each measure of ``SURE``, and how many swaps it finds.

Exchanging electrodes is linear algebra on the leads (Krasteva et al., Sensors 2019;19:2920), and
very nearly so on their median beat, so one beat per record serves all swaps. PTB-XL's own records
are taken as rightly recorded; some of them are surely not.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from firmware import swaps
from firmware.qrs import QrsDetector
from hal.clock import VirtualClock
from hal.frontend import CHANNEL_LEADS, CHANNELS, SAMPLE_RATE_HZ, Electrode, FrontendConfig
from hal.patient.lead_field import electrode_volts
from hal.patient.presets import preset
from hal.patient.record import INDEPENDENT_LEADS
from hal.simulated import simulated_frontend
from models.data import chain, ptbxl
from models.data.dataset import TRAIN_FOLDS
from models.data.noise import leads8

OUT = Path(swaps.__file__).with_name(swaps.WEIGHTS)
SHIFTS_MS = (-20, -10, 0, 10, 20)  # of the R peak: a detector may see it elsewhere once swapped
HIDDEN = (96, 48)
EPOCHS, BATCH, RATE = 60, 128, 2e-3
# A swap is rare, and one of limbs both likelier and worse than one of chest electrodes.
WEIGHT_NONE, WEIGHT_LIMB, WEIGHT_CHEST = 12.0, 1.5, 0.7
SIMULATED = (
    "sinus-50", "sinus-70", "sinus-90", "sinus-120", "sinus-140", "sinus-arrhythmia", "af-60",
    "af-90", "af-140", "flutter-2to1", "flutter-3to1", "flutter-4to1", "svt-180", "vt-160",
    "avb1-70", "avb2-wenckebach", "avb2-mobitz", "avb3", "lbbb-70", "rbbb-70", "pvc-70", "pac-70",
    "bigeminy", "paced-60", "stemi-anterior", "stemi-inferior", "st-depression", "tall-t",
    "noisy-70", "mains-50", "offset-300mv",
)  # fmt: skip
SEEDS = range(1000, 1016)
LEVELS = (350, 300, 250, 200, 150)
HELD = (7, 8)  # folds that SURE is chosen on
_COLUMNS = [INDEPENDENT_LEADS.index(lead) for lead in CHANNEL_LEADS]


def exchanged(swap: swaps.Swap) -> NDArray[np.float64]:
    """What ``swap`` does to the channels: float64 [8, 8], to be multiplied from the right."""
    order = list(Electrode)
    for one, other in swap:
        order[one], order[other] = order[other], order[one]
    leads = leads8(1e3 * electrode_volts(np.eye(CHANNELS))[:, order])  # in and out: leads
    return leads[np.ix_(_COLUMNS, _COLUMNS)]


def recorded(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Beats of PTB-XL's training folds, microvolts [n, SHIFTS_MS, time, 8], and their folds."""
    dataset = ptbxl.load(folder)
    beats, folds = [], []
    for row in np.flatnonzero(np.isin(dataset.fold, TRAIN_FOLDS)).tolist():
        counts = chain.to_counts(chain.extended(dataset.mv(row)), np.random.default_rng((0, row)))
        found = _beats(counts, chain.NV_PER_COUNT)
        if found is not None:
            beats.append(found)
            folds.append(int(dataset.fold[row]))
    return np.stack(beats), np.array(folds)


def simulated(
    names: Iterable[str] = SIMULATED, seeds: Iterable[int] = SEEDS
) -> NDArray[np.float32]:
    """Beats of simulated patients, as of recorded ones."""
    beats = []
    for name, seed in ((name, seed) for name in names for seed in seeds):
        frontend = simulated_frontend(preset(name, seed), VirtualClock(), bulk=True)
        frontend.open()
        info = frontend.configure(FrontendConfig(rl_check_every=0))
        frontend.start()
        counts = frontend.read(12 * SAMPLE_RATE_HZ, timeout_s=1.0).counts
        frontend.close()
        found = _beats(counts, info.nv_per_count)
        if found is not None:
            beats.append(found)
    return np.stack(beats)


def _beats(counts: NDArray[np.int32], nv_per_count: float) -> NDArray[np.float32] | None:
    rows = QrsDetector(nv_per_count).push(0, counts, np.ones(CHANNELS, np.bool_))
    lead_in = chain.LEAD_IN * chain.UP
    found = [
        swaps.median_beat(counts, [at for row in rows if (at := row + ms // 2) >= lead_in])
        for ms in SHIFTS_MS
    ]
    if any(beat is None for beat in found):
        return None
    return (np.stack(found) * (nv_per_count / 5000)).astype(np.float32)  # type: ignore[arg-type]


def floating(beats: tf.Tensor) -> tf.Tensor:
    """``swaps.features`` without its rounding, of beats [n, time, 8] in microvolts: 1.0 is ONE."""
    parts = [
        tf.reduce_mean(tf.reshape(beats[:, at:to], (-1, (to - at) // n, n, CHANNELS)), axis=2)
        for at, to, n, _ in swaps.PARTS
    ]
    x = tf.concat(parts, axis=1)
    x -= tf.reduce_mean(x, axis=1, keepdims=True)
    rms = tf.sqrt(tf.reduce_mean(x * x, axis=(1, 2), keepdims=True)) + 1.0
    return tf.reshape(x / rms * swaps.GAINS[:, None].astype(np.float32), (-1, swaps.FEATURES))


def fit(beats: NDArray[np.float32], seed: int = 0) -> swaps.Layers:
    """The network, in integers, that tells the swaps of ``beats`` [n, SHIFTS_MS, time, 8]."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dropout(0.1)]
    for units in HIDDEN:
        layers += [keras.layers.Dense(units, activation="relu"), keras.layers.Dropout(0.3)]
    outputs = 1 + len(swaps.HYPOTHESES)
    network = keras.Sequential(
        [keras.Input((swaps.FEATURES,)), *layers[:-1], keras.layers.Dense(outputs)]
    )
    every = {**swaps.LIMBS, **swaps.CHEST}
    ways = tf.constant([np.eye(CHANNELS), *map(exchanged, every.values())], tf.float32)
    labels = tf.tile(tf.range(outputs), [BATCH])
    weight = tf.gather(
        [WEIGHT_NONE] + [WEIGHT_LIMB] * len(swaps.LIMBS) + [WEIGHT_CHEST] * len(swaps.CHEST), labels
    )
    steps = len(beats) // BATCH
    decay = keras.optimizers.schedules.CosineDecay(RATE, EPOCHS * steps)
    optimizer = keras.optimizers.AdamW(decay, weight_decay=1e-4)

    @tf.function
    def step(batch: tf.Tensor) -> None:
        shifts = tf.random.uniform((BATCH, outputs), 0, len(SHIFTS_MS), dtype=tf.int32)
        chosen = tf.gather(batch, shifts, batch_dims=1)  # [BATCH, outputs, time, 8]
        wrong = tf.einsum("nktc,kcd->nktd", chosen, ways)
        x = floating(tf.reshape(wrong, (-1, *beats.shape[2:])))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                weight
                * tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(x, training=True))
            )
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))

    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        order = rng.permutation(len(beats))
        for at in range(0, steps * BATCH, BATCH):
            step(beats[order[at : at + BATCH]])
    dense = [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]
    one = 1 << swaps.WEIGHT_BITS
    return tuple(
        (
            np.rint(layer.kernel.numpy() * one).astype(np.int64),
            np.rint(layer.bias.numpy() * one * swaps.ONE).astype(np.int64),
        )
        for layer in dense
    )


def margins(
    layers: swaps.Layers, beats: NDArray[np.float32], swap: swaps.Swap = ()
) -> NDArray[np.int64]:
    """By how much each hypothesis outweighs none, as the device computes it, int64 [n, swaps]."""
    middle = beats[:, SHIFTS_MS.index(0)] @ exchanged(swap)
    steps = np.rint(middle * (5000 / chain.NV_PER_COUNT)).astype(np.int64)
    found = [swaps.features(beat, chain.NV_PER_COUNT) for beat in steps]
    odds = np.stack([swaps.weigh(x, layers) for x in found if x is not None])
    return odds[:, 1:] - odds[:, :1]


def held_out(
    beats: NDArray[np.float32], folds: NDArray[np.int64], extra: NDArray[np.float32]
) -> None:
    """Print what a network finds in folds ``HELD`` that was fitted without them."""
    out = np.isin(folds, HELD)
    layers = fit(np.concatenate([beats[~out], extra]))
    right = margins(layers, beats[out])
    _row("outweighs none by", LEVELS)
    _row("nothing exchanged", _shares(right), "% seem exchanged")
    for number, (name, swap) in enumerate({**swaps.LIMBS, **swaps.CHEST}.items()):
        seen = margins(layers, beats[out], swap)
        seem = " ".join(f"{share:.2f}" for share in _shares(right[:, [number]]))
        _row(name, _shares(seen), "% seen; unexchanged ones seem so:", seem)
    said = [swaps.verdict(np.array([0, *row])) is not None for row in right]
    print(f"false suspicions by firmware.swaps: {100 * np.mean(said):.2f} %", flush=True)


def _shares(over: NDArray[np.int64]) -> list[float]:
    """Percent of records in which the likeliest outweighs none by each of ``LEVELS``."""
    return [round(100 * float(np.mean(over.max(axis=1) >= level)), 2) for level in LEVELS]


def _row(name: str, values: Sequence[float], *words: str) -> None:
    print(f"{name:<18}", *(f"{value:8.2f}" for value in values), *words, flush=True)


def save(layers: swaps.Layers, path: Path) -> None:
    """Write the network as ``swaps.weights`` reads it."""
    arrays: dict[str, Any] = {}
    for number, (weight, bias) in enumerate(layers):
        arrays[f"w{number}"], arrays[f"b{number}"] = weight.astype(np.int16), bias.astype(np.int32)
    np.savez_compressed(path, **arrays)


def main() -> None:
    """Print what SURE is chosen by, then fit on all folds and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="folder of PTB-XL, packed or as published")
    parser.add_argument("--out", type=Path, default=OUT)
    wanted = parser.parse_args()
    (beats, folds), extra = recorded(wanted.data), simulated()
    print(f"{len(beats)} recorded and {len(extra)} simulated patients", flush=True)
    held_out(beats, folds, extra)
    save(fit(np.concatenate([beats, extra])), wanted.out)


if __name__ == "__main__":
    main()
