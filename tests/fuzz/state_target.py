"""What a card holds beside records and settings: the model store's state and keys, log, alarms."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import tempfile
import zlib
from functools import cache
from pathlib import Path

from device.alarm_memory import FILE, AlarmMemory
from device.flash import audit
from device.flash.document import canonical
from device.flash.state import SLOTS
from device.flash.store import Store, StoreError
from firmware.alarms import Alarms
from firmware.bundle import Bundle
from hal.frontend import SAMPLE_RATE_HZ
from tests.device.bundle_kit import KEYRING, NOW, private_key, signed, unsigned_bundle, verified
from tests.device.test_alarm_memory import NOON, asystole, block, clock
from tests.fuzz.bundle_target import _small
from tests.fuzz.mutate import change_bytes, change_json, dump, join, split
from tests.fuzz.watch import FindingError, one_line

FILES = ("state.json", "keyring.json", "audit.log", FILE)
INDEX = 9_999  # of the first sample after the restart
UTC_OF = clock(NOON)


@cache
def _bundle(version: str) -> bytes:
    return signed(unsigned_bundle(version, change=_small))


@cache
def _read(data: bytes) -> Bundle:
    return Bundle.from_bytes(data)


def _put(store: Store, version: str) -> None:
    bundle = _read(_bundle(version))
    store.put(_bundle(version), verified(bundle), bundle, who="anna", clock_now=NOW)


@cache
def _alarms() -> tuple[bytes, bytes]:
    """An asystole that nobody had acknowledged, in this boot and in another one."""
    with tempfile.TemporaryDirectory() as name:
        asystole(Path(name), UTC_OF)
        data = (Path(name) / FILE).read_bytes()
    return data, data.replace(b'"one"', b'"two"')


class StateTarget:
    """An input is these four files; the two slots hold what was installed."""

    def seeds(self) -> list[bytes]:
        """Nothing; trusted; on trial; confirmed; confirmed and on trial; rolled back."""
        found = []
        with tempfile.TemporaryDirectory() as name:
            store = Store(Path(name), read=_read)
            for step in (
                lambda: None,
                lambda: store.trust(KEYRING, "anna", NOW),
                lambda: _put(store, "2.1"),
                lambda: store.confirm("anna", NOW),
                lambda: _put(store, "2.2"),
                lambda: store.choose(NOW, starting=True),
                lambda: store.rollback("anna", NOW),
            ):
                step()
                there = [Path(name) / file for file in FILES[:3]]
                parts = [path.read_bytes() if path.is_file() else b"" for path in there]
                found.append(join(*parts, _alarms()[len(found) % 2]))
        return found

    def run(self, data: bytes, folder: Path) -> None:
        """There is always a model, and a reason in one line; alarms are known or told unknown."""
        for file, part in zip(FILES, split(data, len(FILES)), strict=True):
            if part:
                (folder / file).write_bytes(part)
        for slot, version in zip(SLOTS, ("2.1", "2.2"), strict=True):
            (folder / f"{slot}.l12").write_bytes(_bundle(version))
        self._models(folder)
        memory, alarms = AlarmMemory(folder / FILE, UTC_OF, one_line, boot="one"), Alarms()
        told = memory.recall(alarms, block(INDEX))
        for second in range(20):
            alarms.pass_time(INDEX + second * SAMPLE_RATE_HZ)
        alarms.silence(INDEX + 20 * SAMPLE_RATE_HZ)
        memory.keep(alarms, INDEX + 20 * SAMPLE_RATE_HZ)
        memory.file.close()
        if memory.file.failure:
            raise FindingError(memory.file.failure)
        json.dumps(alarms.state(), allow_nan=False)
        for alarm in (*alarms.active, *(change.alarm for change in told)):
            one_line(alarm.text)

    def _models(self, folder: Path) -> None:
        store = Store(folder, read=_read, wait_s=0)
        for line in store.findings():
            one_line(line)
        for starting in (False, True, True):
            choice = store.choose(NOW, starting=starting)
            if choice.bundle.id not in ("rhythm-2.1", "rhythm-2.2", self._embedded(store)):
                raise FindingError(f"{choice.bundle.id} runs")
            for note in choice.notes:
                one_line(note)
        for change in (
            lambda: store.confirm("anna", NOW),
            lambda: store.rollback("anna", NOW),
            lambda: store.trust(KEYRING, "anna", NOW),
            lambda: _put(store, "2.2"),
        ):
            try:
                change()
            except StoreError as error:
                one_line(str(error))
        before = store.state()
        if store.state() != before:
            raise FindingError("the state is another one each time")
        for entry in audit.read(store.log_path):
            for text in (entry.text, entry.who, entry.model):
                one_line(text or "-")

    def _embedded(self, store: Store) -> str:
        return store._disk.embedded.id

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A file of another time; a value in one, its sums and signatures right or not."""
        parts, others = split(data, len(FILES)), split(other, len(FILES))
        at = rng.choice((0, 0, 1, 2, 2, 3, 3))
        if rng.random() < 0.1:
            parts[at] = others[at]
        elif rng.random() < 0.1:
            parts[at] = change_bytes(rng, parts[at], others[at])
        else:
            try:
                parts[at] = (self._state, self._keyring, self._log, self._json)[at](rng, parts[at])
            except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
                parts[at] = change_bytes(rng, parts[at], others[at])
        return join(*parts)

    def _json(self, rng: random.Random, data: bytes) -> bytes:
        return dump(rng, change_json(rng, json.loads(data)))

    def _state(self, rng: random.Random, data: bytes) -> bytes:
        value = change_json(rng, json.loads(data)["state"])
        text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
        return b'{"crc32":"%08x","state":%s}\n' % (zlib.crc32(text), text)

    def _keyring(self, rng: random.Random, data: bytes) -> bytes:
        value = change_json(rng, json.loads(data))
        signature = private_key(99).sign(b"lead12 keyring 1\n" + canonical(value["signed"]))
        value["signatures"][0]["signature"] = base64.b64encode(signature).decode()
        return canonical(value)

    def _log(self, rng: random.Random, data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        at = rng.randrange(len(lines))
        match rng.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at][: rng.randrange(len(lines[at]))])
            case 2:
                lines.insert(at, rng.choice(lines))
            case _:
                entry = change_json(rng, json.loads(lines[at]))
                entry.pop("hash", None)
                body = json.dumps(entry, separators=(",", ":")).encode()
                digest = hashlib.sha256(body).hexdigest()
                lines[at] = body[:-1] + f',"hash":"{digest}"}}\n'.encode()
        return b"".join(lines)


TARGET = StateTarget()
