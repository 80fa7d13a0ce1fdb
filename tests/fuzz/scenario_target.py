"""Scenarios of the bench: YAML, their schema, and sentences on what is expected."""

from __future__ import annotations

import random
from pathlib import Path

from tests.fuzz.mutate import change_bytes, change_text
from tests.fuzz.watch import one_line
from tools.hil.scenario import ScenarioError, load

LIBRARY = Path(__file__).parents[1] / "hil"
WORDS = (b"&a [*a]", b"*a", b"!!python/object:os.system", b"[" * 3000, b"{", b"? ", b"- ", b"--- ",
         b"%YAML 9.9", b"|", b">", b"on", b"~", b"1979-05-27", b"0x10", b"1e999", b".nan", b"'",
         b'"\\0"', b"\t", b"\xff", b"\xef\xbb\xbf", b"#", b": ", b"\n", b"within 5 s", b"never",
         b"at", b"<<: *a", b"x: " * 200)  # fmt: skip


class ScenarioTarget:
    """An input is one file."""

    def seeds(self) -> list[bytes]:
        """One of each kind in the library."""
        folders = sorted(path for path in LIBRARY.iterdir() if path.is_dir())
        return [min(folder.glob("*.yaml")).read_bytes() for folder in folders]

    def run(self, data: bytes, folder: Path) -> None:
        """ScenarioError in one line, or a scenario."""
        path = folder / "scenario.yaml"
        path.write_bytes(data)
        try:
            load(path)
        except ScenarioError as error:
            one_line(str(error))

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """A word, a number, a line; seldom the bytes."""
        if rng.random() < 0.1:
            return change_bytes(rng, data, other)
        return change_text(rng, data, WORDS)


TARGET = ScenarioTarget()
