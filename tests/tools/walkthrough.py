"""A page of commands, read and typed: two shells, and what each block must print."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 60.0  # only a hang, or a page that is wrong, reaches it
INTERRUPT, ANYTHING = "^C", "..."
_WHO = re.compile(r"^\*(Device|Laptop):\*", re.M)
_BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.M | re.S)


@dataclass
class Block:
    """Commands of one terminal, and the lines they must print; None: not said."""

    terminal: str
    commands: str
    output: list[str] | None = None


def blocks(page: str) -> list[Block]:
    """The commands of a page, in order; the terminal is the one that was named last."""
    marks = sorted([*_WHO.finditer(page), *_BLOCK.finditer(page)], key=lambda m: m.start())
    found: list[Block] = []
    terminal = ""
    for mark in marks:
        match mark.groups():
            case [str(name)]:
                terminal = name
            case ["sh", str(commands)]:
                found.append(Block(terminal, commands))
            case ["text", str(output)]:
                found[-1].output = output.splitlines()
    return found


def plain(line: str) -> str:
    """A line without what differs from one run to the next."""
    line = re.sub(r"\b[0-9a-f]{16}(?:[0-9a-f]{48})?\b", "HASH", line)
    line = re.sub(r"\S+@\S+", "SOMEBODY", line)
    line = re.sub(r"(?<!\S)/\S*(?=/device/)", "HOME", line)
    return " ".join(re.sub(r"\d+", "0", line).split())


def agrees(expected: list[str], said: list[str]) -> bool:
    """Whether ``said`` is as the page has it; ``...`` stands for any lines, a bar for its lines."""
    pattern = "".join(
        "(?:.*\n)*?" if line.strip() == ANYTHING else re.escape(plain(line)) + "\n"
        for line in _bars(expected)
    )
    return re.fullmatch(pattern, "".join(plain(line) + "\n" for line in _bars(said))) is not None


def _bars(lines: list[str]) -> Iterator[str]:
    """An upload's lines, or its bar, are one."""
    before = ""
    for line in lines:
        now = "upload" if line.startswith("upload") else line
        if now != "upload" or before != "upload":
            yield now
        before = now


class Shell:
    """A terminal with a shell in it: types blocks, reads what they print."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            process_group=0,
            # Ctrl-C works in it even where the tests were started with SIGINT ignored
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert self._shell.stdout is not None
        os.set_blocking(self._shell.stdout.fileno(), False)
        self._data = b""
        self._ends = 0

    def type(self, commands: str) -> None:
        """Enter commands."""
        assert self._shell.stdin is not None
        self._ends += 1
        self._data = b""
        # The block is one command to the shell, so that nothing reads the rest of it as input
        text = f"{{\n{commands}\n}} < /dev/null\necho end-{self._ends}-of-block\n"
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def interrupt(self) -> None:
        """Ctrl-C."""
        os.killpg(self._shell.pid, signal.SIGINT)

    @property
    def lines(self) -> list[str]:
        """What was printed since the last block was typed."""
        assert self._shell.stdout is not None
        while data := self._shell.stdout.read():
            self._data += data
        text = self._data.decode().replace(f"end-{self._ends}-of-block\n", "")
        return text.splitlines()

    @property
    def ended(self) -> bool:
        """Whether nothing runs in it."""
        self.lines  # noqa: B018 (reads)
        return not self._ends or f"end-{self._ends}-of-block" in self._data.decode()

    def close(self) -> None:
        """Whatever still runs in it ends."""
        with contextlib.suppress(ProcessLookupError):
            self.interrupt()
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.close()
        try:
            self._shell.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._shell.pid, signal.SIGKILL)
            self._shell.wait()


def follow(shell: Shell, block: Block) -> None:
    """Type a block, interrupt it where the page does, and hold what it prints against the page.

    A block that only looks is repeated until it shows what the page has, as a reader would.
    """
    expected = block.output or []
    until = time.monotonic() + DEADLINE_S
    shell.type(block.commands)
    if INTERRUPT in expected:
        before = expected[: expected.index(INTERRUPT)]
        while not _reached(before, shell.lines):
            _wait(until, block, shell)
        shell.interrupt()
        expected = [line for line in expected if line != INTERRUPT]
    while not shell.ended:
        _wait(until, block, shell)
    assert block.output is None or agrees(expected, shell.lines), (
        f"{block.commands}printed\n" + "\n".join(shell.lines)
    )


def _reached(expected: list[str], said: list[str]) -> bool:
    """Whether the page's last line before Ctrl-C has come; of a bar, its middle."""
    last = expected[-1]
    if last.startswith("upload"):
        return any(re.match(r"upload: [1-9]", line) for line in said)
    return plain(last) in map(plain, said)


def _wait(until: float, block: Block, shell: Shell) -> None:
    assert time.monotonic() < until, f"{block.commands}hangs after\n" + "\n".join(shell.lines)
    time.sleep(0.01)
