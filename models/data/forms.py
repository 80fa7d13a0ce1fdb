"""Training material in the form and at the rate that a network wants, as the device would make it.

Millivolts at 100 Hz -> the chip's counts (models.data.chain) -> the filters of the contract's
profile -> microvolts, kept in the user's cache. From there a window, a median beat or a page is
made when it is shown: spoiled in microvolts first, then brought into the network's measure by the
firmware's own arithmetic. Nothing larger than a batch is ever in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.filters import FilterChain
from firmware.inputs import Form, InputContract
from firmware.leads import twelve_leads
from firmware.median_beat import BEFORE, median_beat
from firmware.profiles import PROFILES
from firmware.qrs import QrsDetector
from firmware.tensor import R_AT, of_leads
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ
from models.data import chain
from models.data.augment import Augmentation, augment, seven
from models.data.chain import cached_tensors, filtered_tensors
from models.data.pages import as_photographed, as_tensor, variants
from models.data.ptbxl import Dataset
from models.data.rates import ALL_CHANNELS
from models.inputs import TEN_SECONDS

VERSION = 1  # raised whenever a bit of the leads kept may change
UV_PER_COUNT = chain.NV_PER_COUNT / 1000
SECONDS = 10
NOTHING_LOST = np.zeros(len(LEADS), np.bool_)
Say = Callable[[str, int, int], None]


def kept_leads(dataset: Dataset, contract: InputContract, say: Say) -> NDArray[np.int16]:
    """Filtered channels of all records, int16 [n, samples, 8] microvolts; mapped, not read.

    samples : ten seconds at the contract's rate, or a beat's
    """
    samples = contract.samples if contract.form is Form.MEDIAN_BEAT else SECONDS * contract.rate_hz
    profile = PROFILES[contract.profile]
    form = Form.WINDOW if contract.form is Form.PAGE else contract.form  # a page is drawn from one
    key = f"{chain.cache_key(dataset)} {form} {profile} {samples} {VERSION}"

    def make(row: int) -> NDArray[np.int16]:
        rng = np.random.default_rng((0, row))
        mv = chain.extended(dataset.mv(row), profile.delay_samples)
        counts = chain.to_counts(mv, rng)
        if contract.form is Form.MEDIAN_BEAT:
            return _beat(counts, contract)
        filtered = FilterChain(profile, mains_hz=None).push(counts)
        return microvolts(filtered[-samples:])

    shape = (samples, CHANNELS)
    told = partial(say, "filtering")
    return cached_tensors(key, len(dataset), make, told, shape=shape, dtype=np.int16, mapped=True)


def _beat(counts: NDArray[np.int32], contract: InputContract) -> NDArray[np.int16]:
    """The median beat of the record's own ten seconds, int16 [samples, 8]; zeros without one."""
    begin = chain.LEAD_IN * chain.UP
    detected = QrsDetector(chain.NV_PER_COUNT).push(0, counts, ALL_CHANNELS)
    own = counts[begin : begin + SECONDS * SAMPLE_RATE_HZ]
    beats = [beat - begin for beat in detected]
    found = median_beat(own, beats, ALL_CHANNELS, chain.NV_PER_COUNT)
    if found is None:
        return np.zeros((contract.samples, CHANNELS), np.int16)
    first = BEFORE - R_AT
    return np.rint(found.channels[first : first + contract.samples]).astype(np.int16)


def has_signal(leads: NDArray[np.int16], rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which records there is something of: some have no median beat. bool [rows]"""
    return np.array([leads[row].any() for row in rows], np.bool_)


def microvolts(counts: NDArray[np.int32]) -> NDArray[np.int16]:
    """Counts at gain 6 to the nearest microvolt, within +-32 mV."""
    return np.clip(np.rint(counts * UV_PER_COUNT), -32767, 32767).astype(np.int16)


def counts_of(uv: NDArray[np.floating | np.integer]) -> NDArray[np.int32]:
    """Microvolts to counts at gain 6."""
    return np.asarray(np.rint(uv / UV_PER_COUNT), np.int32)


@dataclass(frozen=True)
class Clean:
    """Records as the device would show them, made when asked for: int8 [n, *contract.shape].

    leads : as of ``kept_leads``; rows : those of it that there are
    The newest ``contract.samples`` of the ten seconds are what the device sees. "Are ECGs
    enough?" (its code) measures on the middle ones.
    """

    leads: NDArray[np.int16]
    rows: NDArray[np.int64]
    contract: InputContract

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int | slice) -> NDArray[np.int8]:
        """One tensor, or several as one array."""
        if isinstance(at, slice):
            some = range(*at.indices(len(self)))
            out = np.empty((len(some), *self.contract.shape), np.int8)
            for to, one in enumerate(some):
                out[to] = self[one]
            return out
        channels = self.leads[self.rows[at]]  # IndexError ends an iteration
        if self.contract.form is not Form.PAGE:
            channels = channels[-self.contract.samples :]
        return of_leads(twelve_leads(counts_of(channels)), NOTHING_LOST, self.contract)


@dataclass(frozen=True)
class Material:
    """Training records as each epoch sees them, whatever their form.

    leads, rows, contract : as in ``Clean``
    augmentation : as in models.config; crop : samples, 0 = all
    """

    leads: NDArray[np.int16]
    rows: NDArray[np.int64]
    contract: InputContract
    seed: int
    augmentation: str
    crop: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def epoch(self, number: int) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """What epoch ``number`` shows of given records: float32 [rows, ...] inputs."""

        def show(some: NDArray[np.int64]) -> NDArray[np.float32]:
            return stands_for(
                np.stack([self.tensor(number, int(at)) for at in some]), self.contract
            )

        return show

    def tensor(self, number: int, at: int) -> NDArray[np.int8]:
        """Record ``at`` in epoch ``number``; it depends on nothing else."""
        rng = np.random.default_rng((self.seed, number, at))
        channels = self.leads[self.rows[at]]
        length = self.crop or min(self.contract.samples, len(channels))
        if self.contract.form is not Form.PAGE and length < len(channels):
            start = int(rng.integers(len(channels) - length + 1))
            channels = channels[start : start + length]
        leads = twelve_leads(counts_of(channels))
        if self.augmentation == "none":
            return of_leads(leads, NOTHING_LOST, self.contract)
        if self.contract.form is Form.PAGE:
            page = of_leads(leads, NOTHING_LOST, self.contract)
            return spoilt_page(page, rng, self.augmentation)
        mv = leads * np.float32(UV_PER_COUNT / 1000)
        mv, lost = spoil(mv, rng, self.augmentation, self.contract.rate_hz)
        return of_leads(counts_of(mv * np.float32(1000)), lost, self.contract)


def spoil(
    mv: NDArray[np.float32], rng: np.random.Generator, how: str, rate_hz: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A record [samples, 12] as training makes it harder, and the leads [12] it has lost."""
    if how == "seven":
        return seven(mv, rng)
    dose = replace(Augmentation(), crop=len(mv))
    light = augment(mv[None], rng, dose, step_mv=1.0, rate_hz=rate_hz, limit_mv=np.inf)[0]
    return light, ~light.any(0)


def spoilt_page(page: NDArray[np.int8], rng: np.random.Generator, how: str) -> NDArray[np.int8]:
    """One of the eight binarised variants of a drawn page, or as a photograph has it."""
    if how == "photographed":
        return as_photographed(page[None], rng)[0]
    grey = (127 - page[..., 0].astype(np.int16)).astype(np.uint8)
    return as_tensor(variants(grey)[rng.integers(8)])


def stands_for(tensors: NDArray[np.int8], contract: InputContract) -> NDArray[np.float32]:
    """What int8 tensors are to the float network."""
    x = tensors.astype(np.float32)
    if contract.zero:
        x -= contract.zero
    return x * contract.step


def tensors(
    dataset: Dataset, contract: InputContract, rows: NDArray[np.int64], say: Say
) -> NDArray[np.int8] | Clean:
    """Records as the device would show them, [n, *contract.shape]; our own networks' are read."""
    if contract == TEN_SECONDS:
        return filtered_tensors(dataset, say)[rows]
    return Clean(kept_leads(dataset, contract, say), rows, contract)
