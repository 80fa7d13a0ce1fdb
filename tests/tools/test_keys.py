"""The private side of a keyring: made once, never lost, and signing only what a device takes."""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from device.flash.keyring import MAX_KEYS, Keyring, Role, TrustError, verify
from firmware.archive import CARD, MANIFEST, SUMS, BundleError, pack, unpack
from firmware.bundle import Bundle
from tools import keys
from tools.key_files import KeysError, create

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
DAY = timedelta(days=1)
EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()


def made(folder: Path, passphrase: bytes | None = None, *, development: bool = False) -> Path:
    keys.new(
        folder, name="Workshop", development=development, days=90, passphrase=passphrase, now=NOW
    )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made(tmp_path / "keys")


def ring(folder: Path) -> Keyring:
    return Keyring.from_json((folder / "keyring.json").read_bytes())


def taken(data: bytes, trusted: Keyring, now: datetime = NOW) -> str:
    """The id of the key for which a device in production takes the bundle."""
    return verify(Bundle.from_bytes(data), trusted, now=now, production=True).key.id


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(KeysError) as caught:
        do()
    text = str(caught.value)
    assert text.isprintable()
    return text


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_new_keys_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = made(tmp_path / "keys")
    finally:
        os.umask(before)
    assert {path.name for path in folder.iterdir()} == {"root.key", "signing.key", "keyring.json"}
    for name in ("root.key", "signing.key"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b"PRIVATE" not in (folder / "keyring.json").read_bytes()
    assert [(key.name, key.role, key.expires) for key in ring(folder).keys] == [
        ("Workshop", Role.PRODUCTION, NOW + 90 * DAY)
    ]


def test_new_keys_replace_none(folder: Path) -> None:
    before = contents(folder)
    assert "already" in refused(lambda: made(folder))
    (folder / "keyring.json").unlink()
    (folder / "root.key").unlink()
    assert "signing.key already" in refused(lambda: made(folder))
    assert contents(folder) == {"signing.key": before["signing.key"]}


def test_a_file_of_a_key_is_never_written_over(folder: Path) -> None:
    before = contents(folder)
    with pytest.raises(FileExistsError):
        create(folder / "signing.key", Ed25519PrivateKey.generate(), None)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "wrong",
    [{"days": 0}, {"days": 3651}, {"name": ""}, {"name": "a\nb"}, {"passphrase": b"x" * 2000}],
)
def test_new_keys_of_nonsense(tmp_path: Path, wrong: dict[str, Any]) -> None:
    usual = {"name": "a", "development": False, "days": 90, "passphrase": None, "now": NOW}
    refused(lambda: keys.new(tmp_path / "keys", **(usual | wrong)))
    assert not list(tmp_path.rglob("*.key"))


def test_a_passphrase_locks_the_private_keys(tmp_path: Path) -> None:
    folder = made(tmp_path / "keys", b"open sesame")
    assert b"ENCRYPTED" in (folder / "root.key").read_bytes()
    assert b"ENCRYPTED" in (folder / "signing.key").read_bytes()
    before = contents(folder)
    assert "locked" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))
    assert "wrong" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW, passphrase=b"x"))
    assert "wrong" in refused(lambda: keys.rotate(folder, days=9, passphrase=b"x", now=NOW))
    assert contents(folder) == before
    keys.rotate(folder, days=90, passphrase=b"open sesame", now=NOW)
    keys.rotate_root(folder, passphrase=b"open sesame", now=NOW)
    for path in folder.glob("*.key"):
        assert b"ENCRYPTED" in path.read_bytes()
    assert taken(keys.sign(EMBEDDED, folder, now=NOW, passphrase=b"open sesame"), ring(folder))


def test_a_passphrase_for_keys_that_have_none(folder: Path) -> None:
    assert "leave it out" in refused(
        lambda: keys.sign(EMBEDDED, folder, now=NOW, passphrase=b"open sesame")
    )
    assert keys.sign(EMBEDDED, folder, now=NOW, passphrase=b"")


def test_what_is_signed_is_taken_and_nothing_of_it_is_changed(folder: Path) -> None:
    signed = keys.sign(EMBEDDED, folder, now=NOW)
    assert taken(signed, ring(folder)) == ring(folder).keys[0].id
    assert Bundle.from_bytes(signed).content == Bundle.from_bytes(EMBEDDED).content
    assert keys.sign(EMBEDDED, folder, now=NOW) == signed
    assert keys.sign(signed, folder, now=NOW) == signed


def test_signed_anew_by_others(folder: Path, tmp_path: Path) -> None:
    others = made(tmp_path / "others")
    signed = keys.sign(keys.sign(EMBEDDED, others, now=NOW), folder, now=NOW)
    assert taken(signed, ring(folder))
    with pytest.raises(TrustError):
        taken(signed, ring(others))


def test_a_development_key_signs_for_development(tmp_path: Path) -> None:
    folder = made(tmp_path / "keys", development=True)
    bundle = Bundle.from_bytes(keys.sign(EMBEDDED, folder, now=NOW))
    assert verify(bundle, ring(folder), now=NOW, production=False)
    with pytest.raises(TrustError, match="development"):
        verify(bundle, ring(folder), now=NOW, production=True)
    keys.rotate(folder, days=90, passphrase=None, now=NOW)
    assert {key.role for key in ring(folder).keys} == {Role.DEVELOPMENT}


def test_a_release_under_another_version(folder: Path) -> None:
    data = keys.sign(EMBEDDED, folder, now=NOW, version="9.8", counter=7)
    bundle = Bundle.from_bytes(data)
    assert (bundle.id, bundle.version, bundle.counter) == ("rhythm-9.8", "9.8", 7)
    assert bundle.card.startswith("# rhythm 9.8\n")
    assert taken(data, ring(folder))
    now, before = unpack(data), unpack(EMBEDDED)
    for name in set(before) - {MANIFEST, CARD, SUMS, "SIGNATURES"}:
        assert now[name] == before[name]
    manifest, old = json.loads(now[MANIFEST]), json.loads(before[MANIFEST])
    new = {"version": "9.8", "id": "rhythm-9.8", "security_counter": 7}
    assert manifest == old | new
    assert now[CARD].partition(b"\n")[2] == before[CARD].partition(b"\n")[2]
    assert Bundle.from_bytes(keys.sign(EMBEDDED, folder, now=NOW, counter=1)).counter == 1


@pytest.mark.parametrize("version", ["banana", "../x", "", "2", "2.1.1\n"])
def test_a_release_that_is_no_version(folder: Path, version: str) -> None:
    with pytest.raises(KeysError) as caught:
        keys.sign(EMBEDDED, folder, now=NOW, version=version)
    assert str(caught.value) == f"{version!r} is no version; a version looks like 2.1.1"


def test_versions_are_those_of_the_manifest() -> None:
    schema = resources.files("firmware").joinpath("schema", "manifest-v2.json").read_text()
    assert json.loads(schema)["properties"]["version"]["pattern"] == f"^{keys.VERSION}$"


@pytest.mark.parametrize("wrong", [{"counter": -1}, {"counter": 1 << 31}])
def test_a_release_that_fits_no_schema(folder: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="schema"):
        keys.sign(EMBEDDED, folder, now=NOW, **wrong)


@pytest.mark.parametrize("data", [b"", EMBEDDED[:-1], EMBEDDED[:5000] + b"x" + EMBEDDED[5001:]])
def test_a_damaged_bundle_is_not_signed(folder: Path, data: bytes) -> None:
    with pytest.raises(BundleError):
        keys.sign(data, folder, now=NOW)


def test_a_bundle_without_a_manifest_is_not_released(folder: Path) -> None:
    data = pack({**unpack(EMBEDDED), MANIFEST: b"none"})
    with pytest.raises(BundleError):
        keys.sign(data, folder, now=NOW, version="9.8")


def test_an_expired_key_signs_nothing_until_there_is_a_new_one(folder: Path) -> None:
    late = NOW + 90 * DAY
    assert keys.sign(EMBEDDED, folder, now=late - timedelta(seconds=1))
    assert "expired" in refused(lambda: keys.sign(EMBEDDED, folder, now=late))
    keys.rotate(folder, days=90, passphrase=None, now=late)
    assert taken(keys.sign(EMBEDDED, folder, now=late), ring(folder), late)


def test_a_clock_before_the_keys_signs_nothing_and_makes_none(folder: Path) -> None:
    early = NOW - DAY
    assert "not valid before" in refused(lambda: keys.sign(EMBEDDED, folder, now=early))
    assert "set the clock" in refused(
        lambda: keys.rotate(folder, days=90, passphrase=None, now=early)
    )


def test_rotate_makes_the_next_key_and_the_last_stays_valid(folder: Path) -> None:
    first = ring(folder)
    old = keys.sign(EMBEDDED, folder, now=NOW)
    file = (folder / "signing.key").read_bytes()
    one = keys.rotate(folder, days=30, passphrase=None, now=NOW + DAY)
    second = ring(folder)
    assert second.version == 2
    assert [key.id for key in second.keys] == [first.keys[0].id, one]
    assert second.keys[1].name == "Workshop"
    assert (folder / f"signing-{first.keys[0].id}.key").read_bytes() == file
    assert stat.S_IMODE((folder / "signing.key").stat().st_mode) == 0o600
    assert taken(keys.sign(EMBEDDED, folder, now=NOW + DAY), first, NOW + DAY) == one
    assert taken(old, second, NOW + DAY) == first.keys[0].id
    # the newer one expires first; then the older one signs again
    assert taken(keys.sign(EMBEDDED, folder, now=NOW + 40 * DAY), second) == first.keys[0].id


def test_rotate_needs_the_root_and_signing_does_not(folder: Path) -> None:
    (folder / "root.key").unlink()
    assert keys.sign(EMBEDDED, folder, now=NOW)
    assert "or missing" in refused(lambda: keys.rotate(folder, days=90, passphrase=None, now=NOW))


def test_rotate_up_to_the_keyrings_most(folder: Path) -> None:
    for _ in range(MAX_KEYS - 1):
        keys.rotate(folder, days=90, passphrase=None, now=NOW)
    before = contents(folder)
    assert "its most" in refused(lambda: keys.rotate(folder, days=90, passphrase=None, now=NOW))
    assert contents(folder) == before


def test_a_device_follows_to_a_new_root_even_from_behind(folder: Path) -> None:
    first = ring(folder)
    one = keys.rotate_root(folder, passphrase=None, now=NOW)
    assert ring(folder).version == 2
    assert ring(folder).root != first.root
    assert taken(keys.sign(EMBEDDED, folder, now=NOW), first)
    keys.rotate(folder, days=90, passphrase=None, now=NOW)
    keys.rotate_root(folder, passphrase=None, now=NOW)
    keys.rotate(folder, days=90, passphrase=None, now=NOW)
    assert ring(folder).version == 5
    assert taken(keys.sign(EMBEDDED, folder, now=NOW), first)
    old = next(path for path in folder.glob("root-*.key") if one not in path.name)
    old.unlink()
    keys.rotate(folder, days=90, passphrase=None, now=NOW)
    with pytest.raises(TrustError, match="not signed by this device's root"):
        taken(keys.sign(EMBEDDED, folder, now=NOW), first)


def test_revoke(folder: Path) -> None:
    first = ring(folder)
    old = keys.sign(EMBEDDED, folder, now=NOW)
    stolen = first.keys[0].id
    keys.revoke(folder, stolen, reason="laptop stolen", passphrase=None, now=NOW)
    assert ring(folder).version == 2
    assert "laptop stolen" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))
    assert taken(old, first)  # a device that has not heard of it
    with pytest.raises(TrustError, match="laptop stolen"):
        taken(old, ring(folder))
    keys.rotate(folder, days=90, passphrase=None, now=NOW)
    assert taken(keys.sign(EMBEDDED, folder, now=NOW), first) != stolen


def test_revoke_what_cannot_be(folder: Path) -> None:
    one, root = (entry["id"] for entry in reversed(keys.show(folder, now=NOW)))

    def revoke(what: str, reason: str = "lost") -> None:
        keys.revoke(folder, what, reason=reason, passphrase=None, now=NOW)

    assert "no key" in refused(lambda: revoke("0" * 16))
    assert "--root" in refused(lambda: revoke(root))
    assert "reason" in refused(lambda: revoke(one, ""))
    assert "reason" in refused(lambda: revoke(one, "two\nlines"))
    assert ring(folder).version == 1
    revoke(one)
    assert "already" in refused(lambda: revoke(one))


def test_show(folder: Path) -> None:
    one = keys.rotate(folder, days=30, passphrase=None, now=NOW)
    keys.revoke(folder, one, reason="lost", passphrase=None, now=NOW)
    for path in (folder, folder / "keyring.json"):
        root, first, second = keys.show(path, now=NOW)
        assert (root["role"], root["name"]) == ("root", "keyring version 3")
        assert (first["role"], first["state"]) == ("production", "valid")
        assert first["expires"] == "2027-02-19T08:00:00Z"
        assert (second["id"], second["state"]) == (one, "revoked since 2026-11-21: lost")
    states = [entry["state"] for entry in keys.show(folder, now=NOW + 90 * DAY)]
    assert states[1] == "expired since 2027-02-19"
    assert keys.show(folder, now=NOW - DAY)[1]["state"] == "not valid before 2026-11-21"
    json.dumps(keys.show(folder, now=NOW))


def test_show_of_nothing(tmp_path: Path) -> None:
    assert "No such file" in refused(lambda: keys.show(tmp_path / "none", now=NOW))
    (tmp_path / "x").write_bytes(b"PK\3\4")
    with pytest.raises(TrustError):
        keys.show(tmp_path / "x", now=NOW)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_reach_is_not_used(folder: Path, mode: int) -> None:
    (folder / "signing.key").chmod(mode)
    assert "chmod 600" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))
    assert "chmod 600" in refused(lambda: keys.rotate(folder, days=9, passphrase=None, now=NOW))
    (folder / "root.key").chmod(mode)
    assert "root.key" in refused(lambda: keys.rotate_root(folder, passphrase=None, now=NOW))


def test_the_wrong_file_for_a_key(folder: Path, tmp_path: Path) -> None:
    others = made(tmp_path / "others")
    file = folder / "signing.key"
    file.write_bytes((others / "signing.key").read_bytes())
    assert "is not the private key" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))
    file.write_bytes(
        X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    assert "not an Ed25519 key" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))
    file.write_bytes(b"x")
    assert "not a private key" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))
    file.unlink()
    assert "missing" in refused(lambda: keys.sign(EMBEDDED, folder, now=NOW))


ROTATIONS: dict[str, Callable[[Path], object]] = {
    "signing": lambda folder: keys.rotate(folder, days=90, passphrase=None, now=NOW),
    "root": lambda folder: keys.rotate_root(folder, passphrase=None, now=NOW),
    "revoke": lambda folder: keys.revoke(
        folder, ring(folder).keys[0].id, reason="lost", passphrase=None, now=NOW
    ),
}


def whole(folder: Path, trusted: Keyring) -> None:
    """Nothing is lost: both kinds of key still rotate, and a device follows."""
    keys.rotate(folder, days=90, passphrase=None, now=NOW)
    keys.rotate_root(folder, passphrase=None, now=NOW)
    assert taken(keys.sign(EMBEDDED, folder, now=NOW), trusted)


def killed_at(call: int, do: Callable[[], object]) -> bool:
    """Run ``do`` in a process that dies just before its n-th call that opens or renames a file."""
    child = os.fork()
    if child == 0:
        left = [call]

        def hook(event: str, _: object) -> None:
            if event in ("open", "os.rename", "os.remove"):
                left[0] -= 1
                if left[0] == 0:
                    os._exit(9)

        failed = 1
        try:
            sys.addaudithook(hook)
            do()
            failed = 0
        finally:
            os._exit(failed)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


@pytest.mark.parametrize("what", ROTATIONS)
def test_a_power_cut_anywhere_loses_no_key(tmp_path: Path, what: str) -> None:
    cuts = 0
    while True:
        folder = made(tmp_path / str(cuts))
        trusted = ring(folder)
        if not killed_at(cuts + 1, lambda folder=folder: ROTATIONS[what](folder)):
            break
        assert ring(folder).version in (1, 2)
        whole(folder, trusted)
        cuts += 1
    assert cuts >= {"signing": 10, "root": 10, "revoke": 5}[what]


@pytest.mark.parametrize("what", ROTATIONS)
def test_a_full_disk_loses_no_key(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for call in range(1, {"signing": 6, "root": 6, "revoke": 3}[what]):
        folder = made(tmp_path / str(call))
        trusted = ring(folder)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_at(call))
            assert "No space left" in refused(lambda folder=folder: ROTATIONS[what](folder))
        whole(folder, trusted)


def test_a_full_disk_leaves_no_half_of_new_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "keys"
    for call in range(1, 7):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full_at(call))
            assert "No space left" in refused(lambda: made(folder))
        assert not folder.exists()
    assert made(folder)


def full_at(call: int) -> Callable[[int], None]:
    left = [call]

    def fsync(_: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fsync
