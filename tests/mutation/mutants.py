"""The fixed list of mutants: ``mutants/*.toml`` beside this file."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LISTS = Path(__file__).parent / "mutants"


class MutantError(ValueError):
    """The list does not fit the sources; one line: what, and what to do."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One defect.

    name : unique; file : what it is put into, from the top of the tree
    was, becomes : text that occurs once in ``file``, and what stands there instead
    defect : what has gone wrong, in the words of the field
    tests : files that should notice; those that do not are no loss, all are asked in the end
    lives : why no test can notice, "" for a mutant that must be caught
    """

    name: str
    file: str
    was: str
    becomes: str
    defect: str
    tests: tuple[str, ...]
    lives: str = ""

    def put_into(self, text: str) -> str:
        """``text`` of the file with the defect in it. Raises MutantError if it does not fit."""
        if (times := text.count(self.was)) != 1:
            raise MutantError(
                f"{self.name}: {self.was.strip()!r:.60} occurs {times} times in {self.file}; "
                "write the mutant anew for the source as it is"
            )
        return text.replace(self.was, self.becomes)


def load(folder: Path = LISTS) -> tuple[Mutant, ...]:
    """All mutants, list by list in the order of their names. Raises MutantError.

    A list has ``[tests]``, the test files of each source file, and a ``[[mutant]]`` for each.
    """
    found: list[Mutant] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            found += [
                Mutant(**entry, tests=tuple(content["tests"][entry["file"]]))
                for entry in content["mutant"]
            ]
        except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
            raise MutantError(f"{path.name} is no list of mutants: {error}") from None
    return tuple(found)


def chosen(mutants: Iterable[Mutant], names: Iterable[str]) -> tuple[Mutant, ...]:
    """Those called ``names``, in the order of the list. Raises MutantError for unknown ones."""
    mutants, wanted = tuple(mutants), set(names)
    if unknown := wanted - {mutant.name for mutant in mutants}:
        raise MutantError(f"no mutant is called {', '.join(sorted(unknown))}; see docs/mutation.md")
    return tuple(mutant for mutant in mutants if mutant.name in wanted)
