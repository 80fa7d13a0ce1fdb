"""``lead12 send``: one command over a serial line, and its answer."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import typer

from tools.host_line import SILENCE_S, HostLine

READING = ("info", "start", "snapshot")
WORDS = (*READING, "stop")  # commands that need no more than their name


def send(port: str, command: str, *, baud: int = 115_200, key: bytes = b"") -> None:
    """Send what ``command`` says, in a session where a key is given; print all of the answer.

    Raises RemoteError: refused, or no answer.
    """
    body = _body(command)
    reads = body["command"] in READING
    with HostLine(port, baud, key=key, notice=_notice) as line:
        answer = line.ask(body, changes=not reads, repeat=reads)
        print(json.dumps(answer))
        while answer.get("part", 0) + 1 < answer.get("parts", 1):
            answer = line.answer(answer["re"], body.get("action"))
            print(json.dumps(answer))
        until = time.monotonic() + SILENCE_S * (body["command"] == "info")
        while answer["type"] != "hello" and time.monotonic() < until:  # what info asks for
            if (heard := line.hear()) is not None and heard["type"] == "hello":
                answer = heard
                print(json.dumps(answer))


def _body(command: str) -> dict[str, Any]:
    try:
        body = json.loads(command)
    except ValueError:
        body = {"command": command} if command in WORDS else None
    if not isinstance(body, dict) or not isinstance(body.get("command"), str):
        raise typer.BadParameter(
            """a command looks like '{"command":"set","setting":"lead","value":"V1"}'""",
            param_hint="COMMAND",
        )
    return {name: value for name, value in body.items() if name not in ("v", "seq", "type", "crc")}


def _notice(line: str) -> None:
    print(f"lead12: {line}", file=sys.stderr, flush=True)
