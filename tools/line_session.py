"""The host's side of a session on a keyed serial line; see docs/serial-protocol.md."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from typing import Any

from device.link.protocol import encode, pack
from device.link.session import NONCE_BYTES, Role, code, derive


class WrongDeviceError(RuntimeError):
    """The device did not prove that it has the key; one line."""


class LineSession:
    """One session: ``begin`` and ``prove`` are bodies of commands, then ``encode`` signs lines.

    key : 32 bytes; nonce : gives 16 that nobody foresees
    """

    def __init__(
        self, key: bytes, nonce: Callable[[], bytes] = lambda: os.urandom(NONCE_BYTES)
    ) -> None:
        self._key, self._nonce = key, nonce()
        self._session_key = b""
        self._counter = 0

    @property
    def begin(self) -> dict[str, str]:
        """The first command."""
        return {"command": "auth", "action": "begin", "nonce": self._nonce.hex()}

    def prove(self, reply: Mapping[str, Any]) -> dict[str, str]:
        """The second, made of the reply to the first.

        Raises WrongDeviceError: who replied has another key, or none, and is told nothing.
        """
        nonces = self._nonce, bytes.fromhex(reply["nonce"])
        proof = bytes.fromhex(reply["proof"])
        if not hmac.compare_digest(proof, derive(self._key, Role.DEVICE, *nonces)):
            raise WrongDeviceError("the device has another key than this one; check --key")
        self._session_key = derive(self._key, Role.SESSION, *nonces)
        proof = derive(self._key, Role.HOST, *nonces)
        return {"command": "auth", "action": "prove", "proof": proof.hex()}

    def encode(self, seq: int, body: Mapping[str, Any]) -> bytes:
        """A command as a line of this session."""
        self._counter += 1
        members = pack({**body, "counter": self._counter})
        return encode(seq, "command", members, lambda text: code(self._session_key, text))
