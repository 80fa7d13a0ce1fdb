"""Files of private keys: PKCS #8 PEM (RFC 8410), for their owner's eyes only, synced to the disk.

A passphrase locks a file with what ``cryptography`` calls best available (PBES2, AES-256); its key
derivation is quick, so the passphrase has to be long.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

MAX_BYTES = 64 << 10
OTHERS = stat.S_IRWXG | stat.S_IRWXO
KINDS = {  # what a file must hold
    Ed25519PrivateKey: "an Ed25519 key, as lead12 model keys makes them",
    X25519PrivateKey: "an X25519 key, as lead12 records key makes them",
}
Key = TypeVar("Key", Ed25519PrivateKey, X25519PrivateKey)


class KeysError(ValueError):
    """Keys that cannot be made or used; the message is one line: what is wrong and what to do."""


def create(path: Path, private: Key, passphrase: bytes | None) -> None:
    """A new file, never in place of another, readable by its owner only from the first byte on."""
    lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    try:
        data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    except ValueError:
        raise KeysError("the passphrase is too long; 1023 bytes are the most") from None
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        sync(path.parent)
    except OSError:
        path.unlink()
        raise


def read(path: Path, passphrase: bytes | None, kind: type[Key]) -> Key:
    """The key of that kind in a file that nobody else may read. Raises KeysError."""
    with plainly(path), path.open("rb") as stream:
        if os.fstat(stream.fileno()).st_mode & OTHERS:
            raise KeysError(
                f"{path} can be read by others, so it may be stolen already; if it is not, "
                f"chmod 600 {path}"
            )
        data = stream.read(MAX_BYTES)
    try:
        private = load_pem_private_key(data, passphrase or None)
    except TypeError:  # cryptography's way of telling these two
        if passphrase:
            raise KeysError(f"{path} has no passphrase; leave it out") from None
        raise KeysError(f"{path} is locked; give its passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = "the passphrase is wrong, or " if passphrase else ""
        raise KeysError(f"{path} cannot be read: {wrong}it is not a private key") from None
    if not isinstance(private, kind):
        raise KeysError(f"{path} is not {KINDS[kind]}")
    return private


def public(private: Ed25519PrivateKey) -> bytes:
    """The raw public key, 32 bytes."""
    return private.public_key().public_bytes_raw()


def sync(folder: Path) -> None:
    """Make the names in a folder outlast a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_in(folder: Path) -> Iterator[None]:
    """A folder, made where there is none and for its owner only, for what is made in it.

    When that fails, what was made of the folder is gone again. Raises KeysError.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with plainly(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            yield
    except KeysError:
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise


@contextmanager
def plainly(path: Path) -> Iterator[None]:
    """What the system says about ``path`` as a KeysError."""
    try:
        yield
    except OSError as error:
        raise KeysError(f"{error.filename or path}: {error.strerror}") from None
