"""Share of the peak learning rate, and which epoch is kept: all of it a function of the past.

Nothing is remembered but the history of the epochs, so that a run that was cut off goes on as if
it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.config import TrainConfig
from models.evaluate.beat_score import beat_score
from models.groups import GROUPS, column_of
from models.metrics import macro_auc

THRESHOLD = 1e-4  # an epoch is better where its score is higher by this share


def rate(config: TrainConfig, history: Sequence[dict[str, float]], at: float) -> float:
    """Share of the peak learning rate at ``at`` in 0..1 of training."""
    match config.schedule:
        case "one-cycle":
            return one_cycle(at, config.warm_up)
        case "warm-restarts":
            return warm_restarts(at * config.epochs, config.restart_epochs)
        case "plateau":
            return plateau([row["score"] for row in history], config.patience, config.factor)
    return 1.0


def one_cycle(at: float, warm_up: float) -> float:
    """Up for a share ``warm_up`` of training, then down (Smith & Topin, 2018)."""
    if at < warm_up:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * at / warm_up)) / 2
    return 1e-3 + (1 + math.cos(math.pi * (at - warm_up) / (1 - warm_up))) / 2


def warm_restarts(epoch: float, every: int) -> float:
    """From 1 down to 0 along half a cosine, again every ``every`` epochs (Loshchilov & Hutter)."""
    return (1 + math.cos(math.pi * (epoch % every) / every)) / 2


def plateau(scores: Sequence[float], patience: int, factor: float) -> float:
    """Less by ``factor`` whenever more than ``patience`` epochs in a row were not better.

    Which epochs count is as in PyTorch's ReduceLROnPlateau, which ECG-SMART-NET was trained with.
    """
    share, best, bad = 1.0, -math.inf, 0
    for score in scores:
        bad = 0 if better(score, best) else bad + 1
        best = max(best, score)
        if bad > patience:
            share, bad = share * factor, 0
    return share


def better(score: float, best: float) -> bool:
    """Whether ``score`` counts as progress over ``best``."""
    return score > (best * (1 + THRESHOLD) if best > 0 else best)


def best_epoch(history: Sequence[dict[str, float]]) -> int:
    """Number of the first epoch with the highest score."""
    return int(np.argmax([row["score"] for row in history]))


def worn_out(config: TrainConfig, history: Sequence[dict[str, float]]) -> bool:
    """Whether the last ``stop_after`` epochs brought nothing better."""
    if not config.stop_after or len(history) <= config.stop_after:
        return False
    return best_epoch(history) < len(history) - config.stop_after


def score(config: TrainConfig, logits: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Of an epoch on fold 9: of the label that batches are balanced by, else of all statements.

    macro-auc : mean area under the ROC curve
    auc-ap : two thirds of that and one third of the average precision (ECG-SMART-NET, eq. 1)
    """
    of = column_of(config.balance)
    columns = GROUPS[2].columns if of is None else slice(of, of + 1)
    truth, said = y[:, columns], logits[:, columns]
    if config.score == "macro-auc":
        return macro_auc(truth, said)
    both = [
        beat_score(truth[:, i], said[:, i]) for i in np.flatnonzero(truth.any(0) & ~truth.all(0))
    ]
    return float(np.mean(both))
