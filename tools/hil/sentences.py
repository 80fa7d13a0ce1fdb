"""Expectations as sentences: ``within 5 s of 15 s: electrodes_off == [V3]``, read and checked.

    within N s [of T s]: CONDITION
    always [from T s] [to T s]: CONDITION
    CONDITION for P % of windows [from T s] [to T s]
    never CONDITION [while CONDITION] [from T s] [to T s]
    no samples lost
    samples lost A..B

CONDITION is ``field op value``, joined by ``and`` and ``or`` (``and`` first); ``rate 80 ± 2``
is one, false when the rate is blank; so is ``call`` alone, that a call is made. Fields, operators
and the words a field can be compared with: ``FIELDS``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tools.hil.fields import FIELDS, GRADES, Field, Kind, State, suggestion

Value = str | float | tuple[str | float, ...] | None


class SentenceError(ValueError):
    """What is wrong with a sentence, and ``column``, where it begins (from 0)."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column


_OPERATORS = {
    Kind.WORD: ("==", "!=", "in"),
    Kind.TEXT: ("==", "!=", "contains"),
    Kind.NUMBER: ("==", "!=", "<", ">", "<=", ">="),
    Kind.LIST: ("==", "!=", "contains"),
    Kind.GRADE: ("==", "!=", "in", "<", ">", "<=", ">="),
}
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


# -- conditions


@dataclass(frozen=True, slots=True)
class Compare:
    """``field op value``."""

    field: str
    op: str
    value: Value

    def holds(self, state: State) -> bool:
        """Whether it is so. What is blank has no order: it is neither more nor less."""
        seen, value = state.get(self.field), self.value
        kind = FIELDS[self.field].kind
        if self.op in _ORDER:
            if seen is None:
                return False
            if kind is Kind.GRADE:
                seen, value = GRADES.index(seen), GRADES.index(str(value))
            assert isinstance(value, int | float)
            return _ORDER[self.op](seen, value)
        if self.op == "in":
            assert isinstance(value, tuple)
            return seen in value
        if self.op == "contains":
            return seen is not None and value in seen
        if kind is Kind.LIST:
            wanted = value if isinstance(value, tuple) else () if value is None else (value,)
            same = set(seen or ()) == set(wanted)
        else:
            same = seen == value
        return same is (self.op == "==")

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)


@dataclass(frozen=True, slots=True)
class Rate:
    """``rate R ± D``."""

    bpm: float
    tolerance: float
    fields = ("rate",)

    def holds(self, state: State) -> bool:
        """Whether the rate is known and that near."""
        rate = state.get("rate")
        return rate is not None and abs(rate - self.bpm) <= self.tolerance + 1e-9


@dataclass(frozen=True, slots=True)
class Called:
    """``call``."""

    fields = ("call",)

    def holds(self, state: State) -> bool:
        """Whether a call is made."""
        return state.get("call") is not None


@dataclass(frozen=True, slots=True)
class Joined:
    """Conditions of which ``all`` or any must hold."""

    parts: tuple[Condition, ...]
    all: bool

    def holds(self, state: State) -> bool:
        held = (part.holds(state) for part in self.parts)
        return all(held) if self.all else any(held)

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for part in self.parts for name in part.fields))


Condition = Compare | Rate | Called | Joined


class Form(StrEnum):
    """The kinds of sentences."""

    WITHIN = "within"
    ALWAYS = "always"
    SHARE = "share"  # for P % of windows
    NEVER = "never"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, understood.

    start_s, end_s : when it holds, both included; of WITHIN the time it has
    condition : None for LOST · meanwhile : of NEVER ... while
    percent : of SHARE · least, most : samples, of LOST
    """

    text: str
    form: Form
    condition: Condition | None = None
    start_s: float = -math.inf
    end_s: float = math.inf
    meanwhile: Condition | None = None
    percent: float = 100.0
    least: int = 0
    most: int = 0

    @property
    def fields(self) -> tuple[str, ...]:
        """What it looks at."""
        parts = [part for part in (self.condition, self.meanwhile) if part is not None]
        return Joined(tuple(parts), all=True).fields

    @property
    def windowed(self) -> bool:
        """Whether it is to be looked at with every result only."""
        return self.form is Form.SHARE or any(FIELDS[name].windowed for name in self.fields)


def read(text: str) -> Sentence:
    """Understand ``text``. Raises SentenceError."""
    return _Reader(text).sentence()


# -- reading

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|(?P<quoted>\"[^\"]*\")"
    r"|(?P<word>[A-Za-z_][\w.+-]*)|(?P<sign>==|!=|<=|>=|\+-|\.\.|[<>±%\[\],:]))"
)
_STARTS = ("within", "always", "never", "no samples lost", "samples lost", *FIELDS)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # "number", "quoted", "word", "sign" or "end"
    text: str
    column: int


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            column = at + len(text[at:]) - len(text[at:].lstrip())
            raise SentenceError(f"{text[column:].split()[0]!r} cannot be read", column)
        kind = str(match.lastgroup)
        tokens.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*tokens, _Token("end", "", len(text))]


class _Reader:
    """Recursive descent over the tokens of one sentence."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def sentence(self) -> Sentence:
        if self._take("within"):
            length, start = self._seconds(), 0.0
            if self._take("of"):
                start = self._seconds()
            self._expect(":")
            condition = self._condition()
            found = Sentence(self._text, Form.WITHIN, condition, start, start + length)
        elif self._take("always"):
            start, end = self._span()
            self._expect(":")
            found = Sentence(self._text, Form.ALWAYS, self._condition(), start, end)
        elif self._take("never"):
            condition = self._condition()
            meanwhile = self._condition() if self._take("while") else None
            found = Sentence(self._text, Form.NEVER, condition, *self._span(), meanwhile)
        elif self._take("no"):
            self._expect("samples", "lost")
            found = Sentence(self._text, Form.LOST)
        elif self._take("samples"):
            self._expect("lost")
            least = self._number("a number of samples")
            self._expect("..")
            most = self._number("a number of samples")
            found = Sentence(self._text, Form.LOST, least=int(least), most=int(most))
        else:
            condition = self._condition()
            self._expect("for")
            percent = self._number("a percentage")
            self._expect("%", "of", "windows")
            found = Sentence(self._text, Form.SHARE, condition, *self._span(), percent=percent)
        if self._next.kind != "end":
            raise self._wrong("nothing more")
        if found.start_s > found.end_s or found.least > found.most or not 0 < found.percent <= 100:
            raise SentenceError("the numbers exclude each other; check their order", 0)
        return found

    def _condition(self) -> Condition:
        parts = [self._all_of()]
        while self._take("or"):
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), all=False)

    def _all_of(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), all=True)

    def _one(self) -> Condition:
        name = self._next
        if name.text not in FIELDS:
            first = self._at == 0
            raise SentenceError(
                f"{repr(name.text) if name.text else 'the end'} is no "
                f"{'beginning' if first else 'field'}; "
                + suggestion(name.text, _STARTS if first else FIELDS),
                name.column,
            )
        self._at += 1
        field, op = FIELDS[name.text], self._next
        if name.text == "rate" and op.kind == "number":
            bpm = self._number("a rate")
            if not (self._take("±") or self._take("+-")):
                raise self._wrong("'±' and how far the rate may be off")
            return Rate(bpm, self._number("a number"))
        if name.text == "call" and op.text not in ("==", "!=", "in", "<", ">", "contains"):
            return Called()
        if op.text not in _OPERATORS[field.kind]:
            raise self._wrong(f"{' or '.join(_OPERATORS[field.kind])} behind {name.text}")
        self._at += 1
        at = self._next.column
        value = self._value(field)
        if (op.text == "in") and not isinstance(value, tuple):
            raise SentenceError("'in' wants a list, as [SR, AFIB]", at)
        if op.text not in ("==", "!=") and value is None:
            raise SentenceError(f"'none' has no order; use == or != behind {name.text}", at)
        single = op.text != "in" and not (field.kind is Kind.LIST and op.text in ("==", "!="))
        if single and isinstance(value, tuple):
            raise SentenceError(f"{name.text} {op.text} wants one value, not a list", at)
        return Compare(name.text, op.text, value)

    def _value(self, field: Field) -> Value:
        if not self._take("["):
            return self._single(field)
        values: list[str | float] = []
        while not self._take("]"):
            if values:
                self._expect(",")
            one = self._single(field)
            if one is None:
                raise self._wrong("words or numbers in a list")
            values.append(one)
        return tuple(values)

    def _single(self, field: Field) -> str | float | None:
        token = self._next
        wants_number = field.kind is Kind.NUMBER
        none = token.text == "none" and not (field.known and "none" in field.known())
        if not none and (
            token.kind == "end" or token.kind == "sign" or wants_number != (token.kind == "number")
        ):
            raise self._wrong("a number" if wants_number else "a word")
        self._at += 1
        if none:
            return None
        if wants_number:
            return float(token.text)
        word = token.text.strip('"')
        if field.known is not None and word not in field.known():
            hint = suggestion(word, field.known())
            raise SentenceError(f"{word!r} is never said here; {hint}", token.column)
        return word

    # -- small parts

    def _span(self) -> tuple[float, float]:
        start = self._seconds() if self._take("from") else -math.inf
        end = self._seconds() if self._take("to") else math.inf
        return start, end

    def _seconds(self) -> float:
        seconds = self._number("a number of seconds")
        self._expect("s")
        return seconds

    def _number(self, what: str) -> float:
        if self._next.kind != "number":
            raise self._wrong(what)
        self._at += 1
        return float(self._tokens[self._at - 1].text)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, text: str) -> bool:
        found = self._next.text == text
        self._at += found
        return found

    def _expect(self, *texts: str) -> None:
        for text in texts:
            if not self._take(text):
                raise self._wrong(repr(text))

    def _wrong(self, wanted: str) -> SentenceError:
        found = repr(self._next.text) if self._next.text else "the end"
        before = self._tokens[self._at - 1].text if self._at else ""
        behind = f" behind {before!r}" if before and " behind " not in wanted else ""
        return SentenceError(f"{wanted} expected{behind}, not {found}", self._next.column)
