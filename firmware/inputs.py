"""What a network is shown, as its bundle says it: of which signal, how much, in which measure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from firmware.events import LEADS


class Form(StrEnum):
    """What the tensor is made of."""

    WINDOW = "window"  # the newest samples of the filtered leads, int8 [samples, 12]
    MEDIAN_BEAT = "median-beat"  # of ten seconds, R in its first third, int8 [samples, 12]
    PAGE = "page"  # the printed page of ten seconds, int8 [height, samples, 1]


class Normal(StrEnum):
    """In which measure it is: FIXED keeps microvolts, the others forget them."""

    FIXED = "fixed"
    MIN_MAX = "min-max"  # of the whole window, 0..1 (MATE)
    MIN_MAX_LEAD = "min-max-lead"  # from here on the five of "Are ECGs enough?", of each lead
    Z_SCORE = "z-score"
    R_SCALE = "r-scale"
    LOG = "log-scale"
    L2 = "l2"


# (what one int8 step stands for, the int8 that stands for zero); FIXED: ``InputContract.step_uv``
STEPS: dict[Normal, tuple[float, int]] = {
    Normal.MIN_MAX: (1 / 255, -128),
    Normal.MIN_MAX_LEAD: (1 / 255, -128),
    Normal.Z_SCORE: (1 / 12, 0),
    Normal.R_SCALE: (1 / 4, 0),
    Normal.LOG: (1 / 128, -128),
    Normal.L2: (1 / 500, 0),
}


@dataclass(frozen=True, slots=True)
class InputContract:
    """What the network was trained on.

    profile : filters the leads of windows and pages; a median beat is of raw counts at 500 Hz
    samples : of time; of a page, its width in pixels. height : of a page, else 0
    scale_num / scale_den : int8 steps per count of the chip at gain 6, where FIXED
    every_s : how often it is run; 1 is the rule, more for one that takes longer than a second
    """

    rate_hz: int
    samples: int
    profile: str
    profile_version: int
    scale_num: int
    scale_den: int
    step_uv: float
    form: Form = Form.WINDOW
    normal: Normal = Normal.FIXED
    height: int = 0
    every_s: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor, without the batch."""
        if self.form is Form.PAGE:
            return self.height, self.samples, 1
        return self.samples, len(LEADS)

    @property
    def rows(self) -> int:
        """Samples of the filtered leads that it is made of; a page shows ten seconds."""
        return 10 * self.rate_hz if self.form is Form.PAGE else self.samples

    @property
    def step(self) -> float:
        """What one int8 step stands for: millivolts where FIXED, else of no unit."""
        return self.step_uv / 1000 if self.normal is Normal.FIXED else STEPS[self.normal][0]

    @property
    def nv_per_count(self) -> float:
        """Of the chip at the gain that the scale is for."""
        return self.step_uv * 1000 * self.scale_num / self.scale_den

    @property
    def zero(self) -> int:
        """The int8 that stands for 0, and for a lost lead."""
        return 0 if self.normal is Normal.FIXED else STEPS[self.normal][1]
