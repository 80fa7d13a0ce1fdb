"""The passphrase of a key file, from the terminal or the environment."""

from __future__ import annotations

import os
from typing import Annotated

import typer

PASSPHRASE = "LEAD12_PASSPHRASE"

Ask = Annotated[
    bool, typer.Option("--passphrase", help=f"Ask for the passphrase; or set ${PASSPHRASE}.")
]


def passphrase(ask: bool, *, twice: bool = False) -> bytes | None:
    """None for keys without one; an empty variable is none."""
    if ask:
        given: str = typer.prompt(
            "Passphrase", hide_input=True, confirmation_prompt=twice, err=True
        )
    else:
        given = os.environ.get(PASSPHRASE, "")
    return given.encode() or None
