"""The settings of an installed device: its file, or the last copy of it that a monitor ran with.

``lead12 run`` hands its settings to the processes as JSON. Who names a file instead is systemd, on
a device with a patient on it. There nothing is taken for granted: the file must name its front
end, or an emptied file would mean the defaults, which are a simulated patient. A file that is
missing or damaged is replaced by ``lead12.toml.good`` in ``$STATE_DIRECTORY``; that is told for as
long as it lasts. A copy that means a simulated patient stands in for a missing file only: whoever
left a broken one may have been about to put a real front end there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device.config import MOST_TEXT, Config, ConfigError, from_json, parse, tables, unreadable
from device.config_sections import BACKENDS, MADE_UP
from device.flash import files
from hal.frontend import SAMPLE_RATE_HZ
from hal.plain_file import read_first

COPY = "lead12.toml.good"
MODE = 0o640  # acquire, which reads it too, is in the group
MOST = 1 << 16  # bytes
# Samples from the front end that the file names: what kills a start, or brings no signal, is not
# what to fall back on.
PROVEN = 60 * SAMPLE_RATE_HZ
_BLANK = b"\0 \t\r\n"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process runs with.

    fault : why it is the copy, one sentence; "" while it is the file
    text : of the file; b"" where there is nothing to keep
    """

    config: Config
    fault: str = ""
    text: bytes = b""


def copy_path(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where the copy is; None where systemd named no place for it."""
    folder = environment.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(folder) / COPY if folder else None


def read(arguments: list[str], copy: Path | None = None) -> Settings:
    """The one argument of a device process: JSON from ``Config.to_json``, or the device's file.

    copy : to fall back on, when there is one; see ``copy_path``
    Raises ConfigError when there is nothing to run with.
    """
    if len(arguments) != 1:
        raise ConfigError(f"one settings file expected, not {len(arguments)} arguments")
    if arguments[0].startswith("{"):
        return Settings(from_json(arguments[0]))
    path = Path(arguments[0])
    kept = _kept(copy)
    try:
        text = read_first(path, MOST_TEXT + 1)
    except OSError as error:
        return _fall_back(path, unreadable(path, error), copy, kept, there=False)
    try:
        if text and text != kept and kept.startswith(text) and not text.endswith(b"\n"):
            raise ConfigError(f"{path}: is cut off in the middle of a line")
        return Settings(of_device(text, path), text=text)
    except ConfigError as error:
        return _fall_back(path, error, copy, kept, there=True)


def of_device(text: bytes, path: Path) -> Config:
    """The settings in ``text``, which names its front end. Raises ConfigError."""
    if not text.strip(_BLANK):
        raise ConfigError(f"{path}: is empty; remove it and install again, or copy yours back")
    section: Any = tables(text, path).get("frontend")
    config = parse(text, path)
    if not section or "backend" not in section:
        raise ConfigError(
            f'{path}: does not name the front end ([frontend] backend = "ads1298" or another)'
        )
    if config.frontend.backend not in BACKENDS:
        raise ConfigError(
            f"{path}: frontend.backend must be one of {', '.join(BACKENDS)}, "
            f"not {config.frontend.backend[:40]!r}"
        )
    return config


def _kept(copy: Path | None) -> bytes:
    """The copy's bytes, b"" where there is none to be read."""
    try:
        return files.read(copy, MOST) if copy is not None else b""
    except OSError:
        return b""


def _fall_back(
    path: Path, wrong: ConfigError, copy: Path | None, kept: bytes, *, there: bool
) -> Settings:
    """The copy's settings. Raises ConfigError when they cannot be used."""
    if copy is None or not kept:
        raise wrong
    try:
        config = of_device(kept, path)  # relative paths in it are relative to the file
    except ConfigError:
        raise ConfigError(f"{wrong}; its copy {copy} is damaged, too") from None
    if there and config.frontend.backend in MADE_UP:
        raise ConfigError(
            f"{wrong}; its copy has no patient on it ({config.frontend.backend}) and is not used"
        )
    day = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
    return Settings(
        config, f"settings: {wrong}; the copy of {day:%Y-%m-%d} runs: mend the file and restart"
    )


class LastGood:
    """Keeps the copy, for the monitor.

    copy : where; None: nowhere
    failure : why it is the copy that runs, or why none is kept; "" while nothing is wrong
    """

    def __init__(self, settings: Settings, copy: Path | None) -> None:
        self.failure = settings.fault
        self._text, self._copy = settings.text, copy
        self._due = PROVEN
        real = settings.config.frontend.backend not in MADE_UP
        if copy is not None and self._text and real:
            self._forget_simulated(copy)

    def ran(self, samples: int) -> None:
        """So many samples were processed since the start; called now and then."""
        if self._copy is None or not self._text or samples < self._due:
            return
        self._due = samples + PROVEN  # where it fails now
        try:
            if _kept(self._copy) != self._text:
                fresh = files.new_of(self._copy)
                files.write(fresh, self._text, mode=MODE)
                fresh.chmod(MODE)  # whatever the umask
                files.replace(fresh, self._copy)
            self._text, self.failure = b"", ""
        except OSError as error:
            self.failure = f"no copy of the settings is kept: {self._copy}: {error.strerror}"

    def _forget_simulated(self, copy: Path) -> None:
        """From the first start with a real front end no copy may bring the simulated one back."""
        try:
            if parse(_kept(copy), copy).frontend.backend in MADE_UP:
                files.remove(copy)
                files.sync_folder(copy.parent)
        except (ConfigError, OSError):
            pass  # damaged is never used; what cannot be removed is told when it cannot be replaced
