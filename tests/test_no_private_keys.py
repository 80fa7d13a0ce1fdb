"""No private key is in the repository, in any of the spellings that key files come in.

A bare seed of 32 bytes looks as any hash does and cannot be told; no tool of ours writes one.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

ROOT = Path(__file__).parent.parent
SKIPPED = {".git", ".venv", "__pycache__", "node_modules", "runs", "shared", "out", "dist", "build"}

# RFC 8410: { 1.3.101.112 } and { 1.3.101.110 }, OCTET STRING of an OCTET STRING of 32 bytes; in
# pieces, so that this file is not found
_HEADS = (
    *(bytes.fromhex(f"300506032b65{kind}" + "04220420") for kind in ("70", "6e")),
    b"openssh-key-v1\0",
)


def _base64_of(head: bytes) -> list[bytes]:
    """What stays the same of ``head`` in base64, wherever in a group of three it begins."""
    spellings = []
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + head)
        spellings.append(text[[0, 2, 3][shift] : len(head + bytes(shift)) * 8 // 6])
    return spellings


SIGNS = {
    "PEM": rb"-----BEGIN[A-Z0-9 ]{0,30} PRIVATE KEY(?: BLOCK)?-----",
    "age": rb"AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]{20}",
    "PuTTY": rb"PuTTY-User-Key-File-[0-9]",
    "DER": b"|".join(map(re.escape, _HEADS)),
    "hexadecimal": b"(?i:" + b"|".join(head.hex().encode() for head in _HEADS) + b")",
    "base64": b"|".join(
        re.escape(text) for head in _HEADS for text in _base64_of(head)
    ),
    "base64url": b"|".join(
        re.escape(text.translate(bytes.maketrans(b"+/", b"-_")))
        for head in _HEADS
        for text in _base64_of(head)
    ),
}  # fmt: skip


def private_keys(path: Path) -> list[str]:
    """The spellings of private keys in a file."""
    data = path.read_bytes()
    return [name for name, sign in SIGNS.items() if re.search(sign, data)]


def files_of_the_repository() -> list[Path]:
    """What git has or would take in; of an unpacked archive, the files of its tree."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not SKIPPED.intersection(path.relative_to(ROOT).parts)
    ]


def test_no_file_of_the_repository_holds_a_private_key() -> None:
    files = files_of_the_repository()
    assert Path(__file__) in files
    assert len(files) > 100
    found = {str(path.relative_to(ROOT)): private_keys(path) for path in files}
    assert {name: keys for name, keys in found.items() if keys} == {}
    assert [path for path in files if path.suffix == ".key"] == []


def test_git_ignores_key_files() -> None:
    assert "*.key" in (ROOT / ".gitignore").read_text().splitlines()


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _der(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _locked(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))


def _openssh(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _rsa(_: Ed25519PrivateKey) -> bytes:
    key = generate_private_key(public_exponent=65537, key_size=1024)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _body(pem: bytes) -> bytes:
    return b"".join(pem.splitlines()[1:-1])


SPELLINGS: dict[str, Callable[[Ed25519PrivateKey], bytes]] = {
    "PEM": _pem,
    "DER with the public key": lambda key: _der(key).replace(b"\2\1\0", b"\2\1\1"),
    "PEM locked": _locked,
    "PEM RSA": _rsa,
    "PEM OpenSSH": _openssh,
    "DER": _der,
    "hexadecimal": lambda key: _der(key).hex().encode(),
    "hexadecimal upper": lambda key: _der(key).hex().upper().encode(),
    "base64": lambda key: base64.b64encode(_der(key)),
    "base64 1": lambda key: base64.b64encode(b"\1" + _der(key)),
    "base64 2": lambda key: base64.b64encode(b"\1\2" + _der(key)),
    "base64url": lambda key: base64.urlsafe_b64encode(_der(key)),
    "base64 OpenSSH": lambda key: _body(_openssh(key)),
    "age": lambda key: b"AGE-SECRET-KEY-1" + base64.b32encode(key.private_bytes_raw()),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_private_key_is_found_in_every_spelling(tmp_path: Path, spelling: str) -> None:
    file = tmp_path / "innocent.txt"
    written = SPELLINGS[spelling](Ed25519PrivateKey.generate())
    file.write_bytes(b"some text, key = '" + written + b"'\nand more\n")
    assert spelling.split()[0] in private_keys(file)


def test_public_keys_and_prose_are_none(tmp_path: Path) -> None:
    file = tmp_path / "innocent.txt"
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    file.write_bytes(b"a private key; AGE-SECRET-KEY; " + public.hex().encode() + public)
    assert private_keys(file) == []
