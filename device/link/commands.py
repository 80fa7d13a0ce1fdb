"""Commands of the host, checked: ``info``, ``start``, ``stop``, ``snapshot``, ``set``.

``{"v":1,"seq":7,"type":"command","command":"set","setting":"mains_hz","value":60,"crc":"..."}``;
``v``, ``seq`` and ``crc`` may be left out by a person at a terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from device.link.protocol import ProtocolError, Wrong, decode

MAX_COMMAND = 512  # bytes

# What a host may set, and where that is in the configuration.
SETTINGS = {
    "mains_hz": "filters.mains_hz",
    "profile": "filters.profile",
    "naming": "electrodes.naming",
    "lead": "display.lead",
}


class Name(StrEnum):
    """The commands."""

    INFO = "info"
    START = "start"
    STOP = "stop"
    SNAPSHOT = "snapshot"
    SET = "set"


@dataclass(frozen=True, slots=True)
class Command:
    """One valid command; ``seq`` is repeated in the reply as ``re``."""

    name: Name
    seq: int | None
    setting: str = ""
    value: Any = None


def parse(line: bytes) -> Command:
    """Read one line of the host. Raises ProtocolError with a reason and a sentence."""
    message = decode(line, crc_required=False)
    number = message.pop("seq", None)
    seq = number if type(number) is int else None
    if message.pop("type", None) != "command":
        raise ProtocolError(Wrong.BAD_COMMAND, 'the host sends "type":"command" only', seq)
    try:
        name = Name(message.pop("command", ""))
    except ValueError:
        raise ProtocolError(Wrong.BAD_COMMAND, f"commands: {', '.join(Name)}", seq) from None
    message.pop("v", None)
    message.pop("crc", None)
    if name is not Name.SET:
        if message:
            raise ProtocolError(Wrong.BAD_COMMAND, f"{name} takes no arguments", seq)
        return Command(name, seq)
    setting = message.pop("setting", None)
    if not isinstance(setting, str) or setting not in SETTINGS:
        raise ProtocolError(Wrong.BAD_VALUE, f"settings: {', '.join(SETTINGS)}", seq)
    if list(message) != ["value"]:
        raise ProtocolError(Wrong.BAD_COMMAND, "set takes a setting and a value", seq)
    return Command(name, seq, setting, message["value"])
