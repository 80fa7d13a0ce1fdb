"""The instrument's settings: one TOML file, one frozen dataclass per section.

Every default runs on a laptop: simulated chip, simulated patient, terminal preview. A file names
only what differs; ``lead12 run`` options override the file. Unknown keys, wrong types and values
out of range are one-line errors that name the file and the key.
"""

from __future__ import annotations

import dataclasses
import difflib
import errno
import json
import os
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

from device.records.seal_key import SealKeyError
from device.records.seal_key import parse as parse_seal_key
from firmware.alarm_conditions import Limits
from firmware.alarms import DEFAULT_LIMITS, PAUSE_S
from firmware.events import LEADS
from hal.frontend import FrontendConfig
from hal.linux_gpio import HEADER_PIN
from hal.plain_file import read_first

MOST_TEXT = 1 << 14  # bytes of a settings file; what reads TOML takes minutes for a long key
NO_MODEL = "none"  # as [model] path
SLOWEST_BAUD, FASTEST_BAUD = 19_200, 4_000_000
KEY_FILE = "/etc/lead12/serial.key"  # what the installer makes
NETWORK_PORTS = ("socket://", "rfc2217://")  # pyserial's
MADE_UP = ("simulated", "injected", "replay")  # front ends without a patient on them

_A_FILE = "must name a file"
Check = Callable[[Any], str | None]  # what is wrong with a value, or None


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one line for the user."""


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
SIMULATED, INJECTED = "simulated", "injected"
BACKENDS = (SIMULATED, "ads1298", "ads1298-rpigpio", "linux-iio", INJECTED, "replay")


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


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that may be set, by section."""

    frontend: FrontendSection = FrontendSection()
    patient: PatientSection = PatientSection()
    ring: RingSection = RingSection()
    filters: FiltersSection = FiltersSection()
    serial: SerialSection = SerialSection()
    display: DisplaySection = DisplaySection()
    buttons: ButtonsSection = ButtonsSection()
    indicators: IndicatorsSection = IndicatorsSection()
    electrodes: ElectrodesSection = ElectrodesSection()
    alarms: AlarmsSection = AlarmsSection()
    model: ModelSection = ModelSection()
    records: RecordsSection = RecordsSection()

    def get(self, dotted: str) -> Any:
        """The value of ``"section.key"``."""
        section, _, key = dotted.partition(".")
        return getattr(getattr(self, section), key)

    def override(self, changes: Mapping[str, Any], source: str = "command line") -> Config:
        """A copy with ``{"section.key": value}`` applied and checked; ``None`` values are skipped.

        Raises ConfigError naming ``source``.
        """
        tree = dataclasses.asdict(self)
        for dotted, value in changes.items():
            if value is None:
                continue
            section, _, key = dotted.partition(".")
            tree.setdefault(section, {})[key] = value
        return from_tree(tree, source)

    def to_json(self) -> str:
        """One argument for a child process; ``from_json`` reads it back."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))


def load(path: Path) -> Config:
    """Read a TOML file; the paths of models, records and serial key are relative to it.

    Raises ConfigError: unreadable, not TOML, or a key or value refused.
    """
    try:
        text = read_first(path, MOST_TEXT + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    return parse(text, path)


def unreadable(path: Path, error: OSError) -> ConfigError:
    """Why a settings file cannot be read, and what to do."""
    installed = path.parent == Path(KEY_FILE).parent
    match error.errno:
        case errno.ENOENT:
            act = "installing Lead12 again makes a new one" if installed else "check the name"
        case errno.EACCES if installed:
            act = f"sudo chown root:lead12 {path}; sudo chmod 640 {path}"
        case _:
            act = "check the disk and who owns it"
    return ConfigError(f"{path}: cannot be read ({error.strerror}); {act}")


def tables(text: bytes, path: Path) -> dict[str, Any]:
    """TOML as it stands. Raises ConfigError, which names ``path``."""
    if len(text) > MOST_TEXT:
        raise ConfigError(f"{path}: more than {MOST_TEXT} bytes are no settings; name another file")
    try:
        return tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # ValueError also: a number of 4301 digits
        raise ConfigError(f"{path}: not valid TOML: {_plain(error, 200)}") from None


def parse(text: bytes, path: Path) -> Config:
    """``load`` of a file at ``path`` that says ``text``."""
    config = from_tree(tables(text, path), str(path))
    folder, model = path.absolute().parent, config.model
    model = dataclasses.replace(
        model,
        path=str(folder / model.path) if model.path not in ("", NO_MODEL) else model.path,
        store=str(folder / model.store) if model.store else "",
    )
    records = config.records
    records = dataclasses.replace(
        records, folder=str(folder / records.folder) if records.folder else ""
    )
    serial = dataclasses.replace(config.serial, key_file=str(folder / config.serial.key_file))
    return dataclasses.replace(config, model=model, records=records, serial=serial)


def from_json(text: str) -> Config:
    """The inverse of ``Config.to_json``. Raises ConfigError."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = _plain(error, 200)
        raise ConfigError(f"configuration argument: not valid JSON: {said}") from None
    return from_tree(tree, "configuration argument")


def ring_path(config: Config) -> Path:
    """Where the ring is: as configured, else where systemd says, else in shared memory."""
    if config.ring.path:
        return Path(config.ring.path)
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0]) / "lead12.ring"
    shared = Path("/dev/shm")
    return (shared if shared.is_dir() else Path(tempfile.gettempdir())) / "lead12.ring"


def inject_path(config: Config) -> Path:
    """Where acquire takes injected frames: a socket beside the ring."""
    return ring_path(config).with_suffix(".inject")


def from_tree(tree: Any, source: str) -> Config:
    """Nested tables to a Config, each key and value checked. Raises ConfigError."""
    if not isinstance(tree, dict):
        raise ConfigError(f"{source}: must be tables of settings")
    sections = get_type_hints(Config)
    _refuse_unknown(tree, sections, source, "section")
    built = {name: _section(sections[name], tree[name], source, name) for name in tree}
    config = Config(**built)
    _refuse_shared_lines(config, source)
    if config.serial.port.startswith(NETWORK_PORTS) and config.frontend.backend not in MADE_UP:
        raise ConfigError(
            f"{source}: serial.port must not be on the network in front of a patient, "
            f"not {config.serial.port}"
        )
    return config


def _refuse_shared_lines(config: Config, source: str) -> None:
    taken: dict[int, str] = {}
    for section in ("buttons", "indicators"):
        for key, line in dataclasses.asdict(getattr(config, section)).items():
            other = taken.setdefault(line, f"{section}.{key}")
            if line != NO_LINE and other != f"{section}.{key}":
                raise ConfigError(
                    f"{source}: {section}.{key} must have a line of its own, not {line}, "
                    f"which is {other}"
                )


def _section(kind: type[Any], table: Any, source: str, name: str) -> Any:
    if not isinstance(table, dict):
        raise ConfigError(f"{source}: [{name}] must be a table")
    types = get_type_hints(kind)
    _refuse_unknown(table, types, source, "key", name)
    checks = {f.name: f.metadata.get("check") for f in dataclasses.fields(kind)}
    values = {}
    for key, value in table.items():
        want = dict if key == "options" else types[key]
        if want is float and type(value) is int and abs(value) < 1 << 53:
            value = float(value)
        if type(value) is not want:
            words = {str: "a string", int: "a whole number", float: "a number"}
            raise ConfigError(
                f"{source}: {name}.{key} must be "
                f"{words.get(want, 'true or false' if want is bool else 'a table')}, "
                f"not {_shown(value)}"
            )
        if wrong := _unfit(value):
            raise ConfigError(f"{source}: {name}.{key} {wrong}")
        check = checks[key]
        if check and (wrong := check(value)):
            raise ConfigError(f"{source}: {name}.{key} {wrong}, not {_shown(value)}")
        values[key] = value
    section = kind(**values)
    wrong = section.inconsistent() if isinstance(section, AlarmsSection) else ""
    if wrong:
        raise ConfigError(f"{source}: {wrong}")
    return section


def _unfit(value: Any) -> str:
    """Why no system or other process could take ``value``; a table is of the front end's wiring."""
    if isinstance(value, str) and value and not value.isprintable():
        return "must be plain text"
    if isinstance(value, dict):
        for key, one in value.items():
            ok = isinstance(one, str | bool | int) or (isinstance(one, float) and isfinite(one))
            if not (key.isprintable() and ok and not _unfit(one)):
                return "may hold plain texts, numbers, true and false"
    return ""


def _shown(value: Any) -> str:
    try:
        return _plain(json.dumps(value, default=str))
    except RecursionError:
        return "a table"


def _plain(text: object, most: int = 80) -> str:
    """As it may stand in one line."""
    line = "".join(c if c.isprintable() else "?" for c in str(text))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _refuse_unknown(
    table: Mapping[str, Any], known: Mapping[str, Any], source: str, what: str, section: str = ""
) -> None:
    for key in table:
        if key in known:
            continue
        key = _plain(key)
        close = difflib.get_close_matches(key, known, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
        name = f"{section}.{key}" if section else key
        raise ConfigError(f"{source}: unknown {what} {name}; {hint}")
