"""Simpler explanations, for ``firmware.explain`` to be held against: each float [12, windows].

All take a tensor, int8 [samples, 12], its score and a score function, and run the network no
more often than the firmware's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.explain import without

Score = Callable[[NDArray[np.int8]], float]
Map = NDArray[np.float64]

PIECE = 10  # windows of 40 ms
MASKS = 250
MASKED = 0.1  # share of the cells
MASK_WINDOWS = 5  # masked together


def windows_and_leads(tensor: NDArray[np.int8], windows: int, score: Score) -> Map:
    """120 ms of all leads, then each lead as a whole; the product of what is lost."""
    whole = score(tensor)
    of_window, of_lead = np.zeros(windows), np.zeros(len(LEADS))
    for at in range(windows):
        removed = np.zeros((len(LEADS), windows), np.bool_)
        removed[:, max(0, at - 1) : at + 2] = True
        of_window[at] = whole - score(without(tensor, removed))
    for lead in range(len(LEADS)):
        removed = np.zeros((len(LEADS), windows), np.bool_)
        removed[lead] = True
        of_lead[lead] = whole - score(without(tensor, removed))
    return np.outer(np.maximum(of_lead, 0), np.maximum(of_window, 0))


def pieces_of_leads(tensor: NDArray[np.int8], windows: int, score: Score) -> Map:
    """400 ms of one lead at a time."""
    whole, lost = score(tensor), np.zeros((len(LEADS), windows))
    for lead in range(len(LEADS)):
        for at in range(0, windows, PIECE):
            removed = np.zeros(lost.shape, np.bool_)
            removed[lead, at : at + PIECE] = True
            lost[lead, at : at + PIECE] = whole - score(without(tensor, removed))
    return lost


def random_masks(tensor: NDArray[np.int8], windows: int, score: Score) -> Map:
    """RISE (Petsiuk, Das & Saenko, BMVC 2018): how a cell's absence goes with the score."""
    rng = np.random.default_rng(0)
    masks = np.zeros((MASKS, len(LEADS), windows), np.bool_)
    scores = np.zeros(MASKS)
    for k in range(MASKS):
        coarse = rng.random((len(LEADS), windows // MASK_WINDOWS + 1)) < MASKED
        first = rng.integers(MASK_WINDOWS)
        masks[k] = np.repeat(coarse, MASK_WINDOWS, axis=1)[:, first : first + windows]
        scores[k] = score(without(tensor, masks[k]))
    lost: Map = np.tensordot(scores.mean() - scores, masks - masks.mean(axis=0), axes=1)
    return lost


def amplitude(tensor: NDArray[np.int8], windows: int, score: Score) -> Map:
    """No network asked: the height of the trace."""
    height = np.abs(tensor.astype(np.float64)).reshape(windows, -1, len(LEADS))
    summed: Map = height.sum(axis=1).T
    return summed


RIVALS: dict[str, Callable[[NDArray[np.int8], int, Score], Map]] = {
    "120 ms of all leads x leads": windows_and_leads,
    "400 ms of one lead": pieces_of_leads,
    "random masks (RISE)": random_masks,
    "height of the trace, no network": amplitude,
}
