"""``model`` commands: the seam between the serial line and the model store, and the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from device.link.commands import Action
from device.link.protocol import AROUND, MAX_LINE, ProtocolError, Wrong, pack
from device.link.upload import Upload

MAX_SENTENCE = 500  # characters
_NOT_NOW = (Action.BEGIN, Action.CHUNK, Action.VERIFY, Action.INSTALL)  # beside an installer


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


class Models:
    """Carries out ``model`` commands: uploads itself, everything else by the ``Flasher``."""

    def __init__(self, flasher: Flasher | None) -> None:
        self._flasher = flasher
        folder = flasher.folder if flasher else None
        self._upload = Upload(folder) if folder else None

    def answer(self, action: Action, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Members of the replies. Raises ProtocolError."""
        flasher, upload = self._flasher, self._upload
        if flasher is None or upload is None:
            raise ProtocolError(
                Wrong.FAILED, "this monitor keeps no models: give it a store, [model] store"
            )
        if flasher.busy and action in _NOT_NOW:
            raise ProtocolError(Wrong.BUSY, "an install is running; wait for its end")
        try:
            return _answer(flasher, upload, action, arguments)
        except ProtocolError:
            raise
        except (ValueError, RuntimeError, OSError) as error:
            raise ProtocolError(Wrong.FAILED, str(error)[:MAX_SENTENCE]) from None


def _answer(
    flasher: Flasher, upload: Upload, action: Action, arguments: Mapping[str, Any]
) -> list[dict[str, Any]]:
    match action:
        case Action.LIST:
            return [{"installed": flasher.list()}]
        case Action.INFO:
            return [{"info": flasher.info()}]
        case Action.BEGIN:
            offset, crc = upload.begin(
                arguments["bytes"], arguments["sha256"], keep=arguments["keep"]
            )
            return [{"offset": offset, "crc32": f"{crc:08x}"}]
        case Action.CHUNK:
            chunk = arguments["offset"], arguments["bytes"], arguments["data"]
            return [{"offset": upload.chunk(*chunk)}]
        case Action.VERIFY | Action.INSTALL:
            path = upload.whole(arguments["sha256"])
            flasher.run(path, who=arguments["who"], install=action is Action.INSTALL)
            return [{}]
        case Action.CONFIRM:
            return [{"model": flasher.confirm(arguments["who"])}]
        case Action.ROLLBACK:
            return [{"model": flasher.rollback(arguments["who"])}]
        case Action.LOG:
            entries = [_fitting(entry) for entry in flasher.log(arguments["last"])] or [None]
            return [
                {"part": part, "parts": len(entries), "entry": entry}
                for part, entry in enumerate(entries)
            ]


def _fitting(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An entry so odd that no line holds it must not hide all the others."""
    if len(pack(entry)) <= MAX_LINE - 2 * AROUND:
        return entry
    return {**entry, "text": "too long for the line; read it on the device"}
