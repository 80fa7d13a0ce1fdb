"""What the instrument runs, and where a bundle comes from when no store is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from device.config_sections import NO_MODEL
from firmware.archive import MAX_BYTES, BundleError
from firmware.bundle import Bundle
from firmware.network import Network, NetworkError
from hal.plain_file import open_plain

EMBEDDED = "embedded.l12"
NONE = NO_MODEL


@dataclass(frozen=True, slots=True)
class Model:
    """The network that makes the calls, and how it came to.

    state : "embedded", "confirmed" or "trial" (of the installed ones), "file" or "none"
    why : what led to it, one sentence; "" when there is nothing to say
    fault : what is wrong with the model or its store, one sentence; "" when nothing is
    failed : model, why and utc of the last one that was taken back; None for none
    """

    network: Network | None
    state: str
    why: str = ""
    fault: str = ""
    failed: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """Id of the network, "" for none."""
        return self.network.bundle.id if self.network else ""

    @property
    def sha256(self) -> str:
        """Of the bundle's file, "" for none."""
        return self.network.bundle.digest if self.network else ""


def read_bundle(path: str = "") -> Bundle:
    """The bundle at ``path``; "" is the embedded one. Raises BundleError in one line."""
    try:
        embedded = resources.files("firmware").joinpath(EMBEDDED)
        data = read_file(Path(path)) if path else embedded.read_bytes()
    except OSError as error:
        raise BundleError(f"{EMBEDDED} cannot be read ({error.strerror})") from None
    try:
        return Bundle.from_bytes(data)
    except BundleError as error:
        raise BundleError(f"{path or EMBEDDED}: {error}") from None


def read_file(path: Path) -> bytes:
    """The bytes of a file that may be a bundle. Raises BundleError for what cannot be one."""
    try:
        with open_plain(path) as file:
            data, size = file.read(MAX_BYTES + 1), os.fstat(file.fileno()).st_size
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror})") from None
    if not data:
        raise BundleError(f"{path} is empty; copy it again")
    if len(data) > MAX_BYTES:
        raise BundleError(
            f"{path} has {size} bytes and a model at most {MAX_BYTES}; check that it is the right "
            "file"
        )
    return data


def load_network(path: str = "") -> Network | None:
    """The network of ``read_bundle``, ready to run; None for "none".

    Raises BundleError, or NetworkError when the interpreter refuses it.
    """
    return None if path == NONE else Network(read_bundle(path))


def load_model(path: str) -> Model:
    """What the settings name: the bundle at ``path``, or "none". A file that cannot run is told."""
    try:
        network = load_network(path)
    except (BundleError, NetworkError) as error:
        return Model(None, "none", fault=f"no model: {error}")
    state = ("file" if path else "embedded") if network else "none"
    return Model(network, state)
