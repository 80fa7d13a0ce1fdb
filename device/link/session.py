"""Who may change something over the line: sessions of hosts that hold the device's key.

Device and host each choose a nonce and prove with HMAC-SHA-256 that they hold the same 32 bytes.
Both nonces make the key of the session, and every line that changes something ends with a code of
that key over its bytes, a rising ``counter`` among them: what was recorded cannot be sent again,
neither in this session nor in another. See docs/serial-protocol.md and docs/security.md.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from device.link.commands import AuthAction, Command, Signed
from device.link.protocol import MAC_DIGITS, ProtocolError, Wrong

KEY_BYTES, NONCE_BYTES = 32, 16
IDLE_S = 600  # a session that is not used for so long is over
PENDING_S = 10  # from ``begin`` to ``prove``
MOST_PENDING = 4  # begun and not proved: more than one, so that a stranger's spoils nobody's
MOST_WRONG = 5  # proofs or codes, then no session is begun for a time that doubles
LOCK_FIRST_S, LOCK_LONGEST_S = 30, 480
_S = 1_000_000_000


class Access(StrEnum):
    """Who may change something over the line; all may read."""

    OPEN = "open"  # everybody
    KEYED = "keyed"  # a host with the device's key
    READ_ONLY = "read_only"  # nobody: the device has no usable key


class Role(StrEnum):
    """What an HMAC is for; one never stands for another."""

    DEVICE = "lead12 serial 1 device"
    HOST = "lead12 serial 1 host"
    SESSION = "lead12 serial 1 session"


def derive(key: bytes, role: Role, host_nonce: bytes, device_nonce: bytes) -> bytes:
    """The proof of one side, or the key of the session: HMAC-SHA-256 of role and both nonces."""
    return hmac.digest(key, role.encode() + host_nonce + device_nonce, "sha256")


def code(session_key: bytes, text: bytes) -> str:
    """``mac`` of a line: the first half of HMAC-SHA-256, hexadecimal."""
    return hmac.digest(session_key, text, "sha256").hex()[:MAC_DIGITS]


@dataclass
class _Session:
    key: bytes
    used_ns: int
    counter: int = 0  # of the last line that was taken


class Gate:
    """What stands between the line and the instrument; time comes in as an argument.

    key : of the device, 32 bytes; b"" for a line that is open to everybody
    fault : why there is no key although one is wanted, and what to do: then nobody changes anything
    nonce : gives 16 bytes that nobody foresees
    """

    def __init__(
        self,
        key: bytes = b"",
        *,
        fault: str = "",
        nonce: Callable[[], bytes] = lambda: os.urandom(NONCE_BYTES),
    ) -> None:
        self.access = Access.READ_ONLY if fault else Access.KEYED if key else Access.OPEN
        self._key, self._fault, self._nonce = key, fault, nonce
        self._pending: list[tuple[bytes, bytes, int]] = []  # both nonces, and since when
        self._session: _Session | None = None
        self._strikes = 0
        self._lock_s = LOCK_FIRST_S  # the next one
        self._locked_s, self._locked_until_ns = 0, 0
        self.sessions = self.wrong = 0  # begun with the right key; wrong proofs and codes

    def fault(self, now_ns: int) -> str:
        """What is wrong with the line, for its people; "" for nothing."""
        if now_ns < self._locked_until_ns:
            return (
                f"serial line: {MOST_WRONG} wrong keys, so no session for {self._locked_s} s; "
                "see who is on the cable"
            )
        return self._fault

    def check(self, command: Command, now_ns: int) -> None:
        """Refuse what the sender may not ask for. Raises ProtocolError."""
        ends = command.action is AuthAction.END
        if command.signed is not None:
            self._verify(command.signed, now_ns)
        elif ends or (command.changes and self.access is not Access.OPEN):
            self._refuse_read_only()
            raise ProtocolError(
                Wrong.NO_SESSION, "this line takes changes only from a session with the key"
            )

    def auth(self, command: Command, now_ns: int) -> dict[str, Any]:
        """Carry out ``auth``, checked before; members of the reply. Raises ProtocolError."""
        if self.access is Access.OPEN:
            said = "this line is open and knows no sessions; leave the key away"
            raise ProtocolError(Wrong.FAILED, said)
        self._refuse_read_only()
        if command.action is AuthAction.END:
            self._session = None
            return {}
        left_ns = self._locked_until_ns - now_ns
        if left_ns > 0:
            said = f"locked for {-(-left_ns // _S)} s after {MOST_WRONG} wrong keys; wait"
            raise ProtocolError(Wrong.LOCKED, said)
        if command.action is AuthAction.BEGIN:
            return self._begin(bytes.fromhex(command.arguments["nonce"]), now_ns)
        return self._prove(bytes.fromhex(command.arguments["proof"]), now_ns)

    def disconnect(self) -> None:
        """The connection is gone, and its session with it; a lock is not."""
        self._session = None
        self._pending.clear()

    def _refuse_read_only(self) -> None:
        if self.access is Access.READ_ONLY:
            raise ProtocolError(Wrong.READ_ONLY, self._fault)

    def _begin(self, host_nonce: bytes, now_ns: int) -> dict[str, Any]:
        """A session that exists goes on until the new host has proved itself."""
        device_nonce = self._nonce()
        self._pending = [*self._pending, (host_nonce, device_nonce, now_ns)][-MOST_PENDING:]
        proof = derive(self._key, Role.DEVICE, host_nonce, device_nonce)
        return {"nonce": device_nonce.hex(), "proof": proof.hex()}

    def _prove(self, proof: bytes, now_ns: int) -> dict[str, Any]:
        """Each ``begin`` is good for one proof; one that fits none leaves them to whom they fit."""
        self._pending = [one for one in self._pending if now_ns - one[2] <= PENDING_S * _S]
        if not self._pending:
            raise ProtocolError(Wrong.NO_SESSION, "no session was begun just now; begin one")
        fits = [
            hmac.compare_digest(proof, derive(self._key, Role.HOST, *one[:2]))
            for one in self._pending
        ]
        if not any(fits):
            self._strike(now_ns)
            raise ProtocolError(Wrong.BAD_KEY, "wrong key")
        nonces = self._pending.pop(fits.index(True))[:2]
        self._session = _Session(derive(self._key, Role.SESSION, *nonces), now_ns)
        self.sessions += 1
        self._strikes, self._lock_s = 0, LOCK_FIRST_S
        return {"idle_s": IDLE_S}

    def _verify(self, signed: Signed, now_ns: int) -> None:
        self._refuse_read_only()
        session = self._session
        if session is None or now_ns - session.used_ns > IDLE_S * _S:
            self._session = None
            raise ProtocolError(Wrong.NO_SESSION, "there is no session, or it is over; begin one")
        if not hmac.compare_digest(code(session.key, signed.text), signed.mac):
            self._strike(now_ns)
            raise ProtocolError(Wrong.BAD_KEY, "the mac does not match the line")
        if signed.counter <= session.counter:  # a line of the owner's, again: no wrong key
            said = f"counter {signed.counter} came after {session.counter}; it must rise"
            raise ProtocolError(Wrong.BAD_KEY, said)
        session.counter, session.used_ns = signed.counter, now_ns

    def _strike(self, now_ns: int) -> None:
        """Sessions that exist are not locked out: nobody on the cable shall end another's."""
        self.wrong += 1
        if now_ns < self._locked_until_ns:
            return
        self._strikes += 1
        if self._strikes < MOST_WRONG:
            return
        self._strikes, self._locked_s = 0, self._lock_s
        self._locked_until_ns = now_ns + self._lock_s * _S
        self._lock_s = min(2 * self._lock_s, LOCK_LONGEST_S)
