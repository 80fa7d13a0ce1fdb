"""From which rate on sinus rhythm is a bradycardia: hospitals do not agree.

PTB-XL's readers wrote SBRAD mostly near and below 50 /min; the usual definition is below 60. The
curve shows what MATE-4 would score if sinus (SB + SR of the network) were split at each rate of
the device's own QRS detector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.labels import MATE4
from models.metrics import rhythm_scores

LIMITS_BPM = tuple(range(45, 63))
_SB, _SR = MATE4.index("SB"), MATE4.index("SR")


def rates(results: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Measured rates in bpm; NaN where unknown."""
    return np.array([np.nan if (r := result.get("rate_bpm")) is None else r for result in results])


def split_at(p: NDArray[np.float64], rate_bpm: NDArray[np.float64], limit: float) -> NDArray[Any]:
    """MATE group of each record, mate4 ``p`` [n, 4]: sinus below ``limit`` is SB.

    Where the rate is unknown, the network's own choice stands.
    """
    sinus = p[:, _SB] + p[:, _SR]
    others = [i for i in range(len(MATE4)) if i not in (_SB, _SR)]
    best = np.array(others)[p[:, others].argmax(1)]
    by_rate = np.where(rate_bpm < limit, _SB, _SR)
    own = np.where(p[:, _SB] > p[:, _SR], _SB, _SR)
    by_rate = np.where(np.isnan(rate_bpm), own, by_rate)
    return np.where(sinus >= p[:, others].max(1), by_rate, best)


def curve(
    truth: NDArray[Any], p: NDArray[np.float64], rate_bpm: NDArray[np.float64]
) -> dict[str, Any]:
    """Accuracy and macro-F1 for each of LIMITS_BPM, on the records with one group."""
    known = truth.any(1)
    right = truth[known].argmax(1)
    points = []
    for limit in LIMITS_BPM:
        found = rhythm_scores(right, split_at(p[known], rate_bpm[known], limit))
        points.append(
            {
                "limit_bpm": limit,
                "accuracy": found["accuracy"],
                "macro_f1": found["macro_f1"],
                "sb_sensitivity": found["sensitivity"][_SB],
                "sb_positive_predictivity": found["positive_predictivity"][_SB],
            }
        )
    labelled = rate_bpm[known][right == _SB]
    return {
        "records": int(known.sum()),
        "points": points,
        "labelled_sb_rate_bpm": _quartiles(labelled),
        "sr_below_60": int((rate_bpm[known][right == _SR] < 60).sum()),
        "sr": int((right == _SR).sum()),
    }


def _quartiles(rate_bpm: NDArray[np.float64]) -> list[float]:
    known = rate_bpm[~np.isnan(rate_bpm)]
    return [round(float(q), 1) for q in np.quantile(known, [0.25, 0.5, 0.75])] if len(known) else []
