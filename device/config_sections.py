"""The sections of the settings: each key's type, default and range."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from device.records.seal_key import SealKeyError
from device.records.seal_key import parse as parse_seal_key
from firmware.alarm_conditions import Limits
from firmware.alarms import DEFAULT_LIMITS, PAUSE_S
from firmware.events import LEADS
from hal.frontend import FrontendConfig
from hal.linux_gpio import HEADER_PIN

NO_MODEL = "none"  # as [model] path
SLOWEST_BAUD, FASTEST_BAUD = 19_200, 4_000_000
KEY_FILE = "/etc/lead12/serial.key"  # what the installer makes
NETWORK_PORTS = ("socket://", "rfc2217://")  # pyserial's

_A_FILE = "must name a file"
Check = Callable[[Any], str | None]  # what is wrong with a value, or None


def one_of(*allowed: object) -> Check:
    """Accept exactly these values."""
    listed = ", ".join(json.dumps(value) for value in allowed)
    return lambda value: None if value in allowed else f"must be one of {listed}"


def between(low: float, high: float) -> Check:
    """Accept low..high, both included."""
    return lambda value: None if low <= value <= high else f"must be {low} to {high}"


def seal_key(value: str) -> str | None:
    """Accept a key that ``lead12 records key new`` has printed, or nothing."""
    try:
        if value:
            parse_seal_key(value)
    except SealKeyError as error:
        return str(error)
    return None


def _setting(default: Any, check: Check | None = None) -> Any:
    return field(default=default, metadata={"check": check} if check else MappingProxyType({}))


# The names in hal.backends, whose drivers the monitor need not load to read its settings.
SIMULATED, INJECTED, REPLAY = "simulated", "injected", "replay"
MADE_UP = (SIMULATED, INJECTED, REPLAY)  # front ends without a patient on them
BACKENDS = (SIMULATED, "ads1298", "ads1298-rpigpio", "linux-iio", INJECTED, REPLAY)


@dataclass(frozen=True, slots=True)
class FrontendSection:
    """Which front end, and how it is set. ``options`` are the back end's own (its wiring)."""

    backend: str = SIMULATED  # one of BACKENDS
    gain: int = _setting(6, one_of(1, 2, 3, 4, 6, 8, 12))
    lead_off_current_na: int = _setting(6, one_of(6, 12, 18, 24))
    lead_off_threshold_percent: float = _setting(95.0, between(70.0, 95.0))
    rl_check_every: int = _setting(500, between(0, 1_000_000))
    options: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> FrontendConfig:
        """What ``Frontend.configure`` takes."""
        return FrontendConfig(
            gain=self.gain,
            lead_off_current_na=self.lead_off_current_na,
            lead_off_threshold_percent=self.lead_off_threshold_percent,
            rl_check_every=self.rl_check_every,
        )


@dataclass(frozen=True, slots=True)
class PatientSection:
    """Who is on the simulated chip's electrodes: a preset, or a recording when one is named."""

    preset: str = "sinus-70"
    seed: int = _setting(1, between(0, 2**63 - 1))
    record: str = ""  # path of a recording; replaces the preset
    loop: bool = True  # a recording starts again at its end


@dataclass(frozen=True, slots=True)
class RingSection:
    """Where the samples are shared. Empty: ``lead12.ring`` in shared memory."""

    path: str = _setting("", lambda value: None if not value or Path(value).name else _A_FILE)


@dataclass(frozen=True, slots=True)
class FiltersSection:
    """Display filters (the network's own come with its bundle)."""

    profile: str = _setting("monitor", one_of("diagnostic", "monitor"))
    mains_hz: int = _setting(50, one_of(0, 50, 60))  # 0: no notch


@dataclass(frozen=True, slots=True)
class SerialSection:
    """The result line. Empty port: none; "-": standard output; "pty": a pseudo-terminal.

    access : who may change something over it: "open": everybody, "keyed": who has the key in
        key_file; empty: keyed in front of a patient
    """

    port: str = ""
    baud: int = _setting(115_200, between(SLOWEST_BAUD, FASTEST_BAUD))
    access: str = _setting("", one_of("", "open", "keyed"))
    key_file: str = _setting(KEY_FILE, lambda value: None if Path(value).name else _A_FILE)


@dataclass(frozen=True, slots=True)
class DisplaySection:
    """What ``device.display.open_display`` opens, and how the screen starts."""

    device: str = "terminal"
    lead: str = _setting("II", one_of(*LEADS))
    frames_per_second: int = _setting(12, between(1, 25))
    night: bool = False  # dim, dark on the panel
    language: str = _setting("en", one_of("en", "de"))


NO_LINE = -1


def header_line(value: int) -> str | None:
    """Accept the BCM number of a line on the 40-pin header, or ``NO_LINE``."""
    ok = value == NO_LINE or value in HEADER_PIN
    return None if ok else f"must be a BCM number of the header (2 to 27), or {NO_LINE} for none"


@dataclass(frozen=True, slots=True)
class ButtonsSection:
    """Push buttons from these lines (BCM numbers) to ground."""

    page: int = _setting(NO_LINE, header_line)
    ok: int = _setting(NO_LINE, header_line)


@dataclass(frozen=True, slots=True)
class IndicatorsSection:
    """Alarm lights and buzzer, on while these lines (BCM numbers) are high."""

    red: int = _setting(NO_LINE, header_line)
    yellow: int = _setting(NO_LINE, header_line)
    buzzer: int = _setting(NO_LINE, header_line)


@dataclass(frozen=True, slots=True)
class ElectrodesSection:
    """AHA (RA LA RL LL V1) or IEC (R L N F C1) names and colours."""

    naming: str = _setting("AHA", one_of("AHA", "IEC"))


@dataclass(frozen=True, slots=True)
class AlarmsSection:
    """Limits of the heart rate, and how long a pause of the alarm sound lasts."""

    extreme_brady_bpm: int = _setting(DEFAULT_LIMITS.extreme_brady_bpm, between(20, 60))
    brady_bpm: int = _setting(DEFAULT_LIMITS.brady_bpm, between(20, 60))
    tachy_bpm: int = _setting(DEFAULT_LIMITS.tachy_bpm, between(100, 250))
    extreme_tachy_bpm: int = _setting(DEFAULT_LIMITS.extreme_tachy_bpm, between(100, 250))
    pause_s: int = _setting(PAUSE_S, between(30, 120))

    def inconsistent(self) -> str:
        """What of the limits contradicts the rest, "" if nothing does."""
        if self.extreme_brady_bpm > self.brady_bpm:
            return "alarms.extreme_brady_bpm must not be above alarms.brady_bpm"
        if self.extreme_tachy_bpm < self.tachy_bpm:
            return "alarms.extreme_tachy_bpm must not be below alarms.tachy_bpm"
        return ""

    def limits(self) -> Limits:
        """What ``firmware.alarms`` takes."""
        return Limits(
            extreme_brady_bpm=self.extreme_brady_bpm,
            brady_bpm=self.brady_bpm,
            tachy_bpm=self.tachy_bpm,
            extreme_tachy_bpm=self.extreme_tachy_bpm,
        )


@dataclass(frozen=True, slots=True)
class ModelSection:
    """The network. Empty path: the installed one; a path: that bundle, "none": none.

    store : folder of the installed models; empty: the system's place for them
    trust : "development" takes bundles signed with a development key, too
    confirm_windows : so many judged windows make a model on trial the confirmed one
    """

    path: str = ""
    store: str = ""
    trust: str = _setting("production", one_of("production", "development"))
    confirm_windows: int = _setting(30, between(1, 3600))


@dataclass(frozen=True, slots=True)
class RecordsSection:
    """What is kept on disk.

    folder : where; empty: the system's place for it, and nothing of a simulated patient
    continuous_hours : the newest so many of all samples; 0: none
    snapshots : the newest so many; 0: none
    min_free_mb : so much of the disk is left to others
    seal_to : public key of who may read what is recorded; empty: it is not sealed
    """

    folder: str = ""
    continuous_hours: float = _setting(1.0, between(0.0, 720.0))
    snapshots: int = _setting(200, between(0, 100_000))
    min_free_mb: int = _setting(200, between(0, 1_000_000))
    seal_to: str = _setting("", seal_key)
