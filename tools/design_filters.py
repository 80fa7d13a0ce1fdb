"""Design the filters of ``firmware.profiles`` and write their integer coefficients.

``python -m tools.design_filters`` rewrites ``firmware/coefficients.py``. Whoever changes a design
here also raises the version of the profiles concerned in ``firmware/profiles.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from hal.frontend import SAMPLE_RATE_HZ

Section = tuple[int, int, int, int, int]  # b0, b1, b2, -a1, -a2: the order and signs of CMSIS-DSP

COEFFICIENTS = Path(__file__).parents[1] / "firmware" / "coefficients.py"
NOTCH_WIDTH_HZ = 4.2  # at -3 dB: still 20 dB deep 0.2 Hz off nominal; rings for 76 ms (1/e)
_HEADER = '''"""Filter coefficients. Written by ``python -m tools.design_filters``: do not edit.

FIR_Q31 : taps of the linear-phase filter of a profile, gain 1 = 2**31
SECTIONS_Q30 : biquads of a profile, each (b0, b1, b2, -a1, -a2), gain 1 = 2**30
NOTCH_Q30 : the mains notch by its frequency in Hz, format as above
"""

'''


def sinc3_droop(f_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain of the ADS1298's third-order sinc decimator at 500 SPS (datasheet, digital filter)."""
    return np.asarray(np.sinc(f_hz / SAMPLE_RATE_HZ) ** 3)


def _cosines(f_hz: NDArray[np.float64], taps: int) -> NDArray[np.float64]:
    """Columns whose weighted sum is the zero-phase response of a symmetric odd-length FIR."""
    k = np.arange(taps // 2 + 1)
    basis = 2 * np.cos(2 * np.pi * np.outer(f_hz, k) / SAMPLE_RATE_HZ)
    basis[:, 0] = 1
    return np.asarray(basis)


def _symmetric(half: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([half[:0:-1], half])


def droop_corrector(taps: int) -> NDArray[np.float64]:
    """Least-squares FIR: droop times FIR is 1 up to 150 Hz, and small towards 250 Hz.

    The band above 100 Hz weighs less: the standards' +0.4/-3 dB at 150 Hz leave room to roll
    off, without which the corrector would amplify noise at 250 Hz tenfold.
    """
    f = np.linspace(0, SAMPLE_RATE_HZ / 2, 2001)
    weight = np.select([f <= 105, f <= 150], [1.0, 0.1], 0.003)
    wanted = np.where(f <= 150, 1.0, 0.0)
    basis = _cosines(f, taps) * (weight * sinc3_droop(f))[:, None]
    return _symmetric(np.linalg.lstsq(basis, weight * wanted, rcond=None)[0])


def decimator(taps: int, pass_hz: float, stop_hz: float, stop_weight: float) -> NDArray[np.float64]:
    """Near-equiripple low-pass whose pass band undoes the droop.

    Lawson's reweighted least squares (Lawson 1961): scipy's remez has no sloping pass band.
    """
    f = np.linspace(0, SAMPLE_RATE_HZ / 2, 4001)
    f = f[(f <= pass_hz) | (f >= stop_hz)]
    wanted = np.where(f <= pass_hz, 1 / sinc3_droop(f), 0.0)
    scale = np.where(f <= pass_hz, 1.0, stop_weight)
    basis = _cosines(f, taps)
    weight = scale.copy()
    for _ in range(60):
        root = np.sqrt(weight)
        half = np.linalg.lstsq(basis * root[:, None], wanted * root, rcond=None)[0]
        weight = weight * (np.abs(basis @ half - wanted) * scale + 1e-9)
        weight /= weight.mean()
    return _symmetric(half)


def _section(b: NDArray[np.float64], a: NDArray[np.float64]) -> Section:
    q = [round(float(v) * 2**30) for v in (b[0], b[1], b[2], -a[1], -a[2])]
    return (q[0], q[1], q[2], q[3], q[4])


def high_pass(order: int, cutoff_hz: float, rate_hz: float) -> Section:
    """Butterworth high-pass whose rounded numerator sums to exactly zero.

    Rounding each coefficient by itself leaves a gain at 0 Hz that the pole near z = 1 multiplies:
    part of the electrode offset would leak through. b1 = -b0 - b2 removes it for good.
    """
    b, a = signal.butter(order, cutoff_hz, "highpass", fs=rate_hz)
    b, a = np.pad(b, (0, 2 - order)), np.pad(a, (0, 2 - order))
    b0, _, b2, a1, a2 = _section(b, a)
    return (b0, -b0 - b2, b2, a1, a2)


def bessel_low_pass(order: int, cutoff_hz: float) -> list[Section]:
    """Bessel low-pass, -3 dB at ``cutoff_hz``: it neither rings nor spreads the QRS."""
    _, poles, _ = signal.bessel(
        order, cutoff_hz, "lowpass", norm="mag", output="zpk", fs=SAMPLE_RATE_HZ
    )
    sections = []
    for pole in poles[poles.imag > 0]:
        a = np.real(np.poly([pole, pole.conj()]))
        sections.append(_section(np.array([1.0, 2.0, 1.0]) * a.sum() / 4, a))  # gain 1 at 0 Hz
    return sections


def notch(mains_hz: int) -> Section:
    """Second-order notch, gain 1 at 0 Hz and at 250 Hz."""
    return _section(*signal.iirnotch(mains_hz, mains_hz / NOTCH_WIDTH_HZ, fs=SAMPLE_RATE_HZ))


def _q31(taps: NDArray[np.float64]) -> tuple[int, ...]:
    return tuple(round(float(tap) * 2**31) for tap in taps)


@dataclass(frozen=True, slots=True)
class Design:
    """The contents of ``firmware.coefficients``."""

    fir_q31: dict[str, tuple[int, ...]]
    sections_q30: dict[str, tuple[Section, ...]]
    notch_q30: dict[int, Section]


def design() -> Design:
    """All coefficients.

    Cut-offs lie a little outside the band that a profile is named after, so that with every other
    part of the chain in place the edges are still within -3 dB.
    """
    return Design(
        fir_q31={
            "diagnostic": _q31(droop_corrector(11)),
            "model": _q31(decimator(141, pass_hz=38.0, stop_hz=50.0, stop_weight=10.0)),
            "model-50": _q31(decimator(281, pass_hz=19.0, stop_hz=25.0, stop_weight=10.0)),
        },
        sections_q30={
            # First order: a 3 mV, 100 ms pulse leaves 90 uV behind; second order leaves 130.
            "diagnostic": (high_pass(1, 0.048, SAMPLE_RATE_HZ),),
            "monitor": (high_pass(2, 0.65, SAMPLE_RATE_HZ), *bessel_low_pass(4, 43.5)),
            "model": (high_pass(2, 0.48, SAMPLE_RATE_HZ / 5),),
            "model-50": (high_pass(2, 0.48, SAMPLE_RATE_HZ / 10),),
            "model-500": (high_pass(2, 0.48, SAMPLE_RATE_HZ),),
        },
        notch_q30={mains_hz: notch(mains_hz) for mains_hz in (50, 60)},
    )


def _wrapped(values: tuple[int, ...], indent: str) -> str:
    lines, line = [], indent
    for value in values:
        item = f"{value}, "
        if len(line) + len(item) > 99:
            lines.append(line.rstrip())
            line = indent
        line += item
    return "\n".join([*lines, line.rstrip()]) + "\n"


def render() -> str:
    """The text of ``firmware/coefficients.py``."""
    designed = design()
    text = _HEADER + "# fmt: off\nFIR_Q31: dict[str, tuple[int, ...]] = {\n"
    for name, taps in designed.fir_q31.items():
        text += f'    "{name}": (\n{_wrapped(taps, " " * 8)}    ),\n'
    text += "}\n\nSECTIONS_Q30: dict[str, tuple[tuple[int, int, int, int, int], ...]] = {\n"
    for name, sections in designed.sections_q30.items():
        text += f'    "{name}": (\n'
        text += "".join(f"        {section},\n" for section in sections)
        text += "    ),\n"
    text += "}\n\nNOTCH_Q30: dict[int, tuple[int, int, int, int, int]] = {\n"
    text += "".join(f"    {hz}: {section},\n" for hz, section in designed.notch_q30.items())
    return text + "}\n# fmt: on\n"


def main() -> int:
    COEFFICIENTS.write_text(render(), encoding="utf-8")
    print(f"wrote {COEFFICIENTS}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
