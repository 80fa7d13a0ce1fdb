"""What the instrument runs, and where a bundle comes from when no store is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from firmware.archive import BundleError
from firmware.bundle import Bundle
from firmware.network import Network, NetworkError

EMBEDDED = "embedded.l12"
NONE = "none"


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


def load_model(path: str) -> Model:
    """What the settings name: the bundle at ``path``, or "none". A file that cannot run is told."""
    try:
        network = load_network(path)
    except (BundleError, NetworkError) as error:
        return Model(None, "none", fault=f"no model: {error}")
    state = ("file" if path else "embedded") if network else "none"
    return Model(network, state)
