"""Where a bundle comes from: the file that is named, or the one the firmware carries."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from firmware.archive import BundleError
from firmware.bundle import Bundle
from firmware.network import Network

EMBEDDED = "embedded.l12"
NONE = "none"


def read_bundle(path: str = "") -> Bundle:
    """The bundle at ``path``; "" is the embedded one. Raises BundleError in one line."""
    try:
        data = (
            Path(path).read_bytes()
            if path
            else resources.files("firmware").joinpath(EMBEDDED).read_bytes()
        )
    except OSError as error:
        raise BundleError(f"{path or EMBEDDED} cannot be read ({error.strerror})") from None
    try:
        return Bundle.from_bytes(data)
    except BundleError as error:
        raise BundleError(f"{path or EMBEDDED}: {error}") from None


def load_network(path: str = "") -> Network | None:
    """The network of ``read_bundle``, ready to run; None for "none".

    Raises BundleError, or NetworkError when the interpreter refuses it.
    """
    return None if path == NONE else Network(read_bundle(path))
