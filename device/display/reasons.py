"""What carried a call, as the screen shows it."""

from __future__ import annotations

from dataclasses import dataclass

from device.display.trace import SAMPLES_PER_COLUMN, Strip
from firmware.explain import Explanation


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained: the score ``label`` of ``group``, shown as ``text``."""

    group: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Reasons:
    """A call and what carried it.

    probability : calibrated, of the text when it was said
    index : of the last sample of the window
    strip : the trace under the windows of the explanation, one column for each
    explanation : None while it is worked on, and when it failed; failure : why it did
    """

    question: Question
    probability: float
    index: int
    strip: Strip
    explanation: Explanation | None = None
    failure: str = ""


def first_column(end: int, samples: int, delay: int) -> int:
    """Column of the trace over which the window begins, to half a column.

    end : index behind the window; samples : its length at 500 Hz
    delay : of the window's filter; that of the trace is taken off already
    """
    return (end - samples - delay + SAMPLES_PER_COLUMN // 2) // SAMPLES_PER_COLUMN
