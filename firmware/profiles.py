"""Filter profiles as data: what each is for, its coefficients and its version."""

from __future__ import annotations

from dataclasses import dataclass, replace

from firmware.coefficients import FIR_Q31, NOTCH_Q30, SECTIONS_Q30


@dataclass(frozen=True, slots=True)
class Profile:
    """One way of filtering 500 Hz counts; ``docs/filters.md`` has the measured responses.

    version : raised whenever an output bit may change; model bundles name it
    band : the -3 dB band as shown to the user
    note : what the user must know of it, or ""
    fir_q31 : symmetric FIR at 500 Hz, run first; () = none
    decimation : outputs are 500 / decimation Hz; the FIR is then the decimator's
    sections_q30 : biquads at the output rate, high-pass first
    takes_notch : False where the FIR already removes 50 and 60 Hz
    delay_samples : 500 Hz samples from an event to its filtered image, nearest integer. FIR: exact
        (half its length). Low-pass biquads: their delay in the pass band. The high-pass and the
        notch, below half a sample at 10 Hz, are left out.
    """

    name: str
    version: int
    band: str
    note: str
    fir_q31: tuple[int, ...]
    decimation: int
    sections_q30: tuple[tuple[int, int, int, int, int], ...]
    takes_notch: bool
    delay_samples: int


DIAGNOSTIC = Profile(
    name="diagnostic",
    version=1,
    band="0.05-150 Hz",
    note="",
    fir_q31=FIR_Q31["diagnostic"],
    decimation=1,
    sections_q30=SECTIONS_Q30["diagnostic"],
    takes_notch=True,
    delay_samples=5,
)

MONITOR = Profile(
    name="monitor",
    version=1,
    band="0.67-40 Hz",
    note="not for ST",
    fir_q31=(),
    decimation=1,
    sections_q30=SECTIONS_Q30["monitor"],
    takes_notch=True,
    delay_samples=4,
)

MODEL = Profile(
    name="model",
    version=1,
    band="0.5-40 Hz",
    note="for the network, not for display",
    fir_q31=FIR_Q31["model"],
    decimation=5,
    sections_q30=SECTIONS_Q30["model"],
    takes_notch=False,
    delay_samples=70,
)

# The model's low-pass and band, every sample of it
MODEL_500 = replace(MODEL, name="model-500", decimation=1, sections_q30=SECTIONS_Q30["model-500"])

MODEL_50 = replace(
    MODEL,
    name="model-50",
    band="0.5-20 Hz",
    fir_q31=FIR_Q31["model-50"],
    decimation=10,
    sections_q30=SECTIONS_Q30["model-50"],
    delay_samples=140,
)

PROFILES = {profile.name: profile for profile in (DIAGNOSTIC, MONITOR, MODEL, MODEL_500, MODEL_50)}
MAINS_HZ = tuple(NOTCH_Q30)  # what ``mains_hz`` may be, besides None
