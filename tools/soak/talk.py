"""What a host says that may be in its right mind, and what one says that is not."""

from __future__ import annotations

import json
import random
from typing import Any

from tools.soak.line import HostLine

_COMMANDS: tuple[dict[str, Any], ...] = (
    {"command": "info"},
    {"command": "snapshot"},
    {"command": "record"},
    {"command": "press", "button": "page"},
    {"command": "press", "button": "ok"},
    {"command": "press", "button": "page", "held": True},
    {"command": "alarm", "action": "silence"},
    {"command": "alarm", "action": "pause"},
    {"command": "model", "action": "list"},
    {"command": "model", "action": "info"},
    {"command": "model", "action": "log", "last": 20},
    {"command": "model", "action": "confirm", "who": "soak"},
    {"command": "model", "action": "begin", "bytes": 1000, "sha256": "0" * 64, "keep": True},
)
_NONSENSE: tuple[bytes, ...] = (
    b"\n\n\n",
    b"{" * 600 + b"\n",
    b'{"type":"command","command":"set"}\n',
    b'{"type":"command","command":"set","setting":"mains_hz","value":1e999}\n',
    b'{"type":"command","command":"info","crc":"00000000"}\n',
    b"x" * 20_000 + b"\n",
    json.dumps({"type": "command", "command": "model", "action": "chunk"}).encode() + b"\n",
)
SETTINGS: tuple[tuple[str, Any], ...] = (
    ("mains_hz", 60),
    ("mains_hz", 50),
    ("profile", "diagnostic"),
    ("profile", "monitor"),
    ("naming", "IEC"),
    ("naming", "AHA"),
    ("lead", "V2"),
    ("lead", "II"),
    ("night", True),
    ("night", False),
    ("language", "de"),
    ("language", "en"),
)
_FLOOD = 100  # commands at once: ten times what a second allows


def begin(line: HostLine, name: str, value: Any) -> None:
    """What is said once."""
    if name == "setting":
        line.send({"command": "set", "setting": value[0], "value": value[1]})
    elif name == "another_patient":
        line.send({"command": "patient", "id": str(value)})
    elif name == "model_rolled_back":
        line.send({"command": "model", "action": "rollback", "who": "soak"})


def go_on(line: HostLine, name: str, chance: random.Random) -> None:
    """Once a second, for as long as it lasts."""
    if name == "commands":
        if chance.random() < 0.3:
            line.send(chance.choice(_COMMANDS))
    elif name == "nonsense":
        line.type(chance.choice(_NONSENSE))
        line.type(chance.randbytes(chance.randrange(200)) + b"\n")
    elif name == "flood":
        for _ in range(_FLOOD):
            line.send({"command": "info"})
