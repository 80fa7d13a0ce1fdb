"""Every training window goes through the device's own fixed-point chain.

Millivolts at 100 Hz -> the chip's 500 Hz counts (its sinc3 droop, its noise, its 24-bit grid) ->
the *model* filter profile -> twelve leads -> int8. As in ``classify``, two seconds of the
time-reflected record come first, so that the high-pass has settled, and the group delay is
taken off: the window is the record's own ten seconds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from scipy import signal

from firmware.profiles import MODEL
from firmware.window import filtered_tensor
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ
from models.data.ptbxl import LEADS8, RATE_HZ, SAMPLES, Dataset

# One int8 step is 20 uV; one count is 2.4 V / (6 * (2**23 - 1)) = 4e5 / 8388607 uV
# (ADS1298 at gain 6), so steps = counts * 20000 / 8388607: exact, no floating point.
SCALE_NUM, SCALE_DEN = 20_000, 8_388_607
NV_PER_COUNT = 400_000_000 / 8_388_607
NOISE_UV = 1.0  # of a channel, standard deviation, input-referred at 500 SPS and gain 6
LEAD_IN = 2 * RATE_HZ  # samples reflected before the record
UP = SAMPLE_RATE_HZ // RATE_HZ

COLUMNS = [LEADS8.index(lead) for lead in CHANNEL_LEADS]
# Interpolator flat to 40 Hz, then the chip: sinc3(f/500) is 1 - (pi f/500)^2/2 + ..., which three
# taps follow to 0.001 at 40 Hz.
_DROOP = np.array([1, 6, 1]) / 8
_UPSAMPLER = np.convolve(signal.firwin(20 * UP + 1, 1 / UP, window=("kaiser", 5.0)), _DROOP)
MARGIN = len(_UPSAMPLER) // (2 * UP) + 1  # samples at either end that the interpolator spoils
BEFORE, AFTER = LEAD_IN + MARGIN, MODEL.delay_samples // UP + MARGIN  # reflected samples


def to_counts(mv: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int32]:
    """What the chip would have measured: mV [n, 8] at 100 Hz -> counts int32 [5 m, 8] at 500 Hz.

    Columns in: LEADS8; columns out: the wiring's channels. MARGIN samples at either end serve
    the interpolation only: m = n - 2 * MARGIN.
    """
    return converted(at_inputs(mv), rng)


def at_inputs(mv: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the channels feel, the sinc3 droop included: as ``to_counts``, in nanovolts."""
    x = signal.resample_poly(mv[:, COLUMNS] * 1e6, UP, 1, axis=0, window=_UPSAMPLER)
    return x[MARGIN * UP : -MARGIN * UP]


def converted(nv: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int32]:
    """The converter's noise (added to ``nv`` in place), grid and rails: nV -> counts int32."""
    nv += rng.normal(0, NOISE_UV * 1e3, nv.shape)
    return np.clip(np.rint(nv / NV_PER_COUNT), -(1 << 23), (1 << 23) - 1).astype(np.int32)


def extended(mv: NDArray[np.float64], delay_samples: int = MODEL.delay_samples) -> NDArray[Any]:
    """The record with its reflections: mV [1000, 8] -> [BEFORE + 1000 + AFTER, 8] at 100 Hz.

    delay_samples : of the filters to come, at 500 Hz; AFTER is that of MODEL
    """
    after = delay_samples // UP + MARGIN
    return np.concatenate([mv[BEFORE:0:-1], mv, mv[-2 : -2 - after : -1]])


def counts_tensor(counts: NDArray[np.int32]) -> NDArray[np.int8]:
    """Counts of an extended record, through the device's filters: int8 [1000, 12]."""
    return filtered_tensor(counts, MODEL, SAMPLES, SCALE_NUM, SCALE_DEN)


def record_tensor(mv: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int8]:
    """A 10-s record, mV [1000, 8] at 100 Hz, as the network sees it: int8 [1000, 12]."""
    return counts_tensor(to_counts(extended(mv), rng))


def filtered_tensors(dataset: Dataset, say: Callable[[str, int, int], None]) -> NDArray[np.int8]:
    """All records of a data set, int8 [n, 1000, 12]; kept in the user's cache for the next run."""

    def make(row: int) -> NDArray[np.int8]:
        return record_tensor(dataset.mv(row), np.random.default_rng((0, row)))

    return cached_tensors(cache_key(dataset), len(dataset), make, partial(say, "filtering"))


def cache_key(dataset: Dataset) -> str:
    """What decides the clean tensors of a data set."""
    return f"{dataset.digest} {MODEL} {SCALE_NUM} {SCALE_DEN} {NOISE_UV} {LEAD_IN}"


def cached_tensors(
    key: str,
    n: int,
    make: Callable[[int], NDArray[Any]],
    say: Callable[[int, int], None],
    *,
    shape: tuple[int, ...] = (SAMPLES, 12),
    dtype: type[np.generic] = np.int8,
    mapped: bool = False,
) -> NDArray[Any]:
    """``make(0)`` .. ``make(n - 1)``, [n, *shape], from the user's cache if they are there.

    key : everything that decides the bytes, in words
    say : called with tensors done, n
    mapped : left on disk and read where they are looked at

    An interrupted run goes on where it stopped; two at once write the same bytes. Raises OSError
    before any work where the disk has no room for all of them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lead12"
    path = cache / f"tensors-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"
    part, count = path.with_suffix(".part"), path.with_suffix(".done")
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        begun = part.is_file() and count.is_file()
        done = int(count.read_text()) if begun else 0
        tensors = open_memmap(part, "r+" if begun else "w+", dtype, (n, *shape))
        _take_room(part)
        for row in range(done, n):
            tensors[row] = make(row)
            if row % 100 == 99 or row + 1 == n:
                tensors.flush()
                _replace(count, str(row + 1))
                say(row + 1, n)
        with suppress(FileNotFoundError):  # the other one was first
            part.rename(path)
        count.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r" if mapped else None)


def _take_room(path: Path) -> None:
    """A hole in a mapped file ends the process where the disk is full: fill all of them first."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            path.unlink()
            raise OSError(error.errno, error.strerror, str(path)) from None


def _replace(path: Path, text: str) -> None:
    """Write so that no reader ever sees half of it."""
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text(text)
    new.replace(path)
