"""Leads and spectra of electrode volts, by their textbook definitions, for the patient's tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ


def leads_mv(volts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Twelve leads in mV: bipolar, Goldberger's from two electrodes against the third, Wilson's."""
    mv = {electrode.name: 1e3 * volts[:, electrode] for electrode in Electrode}
    ra, la, ll = mv["RA"], mv["LA"], mv["LL"]
    leads = {"I": la - ra, "II": ll - ra, "III": ll - la}
    leads |= {"aVR": ra - (la + ll) / 2, "aVL": la - (ra + ll) / 2, "aVF": ll - (ra + la) / 2}
    return leads | {f"V{k}": mv[f"V{k}"] - (ra + la + ll) / 3 for k in range(1, 7)}


def amplitude_at(signal: NDArray[np.float64], hz: float) -> float:
    """Amplitude of the sine of frequency ``hz`` in a 2 kHz signal (whole periods assumed)."""
    t = np.arange(len(signal)) / ANALOG_RATE_HZ
    return float(2 * abs(np.mean(signal * np.exp(-2j * np.pi * hz * t))))


def peak_hz(signal: NDArray[np.float64], low: float, high: float) -> float:
    """Frequency of the largest spectral line between two frequencies, Hann-windowed."""
    spectrum = np.abs(np.fft.rfft((signal - signal.mean()) * np.hanning(len(signal))))
    hz = np.fft.rfftfreq(len(signal), 1 / ANALOG_RATE_HZ)
    inside = (hz >= low) & (hz <= high)
    return float(hz[inside][np.argmax(spectrum[inside])])
