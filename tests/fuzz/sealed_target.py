"""A sealed record as it is found: by the device, which cannot open it, and by who has the key."""

from __future__ import annotations

import json
import random
import struct
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from device.records import sealed
from device.records.folder import CONTINUOUS
from device.records.record_files import SEALED, SUFFIXES, Put
from device.records.seal_key import printed
from device.records.sealed import MAGIC, PUT, SIZE, TAG, Head, file_key, nonce
from hal.errors import RecordingError
from tests.device import records_kit
from tests.fuzz.mutate import change_bytes, change_json, change_text, dump
from tests.fuzz.records_target import NAME, WORDS, blocks
from tests.fuzz.watch import FindingError, one_line
from tools.unsealing import open_sealed, unseal

PRIVATE = X25519PrivateKey.from_private_bytes(bytes(range(32)))
TO = PRIVATE.public_key().public_bytes_raw()
ONE_TIME = X25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


@cache
def _records() -> tuple[bytes, bytes]:
    """A segment that grows, and the same ended."""
    section = replace(records_kit.SECTION, seal_to=printed(TO))
    with (
        tempfile.TemporaryDirectory() as name,
        mock.patch.object(sealed.X25519PrivateKey, "generate", return_value=ONE_TIME),
    ):
        keeper = records_kit.keeper(Path(name), section)
        for block in blocks(300):
            keeper.block(block)
        keeper.flush()
        path = (Path(name) / CONTINUOUS / NAME).with_suffix(SEALED)
        grows = path.read_bytes()
        keeper.close()
        return grows, path.read_bytes()


def _seal(place: bytes, puts: list[Put], *, last: bool, samples: int) -> bytes:
    """As the device writes it, in one frame."""
    preamble = MAGIC + SIZE.pack(len(place)) + place + ONE_TIME.public_key().public_bytes_raw()
    key = file_key(PRIVATE.exchange(ONE_TIME.public_key()), preamble, TO)
    plain = b"".join(
        PUT.pack(1 + SUFFIXES.index(put.suffix), put.offset, len(put.data)) + put.data
        for put in puts
    )
    plain += bytes(PUT.size)
    head = Head(len(plain) + TAG, 0, samples, last).packed()
    return preamble + head + key.encrypt(nonce(0), plain, head + bytes(TAG))


class SealedTarget:
    """An input is a sealed file."""

    def seeds(self) -> list[bytes]:
        """One that grows, one that ended."""
        return list(_records())

    def run(self, data: bytes, folder: Path) -> None:
        """The device records beside it; with the key, what is given out is told in one line."""
        state, out = folder / "state", folder / "out"
        path = (state / CONTINUOUS / NAME).with_suffix(SEALED)
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        for found in unseal(path, PRIVATE, out):
            if found.note:
                one_line(found.note)
            if found.record and out not in found.record.parents:
                raise FindingError(f"{found.record} is written")
        keeper = records_kit.keeper(state)
        for block in blocks(30):
            keeper.block(block)
        keeper.close()
        if keeper.failure:
            raise FindingError(f"nothing is recorded: {keeper.failure}")

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """Bytes of the file, or what is in it, sealed again."""
        if rng.random() < 0.3:
            return change_bytes(rng, data, other)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            try:
                opened = open_sealed(Path(file.name), PRIVATE)
                place = data[len(MAGIC) + SIZE.size :][: SIZE.unpack_from(data, len(MAGIC))[0]]
            except (RecordingError, struct.error):
                return change_bytes(rng, data, other)
        parts = {suffix: bytes(part) for suffix, part in opened.parts.items()}
        match rng.randrange(4):
            case 0:
                place = self._place(rng, place)
            case 1:
                parts[".hea"] = change_text(rng, parts[".hea"], WORDS)
            case 2:
                parts[".atr"] = change_bytes(rng, parts[".atr"], parts[".dat"])
            case _:
                parts[".dat"] = change_bytes(rng, parts[".dat"], parts[".atr"])
        puts = [Put(suffix, rng.choice((0, 0, 0, 0, 1)), part) for suffix, part in parts.items()]
        samples = rng.choice((300, 0, 1, (1 << 32) - 1))
        return _seal(place, puts, last=opened.closed ^ (rng.random() < 0.1), samples=samples)

    def _place(self, rng: random.Random, place: bytes) -> bytes:
        try:
            return dump(rng, change_json(rng, json.loads(place)))[: 1 << 15]
        except (ValueError, RecursionError):
            return change_bytes(rng, place, place)


TARGET = SealedTarget()
