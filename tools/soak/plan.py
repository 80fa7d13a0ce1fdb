"""What befalls the instrument: each hour of a soak follows from the seed and its number alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np

from hal.ads1298 import faults
from hal.frontend import Electrode
from hal.patient import Patient
from hal.patient.changes import Scaled, Succession
from hal.patient.chunks import random_of
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults
from hal.patient.presets import preset
from tools.soak.talk import SETTINGS

HOUR_S = 3600.0
BASE = "sinus-70"  # who lies there when nothing is planted
FIRST_S, LAST_S = 90.0, 3450.0  # of an hour: every fault begins and ends between these
CALM_MEAN_S = 300.0  # between one fault's end and the next
TOGETHER = 0.15  # share of faults during which a second one begins
KILLS = ("acquire_killed", "monitor_killed")
KILLS_FOR_H = 100  # then as long without: only a long life shows whether memory grows


class Where(StrEnum):
    """Who brings a fault about."""

    PATIENT = "patient"
    ELECTRODE = "electrode"
    CHIP = "chip"
    MONITOR = "monitor"
    ACQUIRE = "acquire"
    LINE = "line"
    DISK = "disk"
    CLOCK = "clock"
    HOST = "host"
    MODEL = "model"


Draw = Callable[[np.random.Generator], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    lasts_s : shortest and longest; settle_s : after its end the instrument is as before
    weight : how often, among the others; value : draws what the fault needs to know
    loses : samples may be missing while it lasts, and for ``LOSS_AFTER_S`` more
    """

    where: Where
    lasts_s: tuple[float, float]
    settle_s: float = 30.0
    weight: float = 1.0
    value: Draw = lambda rng: None
    loses: bool = False


LOSS_AFTER_S = 8.0  # the longest pause of acquire, a timeout and the chip's start
_LEADS = [*Electrode]
_PRESETS = (
    "sinus-40",
    "sinus-120",
    "sinus-arrhythmia",
    "af-90",
    "af-140",
    "flutter-2to1",
    "flutter-4to1",
    "svt-180",
    "vt-160",
    "vf",
    "asystole",
    "avb1-70",
    "avb2-wenckebach",
    "avb3",
    "lbbb-70",
    "rbbb-70",
    "pvc-70",
    "pac-70",
    "bigeminy",
    "paced-60",
    "stemi-anterior",
    "stemi-inferior",
    "st-depression",
    "tall-t",
    "noisy-70",
    "mains-50",
    "mains-60",
    "offset-300mv",
)
_SATURATING = 150.0  # times as tall: beyond the converter's range


def _one_of(*values: Any) -> Draw:
    return lambda rng: values[int(rng.integers(len(values)))]


def _number(low: int, high: int) -> Draw:
    return lambda rng: int(rng.integers(low, high + 1))


def _pair(rng: np.random.Generator) -> tuple[Electrode, Electrode]:
    one, other = rng.choice(len(_LEADS), 2, replace=False)
    return _LEADS[one], _LEADS[other]


def _bits(rng: np.random.Generator) -> tuple[str, int]:
    return ("I", "II", "V1", "V6")[int(rng.integers(4))], 1 << int(rng.integers(24))


def _chip(lasts: tuple[float, float], value: Draw, *, loses: bool = True) -> Kind:
    return Kind(Where.CHIP, lasts, 45.0, 0.7, value, loses)


KINDS: dict[str, Kind] = {
    "rhythm": Kind(Where.PATIENT, (20, 300), 40, 4.0, _one_of(*_PRESETS)),
    "saturation": Kind(Where.PATIENT, (5, 60), 40, 1.0, _one_of(BASE)),
    "electrode_off": Kind(Where.ELECTRODE, (3, 180), 30, 3.0, _one_of(*_LEADS)),
    "electrode_noisy": Kind(Where.ELECTRODE, (10, 120), 30, 1.5, _one_of(*_LEADS)),
    "swapped": Kind(Where.ELECTRODE, (15, 180), 30, 1.0, _pair),
    "wrong_id": _chip((5, 40), _one_of("ADS1294", 0xD3)),
    "miso_stuck": _chip((1, 40), _one_of(0x00, 0xFF)),
    "bit_slip": _chip((1, 20), _number(1, 7)),
    "torn_frame": _chip((0, 0), _number(1, 5)),
    "missed_edge": _chip((0, 0), _number(1, 50)),
    "late_drdy": _chip((10, 60), _number(50, 900), loses=False),
    "drdy_stops": _chip((1, 30), lambda rng: None),
    "brown_out": _chip((0, 0), lambda rng: True),
    "spi_noise": _chip((2, 15), _one_of(1e-5, 1e-4, 1e-3)),
    "stuck_bits": _chip((5, 60), _bits, loses=False),
    "monitor_killed": Kind(Where.MONITOR, (0, 20), 40, 0.5),
    "monitor_stopped": Kind(Where.MONITOR, (1, 60), 40, 1.0),
    "monitor_laps": Kind(Where.MONITOR, (135, 180), 40, 0.5),
    "acquire_killed": Kind(Where.ACQUIRE, (0, 10), 40, 0.5, loses=True),
    "acquire_stopped": Kind(Where.ACQUIRE, (0.5, 20), 40, 1.0, loses=True),
    "serial_gone": Kind(Where.LINE, (1, 200), 60, 1.5),
    "serial_blocked": Kind(Where.LINE, (5, 200), 60, 1.5),
    "disk_full": Kind(Where.DISK, (5, 150), 100, 1.0),
    "disk_read_only": Kind(Where.DISK, (5, 150), 100, 1.0),
    "disk_hangs": Kind(Where.DISK, (5, 100), 150, 1.0),
    "clock_jumps": Kind(Where.CLOCK, (0, 0), 30, 1.0, _number(-3600, 3600)),
    "commands": Kind(Where.HOST, (5, 60), 30, 2.0),
    "nonsense": Kind(Where.HOST, (2, 20), 30, 1.0),
    "flood": Kind(Where.HOST, (2, 20), 40, 1.0),
    "setting": Kind(Where.HOST, (0, 0), 30, 2.0, _one_of(*SETTINGS)),
    "another_patient": Kind(Where.HOST, (0, 0), 30, 1.0, _number(1, 9999)),
    "model_installed": Kind(Where.MODEL, (0, 0), 60, 0.15),
    "model_rolled_back": Kind(Where.MODEL, (0, 0), 60, 0.1),
}
NOISE_AT_THE_EDGE_S = 2.0


@dataclass(frozen=True, slots=True)
class Act:
    """One fault of the schedule. at_s, seconds : of the soak's virtual time."""

    name: str
    at_s: float
    seconds: float
    value: Any = None
    kind: Kind = field(kw_only=True, compare=False, repr=False)

    @property
    def end_s(self) -> float:
        return self.at_s + self.seconds

    @property
    def over_s(self) -> float:
        """From here on nothing of it may be seen."""
        return self.end_s + self.kind.settle_s

    def __str__(self) -> str:
        value = "" if self.value is None else f" {self.value}"
        return f"{self.name}{value} at {self.at_s:.1f} s for {self.seconds:.1f} s"


def explain_loss(acts: Iterable[Act], from_s: float, to_s: float) -> bool:
    """Whether samples missing between these may be the doing of ``acts``.

    Of one, or of several in turn: acquire goes on after a standstill and finds the bus at fault.
    """
    told_s = from_s
    for act in sorted(acts, key=lambda act: act.at_s):
        if act.kind.loses and act.at_s - NOISE_AT_THE_EDGE_S <= told_s:
            told_s = max(told_s, act.end_s + LOSS_AFTER_S)
    return told_s >= to_s


def draw(
    rng: np.random.Generator,
    kinds: Mapping[str, Kind],
    first_s: float,
    last_s: float,
    calm_mean_s: float,
) -> list[Act]:
    """Faults of ``kinds`` in the order of their beginnings; rarely two at once."""
    names = list(kinds)
    weights = np.array([kind.weight for kind in kinds.values()])

    def one(at_s: float) -> Act:
        name = str(rng.choice(names, p=weights / weights.sum()))
        kind = kinds[name]
        low, high = kind.lasts_s
        seconds = low * (high / low) ** rng.random() if low else high * rng.random()
        return Act(name, round(at_s, 3), round(float(seconds), 3), kind.value(rng), kind=kind)

    acts: list[Act] = []
    at_s = first_s + rng.exponential(calm_mean_s / 2)
    while (act := one(at_s)).over_s <= last_s:
        acts.append(act)
        at_s = act.over_s
        if rng.random() < TOGETHER and act.seconds > 4:
            second = one(act.at_s + rng.uniform(1, act.seconds - 2))
            if second.kind.where is not act.kind.where and second.over_s <= last_s:
                acts.append(second)
                at_s = max(at_s, second.over_s)
        at_s += rng.exponential(calm_mean_s)
    return sorted(acts, key=lambda act: act.at_s)


class Course:
    """The schedule of a soak, hour by hour."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.acts = lru_cache(maxsize=4)(self._acts)
        self._patient = lru_cache(maxsize=2)(self._make_patient)

    def _acts(self, hour: int) -> tuple[Act, ...]:
        rng = random_of(self.seed, hour, 1)
        acts = draw(rng, KINDS, FIRST_S, LAST_S, CALM_MEAN_S)
        if hour // KILLS_FOR_H % 2:
            acts = [act for act in acts if act.name not in KILLS]
        return tuple(replace(act, at_s=hour * HOUR_S + act.at_s) for act in acts)

    def patient(self, hour: int) -> Patient:
        """Who is on the electrodes in that hour; its second 0 is the hour's beginning."""
        return self._patient(hour)

    def forget(self) -> None:
        """Nobody of earlier hours is kept; who is asked for again is made again."""
        self._patient.cache_clear()

    def _make_patient(self, hour: int) -> Patient:
        begin_s, person = hour * HOUR_S, hour % 1000 + 1
        stages: list[tuple[float, Patient]] = [(0.0, preset(BASE, person))]
        events = []
        for act in self.acts(hour):
            at_s, end_s = act.at_s - begin_s, act.end_s - begin_s
            match act.name:
                case "rhythm":
                    stages += [(at_s, preset(act.value, person)), (end_s, preset(BASE, person))]
                case "saturation":
                    tall = Scaled(preset(act.value, person), _SATURATING)
                    stages += [(at_s, tall), (end_s, preset(BASE, person))]
                case "electrode_off":
                    events.append(ElectrodeEvent(act.value, at_s, end_s, Fault.OFF))
                case "electrode_noisy":
                    events.append(ElectrodeEvent(act.value, at_s, end_s, Fault.NOISY))
                case "swapped":
                    one, other = act.value
                    events.append(ElectrodeEvent(one, at_s, end_s, Fault.SWAPPED, other))
        patient = Succession(stages) if len(stages) > 1 else stages[0][1]
        return WithElectrodeFaults(patient, events, person) if events else patient

    def chip_faults(self, hour: int, origin_ns: int, since: int) -> faults.Faults:
        """Of chip and bus in that hour; ``origin_ns``: the clock at the soak's second 0.

        since : the hour in which the chip was powered; edges that it has not made since then stay
            unmade, or its count would jump with the hour
        """
        entries: list[tuple[float, dict[str, Any]]] = [
            (act.at_s, {act.name: act.seconds})
            for earlier in range(since, hour)
            for act in self.acts(earlier)
            if act.name == "drdy_stops"
        ]
        for act in self.acts(hour):
            if act.kind.where is not Where.CHIP:
                continue
            value = act.value
            if act.name == "drdy_stops":
                value = act.seconds
            elif act.name == "stuck_bits":
                value = {"lead": act.value[0], "or": act.value[1]}
            entries.append((act.at_s, {act.name: value}))
            if act.name == "wrong_id":  # it is read at a restart only
                entries.append((act.at_s, {"brown_out": True}))
            if act.seconds and act.name != "drdy_stops":
                entries.append((act.end_s, {act.name: faults.OFF}))
        return faults.timeline(entries, origin_ns)
