"""A page as a list of blocks, written as Markdown or as one self-contained HTML file."""

from __future__ import annotations

import base64
import html as escape
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """``level`` 1 is the page's title."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Text:
    """A paragraph; **bold** and `code` are marked as in Markdown."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list of paragraphs."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells are texts, marked like those of Text."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """``name``.png; ``alt`` says what it shows."""

    name: str
    alt: str


Block = Heading | Text | Items | Table | Picture


def markdown(blocks: Sequence[Block], folder: str = "") -> str:
    """The page as Markdown; pictures lie in ``folder`` beside it."""
    return "\n".join(_markdown(block, folder) for block in blocks)


def html(blocks: Sequence[Block], pictures: Mapping[str, bytes]) -> str:
    """The page as HTML with its pictures (PNG by name) inside."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    body = "\n".join(_html(block, pictures) for block in blocks)
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f"<title>{escape.escape(title)}</title>\n<style>{_STYLE}</style>\n{body}\n</html>\n"
    )


_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;margin:1em 0;font-size:90%}"
    "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
    "th{background:#eee}img{max-width:100%}"
)


def _markdown(block: Block, folder: str) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {text}\n"
        case Text(text):
            return f"{text}\n"
        case Items(items):
            return "\n".join(f"- {item}" for item in items) + "\n"
        case Table(head, rows):
            lines = [head, ["---"] * len(head), *rows]
            return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
        case Picture(name, alt):
            return f"![{alt}]({folder}{'/' if folder else ''}{name}.png)\n"


def _html(block: Block, pictures: Mapping[str, bytes]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_marked(text)}</h{level}>"
        case Text(text):
            return f"<p>{_marked(text)}</p>"
        case Items(items):
            return "<ul>" + "".join(f"<li>{_marked(item)}</li>" for item in items) + "</ul>"
        case Table(head, rows):
            top = "".join(f"<th>{_marked(cell)}</th>" for cell in head)
            body = "".join(
                "<tr>" + "".join(f"<td>{_marked(cell)}</td>" for cell in row) + "</tr>\n"
                for row in rows
            )
            return f"<table><tr>{top}</tr>\n{body}</table>"
        case Picture(name, alt):
            data = base64.b64encode(pictures[name]).decode()
            return f'<img alt="{escape.escape(alt)}" src="data:image/png;base64,{data}">'


def _marked(text: str) -> str:
    safe = escape.escape(text, quote=False)
    safe = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", safe)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", safe)
