"""What carried a call, as the screen shows it."""

from __future__ import annotations

from dataclasses import dataclass

from device.display.trace import SAMPLES_PER_COLUMN, Strip
from firmware.explain import Explanation
from firmware.profiles import Profile


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


def first_column(end: int, samples: int, profile: Profile) -> int:
    """Column of the trace in which the middle of the first 40 ms of a window lies.

    end : index behind the window; samples : its length at 500 Hz; profile : it was filtered by,
    and is as late as that (the trace's own delay is taken off already)
    """
    middle = (SAMPLES_PER_COLUMN - profile.decimation) // 2  # each row stands for one sample
    return (end - samples - profile.delay_samples + middle) // SAMPLES_PER_COLUMN
