"""Commands of the host, checked.

``{"v":1,"seq":7,"type":"command","command":"set","setting":"mains_hz","value":60,"crc":"..."}``;
``v``, ``seq`` and ``crc`` may be left out at a terminal, but not of ``model``, ``inject`` and
``auth``. A line of a session ends with ``counter``, ``mac`` and ``crc``: see ``session``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from device.link.inject import MAX_INDEX, InjectAction
from device.link.protocol import ProtocolError, Wrong, decode, split_mac
from device.link.upload import CHUNK_BYTES
from firmware.archive import MAX_BYTES
from hal.injected import MAX_FRAMES

MAX_COMMAND = 512  # bytes
MAX_CHUNK_LINE = 11_000  # bytes: CHUNK_BYTES that zlib cannot shrink, in base 85, and 300 for names
MAX_LOG = 1000  # entries
MAX_WHO = 64  # characters
MAX_COUNTER = (1 << 53) - 1  # every reader of JSON has whole numbers up to here

# What a host may set, and where that is in the configuration.
SETTINGS = {
    "mains_hz": "filters.mains_hz",
    "profile": "filters.profile",
    "naming": "electrodes.naming",
    "lead": "display.lead",
    "night": "display.night",
    "language": "display.language",
}


class Name(StrEnum):
    """The commands."""

    INFO = "info"
    START = "start"
    STOP = "stop"
    SNAPSHOT = "snapshot"
    SET = "set"
    PRESS = "press"
    ALARM = "alarm"
    RECORD = "record"
    PATIENT = "patient"
    MODEL = "model"
    INJECT = "inject"
    AUTH = "auth"


class Action(StrEnum):
    """What ``model`` does."""

    LIST = "list"
    INFO = "info"
    BEGIN = "begin"
    CHUNK = "chunk"
    VERIFY = "verify"
    INSTALL = "install"
    CONFIRM = "confirm"
    ROLLBACK = "rollback"
    LOG = "log"


class AuthAction(StrEnum):
    """What ``auth`` does."""

    BEGIN = "begin"
    PROVE = "prove"
    END = "end"


@dataclass(frozen=True, slots=True)
class Signed:
    """What ends a line of a session: ``mac`` is of the bytes ``text``, with ``counter`` last."""

    text: bytes
    counter: int
    mac: str


@dataclass(frozen=True, slots=True)
class Command:
    """One valid command; ``seq`` is repeated in the reply as ``re``.

    setting, value : of ``set``; action : of ``model``, ``inject`` and ``auth``; arguments : of the
    others; signed : None of a line without ``counter`` and ``mac``
    """

    name: Name
    seq: int | None
    setting: str = ""
    value: Any = None
    action: Action | InjectAction | AuthAction | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    signed: Signed | None = None

    @property
    def changes(self) -> bool:
        """Whether it does more than read; ``auth`` has rules of its own."""
        return self.name not in _READING and not (
            self.name is Name.MODEL and self.action in _READING_MODELS
        )


_MAC = re.compile("[0-9a-f]{32}")
_READING = (Name.INFO, Name.START, Name.SNAPSHOT, Name.AUTH)
_READING_MODELS = (Action.LIST, Action.INFO, Action.LOG)
_LONG: Mapping[Name, str] = {Name.MODEL: Action.CHUNK, Name.INJECT: InjectAction.FRAMES}


def bulk(line: bytes) -> Name | None:
    """Whose action in ``_LONG`` this seems to be, by its beginning; None for any other line."""
    head = line[:200]
    return next((name for name, action in _LONG.items() if b'"%s"' % action.encode() in head), None)


def parse(line: bytes) -> Command:
    """Read one line of the host. Raises ProtocolError with a reason and a sentence."""
    long = len(line) > MAX_COMMAND
    if long and bulk(line) is None:  # so that other long lines cost nothing
        raise _too_long(None)
    message = decode(line, crc_required=False)
    number = message.pop("seq", None)
    seq = number if type(number) is int else None
    if message.pop("type", None) != "command":
        raise ProtocolError(Wrong.BAD_COMMAND, 'the host sends "type":"command" only', seq)
    try:
        name = Name(message.pop("command", ""))
    except ValueError:
        said = f"unknown command; commands: {', '.join(Name)}"
        raise ProtocolError(Wrong.BAD_COMMAND, said, seq) from None
    message.pop("v", None)
    signed = _signed(line, message, seq)
    checked = message.pop("crc", None) is not None
    if long and not (name in _LONG and message.get("action") == _LONG[name]):
        raise _too_long(seq)
    if name in _ACTIONS:
        if not checked:
            raise ProtocolError(Wrong.BAD_CRC, f"{name} commands must end with a CRC", seq)
        return replace(_with_action(name, message, seq), signed=signed)
    if name is not Name.SET:
        _check_arguments(name, _PLAIN.get(name, {}), message, seq)
        return Command(name, seq, arguments=message, signed=signed)
    setting = message.pop("setting", None)
    if not isinstance(setting, str) or setting not in SETTINGS:
        said = f"no such setting; settings: {', '.join(SETTINGS)}"
        raise ProtocolError(Wrong.BAD_VALUE, said, seq)
    if "value" not in message or set(message) - {"value", "keep"}:
        raise ProtocolError(Wrong.BAD_COMMAND, "set takes a setting, a value and keep", seq)
    value = message.pop("value")
    _check_arguments(name, {"keep": _TRUTH}, message, seq)
    return Command(name, seq, setting, value, arguments=message, signed=signed)


def _signed(line: bytes, message: dict[str, Any], seq: int | None) -> Signed | None:
    """What ends a line of a session, taken out of ``message``."""
    if not message.keys() & {"counter", "mac"}:
        return None
    counter, said = message.pop("counter", None), message.pop("mac", None)
    text, mac = split_mac(line)
    if type(counter) is not int or not 0 < counter <= MAX_COUNTER:
        what = f"a line with a mac has a counter, 1 to {MAX_COUNTER}"
        raise ProtocolError(Wrong.BAD_COMMAND, what, seq)
    if mac != said or not _MAC.fullmatch(mac):
        what = "mac is 32 lower-case hexadecimal digits, right before the CRC"
        raise ProtocolError(Wrong.BAD_COMMAND, what, seq)
    return Signed(text, counter, mac)


def _too_long(seq: int | None) -> ProtocolError:
    return ProtocolError(Wrong.TOO_LONG, f"at most {MAX_COMMAND} bytes per command", seq)


# -- the arguments of the others


def _number(least: int, most: int) -> tuple[Callable[[Any], bool], str]:
    return lambda value: type(value) is int and least <= value <= most, f"from {least} to {most}"


def _text(pattern: str, said: str) -> tuple[Callable[[Any], bool], str]:
    whole = re.compile(pattern)
    return lambda value: isinstance(value, str) and whole.fullmatch(value) is not None, said


def _word(*allowed: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in allowed, " or ".join(allowed)


def _printable(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_WHO and value.isprintable()


def _day(value: Any) -> bool:
    try:
        return value == "" or bool(date.fromisoformat(value).isoformat() == value)
    except (TypeError, ValueError):
        return False


_TRUTH = (lambda value: type(value) is bool, "true or false")
_DIGEST = _text("[0-9a-f]{64}", "64 lower-case hexadecimal digits")
_WHO = _text(f"[ -~]{{1,{MAX_WHO}}}", f"1 to {MAX_WHO} printable ASCII characters")
_Arguments = Mapping[str, tuple[Callable[[Any], bool], str]]
_NAME = (_printable, f"at most {MAX_WHO} printable characters")
# What is left out is false or "".
_PLAIN: Mapping[Name, _Arguments] = {
    Name.PRESS: {"button": _word("page", "ok"), "held": _TRUTH},
    Name.ALARM: {"action": _word("silence", "pause")},
    Name.PATIENT: {
        "id": _NAME,
        "name": _NAME,
        "born": (_day, "a day as 1948-02-29"),
        "sex": _word("M", "F", ""),
    },
}
_NEEDED: Mapping[Name, str] = {Name.PRESS: "button", Name.ALARM: "action"}


def _check_arguments(
    name: Name, known: _Arguments, message: Mapping[str, Any], seq: int | None
) -> None:
    if set(message) - set(known) or (name in _NEEDED and _NEEDED[name] not in message):
        takes = ", ".join(known) or "no arguments"
        raise ProtocolError(Wrong.BAD_COMMAND, f"{name} takes {takes}", seq)
    for argument, value in message.items():
        fits, said = known[argument]
        if not fits(value):
            raise ProtocolError(Wrong.BAD_VALUE, f"{name}: {argument} must be {said}", seq)


_MODEL: Mapping[Action, _Arguments] = {
    Action.LIST: {},
    Action.INFO: {},
    Action.BEGIN: {"bytes": _number(1, MAX_BYTES), "sha256": _DIGEST, "keep": _TRUTH},
    Action.CHUNK: {
        "offset": _number(0, MAX_BYTES),
        "bytes": _number(1, CHUNK_BYTES),
        "data": _text("[!-~]+", "base 85"),
    },
    Action.VERIFY: {"sha256": _DIGEST, "who": _WHO},
    Action.INSTALL: {"sha256": _DIGEST, "who": _WHO},
    Action.CONFIRM: {"who": _WHO},
    Action.ROLLBACK: {"who": _WHO},
    Action.LOG: {"last": _number(1, MAX_LOG)},
}

_INJECT: Mapping[InjectAction, _Arguments] = {
    InjectAction.BEGIN: {"gain": _number(1, 12), "rate_hz": _number(1, 100_000)},
    InjectAction.FRAMES: {
        "index": _number(0, MAX_INDEX),
        "n": _number(1, MAX_FRAMES),
        "data": _text("[!-~]+", "base 85"),
    },
    InjectAction.END: {"index": _number(0, MAX_INDEX)},
}
_AUTH: Mapping[AuthAction, _Arguments] = {
    AuthAction.BEGIN: {"nonce": _text("[0-9a-f]{32}", "32 lower-case hexadecimal digits")},
    AuthAction.PROVE: {"proof": _DIGEST},
    AuthAction.END: {},
}
_ACTIONS: Mapping[Name, Mapping[Any, _Arguments]] = {
    Name.MODEL: _MODEL,
    Name.INJECT: _INJECT,
    Name.AUTH: _AUTH,
}


def _with_action(name: Name, message: dict[str, Any], seq: int | None) -> Command:
    actions = _ACTIONS[name]
    action = message.pop("action", "")
    if not isinstance(action, str) or action not in actions:
        said = f"{name} takes an action: {', '.join(actions)}"
        raise ProtocolError(Wrong.BAD_COMMAND, said, seq)
    wanted = actions[action]
    if set(message) != set(wanted):
        takes = ", ".join(wanted) or "no arguments"
        raise ProtocolError(Wrong.BAD_COMMAND, f"{name} {action} takes {takes}", seq)
    for argument, (fits, said) in wanted.items():
        if not fits(message[argument]):
            what = f"{name} {action}: {argument} must be {said}"
            raise ProtocolError(Wrong.BAD_VALUE, what, seq)
    kind = next(one for one in actions if one == action)
    return Command(name, seq, action=kind, arguments=message)
