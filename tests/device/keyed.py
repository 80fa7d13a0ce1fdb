"""A keyed line in tests: a link behind a gate with known nonces, and a host that has the key."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

from device.link.link import Link
from device.link.protocol import encode, pack
from device.link.session import Gate
from tests.device.host import Wire
from tests.device.link_kit import SECOND_NS, Rig
from tools.line_session import LineSession

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PRESS = {"command": "press", "button": "ok"}


def reason(answer: dict[str, Any]) -> str:
    """Why it was refused; what it is, of an answer that is no refusal."""
    return str(answer.get("reason", answer["type"]))


def numbers(first: int) -> Iterator[bytes]:
    """Nonces of a device; no two devices of a test have the same."""
    return (n.to_bytes(16, "big") for n in itertools.count(first))


class KeyedRig(Rig):
    """A link that wants ``key``; ``sent`` is every line of the host, as somebody on the cable sees.

    nonce : the first of the device's
    """

    def __init__(self, key: bytes = KEY, *, nonce: int = 1 << 100, fault: str = "") -> None:
        super().__init__(100)
        nonces = numbers(nonce)
        self.gate = Gate(b"" if fault else key, fault=fault, nonce=lambda: next(nonces))
        self.wire = Wire()
        self.host = self.wire.host
        self.link = Link("wire", 115_200, self.stub, port=self.wire.port, gate=self.gate)
        self.sent: list[bytes] = []
        self._seq = itertools.count(1)
        self.poll()

    def tell(self, line: bytes) -> dict[str, Any]:
        """The one answer to a line, some time after the one before."""
        self.now_ns += SECOND_NS
        self.sent.append(line)
        (answer,) = self.ask(line.rstrip(b"\n"))
        return answer

    def command(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a command outside of a session, with its CRC."""
        return self.tell(encode(next(self._seq), "command", pack(body)))

    def begin(self, key: bytes = KEY, nonce: bytes = bytes(16)) -> LineSession:
        """A session of a host that has ``key``."""
        session = LineSession(key, lambda: nonce)
        assert self.command(session.prove(self.command(session.begin)))["type"] == "reply"
        return session

    def say(self, session: LineSession, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a line of a session."""
        return self.tell(session.encode(next(self._seq), body))


def plain(body: dict[str, Any]) -> bytes:
    """As a person types it."""
    return json.dumps({"type": "command", **body}).encode()
