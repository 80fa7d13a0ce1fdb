"""The settings file, the changes kept beside it, and the argument that hands both on."""

from __future__ import annotations

import json
import random
import tomllib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from device import config as settings
from device import last_good
from device.config import Config, ConfigError
from device.config_sections import MADE_UP
from device.link.commands import SETTINGS
from device.records.folder import records_folder
from device.settings_store import FILE, SettingsStore
from tests.fuzz.mutate import change_bytes, change_json, change_text, dump, join, split
from tests.fuzz.watch import FindingError, one_line

WORDS = (b"[frontend.options]", b"[[alarms]]", b"{a = 1}", b"[" * 2000, b'"\\u0000"', b'"a\\nb"',
         b"'''", b'"""', b"1979-05-27", b"07:32:00", b"1979-05-27T07:32:00Z", b"nan", b"inf",
         b"true", b"a.b.c", b'"\\U0001F600"', b"x = 1\n", b"[alarms]\n", b"[frontend]\n", b"\xff",
         b"\xef\xbb\xbf", b"\r\n", b'"\xe2\x80\xae"', b'"' + b"y" * 3000 + b'"',
         b"x" * 900)  # fmt: skip


def _toml() -> bytes:
    """Every setting, as it is by default."""
    lines: list[str] = []
    for section, values in asdict(Config()).items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items() if value != {}]
    return "\n".join([*lines, '[frontend.options]\nspi = "0.0"', ""]).encode()


class ConfigTarget:
    """An input: a settings file, what was kept of changes, an argument as JSON, a good copy."""

    def seeds(self) -> list[bytes]:
        """Defaults; what is given in practice; changes that count, that do not, that are none."""
        kept = {"naming": {"value": "IEC", "instead_of": "AHA"}, "lead": {"value": "V1"}}
        device = (
            b'[frontend]\nbackend = "ads1298"\ngain = 6\n[serial]\nport = "/dev/serial0"\n'
            b'[model]\npath = "m.l12"\n[records]\nfolder = "records"\ncontinuous_hours = 24\n'
            b"[buttons]\npage = 5\nok = 6 # to ground\n[alarms]\ntachy_bpm = 130\n"
        )
        argument = Config().to_json().encode()
        return [
            join(_toml(), b"", argument, _toml()),
            join(device, json.dumps(kept).encode(), argument, device),
            join(device[:60], b"", argument, device),
            join(b"", b"", b"", device),
        ]

    def run(self, data: bytes, folder: Path) -> None:
        """ConfigError in one line, or settings that are the same after every way they go."""
        file, kept, argument, copy = split(data, 4)
        path = folder / "lead12.toml"
        path.write_bytes(file)
        (folder / FILE).write_bytes(kept)
        base = Config()
        try:
            base = settings.load(path)
        except ConfigError as error:
            one_line(str(error))
        else:
            self._check(base)
        with suppress(UnicodeDecodeError):
            try:
                self._check(settings.from_json(argument.decode("utf-8", "surrogateescape")))
            except ConfigError as error:
                one_line(str(error))
        self._fall_back(path, copy)
        store = SettingsStore(folder, SETTINGS, base, one_line)
        store.file.close()
        self._check(store.config)

    def _fall_back(self, path: Path, copy: bytes) -> None:
        """As an installed device does when its file is damaged, or gone."""
        good = path.with_name(last_good.COPY)
        good.write_bytes(copy)
        for named in (path, path.with_name("gone.toml")):
            try:
                found = last_good.read([str(named)], good)
            except ConfigError as error:
                one_line(str(error))
                continue
            self._check(found.config)
            one_line(found.fault or "-")
            if found.fault and named == path and found.config.frontend.backend in MADE_UP:
                raise FindingError("a damaged file made a simulated patient of a device")

    def _check(self, config: Config) -> None:
        if settings.from_json(config.to_json()) != config:
            raise FindingError("the settings change on their way to another process")
        for place in (settings.ring_path(config), settings.inject_path(config),
                      records_folder(config)):  # fmt: skip
            if "\0" in str(place):
                raise FindingError("a path that no system takes was accepted")
        for section, values in asdict(config).items():
            for key, value in values.items():
                if isinstance(value, str) and value and not value.isprintable():
                    raise FindingError(f"{section}.{key} is no plain text: {value!a:.80}")

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """One of the files: a value of it, the text, seldom its bytes."""
        parts, others = split(data, 4), split(other, 4)
        at = rng.choice((0, 0, 0, 1, 2, 3))
        part = parts[at]
        if rng.random() < 0.1:
            parts[at] = change_bytes(rng, part, others[at])
        elif at in (0, 3) and rng.random() < 0.5:
            parts[at] = self._setting(rng, part)
        elif at in (0, 3):
            parts[at] = change_text(rng, part, WORDS)
        else:
            try:
                parts[at] = dump(rng, change_json(rng, json.loads(part)))
            except (ValueError, RecursionError):
                parts[at] = change_bytes(rng, part, others[at])
        return join(*parts)

    def _setting(self, rng: random.Random, text: bytes) -> bytes:
        """A line of its own for one setting, so that the file stays one."""
        with suppress(ValueError, RecursionError):
            tree = tomllib.loads(text.decode())
            held = [name for name in tree if isinstance(tree[name], dict)]
            if held:
                section = rng.choice(held)
                value = rng.choice((*WORDS, b"0", b"-1", b"1.5", b"60", b'"a"', b'""', b"[]"))
                key = rng.choice([*tree[section], "extra"]).encode()
                lines = [line for line in text.splitlines() if not line.startswith(key + b" =")]
                head = b"[%s]" % section.encode()
                if head in lines:
                    lines.insert(lines.index(head) + 1, b"%s = %s" % (key, value))
                return b"\n".join(lines) + b"\n"
        return change_text(rng, text, WORDS)


TARGET = ConfigTarget()
