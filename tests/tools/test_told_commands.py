"""What a sentence of the runtime says to type exists: on an installed device, and in a checkout."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tools.cli import app

ROOT = Path(__file__).parents[2]
ROOMS = ("hal", "firmware", "device")
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.M))
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# Of Debian's base system, or installed by what stands beside them in the sentence
PROGRAMS = {"apt", "chmod", "chown", "install", "systemctl", "udevadm", "usermod"}


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Strings that may be said: not docstrings; of f-strings the fixed parts, as one."""
    inside = set()
    for node in ast.walk(tree):
        doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if doc or isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node) if isinstance(part, ast.Constant)}
        if isinstance(node, ast.JoinedStr):
            parts = (getattr(part, "value", None) for part in node.values)
            yield node.lineno, "".join(part if isinstance(part, str) else "{}" for part in parts)
        elif isinstance(node, ast.Constant) and id(node) not in inside:
            yield node.lineno, str(node.value)


def said() -> list[tuple[str, str]]:
    return [
        (f"{path.relative_to(ROOT)}:{line}", text)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if " " in text
    ]


SAID = said()


def wrong(text: str) -> str:
    """What is wrong with a sentence; "" for nothing."""
    for words in re.findall(r": make ((?:[a-z-]+ ?)+)|\bmake ([a-z]+-setup)", text):
        for target in " ".join(words).split():
            if target not in TARGETS:
                return f"no target {target}"
        if not re.search(r"install Lead12 again|sudo apt install", text):
            return "an installed device has no make, and nothing is said for it"
        if "in a checkout" not in text:
            return "make is for a checkout, which is not said"
    if re.search(r"\bpip\d? (un)?install\b", text):
        return "no pip is left on a device, and make installs in a checkout"
    for program in re.findall(r"\bsudo ([a-z]+)", text):
        if program not in PROGRAMS:
            return f"{program}: is it there?"
    for command, action in re.findall(r"\blead12 ([a-z]+)(?: ([a-z]+))?", text):
        if command in COMMANDS:
            inner = getattr(COMMANDS[command], "commands", {})
            if inner and action and action not in inner:
                return f"no lead12 {command} {action}"
    return ""


@pytest.mark.parametrize("text", [
    "x; run make pi-setup", "x; in a checkout on a Pi: make pi-setup", "pip install numpy",
    "install Lead12 again; in a checkout: make everything", "sudo frobnicate /dev/null",
    "have one made (lead12 model keep)",
])  # fmt: skip
def test_a_sentence_that_leads_nowhere_is_found(text: str) -> None:
    assert wrong(text)


def test_what_is_said_to_be_typed_is_there() -> None:
    assert len([text for _, text in SAID if "sudo " in text or "make " in text]) > 5
    assert [(where, why, text) for where, text in SAID if (why := wrong(text))] == []
