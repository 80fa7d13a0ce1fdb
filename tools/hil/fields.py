"""What of a monitor's messages an expectation can be about, and the words each can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum, auto
from functools import cache
from typing import Any

from device.bundles import read_bundle
from device.controls import Page
from device.flash.install import Refused
from device.link.protocol import Wrong
from firmware.alarms import CODES as ALARM_CODES
from firmware.alarms import Audio
from firmware.events import LEADS, QualityGrade, Refusal
from hal.frontend import Electrode

State = Mapping[str, Any]  # field -> value

GRADES = tuple(grade.name.lower() for grade in sorted(QualityGrade))
PARTS = ("frontend", "ring", "model", "analysis", "display", "serial", "storage",
         "buttons", "indicators", "settings", "battery")  # fmt: skip
_MEASURED = ("st_elevation", "paced", "asystole", "vf_vt", "swap")  # findings that need no network


class Kind(Enum):
    """What a field holds."""

    WORD = auto()
    TEXT = auto()
    NUMBER = auto()
    LIST = auto()
    GRADE = auto()  # words in an order


@dataclass(frozen=True, slots=True)
class Field:
    """What of the monitor's messages can be compared.

    known : the words it can be; None for any
    windowed : said anew with every result, once a second; the others whenever they change
    momentary : true when it is said, not from then on
    """

    kind: Kind
    known: Callable[[], tuple[str, ...]] | None
    windowed: bool
    momentary: bool = False


@cache
def _calls() -> tuple[str, ...]:
    bundle = read_bundle()
    return next(g.labels for g in bundle.groups if g.name == bundle.call_group)


@cache
def _findings() -> tuple[str, ...]:
    return tuple(dict.fromkeys([*_MEASURED, *(rule.code for rule in read_bundle().findings)]))


FIELDS: Mapping[str, Field] = {
    "call": Field(Kind.WORD, _calls, True),
    "refusal": Field(Kind.WORD, lambda: tuple(Refusal), True),
    "text": Field(Kind.TEXT, None, True),
    "rate": Field(Kind.NUMBER, None, True),
    "quality": Field(Kind.GRADE, lambda: GRADES, True),
    "probability": Field(Kind.NUMBER, None, True),
    "findings": Field(Kind.LIST, _findings, True),
    "faults": Field(Kind.LIST, lambda: LEADS, True),  # leads that cannot be read
    "electrodes_off": Field(Kind.LIST, lambda: tuple(Electrode.__members__), False),
    "fault": Field(Kind.LIST, lambda: PARTS, False),  # parts of the instrument
    "page": Field(Kind.WORD, lambda: tuple(Page), False),
    "alarms": Field(Kind.LIST, lambda: ALARM_CODES, False),  # the conditions are there now
    "latched": Field(Kind.LIST, lambda: ALARM_CODES, False),  # over, and not acknowledged
    "audio": Field(Kind.WORD, lambda: tuple(Audio), False),
    "model": Field(Kind.WORD, None, False),
    "model_state": Field(
        Kind.WORD, lambda: ("embedded", "confirmed", "trial", "file", "none"), False
    ),
    "lost": Field(Kind.NUMBER, None, False),
    "height": Field(Kind.NUMBER, None, False),  # of lead II, in the last snapshot
    "flash": Field(Kind.WORD, lambda: ("installed", "verified", "refused"), False, True),
    "reason": Field(Kind.WORD, lambda: tuple(Refused), False, True),  # of a refused model
    "error": Field(Kind.WORD, lambda: tuple(Wrong), False, True),  # answer to a command
}


def suggestion(name: str, known: Iterable[str]) -> str:
    """What was meant, or all there is."""
    known = list(known)
    close = get_close_matches(name, known, n=2, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
