"""The file of a bundle: an uncompressed zip of known members, written in one way only.

``pack`` makes the same bytes of the same content everywhere, and ``unpack`` takes nothing but those
bytes: what the sizes, the hashes or the one way of writing do not vouch for is refused. Nothing is
ever written to a disk, no member is ever unpacked by its name.

``SHA256SUMS`` lists every member but itself and ``SIGNATURES``, which signs it and can therefore be
added later without touching anything else.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
from collections.abc import Mapping

# The largest network of the literature that reads leads, VGG-11, has 35 MB. A monitor may have 384
# MB, and holds a bundle twice.
MAX_BYTES = 48 << 20
MAX_MEMBERS = 64
MAX_MESSAGE = 400  # characters
SUMS, SIGNATURES = "SHA256SUMS", "SIGNATURES"
MANIFEST, MODEL, CARD = "manifest.json", "model.tflite", "card.md"
GOLDEN_PARTS = ("counts", "tensor", "logits")

_KNOWN = re.compile(
    "|".join(map(re.escape, (SUMS, SIGNATURES, MANIFEST, MODEL, CARD)))
    + rf"|golden/[a-z0-9-]{{1,64}}\.(?:{'|'.join(GOLDEN_PARTS)})"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL_MAGIC = b"PK\3\4"
_LOCAL = struct.Struct("<6x2H8x2L2H")  # APPNOTE.TXT 4.3.7: flags, method, sizes, name, extra
_ENCRYPTED = 1
_AGAIN = "copy it again"


class BundleError(ValueError):
    """The bundle cannot be used; the message is one line: what is wrong and what to do.

    It stays one plain line of bounded length, whatever of the bundle is quoted in it.
    """

    def __init__(self, message: str) -> None:
        if len(message) > MAX_MESSAGE:
            half = MAX_MESSAGE // 2 - 2
            message = f"{message[:half]} .. {message[-half:]}"  # the advice is at the end
        super().__init__("".join(c if c.isprintable() else "?" for c in message))


class IncompatibleError(BundleError):
    """A whole bundle, but one that was made for other firmware or another board."""


class NetworkFileError(BundleError):
    """The bundle is whole, but the network in it is damaged or not one this firmware runs."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """The one way to write a bundle: sorted members, no compression, no clock; adds SHA256SUMS."""
    signatures = {name: data for name, data in files.items() if name == SIGNATURES}
    content = {name: data for name, data in files.items() if name not in (SUMS, SIGNATURES)}
    return _zip({**content, SUMS: _sums(content), **signatures})


def with_signatures(data: bytes, signatures: bytes) -> bytes:
    """The bundle ``data`` with this SIGNATURES member in place of any it has.

    Raises BundleError when ``data`` is no bundle.
    """
    return pack({**unpack(data), SIGNATURES: signatures})


def unpack(data: bytes) -> dict[str, bytes]:
    """The members of a bundle, hashes checked. Raises BundleError in one line."""
    if len(data) > MAX_BYTES:
        raise BundleError(f"the bundle has {len(data)} bytes; at most {MAX_BYTES} are accepted")
    files = _members(data)
    if SUMS not in files:
        raise BundleError("not a model bundle: it has no SHA256SUMS")
    content = {name: of for name, of in files.items() if name not in (SUMS, SIGNATURES)}
    listed = {}
    for line in files[SUMS].decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    for name in sorted(content):
        if listed.get(name) != sha256(content[name]):
            raise BundleError(f"{name} is not what SHA256SUMS says; {_AGAIN}")
    if files[SUMS] != _sums(content):
        raise BundleError(f"SHA256SUMS lists other members than there are; {_AGAIN}")
    if _zip(files) != data:
        raise BundleError(f"the bundle's zip is not as lead12 writes it; {_AGAIN}")
    return files


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256."""
    return hashlib.sha256(data).hexdigest()


def _members(data: bytes) -> dict[str, bytes]:
    """Every member, front to back; what is claimed is checked before anything is copied.

    The directory at the end is not read: ``unpack`` holds it against the one way of writing it.
    """
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == _LOCAL_MAGIC:
        if len(files) == MAX_MEMBERS:
            raise _damaged(f"more than {MAX_MEMBERS} members")
        if at + _LOCAL.size > len(data):
            raise _damaged("it is cut off")
        flags, method, packed, size, name_bytes, extra = _LOCAL.unpack_from(data, at)
        start = at + _LOCAL.size + name_bytes + extra
        at = start + size
        name = data[start - extra - name_bytes : start - extra].decode("latin-1")
        if not _KNOWN.fullmatch(name):
            raise BundleError(f"the bundle holds {name[:60]!a}, which no bundle has; {_AGAIN}")
        if name in files:
            raise _damaged(f"{name} is in it twice")
        if method != zipfile.ZIP_STORED:
            raise _damaged("it is compressed")
        if flags & _ENCRYPTED:
            raise _damaged("it is encrypted")
        if packed != size:
            raise _damaged("its sizes disagree")
        if at > len(data):
            raise _damaged("it is cut off")
        files[name] = data[start:at]
    if not files:
        raise _damaged("it is no zip")
    return files


def _damaged(why: str) -> BundleError:
    return BundleError(f"not a model bundle, or a damaged one ({why}); {_AGAIN}")


def _sums(content: Mapping[str, bytes]) -> bytes:
    return "".join(f"{sha256(content[name])}  {name}\n" for name in sorted(content)).encode()


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            item = zipfile.ZipInfo(name, _EPOCH)
            item.create_system = 3
            item.external_attr = 0o644 << 16
            archive.writestr(item, files[name])
    return buffer.getvalue()
