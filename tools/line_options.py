"""What commands over a serial line share: ``--baud``, and ``--key``, the key file of the device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from device.config_sections import FASTEST_BAUD, SLOWEST_BAUD

COPY = "copy the device's key there: sudo cat /etc/lead12/serial.key, on the device; then chmod 600"
VARIABLE = "LEAD12_SERIAL_KEY"  # names the key's file where --key does not

Baud = Annotated[int, typer.Option(min=SLOWEST_BAUD, max=FASTEST_BAUD, help="Line rate.")]
Key = Annotated[
    Path | None,
    typer.Option(envvar=VARIABLE, help="Key file of the device, where its line is keyed."),
]


def given_key(path: Path | None) -> bytes:
    """What ``--key`` names; b"" for nothing. Raises KeyFileError."""
    from device.link.access import read_key

    return read_key(path, COPY) if path is not None else b""
