"""``lead12 listen``: prints a monitor's serial line and checks every message on it."""

from __future__ import annotations

import json
import sys
import time
from importlib import resources
from typing import Any, TextIO

from jsonschema import Draft202012Validator

from device.display.words import MARKS, percent
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, Wrong, decode
from tools.heard import printable
from tools.serial_port import open_serial

OK, FAILED = 0, 1
READ_S = 0.1
RETRY_S = 0.5


class Checker:
    """Checks lines in the order in which they come: CRC, JSON, schema, sequence numbers.

    lines, bad, missing : counted so far; missing is what the sequence numbers skip
    """

    def __init__(self) -> None:
        schema = resources.files("device").joinpath("schema", "serial-v1.json").read_text()
        self._schema = Draft202012Validator(json.loads(schema))
        self._next: int | None = None  # expected sequence number; None at the start
        self.lines = self.bad = self.missing = 0

    def check(self, line: bytes | None) -> tuple[dict[str, Any] | None, str]:
        """The message, None when it is bad, and what is wrong ("" for nothing)."""
        self.lines += 1
        try:
            if line is None:
                raise ProtocolError(Wrong.TOO_LONG, f"longer than {MAX_LINE} bytes")
            message = decode(line, crc_required=True)
            flaw = next(self._schema.iter_errors(message), None)
            if flaw is not None:
                place = f"against the schema at {flaw.json_path}"
                raise ProtocolError(Wrong.BAD_VALUE, f"{place}: {flaw.message}"[:200])
        except ProtocolError as error:
            self.bad += 1
            return None, str(error)
        seq, expected = message["seq"], self._next
        self._next = seq + 1
        if expected is None or seq == expected or (message["type"] == "hello" and seq == 0):
            return message, ""
        self.missing += max(seq - expected, 0)
        return message, f"sequence jumps from {expected - 1} to {seq}"

    def resync(self) -> None:
        """The connection was broken: what came meanwhile is not known to be missing."""
        self._next = None


def readable(message: dict[str, Any]) -> str:
    """One message as one line for people."""
    return printable(_words(message))


def _words(message: dict[str, Any]) -> str:
    match message.get("type"):
        case "hello":
            frontend = message["frontend"]
            chip = frontend["detail"] if frontend else "no front end yet"
            model = message["model"] or "no model"
            return f"hello     Lead12 {message['firmware']} · {chip} · {model}"
        case "result":
            rate = "--" if message["rate_bpm"] is None else f"{message['rate_bpm']:.0f}"
            p = message["probability"]
            sure = f" {percent(p)}" if p is not None and message["call"] else ""
            off = (
                " · off: " + " ".join(message["electrodes_off"])
                if message["electrodes_off"]
                else ""
            )
            act = f" · {message['act']}" if message["act"] else ""
            found = "".join(
                f" · {MARKS[finding['priority']]}{finding['text']}"
                for finding in message["findings"]
                if finding["text"] not in message["text"]
            )
            return (
                f"{message['t_s']:9.3f} s  {message['text']}{sure}{found} · {rate}/min · "
                f"quality {message['quality']}{off}{act}"
            )
        case "event":
            rest = {
                k: v for k, v in message.items() if k not in ("v", "seq", "type", "crc", "event")
            }
            told = " ".join(f"{key}={_plain(value)}" for key, value in rest.items())
            return f"event     {message['event']}: {told}"
        case "health":
            ring = message["ring"] or {}
            latency = message["latency_ms"]["p99"]
            return (
                f"health    written {ring.get('written', '-')} lost {ring.get('lost', '-')} "
                f"lag {ring.get('lag', '-')} · cpu {message['cpu_percent']} % · "
                f"{message['memory_mb']:.0f} MB · latency p99 {latency} ms · "
                f"dropped {message['serial']['dropped']}"
            )
        case "error":
            return f"error     {message['reason']}: {message['message']}"
        case kind:
            what = message.get("command", "")
            part = f" {message['part'] + 1}/{message['parts']}" if "part" in message else ""
            return f"{kind:9} {what}{part}"


def _plain(value: object) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def listen(
    port: str,
    baud: int = 115_200,
    *,
    as_json: bool = False,
    seconds: float | None = None,
    out: TextIO | None = None,
) -> int:
    """Print and check until Ctrl-C or for ``seconds``.

    A port that vanishes is reported and opened again. Returns 0, or 1 when any line was bad or
    the port was never there.
    """
    out = out or sys.stdout
    checker = Checker()
    opened = False
    end_s = None if seconds is None else time.monotonic() + seconds
    try:
        while end_s is None or time.monotonic() < end_s:
            try:
                with open_serial(port, baud, READ_S) as line:
                    opened = True
                    _complain(f"{port} is open")
                    _follow(line, checker, end_s, as_json, out)
            except OSError as error:  # SerialException is one
                if not opened:
                    _complain(error.strerror or str(error))
                    return FAILED
                _complain(f"{port} is gone; waiting for it")
                checker.resync()
                _wait_for(port, baud, end_s)
    except KeyboardInterrupt:
        pass
    _complain(f"{checker.lines} lines, {checker.bad} bad, {checker.missing} missing")
    return FAILED if checker.bad else OK


def _follow(line: Any, checker: Checker, end_s: float | None, as_json: bool, out: TextIO) -> None:
    splitter = LineSplitter(MAX_LINE)
    whole = False  # listening may begin in the middle of a line, which is nobody's fault
    while end_s is None or time.monotonic() < end_s:
        data = line.read(max(1, line.in_waiting))
        for text in splitter.push(data):
            if not whole:
                whole = True
                if text is None or not text.startswith(b'{"v":'):
                    continue
            message, wrong = checker.check(text)
            if wrong:
                _complain(f"line {checker.lines}: {wrong}")
            if as_json and text is not None:
                print(text.decode(errors="replace"), file=out, flush=True)
            elif message is not None:
                print(readable(message), file=out, flush=True)


def _wait_for(port: str, baud: int, end_s: float | None) -> None:
    """Until the port can be opened again."""
    while end_s is None or time.monotonic() < end_s:
        try:
            open_serial(port, baud, READ_S).close()
        except OSError:
            time.sleep(RETRY_S)
        else:
            return


def _complain(text: str) -> None:
    print(f"listen: {text}", file=sys.stderr, flush=True)
