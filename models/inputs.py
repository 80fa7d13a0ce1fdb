"""The inputs that networks are trained on here: the device's own contracts."""

from __future__ import annotations

from dataclasses import replace

from firmware.inputs import Form, InputContract, Normal
from firmware.profiles import MODEL
from models.data.augment import STEP_MV
from models.data.chain import SCALE_DEN, SCALE_NUM
from models.data.ptbxl import RATE_HZ, SAMPLES

TEN_SECONDS = InputContract(
    rate_hz=RATE_HZ,
    samples=SAMPLES,
    profile=MODEL.name,
    profile_version=MODEL.version,
    scale_num=SCALE_NUM,
    scale_den=SCALE_DEN,
    step_uv=STEP_MV * 1000,
)  # at 100 Hz: our own networks'


def at(rate_hz: int, samples: int, normal: Normal = Normal.FIXED) -> InputContract:
    """A window at another of the device's rates: 50, 100 or 500 Hz."""
    profile = MODEL.name if rate_hz == RATE_HZ else f"{MODEL.name}-{rate_hz}"
    return replace(TEN_SECONDS, rate_hz=rate_hz, samples=samples, profile=profile, normal=normal)


BEAT = replace(
    at(500, 400, Normal.Z_SCORE), form=Form.MEDIAN_BEAT
)  # 600 samples about R less the first 150 and the last 50 (ECG-SMART-NET, II.D)


def page(width: int, height: int, every_s: int) -> InputContract:
    """The printed page as black and white pixels, drawn from the 100-Hz window."""
    return replace(TEN_SECONDS, form=Form.PAGE, samples=width, height=height, every_s=every_s)
