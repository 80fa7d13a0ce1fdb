"""The seam between the serial line and the model store: what ``model`` commands act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Flasher(Protocol):
    """The store of models, and the one installer that may run on it.

    Nothing here waits: the installer is a process of its own. What it says is sent by who polls it,
    ``link.send("event", messages.flash_event(index, line))``. Refusals are ValueError or
    RuntimeError (as StoreError is one) in one line; the host gets it as an error, ``failed``.
    """

    @property
    def folder(self) -> Path | None:
        """The store; None where there is none."""
        ...

    @property
    def busy(self) -> bool:
        """Whether an installer is running: no upload then, it reads the uploaded file."""
        ...

    def list(self) -> dict[str, Any]:
        """What is installed.

        running : slot in use, "embedded", "a" or "b" · state : "embedded", "confirmed", "trial"
        counter : lowest security counter that is accepted · trust : "production", "development"
        models : of each that is there slot, model, sha256, counter, key (name of the signing key,
            "" for none), since (UTC, "" for the embedded one)
        failed : null, or model, why, utc of the last that was taken back
        """
        ...

    def info(self) -> dict[str, Any]:
        """The model in use: model, sha256, state, and how good it is; less than 3 kB as JSON."""
        ...

    def run(self, path: Path, *, who: str, install: bool) -> None:
        """Start the installer on a file; only verify it with ``install=False``."""
        ...

    def confirm(self, who: str) -> str:
        """Keep the model on trial; its id."""
        ...

    def rollback(self, who: str) -> str:
        """Back to the model before; its id."""
        ...

    def log(self, last: int) -> Sequence[Mapping[str, Any]]:
        """The last entries of the audit log, as they are in the file, oldest first."""
        ...
