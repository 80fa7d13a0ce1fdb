"""What comes in over a line from whoever is there, fit for a terminal."""

from __future__ import annotations

from typing import Any


def printable(text: str) -> str:
    """Without what a terminal might obey."""
    return "".join(c if c.isprintable() else "?" for c in text)


def plain(value: Any) -> Any:
    """The same of every text in a value of JSON."""
    match value:
        case str():
            return printable(value)
        case list():
            return [plain(one) for one in value]
        case dict():
            return {printable(name): plain(one) for name, one in value.items()}
    return value
