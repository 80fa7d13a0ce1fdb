"""What training does to a batch so that the network meets the ambulance, not only the clinic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware.leads import leads_lost
from hal.frontend import Electrode, electrode_mask

STEP_MV = 0.02  # one int8 step of the network's input

# Leads lost with one limb electrode; RA takes all of them: nothing is left for the network.
LIMB_LOSSES = [leads_lost(electrode_mask([e])) for e in (Electrode.LA, Electrode.LL)]
CHEST = leads_lost(electrode_mask(e for e in Electrode if e >= Electrode.V1))


@dataclass(frozen=True)
class Augmentation:
    """Doses; light ones cost nothing, heavy ones cost AUC (measured)."""

    gain: float = 0.10  # uniform, +- this share
    noise_mv: float = 0.015  # white, standard deviation uniform up to this
    wander_mv: float = 0.05  # residual baseline wander (0.3-0.7 Hz), amplitude up to this
    crop: int = 920  # samples kept of a window
    leads_lost_share: float = 0.20  # of windows lose each lead with leads_lost_rate
    leads_lost_rate: float = 0.12
    chest_lost_share: float = 0.03  # of windows lose V1-V6
    limb_lost_share: float = 0.03  # of windows keep II or I alone: LA or LL is off


def augment(
    tensors: NDArray[np.int8] | NDArray[np.float32],
    rng: np.random.Generator,
    dose: Augmentation,
    *,
    step_mv: float = STEP_MV,
    rate_hz: int = 100,
    limit_mv: float = 127 * STEP_MV,
) -> NDArray[np.float32]:
    """A training batch in millivolts: [n, samples, 12] in steps -> float32 [n, crop, 12].

    A lead that is zero throughout was lost and stays zero.
    """
    n, samples, leads = tensors.shape
    x = np.empty((n, dose.crop, leads), np.float32)
    starts = rng.integers(0, samples - dose.crop + 1, n)
    for row, start in enumerate(starts):
        x[row] = tensors[row, start : start + dose.crop]
    x *= step_mv * rng.uniform(1 - dose.gain, 1 + dose.gain, (n, 1, 1)).astype(np.float32)
    level = rng.uniform(0, dose.noise_mv, (n, 1, 1)).astype(np.float32)
    x += level * rng.standard_normal(x.shape, np.float32)
    x += _wander(n, dose.crop, leads, rng, dose.wander_mv, rate_hz)
    np.clip(x, -limit_mv, limit_mv, out=x)
    lost = _lost(n, leads, rng, dose) | ~tensors.any(1)
    x[np.broadcast_to(lost[:, None], x.shape)] = 0
    return x


def seven(
    mv: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One of the seven of "Are ECGs enough?" (3.2), each as likely: [samples, 12] at 500 Hz.

    Doses are those of its code, in millivolts: of seven draws two leave the record as it is, the
    others turn it upside down, blank a tenth of the moments, lose each lead with 0.2, add a sine
    (0.25 to 1 mV, 0.5 to 10 Hz), or add a square wave (5 to 20 uV, 0.5 to 50 Hz). It does so after
    normalising; here it comes before, as on a patient. Upside down is no ECG that a heart makes
    (but with RA and LA swapped); it is kept as the paper's.

    Returns the record and the leads [12] that are lost.
    """
    lost = np.zeros(mv.shape[1], np.bool_)
    t = np.arange(len(mv), dtype=np.float32)[:, None]
    match int(rng.integers(7)):
        case 2:
            mv = -mv
        case 3:
            mv = mv * (rng.random((len(mv), 1)) >= 0.1)
        case 4:
            lost = rng.random(mv.shape[1]) < 0.2
        case 5:
            amplitude, cycles = rng.uniform(0.25, 1), rng.uniform(0.001, 0.02)
            mv = mv + np.float32(amplitude) * np.sin(np.float32(2 * np.pi * cycles) * t)
        case 6:
            amplitude, cycles = rng.uniform(0.005, 0.02), rng.uniform(0.001, 0.1)
            mv = mv + np.float32(amplitude) * np.where(t * np.float32(cycles) % 1 < 0.5, 1, -1)
    return mv.astype(np.float32), lost


def _wander(
    n: int, samples: int, leads: int, rng: np.random.Generator, mv: float, rate_hz: int
) -> NDArray[np.float32]:
    f = rng.uniform(0.3, 0.7, (n, 1)).astype(np.float32)
    at = 2 * np.pi * f * (np.arange(samples, dtype=np.float32) / rate_hz)
    phase = rng.uniform(0, 2 * np.pi, (n, 1, leads)).astype(np.float32)
    amplitude = rng.uniform(0, mv, (n, 1, leads)).astype(np.float32)
    # A sin(at + phase) = A cos(phase) sin(at) + A sin(phase) cos(at): one sine for all leads
    wander: NDArray[np.float32] = np.sin(at)[..., None] * (amplitude * np.cos(phase))
    wander += np.cos(at)[..., None] * (amplitude * np.sin(phase))
    return wander


def _lost(n: int, leads: int, rng: np.random.Generator, dose: Augmentation) -> NDArray[np.bool_]:
    lost = rng.random((n, leads)) < dose.leads_lost_rate
    lost &= rng.random((n, 1)) < dose.leads_lost_share
    lost |= (rng.random((n, 1)) < dose.chest_lost_share) & CHEST
    limb = rng.random((n, 1)) < dose.limb_lost_share
    which = rng.integers(0, len(LIMB_LOSSES), n)
    return lost | (limb & np.array(LIMB_LOSSES)[which])
