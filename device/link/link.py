"""The device's end of the serial line: connects, sends, obeys; never waits.

``poll`` is called every few milliseconds and returns at once, whatever the port or the host do.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from device.controls import Button
from device.link.commands import (
    MAX_CHUNK_LINE,
    MAX_COMMAND,
    Action,
    Command,
    Name,
    bulk,
    parse,
)
from device.link.flashing import Flasher, Models
from device.link.inject import InjectAction, Injection
from device.link.outbox import Outbox
from device.link.port import Opener, Opening, Port
from device.link.protocol import AROUND, MAX_LINE, LineSplitter, ProtocolError, Wrong, encode, pack
from device.link.session import Gate
from device.patient import Patient
from device.records.interface import Why

READ_BYTES = 4096  # per poll: four times what 921 600 baud bring in 10 ms; bounds a flood's work
WRITE_BYTES = 8192  # per poll
RETRY_FIRST_NS, RETRY_LONGEST_NS = 500_000_000, 8_000_000_000
SNAPSHOT_PART = 100  # samples of 12 leads in one line
COMMANDS_PER_S, COMMAND_BURST = 10, 20
CHUNKS_PER_S, CHUNK_BURST = 50, 200  # at 115 200 baud their replies leave half the line to results
BLOCKS_PER_S, BLOCK_BURST = 25, 100  # of injected frames; 10 in real time
ERRORS_PER_S, ERROR_BURST = 2, 5


class Instrument(Protocol):
    """What commands act on."""

    def hello(self) -> dict[str, Any]:
        """Members of the hello message."""
        ...

    def set(self, setting: str, value: Any, *, keep: bool = True) -> Any:
        """Apply a setting, also after a restart if it is to be kept; return it as applied.

        Raises ValueError with one line.
        """
        ...

    def press(self, button: Button, *, held: bool) -> None:
        """One press of a button."""
        ...

    def silence(self) -> None:
        """Acknowledge the alarms."""
        ...

    def pause(self) -> None:
        """Pause the alarm sound, or end the pause."""
        ...

    def record(self, why: Why) -> str:
        """Keep the last seconds on disk; "" or why that is not possible."""
        ...

    def set_patient(self, patient: Patient) -> None:
        """Whom the records are of from now on."""
        ...

    def snapshot(self) -> tuple[int, NDArray[np.int16]]:
        """Index of the first sample and the last 10 s, int16 [n, 12] in microvolts."""
        ...


@dataclass
class Counters:
    """For the health message."""

    sent: int = 0
    received: int = 0  # valid commands
    rejected: int = 0  # lines that were none
    connections: int = 0


class _Allowance:
    """A token bucket."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s, self._burst = per_s, burst
        self._left = float(burst)
        self._at_ns = 0

    def take(self, now_ns: int) -> bool:
        refill = (now_ns - self._at_ns) * 1e-9 * self._per_s
        self._left, self._at_ns = min(self._burst, self._left + refill), now_ns
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Link:
    """One serial line.

    name, baud : the port, as ``open_port`` takes them; "" for no line at all
    port : a port that is open already, used first
    opener : opens the port by its name and line rate, aside
    flasher : what ``model`` commands act on; None where no models can be installed
    injection : what ``inject`` commands act on; None where the front end is another
    gate : knows who may change something; None: everybody
    """

    def __init__(
        self,
        name: str,
        baud: int,
        instrument: Instrument,
        *,
        port: Port | None = None,
        opener: Callable[[str, int], Opening] = Opener,
        flasher: Flasher | None = None,
        injection: Injection | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.gate = gate or Gate()
        self._open = opener
        self._name, self._baud = name, baud
        self._instrument = instrument
        self._models = Models(flasher)
        self._injection = injection
        self._outbox = Outbox()
        self._lines = LineSplitter(MAX_CHUNK_LINE)
        self._allowed = {
            None: (_Allowance(COMMANDS_PER_S, COMMAND_BURST), f"{COMMANDS_PER_S} commands"),
            Name.MODEL: (_Allowance(CHUNKS_PER_S, CHUNK_BURST), f"{CHUNKS_PER_S} chunks"),
            Name.INJECT: (_Allowance(BLOCKS_PER_S, BLOCK_BURST), f"{BLOCKS_PER_S} blocks"),
        }
        self._errors = _Allowance(ERRORS_PER_S, ERROR_BURST)
        self._opener: Opening | None = None
        self._port: Port | None = None
        self._retry_at_ns = 0
        self._retry_ns = RETRY_FIRST_NS
        self._seq = 0
        self._line = b""  # being sent
        self._message: tuple[str, str] | None = None  # what it says
        self._streaming = True
        self.failure = ""  # why there is no connection; "" while there is
        self.counters = Counters()
        self._given = port

    @property
    def enabled(self) -> bool:
        """Whether there is a line at all."""
        return bool(self._name)

    @property
    def connected(self) -> bool:
        """Whether there is a host's end to write to."""
        return self._port is not None

    @property
    def dropped(self) -> int:
        """Messages that were never sent because the line was blocked or gone for too long."""
        return self._outbox.dropped

    @property
    def waiting(self) -> int:
        """Messages queued."""
        return len(self._outbox)

    def send(self, kind: str, body: Mapping[str, Any]) -> None:
        """Queue a message; ``stop`` of the host holds back results, nothing else."""
        if self.enabled and (self._streaming or kind != "result"):
            self._outbox.put(kind, pack(body))

    def poll(self, now_ns: int) -> None:
        """Connect, obey and send as far as possible without waiting."""
        if not self.enabled:
            return
        if self._port is None:
            self._connect(now_ns)
        if self._port is None:
            return
        try:
            if data := self._port.read(READ_BYTES):
                for line in self._lines.push(data):
                    self._take(line, now_ns)
            self._write()
        except OSError as error:
            self._lose(error, now_ns)

    def close(self) -> None:
        """Release the port."""
        if self._port is not None:
            self._port.close()
            self._port = None

    # -- the connection

    def _connect(self, now_ns: int) -> None:
        if self._given is not None:
            port, self._given = self._given, None
            self._connected(port)
            return
        if self._opener is None:
            if now_ns < self._retry_at_ns:
                return
            self._opener = self._open(self._name, self._baud)
        try:
            opened = self._opener.poll()
        except OSError as error:
            self._opener = None
            self._lose(error, now_ns)
            return
        if opened is not None:
            self._opener = None
            self._connected(opened)

    def _connected(self, port: Port) -> None:
        self._port = port
        self._line = b"\n"  # ends whatever half line a dead monitor left on the wire
        self._retry_ns = RETRY_FIRST_NS
        self.failure = ""
        self.counters.connections += 1
        self._outbox.put_first("hello", pack(self._instrument.hello()))

    def _lose(self, error: OSError, now_ns: int) -> None:
        self.close()
        self.failure = f"serial {self._name}: {error.strerror or error}"
        self._retry_at_ns = now_ns + self._retry_ns
        self._retry_ns = min(2 * self._retry_ns, RETRY_LONGEST_NS)
        self._lines.forget()
        self.gate.disconnect()
        self._outbox.stop_bulk()
        if self._message is not None and self._message[0] != "hello":
            self._outbox.put_first(*self._message)  # cut off half way: once more, whole
        self._line, self._message = b"", None
        self._streaming = True

    def _write(self) -> None:
        assert self._port is not None
        room = WRITE_BYTES
        while room > 0:
            if not self._line:
                self._message = self._outbox.pop()
                if self._message is None:
                    return
                self._line = encode(self._seq, *self._message)
                self._seq += 1
            taken = self._port.write(self._line[:room])
            self._line = self._line[taken:]
            room -= taken
            if not self._line and self._message is not None:
                self.counters.sent += 1
                self._message = None
            if taken == 0:
                return

    # -- commands

    def _take(self, line: bytes | None, now_ns: int) -> None:
        try:
            allowance, many = self._allowed[None if line is None else bulk(line)]
            if not allowance.take(now_ns):
                raise ProtocolError(Wrong.TOO_FAST, f"at most {many} per second")
            if line is None:
                raise ProtocolError(Wrong.TOO_LONG, f"at most {MAX_COMMAND} bytes per command")
            command = parse(line)
            try:
                self.gate.check(command, now_ns)
                self._obey(command, now_ns)
            except ProtocolError as error:
                error.seq = command.seq
                raise
            self.counters.received += 1
        except ProtocolError as error:
            self.counters.rejected += 1
            if self._errors.take(now_ns):
                body = {"re": error.seq, "reason": error.wrong, "message": str(error)}
                self._outbox.put("error", pack(body))

    def _obey(self, command: Command, now_ns: int) -> None:
        reply: dict[str, Any] = {"re": command.seq, "command": command.name}
        match command.name:
            case Name.INFO:
                self._outbox.put("reply", pack(reply))
                self._outbox.put("hello", pack(self._instrument.hello()))
                return
            case Name.START | Name.STOP:
                self._streaming = command.name is Name.START
            case Name.SET:
                try:
                    value = self._instrument.set(
                        command.setting, command.value, **command.arguments
                    )
                except ValueError as error:
                    raise ProtocolError(Wrong.BAD_VALUE, str(error)) from None
                reply |= {"setting": command.setting, "value": value}
            case Name.PRESS:
                button = Button(command.arguments["button"])
                self._instrument.press(button, held=command.arguments.get("held", False))
            case Name.ALARM if command.arguments["action"] == "silence":
                self._instrument.silence()
            case Name.ALARM:
                self._instrument.pause()
            case Name.RECORD:
                if said := self._instrument.record(Why.COMMAND):
                    raise ProtocolError(Wrong.FAILED, said)
            case Name.PATIENT:
                self._instrument.set_patient(Patient(**command.arguments))
            case Name.SNAPSHOT:
                index, uv = self._instrument.snapshot()
                self._answer_long(_snapshot_parts(reply, index, uv))
                return
            case Name.MODEL:
                self._obey_model(reply, command)
                return
            case Name.INJECT:
                self._inject(command, now_ns)
                if command.action is InjectAction.FRAMES:
                    return
                reply |= {"action": command.action}
            case Name.AUTH:
                reply |= {"action": command.action, **self.gate.auth(command, now_ns)}
        self._outbox.put("reply", pack(reply))

    def _inject(self, command: Command, now_ns: int) -> None:
        assert isinstance(command.action, InjectAction)
        if self._injection is None:
            said = "this monitor has a front end of its own; start it with --frontend injected"
            raise ProtocolError(Wrong.FAILED, said)
        self._injection.obey(command.action, command.arguments, now_ns)

    def _obey_model(self, reply: dict[str, Any], command: Command) -> None:
        assert isinstance(command.action, Action)
        reply |= {"action": command.action}
        bodies = self._models.answer(command.action, command.arguments)
        answers = [pack(reply | body) for body in bodies]
        if max(map(len, answers)) > MAX_LINE - AROUND:
            raise ProtocolError(Wrong.FAILED, "the answer does not fit a line")
        if command.action is Action.LOG:
            self._answer_long(("reply", answer) for answer in answers)
        else:
            self._outbox.put("reply", answers[0])

    def _answer_long(self, parts: Iterator[tuple[str, str]]) -> None:
        if not self._outbox.put_bulk(parts):
            raise ProtocolError(Wrong.BUSY, "a long answer is being sent")


def _snapshot_parts(
    reply: dict[str, Any], index: int, uv: NDArray[np.int16]
) -> Iterator[tuple[str, str]]:
    """Lines of ``SNAPSHOT_PART`` samples; samples x 12 leads, little-endian int16, base64."""
    parts = max(1, -(-len(uv) // SNAPSHOT_PART))
    for part in range(parts):
        rows = uv[part * SNAPSHOT_PART : (part + 1) * SNAPSHOT_PART]
        body = {
            **reply,
            "part": part,
            "parts": parts,
            "index": index + part * SNAPSHOT_PART,
            "samples": len(rows),
            "uv": base64.b64encode(rows.astype("<i2").tobytes()).decode(),
        }
        yield "reply", pack(body)
