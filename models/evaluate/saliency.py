"""Maps of many records as one figure per class, and whether a map tells anything.

A map is relevance in cells of one lead x ``CELL_MS``, [12, windows], 0 and above. Folded, all its
beats lie over each other: [12, BINS], R in bin ``-FIRST``. As in ECG-SMART-NET (II.C, figure 7):
shares of the leads from the raw map, then each lead normalised by itself, then the mean of the
records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from firmware.events import LEADS
from firmware.explain import AFTER_MS, BEFORE_MS, CELL_MS, without
from firmware.inputs import InputContract
from models.evaluate.bootstrap import interval, patient_weights, resampled_auc
from models.metrics import auc, wilson

Tensor = NDArray[np.int8]
Relevance = NDArray[np.float64]
Score = Callable[[Tensor], float]
Scores = Callable[[Sequence[Tensor]], Sequence[float] | NDArray[np.float64]]  # of many at once

FIRST, LAST = -BEFORE_MS // CELL_MS, AFTER_MS // CELL_MS  # bins about R, the last not included
BINS = LAST - FIRST
SPAN_MS = (FIRST - 0.5) * CELL_MS, (LAST - 0.5) * CELL_MS  # R is anywhere in its own window
PARTS_MS = {"P": (-300, -60), "QRS": (-60, 60), "ST": (60, 180), "T": (180, 460)}  # about R
TOP = 0.1  # share of the cells that is taken away
CONTROLS = 8  # random choices per record
RESAMPLES = 1000


def cells(of_samples: NDArray[np.float64], windows: int) -> Relevance:
    """[samples, 12] or [places] -> [12, windows]: means; what has no leads counts for all alike."""
    at = np.minimum(np.arange(len(of_samples)) * windows // len(of_samples), windows - 1)
    if len(of_samples) < windows:  # a feature map is coarser: what lies between is interpolated
        middle = (np.arange(len(of_samples)) + 0.5) / len(of_samples)
        of_samples = np.interp((np.arange(windows) + 0.5) / windows, middle, of_samples)
        at = np.arange(windows)
    flat = of_samples.reshape(len(of_samples), -1)
    summed = np.zeros((windows, flat.shape[1]))
    np.add.at(summed, at, flat)
    mean = summed / np.bincount(at, minlength=windows)[:, None]
    wide: Relevance = np.broadcast_to(mean, (windows, 12)).T.copy()
    return wide


def folded(relevance: Relevance, peaks: NDArray[np.float64]) -> Relevance:
    """The map over one beat, [12, BINS]; NaN in bins that no beat of the record reaches.

    peaks : R peaks in windows. A beat begins BEFORE_MS before its R peak, or 40 % of the RR
    interval if that is less, as in ``firmware.explain``; it ends where the next begins.
    """
    windows = relevance.shape[1]
    begins = peaks - np.minimum(-FIRST, 0.4 * np.diff(peaks, prepend=-np.inf))
    ends = np.append(begins, windows)[1:]
    total, count = np.zeros((len(relevance), BINS)), np.zeros(BINS)
    for peak, begin, end in zip(peaks, begins, ends, strict=True):
        at = int(peak) + np.arange(FIRST, LAST)
        inside = (at >= max(0, int(np.ceil(begin)))) & (at < min(windows, end))
        total[:, inside] += relevance[:, at[inside]]
        count += inside
    with np.errstate(invalid="ignore"):
        return total / np.where(count, count, np.nan)


def lead_shares(relevance: Relevance) -> NDArray[np.float64]:
    """Share of each lead in a whole map, [12]; all 0 where it is empty."""
    shares: NDArray[np.float64] = relevance.sum(1) / max(float(relevance.sum()), 1e-12)
    return shares


@dataclass(frozen=True)
class Aggregate:
    """Of the records of a class.

    maps : [12, BINS], 0..1 in each record and lead before the mean
    leads, parts : mean shares, of the leads [12] and of PARTS_MS
    parts_time : what the parts would have of a map that is the same everywhere
    """

    records: int
    maps: Relevance
    leads: NDArray[np.float64]
    parts: Mapping[str, float]
    parts_time: Mapping[str, float]


def aggregate(maps: Sequence[Relevance], peaks: Sequence[NDArray[np.float64]]) -> Aggregate:
    """One figure of many records; those without a beat, or with nothing near one, do not count."""
    all_beats = [folded(m, p) for m, p in zip(maps, peaks, strict=True)]
    told = [(m, beat) for m, beat in zip(maps, all_beats, strict=True) if np.nansum(beat) > 0]
    beats = np.stack([beat for _, beat in told])
    with np.errstate(invalid="ignore"):
        most = np.nanmax(beats, axis=2, keepdims=True)
        each = beats / np.where(most > 0, most, 1)
    reached = (~np.isnan(each)).sum(axis=0)  # of the records
    middle = np.arange(FIRST, LAST) * CELL_MS
    rows = {name: (middle >= a) & (middle < b) for name, (a, b) in PARTS_MS.items()}
    whole = np.nansum(beats, axis=(1, 2))
    parts = {n: float(np.mean(np.nansum(beats[:, :, r], (1, 2)) / whole)) for n, r in rows.items()}
    return Aggregate(
        records=len(told),
        maps=np.nansum(each, axis=0) / np.where(reached, reached, np.nan),
        leads=np.mean([lead_shares(m) for m, _ in told], axis=0),
        parts=parts,
        parts_time={name: float(row.mean()) for name, row in rows.items()},
    )


def top_cells(relevance: NDArray[np.generic], share: float) -> NDArray[np.bool_]:
    """The ``share`` of the cells with the highest relevance, equal ones by lot."""
    lot = np.random.default_rng(0).random(relevance.size)
    order = np.lexsort((lot, -relevance.ravel().astype(np.float64)))
    chosen = np.zeros(relevance.size, np.bool_)
    chosen[order[: round(share * relevance.size)]] = True
    return chosen.reshape(relevance.shape)


def drop(
    score: Score,
    tensor: Tensor,
    removed: NDArray[np.bool_],
    *,
    to_zero: bool = False,
    zero: int = 0,
) -> float:
    """Log odds lost without some cells, bridged by lines or set to ``zero``."""
    if not to_zero:
        return score(tensor) - score(without(tensor, removed, zero))
    width = len(tensor) // removed.shape[1]
    blanked = np.where(np.repeat(removed, width, axis=1).T, zero, tensor).astype(np.int8)
    return score(tensor) - score(blanked)


def likeness(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """Rank correlation of two maps; 0 where one of them is the same everywhere."""
    if (one == one.flat[0]).all() or (other == other.flat[0]).all():
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


@dataclass(frozen=True)
class Deletion:
    """Log odds that each record loses without the TOP cells of its map, and without random ones."""

    top: NDArray[np.float64]
    random: NDArray[np.float64]

    @property
    def won(self) -> tuple[float, float, float]:
        """Share of the records that lose more by the map, with Wilson's interval."""
        more = int((self.top > self.random).sum())
        return (more / len(self.top), *wilson(more, len(self.top)))

    @property
    def effect(self) -> tuple[float, float, float]:
        """Mean of what the map loses more than chance, with its bootstrap interval."""
        more = self.top - self.random
        rng = np.random.default_rng(0)
        drawn = more[rng.integers(len(more), size=(RESAMPLES, len(more)))].mean(1)
        low, high = interval(drawn)
        return float(more.mean()), low, high


def deletion(
    score: Scores,
    tensors: Sequence[Tensor],
    maps: Sequence[Relevance],
    remove: Callable[[Tensor, NDArray[np.bool_]], Tensor],
    there: Callable[[Tensor], NDArray[np.bool_]] = lambda _: np.True_,
) -> Deletion:
    """The deletion check (Samek et al., IEEE Trans Neural Netw Learn Syst 2017;28:2660).

    score : of the label that the maps are of
    remove : a tensor without the marked cells of its map
    there : cells that random choices are made of first, because they hold something
    """
    spoiled: list[Tensor] = []
    for at, (tensor, relevance) in enumerate(zip(tensors, maps, strict=True)):
        rng = np.random.default_rng(at)
        lots = [rng.random(relevance.shape) + there(tensor) for _ in range(CONTROLS)]
        spoiled.append(tensor)
        spoiled += [remove(tensor, top_cells(one, TOP)) for one in (relevance, *lots)]
    scores = np.asarray(score(spoiled)).reshape(len(tensors), 2 + CONTROLS)
    lost = scores[:, :1] - scores[:, 1:]
    return Deletion(lost[:, 0], lost[:, 1:].mean(1))


def checked(alike: Sequence[Sequence[float]], lost: Sequence[Deletion]) -> dict[str, Any]:
    """Both checks in figures.

    alike : rank correlations with each of the networks that were never trained, record by record
    lost : of all records
    """
    tops, randoms = ([getattr(one, key) for one in lost] for key in ("top", "random"))
    every = Deletion(np.concatenate(tops), np.concatenate(randoms))
    return {
        "records": len(every.top),
        "random": [float(np.mean(values)) for values in alike],
        "won": every.won,
        "effect": every.effect,
    }


def median_trace(
    tensors: Sequence[Tensor], peaks: Sequence[NDArray[np.float64]], of: InputContract
) -> NDArray[np.float64]:
    """Median of the records' median beats about R, [samples of BINS cells, 12], in ``of.step``.

    NaN where fewer than half of the records reach.
    """
    per_cell = of.rate_hz * CELL_MS // 1000
    at = np.arange(FIRST * per_cell, LAST * per_cell) - per_cell // 2
    each = np.full((len(tensors), len(at), len(LEADS)), np.nan)
    for beat, tensor, windows in zip(each, tensors, peaks, strict=True):
        rows = np.rint(windows * per_cell).astype(int)[:, None] + at
        inside = (rows >= 0) & (rows < len(tensor))
        shown = (tensor[np.clip(rows, 0, len(tensor) - 1)].astype(float) - of.zero) * of.step
        shown[~inside] = np.nan
        some = inside.any(axis=0)
        beat[some] = np.nanmedian(shown[:, some], axis=0)
    trace = np.full(each.shape[1:], np.nan)
    most = (~np.isnan(each[:, :, 0])).mean(axis=0) >= 0.5
    trace[most] = np.nanmedian(each[:, most], axis=0)
    return trace


def told_apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float, float]:
    """AUC by which a value is higher in records of the one kind, with its bootstrap interval."""
    truth = np.arange(len(one) + len(other)) < len(one)
    value = np.concatenate([one, other])
    weights = patient_weights(np.arange(len(value)).astype(str))
    low, high = interval(resampled_auc(truth, value, weights))
    return auc(truth, value), low, high
