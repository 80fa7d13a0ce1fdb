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

MAX_BYTES = 8 << 20  # ten times our own network; a monitor holds a bundle in memory twice
MAX_MEMBERS = 64
SUMS, SIGNATURES = "SHA256SUMS", "SIGNATURES"
MANIFEST, MODEL, CARD = "manifest.json", "model.tflite", "card.md"
GOLDEN_PARTS = ("counts", "tensor", "logits")

_KNOWN = re.compile(
    "|".join(map(re.escape, (SUMS, SIGNATURES, MANIFEST, MODEL, CARD)))
    + rf"|golden/[a-z0-9-]{{1,64}}\.(?:{'|'.join(GOLDEN_PARTS)})"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_DIRECTORY_END = struct.Struct("<4s4H2LH")  # APPNOTE.TXT 4.3.16
_AGAIN = "copy it again"


class BundleError(ValueError):
    """The bundle cannot be used; the message is one line: what is wrong and what to do."""


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
    """Every member; what is claimed is checked before anything is read."""
    try:
        # Before zipfile reads a directory as long as an attacker likes
        if _DIRECTORY_END.size <= len(data):
            end = _DIRECTORY_END.unpack(data[-_DIRECTORY_END.size :])
            if end[0] == b"PK\5\6" and end[4] > MAX_MEMBERS:
                raise zipfile.BadZipFile(f"more than {MAX_MEMBERS} members")
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            items = archive.infolist()
            names = [item.filename for item in items]
            if len(items) > MAX_MEMBERS or len(set(names)) != len(names):
                raise zipfile.BadZipFile("too many members, or one twice")
            for item in items:
                if not _KNOWN.fullmatch(item.filename):
                    shown = ascii(item.filename[:60])
                    raise BundleError(f"the bundle holds {shown}, which no bundle has; {_AGAIN}")
                if item.compress_type != zipfile.ZIP_STORED:
                    raise zipfile.BadZipFile("it is compressed")
                if item.compress_size != item.file_size:
                    raise zipfile.BadZipFile("its sizes disagree")
            if sum(item.file_size for item in items) > len(data):
                raise zipfile.BadZipFile("its members are larger than the file")
            return {item.filename: archive.read(item) for item in items}
    except BundleError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, struct.error) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise BundleError(f"not a model bundle, or a damaged one ({reason}); {_AGAIN}") from None


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
