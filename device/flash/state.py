"""What the store knows beside the slots' bytes: ``state.json``, of one spelling and with a CRC.

Anything but the very bytes that ``encode`` writes is refused, so that no flipped bit is believed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal

from device.flash.audit import MAX_TEXT, MAX_WHO, Head, plain
from device.flash.document import parse_stamp, stamp

FORMAT = 1
MAX_BYTES = 16 << 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SlotName = Literal["a", "b"]
SLOTS: tuple[SlotName, SlotName] = ("a", "b")


@dataclass(frozen=True, slots=True)
class Slot:
    """A bundle that was installed: sha256 of its file, content as signed, id of the signing key."""

    sha256: str
    model: str
    content: str
    counter: int
    key: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Trial:
    """The model on trial: its slot, how often a monitor started with it, who installed it."""

    slot: SlotName
    starts: int
    by: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The last model that was taken back by the device itself."""

    model: str
    why: str
    utc: datetime

    @classmethod
    def because(cls, why: str, slot: Slot, utc: datetime) -> Failed:
        """Of the model in ``slot``; ``why`` in one line, and as long as may be read back."""
        return cls(slot.model, plain(why, MAX_TEXT), utc)


@dataclass(frozen=True, slots=True)
class State:
    """A slot that is named here was on the disk before, whole.

    active : the confirmed slot, None for the embedded model
    counter : no bundle with a lower one is accepted
    time_floor : what signed documents have proven of the time
    log : the last entry of the audit log
    lost : why nothing of this is known but what the slots and the log tell; "" when all is well
    """

    slots: Mapping[SlotName, Slot | None] = field(default_factory=lambda: {"a": None, "b": None})
    active: SlotName | None = None
    trial: Trial | None = None
    failed: Failed | None = None
    counter: int = 0
    time_floor: datetime = EPOCH
    log: Head = Head()  # noqa: RUF009 (frozen)
    lost: str = ""


def other(slot: SlotName | None) -> SlotName:
    """The slot that is not this one."""
    return "b" if slot == "a" else "a"


def encode(state: State) -> bytes:
    """The bytes of ``state.json``."""
    body = {"format": FORMAT, **_plain(state)}
    del body["lost"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=_plain).encode()
    return b'{"crc32":"%08x","state":%s}\n' % (zlib.crc32(text), text)


def decode(data: bytes) -> State:
    """Read what ``encode`` wrote. Raises ValueError for anything else."""
    try:
        body = json.loads(data)["state"]
        form = body["format"]
        state = _state(body) if form == FORMAT else State()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("it is damaged") from None
    if form != FORMAT:
        raise ValueError(f"it is of format {form!r:.20}, this firmware reads {FORMAT}")
    if encode(state) != data:
        raise ValueError("it is damaged")
    return state


def _state(body: Any) -> State:
    trial, failed, active = body["trial"], body["failed"], body["active"]
    state = State(
        slots={name: _slot(body["slots"][name]) for name in SLOTS},
        active=None if active is None else _name(active),
        trial=None if trial is None else _trial(trial),
        failed=None if failed is None else _failed(failed),
        counter=_count(body["counter"]),
        time_floor=parse_stamp(body["time_floor"]),
        log=Head(_count(body["log"]["n"]), _text(body["log"]["hash"])),
    )
    used = [name for name in (state.active, state.trial.slot if state.trial else None) if name]
    if len(set(used)) != len(used) or any(state.slots[name] is None for name in used):
        raise ValueError("a slot is used twice, or one that holds nothing")
    return state


def _trial(value: Any) -> Trial:
    return Trial(_name(value["slot"]), _count(value["starts"]), _text(value["by"]))


def _failed(value: Any) -> Failed:
    return Failed(_text(value["model"], MAX_WHO), _text(value["why"]), parse_stamp(value["utc"]))


def _slot(value: Any) -> Slot | None:
    if value is None:
        return None
    return Slot(
        sha256=_text(value["sha256"]),
        model=_text(value["model"], MAX_WHO),
        content=_text(value["content"]),
        counter=_count(value["counter"]),
        key=_text(value["key"]),
        since=parse_stamp(value["since"]),
    )


def _name(value: Any) -> SlotName:
    for name in SLOTS:
        if value == name:
            return name
    raise ValueError("no slot")


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no count")
    return value


def _text(value: Any, most: int = MAX_TEXT) -> str:
    if not (isinstance(value, str) and value.isprintable() and len(value) <= most):
        raise ValueError("no text")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return {one.name: getattr(value, one.name) for one in fields(value)}
