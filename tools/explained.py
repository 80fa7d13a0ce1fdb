"""``lead12 classify --explain``: what in the trace spoke for a call."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.events import Call
from firmware.explain import explain
from firmware.inputs import Form
from firmware.network import Network, NetworkError
from firmware.tensor import R_AT
from tools.whole_file import write_whole

TOP = 10


@dataclass(frozen=True, slots=True)
class Question:
    """What to explain.

    score : "GROUP/LABEL", or "" for the label that was called
    pictures : folder for one PNG per record, or None
    """

    score: str = ""
    pictures: Path | None = None

    def asked(self, call: Call, network: Network) -> tuple[str, str] | None:
        """Group and label; None when nothing was called. Raises NetworkError for a bad score."""
        if not self.score:
            return (network.rule.group, call.label) if call.label else None
        group, slash, label = self.score.partition("/")
        if not slash:
            raise NetworkError(f"'{self.score}' names no score; say GROUP/LABEL, as in scores")
        return group, label


def explained(
    question: Question,
    record: str,
    call: Call,
    network: Network | None,
    tensor: NDArray[np.int8] | None,
    end_s: float,
) -> dict[str, Any] | None:
    """Why ``call`` was made: group, label, share of each lead, the cells that count most.

    tensor : int8 [samples, 12], the newest window of the record; it ends with the signal of
        ``end_s``: the filter's delay is taken off; of a median beat seconds count from its R peak
    returns : None when nothing was called and no score was asked for, or no network ran
    """
    asked = question.asked(call, network) if network is not None else None
    if asked is None or network is None or tensor is None:
        return None
    found = explain(network, tensor, *asked)
    if question.pictures is not None:
        from tools.explain_picture import picture  # Pillow: only for those who look

        question.pictures.mkdir(parents=True, exist_ok=True)
        image = picture(tensor, found, network.bundle.input, record)
        image.save(drawn := BytesIO(), "PNG", optimize=True)
        write_whole(question.pictures / f"{record}.png", drawn.getvalue())
    of = network.bundle.input
    begin_s = end_s - len(tensor) / of.rate_hz
    if of.form is Form.MEDIAN_BEAT:
        begin_s = -R_AT / of.rate_hz
    return {
        "group": found.group,
        "label": found.label,
        "leads": {lead: round(share, 4) for lead, share in found.lead_shares.items()},
        "windows": [
            {
                "start_s": round(begin_s + start, 3),
                "end_s": round(begin_s + end, 3),
                "lead": lead,
                "share": round(share, 4),
            }
            for start, end, lead, share in found.top(TOP)
        ],
    }
