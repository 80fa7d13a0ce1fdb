"""The reader of bundles, the network's file, the manifest's schema and the signatures in it."""

from __future__ import annotations

import base64
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from device.flash.document import canonical
from device.flash.keyring import Keyring, TrustError, bundle_message, verify, verify_stored
from firmware.archive import (
    MANIFEST,
    MODEL,
    SIGNATURES,
    SUMS,
    BundleError,
    _zip,
    pack,
    sha256,
    unpack,
)
from firmware.bundle import Bundle, check_schema
from tests.device.bundle_kit import (
    NOW,
    keyring,
    private_key,
    signed,
    unsigned_bundle,
)
from tests.firmware.small_network import OUTPUTS, small_network, with_pool
from tests.fuzz.mutate import change_bytes, change_json, change_words, dump
from tests.fuzz.watch import FindingError, one_line

SAMPLES, LEADS = 4, 12


def _small(manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    """Down to what is quickly read: three outputs, four samples, one finding."""
    name = manifest["golden"][0]
    model = small_network(SAMPLES, LEADS)
    group = manifest["groups"][0]
    labels = group["labels"][:OUTPUTS]
    manifest.update(
        groups=[group | {"labels": labels, "means": {}}],
        findings=[manifest["findings"][0] | {"any": [[group["name"], labels[0], 0.5]]}],
        fusion={group["name"]: {labels[0]: [0.0] * len(_weights(manifest))}},
        measured={"records": 1, "systems": {}, "labels": {}},
        model_bytes=len(model),
        model_sha256=sha256(model),
    )
    manifest["input"]["samples"] = SAMPLES
    files[MODEL] = model
    files["card.md"] = b"# card"
    for part, size in (("counts", 16), ("tensor", SAMPLES * LEADS), ("logits", OUTPUTS)):
        files[f"golden/{name}.{part}"] = bytes(size)


def _changed(rng: random.Random, data: bytes) -> bytes:
    try:
        return dump(rng, change_json(rng, json.loads(data)))
    except (ValueError, RecursionError):  # it was changed before
        return change_bytes(rng, data, data)


def _weights(manifest: dict[str, Any]) -> list[float]:
    weights: list[float] = next(iter(next(iter(manifest["fusion"].values())).values()))
    return weights


TRUSTED = keyring(2)
SEED = unsigned_bundle(change=_small)


class BundleTarget:
    """Everything an installer reads of a file before it runs anything of it."""

    name = "bundle"

    def seeds(self) -> list[bytes]:
        """Unsigned; signed with keyrings new, old, odd and strange; signed in vain; pooling."""
        rings = (keyring(1), TRUSTED, keyring(2, seeds=(1,)), keyring(3, revoked=(1,)),
                 keyring(3, root=98))  # fmt: skip
        return [
            SEED,
            *(signed(SEED, ring=ring) for ring in rings),
            signed(SEED, seed=3),
            signed(SEED, at=NOW - timedelta(days=400)),
            signed(SEED, at=NOW + timedelta(days=400)),
            pack({**unpack(SEED), MODEL: with_pool(unpack(SEED)[MODEL])}),
        ]

    def run(self, data: bytes, folder: Path) -> None:
        """BundleError and TrustError in one line, or a bundle that is what it was."""
        try:
            bundle = Bundle.from_bytes(data)
        except BundleError as error:
            one_line(str(error))
            return
        if pack(unpack(data)) != data:
            raise FindingError("a bundle that pack does not write was accepted")
        for trusted in (TRUSTED, None):
            try:
                found = verify(bundle, trusted, now=NOW, production=True)
                if Keyring.from_json(found.keyring.to_json()) != found.keyring:
                    raise FindingError("a keyring changes when it is written and read")
                verify_stored(bundle, trusted)
            except TrustError as error:
                one_line(str(error))
        try:
            check_schema(bundle.manifest)
        except BundleError as error:
            one_line(str(error))

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A member, with hashes and signatures right or not; seldom the zip itself."""
        try:
            files, others = unpack(data), unpack(other)
        except BundleError:
            return change_bytes(rng, data, SEED)
        if rng.random() < 0.05:
            return change_bytes(rng, data, other)
        name = rng.choice((MODEL, MODEL, MANIFEST, MANIFEST, SIGNATURES, SIGNATURES, *files))
        was = files.get(name, b"")
        if name == SIGNATURES and was:
            files[name] = self._signatures(rng, was, files[SUMS])
        elif name == MANIFEST and rng.random() < 0.8:
            files[name] = _changed(rng, was)
        elif name == MODEL and rng.random() < 0.8:
            files[name] = change_words(rng, was, was)
        elif rng.random() < 0.1:
            files.pop(name, None)
        elif rng.random() < 0.1:
            files[rng.choice((name + "x", "../x", "golden/a.counts", "SIGNATURES"))] = was
        else:
            files[name] = change_bytes(rng, was, others.get(name, b""))
        if rng.random() < 0.1:
            return _zip(files)  # hashes as they were
        data = pack(files)
        return data if rng.random() < 0.5 or name == SIGNATURES else self._signed(data)

    def _signed(self, data: bytes) -> bytes:
        try:
            return signed(data)
        except BundleError:
            return data

    def _signatures(self, rng: random.Random, data: bytes, sums: bytes) -> bytes:
        """Changed JSON, in most cases signed anew, so that what comes after is reached."""
        if rng.random() < 0.1:
            return change_bytes(rng, data, data)
        try:
            value = change_json(rng, json.loads(data))
            if rng.random() < 0.7:
                root = private_key(99)
                text = b"lead12 keyring 1\n" + canonical(value["keyring"]["signed"])
                signature = base64.b64encode(root.sign(text)).decode()
                value["keyring"]["signatures"][0]["signature"] = signature
            if rng.random() < 0.7:
                at = bundle_message(sha256(sums), NOW)
                signature = base64.b64encode(private_key(1).sign(at)).decode()
                value["signatures"][0]["signature"] = signature
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            return data[:-1]
        return dump(rng, value)


TARGET = BundleTarget()
