"""What the installer refuses: a sentence that says why, and everything as it was."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from device.flash import files
from device.flash.install import Refused, install_file
from device.flash.selftest import Budget
from device.flash.store import Store
from firmware.archive import (
    MAX_BYTES,
    MODEL,
    SIGNATURES,
    SUMS,
    pack,
    sha256,
    unpack,
    with_signatures,
)
from tests.device import bundle_kit as kit
from tests.device.bundle_kit import (
    KEYRING,
    NOW,
    signed,
    signed_bundle,
    signing_key,
    unsigned_bundle,
)
from tests.device.install_kit import (
    ASK,
    EMBEDDED,
    GOOD,
    KEY,
    NAME,
    attempt,
    changed,
    contents,
    refused,
    with_input,
    with_member,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "models")
    made.trust(KEYRING, "tester", NOW)
    return made


REFUSALS: Mapping[str, tuple[bytes, str, str]] = {
    "too large": (
        bytes(MAX_BYTES + 1),
        "too_large",
        "the file has more than 50331648 bytes, the most of a model; check that it is the right "
        "file",
    ),
    "not a zip": (
        b"hello",
        "not_a_bundle",
        "not a model bundle, or a damaged one (it is no zip); copy it again",
    ),
    "truncated": (
        GOOD[:-1],
        "not_a_bundle",
        "the bundle's zip is not as lead12 writes it; copy it again",
    ),
    "no manifest": (
        signed(pack({MODEL: b"1234TFL3"})),
        "schema",
        "the bundle has no manifest.json; write it anew with lead12 quantize",
    ),
    "unknown member of the manifest": (
        changed(mood="good"),
        "schema",
        "manifest.json does not fit its schema at $: Additional properties are not allowed "
        f"('mood' was unexpected); {ASK}",
    ),
    "calibration out of range": (
        signed_bundle(change=lambda m, _: m["groups"][0].update(temperature=0)),
        "schema",
        f"group {EMBEDDED.groups[0].name} has a calibration out of range; {ASK}",
    ),
    "wrong label count": (
        signed_bundle(change=lambda m, _: m["groups"].pop()),
        "network",
        "the network's output is int8 [1, 93], its manifest says int8 [1, 80]; ask its maker ",
    ),
    "other shape": (
        with_input(samples=999),
        "network",
        "the network's input is int8 [1, 1000, 12], its manifest says int8 [1, 999, 12]; ask ",
    ),
    "network truncated": (
        with_member(MODEL, EMBEDDED.model[:2000]),
        "network",
        "model.tflite is damaged: ",
    ),
    "network is a program": (
        with_member(MODEL, b"\x7fELF" + bytes(100)),
        "network",
        "model.tflite is not a TensorFlow Lite network; ask its maker ",
    ),
    "newer format": (
        changed(format=3),
        "incompatible",
        "the bundle is of format 3, this firmware reads format 2; update the firmware",
    ),
    "older format": (
        changed(format=1),
        "incompatible",
        "the bundle is of format 1, this firmware reads format 2; have it made anew",
    ),
    "newer firmware": (
        changed(minimum_firmware="9.0.0"),
        "incompatible",
        "the bundle needs firmware 9.0.0, this is 0.3.0; update it",
    ),
    "other hardware": (
        changed(hardware=["lead12-max30003"]),
        "incompatible",
        "the bundle was made for lead12-max30003 and this is a lead12-ads1298; use a bundle made "
        "for it",
    ),
    "other filter": (
        with_input(filter={"profile": "model", "version": 2}),
        "incompatible",
        "the bundle was trained behind filter model version 2, this firmware has version 1; use a "
        "bundle made for it",
    ),
    "other leads": (
        with_input(leads=EMBEDDED.manifest["input"]["leads"][::-1]),
        "incompatible",
        "the bundle wants leads V6 V5 V4 V3 V2 V1 aVF aVL aVR III II I and this firmware gives "
        "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6; use a bundle made for it",
    ),
    "other abstention": (
        changed(abstention={"rule": "guess", "version": 1}),
        "incompatible",
        "the bundle abstains by rule guess version 1, this firmware by below_threshold version 1; "
        "use a bundle made for it",
    ),
    "unsigned": (
        unsigned_bundle(),
        "unsigned",
        f"{NAME} is not signed; have it signed (lead12 model sign)",
    ),
    "SIGNATURES is garbage": (
        with_signatures(unsigned_bundle(), b"\xff"),
        "bad_signature",
        f"SIGNATURES of {NAME} cannot be read (",
    ),
    "keyring in SIGNATURES is garbage": (
        with_signatures(GOOD, unpack(GOOD)[SIGNATURES].replace(b"maker 1", b"maker 9")),
        "keyring",
        "the keyring in SIGNATURES is not whole (",
    ),
    "changed after signing": (
        with_signatures(
            unsigned_bundle(change=lambda m, _: m.update(tolerance=0)), unpack(GOOD)[SIGNATURES]
        ),
        "bad_signature",
        f"the signature of {NAME} by key {KEY} is wrong: the model was changed after it was "
        "signed; copy it again from where it was signed",
    ),
    "signed by a stranger": (
        signed_bundle(ring=kit.keyring(root=98)),
        "untrusted",
        "the keyring of root key ",
    ),
    "stranger's key": (
        signed_bundle(seed=7),
        "untrusted",
        f"{NAME} is signed with key {signing_key(7).id}, which this device does not know; get the "
        "model from who looks after this device",
    ),
    "revoked key": (
        signed_bundle(ring=kit.keyring(version=2, revoked=[1])),
        "revoked",
        f"{NAME} is signed with key {KEY.id}, which was revoked on 2026-11-21 (stolen); have it "
        "signed with the present key",
    ),
    "signed before its key was valid": (
        signed(unsigned_bundle(), at=KEY.not_before - timedelta(days=1)),
        "not_yet_valid",
        f"{NAME} is signed with key {KEY}, which is valid from {KEY.not_before:%Y-%m-%d} on, not",
    ),
    "other golden logits": (
        with_member(f"golden/{EMBEDDED.golden[0].name}.logits", bytes(93)),
        "self_test",
        f"{NAME} failed: self-test {EMBEDDED.golden[0].name}: the network is off by ",
    ),
    "other golden tensor": (
        with_member(f"golden/{EMBEDDED.golden[0].name}.tensor", bytes(12_000)),
        "self_test",
        f"{NAME} failed: self-test {EMBEDDED.golden[0].name}: the filters do not "
        "give the bundle's tensor here; use a bundle made for this firmware",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_wrong_is_one_sentence_and_changes_nothing(case: str, store: Store) -> None:
    data, reason, says = REFUSALS[case]
    refused(store, data, reason, says)


@pytest.mark.parametrize("member", sorted(unpack(GOOD)))
def test_a_flipped_bit_in_any_member_is_refused(member: str, store: Store) -> None:
    """As a bad cable or card makes it, and as a forger would pass it on, all hashes set right."""
    content = bytearray(unpack(GOOD)[member])
    middle = len(content) // 2
    at = GOOD.index(content) + middle
    content[middle] ^= 1
    damaged = GOOD[:at] + content[middle : middle + 1] + GOOD[at + 1 :]
    refused(store, damaged, Refused.NOT_A_BUNDLE, "")
    if member != SUMS:
        forged = pack({**unpack(GOOD), member: bytes(content)})
        before = contents(store)
        assert attempt(store, forged).reason in {
            Refused.BAD_SIGNATURE, Refused.KEYRING, Refused.NETWORK, Refused.SCHEMA,
        }  # fmt: skip
        assert contents(store) == before


@pytest.mark.parametrize(
    ("budget", "reason", "says"),
    [
        (
            Budget(seconds=0.02),
            Refused.SELF_TEST,
            f"{NAME} did not finish its self-test within 0.02 s; ask whoever made it for one this "
            "board can run",
        ),
        (Budget(latency_ms=0.001, memory_mb=500), Refused.SLOW, f"{NAME} needs "),
        (Budget(latency_ms=5_000, memory_mb=0.5), Refused.MEMORY, f"{NAME} needs "),
    ],
)
def test_what_this_board_cannot_run_is_refused(
    budget: Budget, reason: str, says: str, store: Store
) -> None:
    refused(store, GOOD, reason, says, budget=budget)


def test_a_log_that_cannot_be_written_refuses_the_install(store: Store) -> None:
    store.log_path.rename(store.folder / "aside")
    store.log_path.mkdir()
    before = contents(store)
    outcome = attempt(store, GOOD)
    assert (outcome.ok, outcome.reason) == (False, Refused.STORAGE)
    assert "audit.log" in outcome.text
    assert "audit log" in attempt(store, unsigned_bundle()).text
    assert contents(store) == before


def test_a_disk_without_room_is_refused_before_and_while_writing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "free_bytes", lambda _folder: 400_000)
        refused(
            store,
            GOOD,
            Refused.NO_SPACE,
            f"the model needs {(len(GOOD) + 262_144) / 1e6:.1f} MB and {store.folder} has 0.4 MB "
            "free; delete what is not needed from the device's card",
        )
    write = files.write

    def full(path: Path, data: bytes, **how: Any) -> None:
        if path.name == "incoming.l12":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data, **how)

    monkeypatch.setattr(files, "write", full)
    says = f"the disk of {store.folder} is full; make room and try again"
    refused(store, GOOD, Refused.NO_SPACE, says)


def test_a_card_that_gives_back_other_bytes_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = files.write

    def worn(path: Path, data: bytes, **how: Any) -> None:
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= path.name == "incoming.l12"
        write(path, bytes(flipped), **how)

    monkeypatch.setattr(files, "write", worn)
    refused(
        store,
        GOOD,
        Refused.STORAGE,
        "the device's card gave back other bytes than were written to it; replace it",
    )


def test_of_a_file_no_more_is_read_than_a_bundle_may_have(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "film.l12"
    file.write_bytes(bytes(MAX_BYTES + 2))
    outcome = install_file(store, file, who="tester", clock_now=NOW, production=True)
    assert (outcome.reason, outcome.sha256) == (Refused.TOO_LARGE, sha256(bytes(MAX_BYTES + 1)))
