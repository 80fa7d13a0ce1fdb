"""What was changed by buttons or over the line, kept over a restart.

A small JSON file: ``{"naming": {"value": "IEC", "instead_of": "AHA"}}``. A change holds for as long
as the settings file says what it said when the change was made; when a technician edits that
setting there, the file counts again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from device.config import Config, ConfigError
from device.flash import files
from device.kept_file import KeptFile

FILE = "settings.json"
MOST = 4096  # bytes


class SettingsStore:
    """The file in ``folder``, which need not be there; other processes do not write it.

    names : of the settings that are kept -> their place in the configuration ("filters.mains_hz")
    config : what the settings file says
    log : takes one line for whatever cannot be used
    """

    def __init__(
        self,
        folder: Path,
        names: Mapping[str, str],
        config: Config,
        log: Callable[[str], None],
    ) -> None:
        self.file = KeptFile(folder / FILE, "settings")
        self._names, self._base, self._log = names, config, log
        self._kept: dict[str, dict[str, Any]] = {}
        self.config = self._restore()

    def save(self, name: str, value: Any) -> None:
        """Setting ``name`` was changed to ``value``; returns at once."""
        base = self._base.get(self._names[name])
        self._kept.pop(name, None)
        if value != base:
            self._kept[name] = {"value": value, "instead_of": base}
        self.file.write((json.dumps(self._kept, indent=1) + "\n").encode())

    def _restore(self) -> Config:
        """The settings file's settings with the changes over them."""
        config = self._base
        for name, entry in self._read().items():
            try:
                dotted = self._names[name]
                if entry["instead_of"] != self._base.get(dotted):
                    continue
                config = config.override({dotted: entry["value"]}, str(self.file.path))
            except (ConfigError, KeyError, TypeError) as error:
                odd = f"{self.file.path}: {name!a:.40}"
                why = error if isinstance(error, ConfigError) else odd
                self._log(f"{why}; this setting is as the settings file has it")
            else:
                self._kept[name] = entry
        return config

    def _read(self) -> dict[str, Any]:
        try:
            tree = json.loads(files.read(self.file.path, MOST))
            if not isinstance(tree, dict):
                raise ValueError("not an object")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            said = error.strerror if isinstance(error, OSError) else "damaged"
            self._log(f"{self.file.path}: {said}; settings are as the settings file has them")
            return {}
        return tree
