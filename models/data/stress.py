"""Recordings spoiled before the chip: what electrodes, patients and rooms do to a clean ECG.

A record is taken back to electrode potentials (hal/patient/lead_field.py), spoiled there, and
measured again by the chip's wiring, so that every lead feels what its electrodes and Wilson's
terminal feel: with LA and RA swapped lead I is upside down, II and III change places, and the
chest leads stay, because the mean of RA, LA and LL does not change. RL is taken to feel what LL
feels (Krasteva et al., Sensors 2019;19:2920 for all the swaps). Then come the chip, the device's
filters and the network's tensor, as for clean records (chain.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from firmware.leads import leads_lost
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ, Electrode, electrode_mask
from hal.patient.lead_field import electrode_volts
from models.data import chain, noise
from models.data.noise import Noise, NoiseKind, electrode_noise, leads8
from models.data.ptbxl import LEADS8, RATE_HZ, SAMPLES, Dataset

VERSION = 1  # raised whenever a bit of a stressed tensor may change, so that no cache is stale
FULL_SCALE_MV = 400.0  # 2.4 V / gain 6
CHEST = tuple(electrode for electrode in Electrode if electrode >= Electrode.V1)
_WINDOW = slice(chain.BEFORE, chain.BEFORE + SAMPLES)  # of the extended record at 100 Hz
_WINDOW_AT_CHIP = slice(chain.LEAD_IN * chain.UP, (chain.LEAD_IN + SAMPLES) * chain.UP)


@dataclass(frozen=True, slots=True)
class Stress:
    """Everything that is wrong with one window. Nothing by default.

    off : electrodes that the front end reports off at some time in the window: the device zeroes
        the leads that hang on them (``firmware.leads.leads_lost``) and the rest stays as it is
    loose : electrodes lost unnoticed at some time from 5 s before the window to 8 s into it: from
        then on they feel mains, hiss and drift of ``loose_mv`` instead of the heart
    swaps : pairs of electrodes exchanged, one after the other, so that three wires can go round
    noises : see Noise
    gain : of all channels against nominal
    offset_mv : half-cell potentials of any two electrodes differ by up to this, and drift by a
        hundredth of it within 3-20 s
    railed : channels (of LEADS8) that stand at ``railed_mv`` whatever the heart does
    clipped : channels whose offset leaves ``headroom_mv`` to the chip's upper rail
    """

    off: tuple[Electrode, ...] = ()
    loose: tuple[Electrode, ...] = ()
    loose_mv: float = 1.0
    swaps: tuple[tuple[Electrode, Electrode], ...] = ()
    noises: tuple[Noise, ...] = ()
    gain: float = 1.0
    offset_mv: float = 0.0
    railed: tuple[str, ...] = ()
    railed_mv: float = 5.0
    clipped: tuple[str, ...] = ()
    headroom_mv: float = 0.2

    def __post_init__(self) -> None:
        unknown = (set(self.railed) | set(self.clipped)) - set(LEADS8)
        if unknown:
            raise ValueError(f"no channel measures {sorted(unknown)}; there are {LEADS8}")


def stressed_tensor(
    mv: NDArray[np.float64], stress: Stress, rng: np.random.Generator
) -> NDArray[np.int8]:
    """A 10-s record, mV [1000, 8] at 100 Hz, as the network sees it under ``stress``.

    Returns int8 [1000, 12]; leads that the device knows to be lost are zero. Without stress it is
    ``chain.record_tensor`` to the bit.
    """
    tensor = chain.counts_tensor(stressed_counts(mv, stress, rng))
    tensor[:, leads_lost(electrode_mask(stress.off))] = 0
    return tensor


def stressed_counts(
    mv: NDArray[np.float64], stress: Stress, rng: np.random.Generator
) -> NDArray[np.int32]:
    """What the chip measures of the extended record: counts int32 [n, 8] at 500 Hz."""
    x = chain.extended(mv)
    slow = np.zeros((len(x), noise.ELECTRODES))  # mV added at the electrodes, at 100 Hz
    fast = np.zeros(((len(x) - 2 * chain.MARGIN) * chain.UP, noise.ELECTRODES))  # at 500 Hz
    for one in stress.noises:
        added, window = (fast, _WINDOW_AT_CHIP) if one.fast else (slow, _WINDOW)
        added += electrode_noise(one, len(added), window, mv, rng)
    if stress.offset_mv:
        slow += _offsets(len(x), stress.offset_mv, rng)
    if stress.swaps or stress.loose:
        potentials = _swapped(1e3 * electrode_volts(x), stress.swaps)
        for electrode in stress.loose:
            _let_go(electrode, stress.loose_mv, potentials, slow, fast, rng)
        x = leads8(potentials)
    if slow.any():
        x = x + leads8(slow)
    nv = chain.at_inputs(x)
    if fast.any():
        nv += 1e6 * leads8(fast)[:, chain.COLUMNS]
    nv *= stress.gain
    nv[:, [CHANNEL_LEADS.index(lead) for lead in stress.railed]] = 1e6 * stress.railed_mv
    for lead in stress.clipped:
        nv[:, CHANNEL_LEADS.index(lead)] += 1e6 * (FULL_SCALE_MV - stress.headroom_mv)
    return chain.converted(nv, rng)


def _swapped(
    potentials: NDArray[np.float64], swaps: Sequence[tuple[Electrode, Electrode]]
) -> NDArray[np.float64]:
    order = list(range(noise.ELECTRODES))
    for one, other in swaps:
        order[one], order[other] = order[other], order[one]
    return potentials[:, order]


def _offsets(n: int, mv: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Half-cell potentials [n, 10] at 100 Hz, settling."""
    t = np.arange(n)[:, None] / RATE_HZ
    level = rng.uniform(-mv / 2, mv / 2, noise.ELECTRODES)
    drift = rng.uniform(-mv / 200, mv / 200, noise.ELECTRODES)
    return level + drift * np.exp(-t / rng.uniform(3, 20, noise.ELECTRODES))


def _let_go(
    electrode: Electrode,
    mv: float,
    potentials: NDArray[np.float64],
    slow: NDArray[np.float64],
    fast: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    """Replace what ``electrode`` feels from some time on: a random walk, hiss, mains. In place."""
    at = chain.BEFORE + int(rng.uniform(-5, 8) * RATE_HZ)
    at = max(at, 0)
    n = len(potentials) - at
    walk = np.cumsum(rng.normal(0, mv / np.sqrt(SAMPLES), n))  # ``mv`` RMS after ten seconds
    potentials[at:, electrode] = potentials[at, electrode] + walk
    slow[at:, electrode] = slow[at, electrode] + rng.normal(0, 0.01, n)
    at_chip = max(at - chain.MARGIN, 0) * chain.UP
    hz = float(rng.choice([50.0, 60.0]))
    t = np.arange(len(fast) - at_chip) / SAMPLE_RATE_HZ
    hum = rng.uniform(0.2, 2.0) * np.sin(2 * np.pi * (hz * t + rng.uniform()))
    fast[at_chip:, electrode] = hum


@dataclass(frozen=True)
class Doses:
    """What training windows get: shares of windows, independent of each other but for ``off``.

    Most get a little of something, few get much. The network must bear the heavy ones, but each
    costs accuracy on clean records, which are most of what the device sees. RA is never off:
    nothing would be left to learn from.
    """

    noises: tuple[tuple[NoiseKind, float, float, float], ...] = (  # share, SNR from .. to in dB
        (NoiseKind.WANDER, 0.4, 12, 36),
        (NoiseKind.MUSCLE, 0.4, 6, 36),
        (NoiseKind.MOTION, 0.2, 12, 36),
        (NoiseKind.MAINS, 0.3, 0, 36),
        (NoiseKind.CPR, 0.01, 0, 12),
    )
    one_chest_off: float = 0.12
    all_chest_off: float = 0.02
    la_off: float = 0.02
    ll_off: float = 0.02
    loose: float = 0.02
    swapped: float = 0.02
    gain: float = 0.05  # all windows, +- up to this
    offset: float = 0.5
    railed: float = 0.01
    clipped: float = 0.005


DOSES = Doses()


def draw(rng: np.random.Generator, doses: Doses = DOSES) -> Stress:
    """A stress for training."""

    def now_and_then(share: float) -> bool:
        return bool(rng.random() < share)

    noises = []
    for kind, share, low_db, high_db in doses.noises:
        if now_and_then(share):
            hz = float(rng.choice([50.0, 60.0]))
            noises.append(Noise(kind, snr_db=rng.uniform(low_db, high_db), mains_hz=hz))
    one_chest = Electrode(int(rng.choice(CHEST)))
    shares = (doses.one_chest_off, doses.all_chest_off, doses.la_off, doses.ll_off)
    either = ((one_chest,), CHEST, (Electrode.LA,), (Electrode.LL,), ())
    return Stress(
        off=either[int(np.searchsorted(np.cumsum(shares), rng.random(), side="right"))],
        loose=(Electrode(int(rng.choice(noise.FELT))),) if now_and_then(doses.loose) else (),
        loose_mv=rng.uniform(0.1, 2.0),
        swaps=_SWAPS[rng.integers(len(_SWAPS))] if now_and_then(doses.swapped) else (),
        noises=tuple(noises),
        gain=rng.uniform(1 - doses.gain, 1 + doses.gain),
        offset_mv=rng.uniform(0, 300) if now_and_then(doses.offset) else 0.0,
        railed=(str(rng.choice(LEADS8)),) if now_and_then(doses.railed) else (),
        clipped=(str(rng.choice(LEADS8)),) if now_and_then(doses.clipped) else (),
        headroom_mv=rng.uniform(0, 0.5),
    )


def _limb_swaps() -> dict[str, tuple[tuple[Electrode, Electrode], ...]]:
    ra, la, ll, rl = Electrode.RA, Electrode.LA, Electrode.LL, Electrode.RL
    return {
        "RA/LA swapped": ((ra, la),),
        "RA/LL swapped": ((ra, ll),),
        "LA/LL swapped": ((la, ll),),
        "RA/RL swapped": ((ra, rl),),
        "LA/RL swapped": ((la, rl),),
        "RA-LA-LL one round": ((ra, la), (la, ll)),
        "RA-LL-LA one round": ((ra, ll), (ll, la)),
    }


_CHEST_SWAPS = {f"{a.name}/{b.name} swapped": ((a, b),) for a, b in pairwise(CHEST)}
_SWAPS = [*_limb_swaps().values(), *_CHEST_SWAPS.values()]


def _named() -> dict[str, Stress]:
    named = {"none": Stress()}
    named |= {f"{e.name} off": Stress(off=(e,)) for e in Electrode}
    named["V1-V6 off"] = Stress(off=CHEST)
    for left, off in (("RA-LA", "LL"), ("RA-LL", "LA"), ("LA-LL", "RA")):
        named[f"{left} only limbs on"] = Stress(off=(Electrode[off], Electrode.RL))
    swaps = _limb_swaps() | _CHEST_SWAPS
    named |= {name: Stress(swaps=pairs) for name, pairs in swaps.items()}
    for kind in (NoiseKind.WANDER, NoiseKind.MUSCLE, NoiseKind.MOTION, NoiseKind.MAINS):
        for db in (24, 18, 12, 6, 0):
            named[f"{kind} {db} dB"] = Stress(noises=(Noise(kind, snr_db=db),))
    named["mains 60 Hz 1 mV"] = Stress(
        noises=(Noise(NoiseKind.MAINS, amplitude_mv=1.0, mains_hz=60.0),)
    )
    named["wander 1 mV"] = Stress(noises=(Noise(NoiseKind.WANDER, amplitude_mv=1.0),))
    named |= {f"{lead} railed at +5 mV": Stress(railed=(lead,)) for lead in LEADS8}
    named["V3 clipped"] = Stress(clipped=("V3",))
    named["V3 loose unnoticed"] = Stress(loose=(Electrode.V3,))
    named["LA loose unnoticed"] = Stress(loose=(Electrode.LA,))
    named["offsets 300 mV"] = Stress(offset_mv=300.0)
    named["gain +20 %"] = Stress(gain=1.2)
    named["gain -20 %"] = Stress(gain=0.8)
    named["CPR"] = Stress(noises=(Noise(NoiseKind.CPR, amplitude_mv=1.0),))
    return named


NAMED: dict[str, Stress] = _named()  # the rows of the robustness table


def stressed_tensors(
    dataset: Dataset,
    rows: NDArray[np.int64],
    seed: int,
    say: Callable[[str, int, int], None],
) -> NDArray[np.int8]:
    """Records ``rows`` of a data set, each with a stress of its own: int8 [len(rows), 1000, 12].

    A record's stress depends on ``seed`` and its row alone. Kept in the user's cache.
    """
    which = hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()
    key = f"{chain.cache_key(dataset)} stress {VERSION} {DOSES} {seed} {which}"

    def make(at: int) -> NDArray[np.int8]:
        row = int(rows[at])
        rng = np.random.default_rng((1, seed, row))
        return stressed_tensor(dataset.mv(row), draw(rng), rng)

    return chain.cached_tensors(key, len(rows), make, partial(say, "stressing"))
