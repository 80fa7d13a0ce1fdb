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
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, get_type_hints

from device.config_sections import (
    KEY_FILE,
    MADE_UP,
    NETWORK_PORTS,
    NO_LINE,
    NO_MODEL,
    AlarmsSection,
    ButtonsSection,
    DisplaySection,
    ElectrodesSection,
    FiltersSection,
    FrontendSection,
    IndicatorsSection,
    ModelSection,
    PatientSection,
    RecordsSection,
    RingSection,
    SerialSection,
)
from hal.plain_file import read_first

MOST_TEXT = 1 << 14  # bytes of a settings file; what reads TOML takes minutes for a long key


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that may be set, by section."""

    frontend: FrontendSection = field(default_factory=FrontendSection)
    patient: PatientSection = field(default_factory=PatientSection)
    ring: RingSection = field(default_factory=RingSection)
    filters: FiltersSection = field(default_factory=FiltersSection)
    serial: SerialSection = field(default_factory=SerialSection)
    display: DisplaySection = field(default_factory=DisplaySection)
    buttons: ButtonsSection = field(default_factory=ButtonsSection)
    indicators: IndicatorsSection = field(default_factory=IndicatorsSection)
    electrodes: ElectrodesSection = field(default_factory=ElectrodesSection)
    alarms: AlarmsSection = field(default_factory=AlarmsSection)
    model: ModelSection = field(default_factory=ModelSection)
    records: RecordsSection = field(default_factory=RecordsSection)

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
