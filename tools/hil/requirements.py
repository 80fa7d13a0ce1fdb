"""Which scenarios and tests show which requirement: ``lead12 hil check``.

docs/requirements.md has the requirements, one row of a table each; a scenario names what its
expectations show in ``shows``, and tests/requirements.toml names the tests of each requirement.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tools.hil.scenario import Scenario, load_all

ROOT = Path(__file__).resolve().parents[2]
PAGE, TESTS = "docs/requirements.md", "tests/requirements.toml"
SCENARIOS = ("tests/hil", "tests/hil-long")
UPDATE = "lead12 hil check --update-docs"
_ID = re.compile(r"[PTQ]-\d{2}")
_CELLS = ("id", "requirement", "source", "shown by")


class RequirementError(ValueError):
    """A page or list of tests that cannot be read: file and line, what is wrong, in one line."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A row of the table; ``row`` is the number of its line in the page, from 0."""

    id: str
    text: str
    source: str
    row: int


@dataclass
class Trace:
    """What shows each requirement.

    scenarios : id -> scenarios with an expectation that must hold; gaps : id -> those whose
        expectation is a known gap; tests : id -> test ids as pytest has them
    problems : what is wrong, one line each
    """

    requirements: Mapping[str, Requirement]
    scenarios: Mapping[str, list[Scenario]] = field(default_factory=lambda: defaultdict(list))
    gaps: Mapping[str, list[Scenario]] = field(default_factory=lambda: defaultdict(list))
    tests: Mapping[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line."""
        showing = {s.name for shown in self.scenarios.values() for s in shown}
        tests = {test for named in self.tests.values() for test in named}
        return (
            f"{len(self.requirements)} requirements, shown by {len(showing)} scenarios and "
            f"{len(tests)} tests; {sum(map(bool, self.gaps.values()))} have known gaps"
        )


def check(root: Path = ROOT, *, update_docs: bool = False) -> Trace:
    """What shows each requirement; the page's last column is written if asked.

    Raises RequirementError or ScenarioError: a file that cannot be read.
    """
    try:
        text, tests = (root / PAGE).read_text(), (root / TESTS).read_text()
    except OSError as error:
        raise RequirementError(f"{error.filename}: cannot be read ({error.strerror})") from None
    scenarios = load_all([root / folder for folder in SCENARIOS])
    found = trace(read_page(text), scenarios, read_tests(tests), root)
    current = filled(text, found, root)
    if update_docs:
        (root / PAGE).write_text(current)
    elif current != text:
        found.problems.append(f"{PAGE}: its last column is out of date; run {UPDATE}")
    return found


def refuse_unknown(scenarios: Iterable[Scenario], root: Path = ROOT) -> None:
    """Raises RequirementError for a scenario that shows what is not on the page.

    Where there is no page (a wheel has no docs), every number will do.
    """
    if not (root / PAGE).is_file():
        return
    known = read_page((root / PAGE).read_text())
    for scenario in scenarios:
        for expectation in scenario.expect:
            for name in expectation.shows:
                if name not in known:
                    raise RequirementError(
                        f"{scenario.path}: shows {name}, which is not in {PAGE}; take one of its "
                        "ids, or add a row"
                    )


def read_page(text: str) -> dict[str, Requirement]:
    """The requirements of the page. Raises RequirementError."""
    found: dict[str, Requirement] = {}
    for row, line in enumerate(text.splitlines()):
        if not line.startswith("|"):
            continue
        cells = _cells(line)
        if cells == list(_CELLS) or set("".join(cells)) <= {"-"}:
            continue
        if len(cells) != len(_CELLS) or not _ID.fullmatch(cells[0]) or not all(cells[1:3]):
            raise RequirementError(
                f"{PAGE}:{row + 1}: a row is | {' | '.join(_CELLS)} |, its id of the form P-01"
            )
        if cells[0] in found:
            raise RequirementError(f"{PAGE}:{row + 1}: {cells[0]} is there twice; number it anew")
        found[cells[0]] = Requirement(cells[0], cells[1], cells[2], row)
    if not found:
        raise RequirementError(f"{PAGE}: has no requirements")
    return found


def read_tests(text: str) -> dict[str, list[str]]:
    """Requirement -> tests. Raises RequirementError."""
    try:
        lists = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RequirementError(f"{TESTS}: not TOML: {error}") from None
    for name, tests in lists.items():
        if not isinstance(tests, list) or not all(isinstance(test, str) for test in tests):
            raise RequirementError(f"{TESTS}: {name} must be a list of tests")
    return lists


def trace(
    requirements: Mapping[str, Requirement],
    scenarios: Iterable[Scenario],
    tests: Mapping[str, list[str]],
    root: Path,
) -> Trace:
    """Follow everything to what it shows, and note what leads nowhere."""
    found = Trace(requirements, tests=tests)
    for scenario in scenarios:
        for expectation in scenario.expect:
            where = f"{_relative(scenario.path, root)}:{expectation.line}"
            for name in expectation.shows:
                if name not in requirements:
                    found.problems.append(f"{where}: {name} is no requirement of {PAGE}")
                shown = (found.gaps if expectation.known else found.scenarios)[name]
                if scenario not in shown:
                    shown.append(scenario)
    for name, named in tests.items():
        if name not in requirements:
            found.problems.append(f"{TESTS}: {name} is no requirement of {PAGE}")
        found.problems += [
            f"{TESTS}: {name}: there is no test {test}" for test in named if not _exists(test, root)
        ]
    for name, requirement in requirements.items():
        if not found.scenarios.get(name) and not tests.get(name):
            gap = " but known gaps" if found.gaps.get(name) else ""
            found.problems.append(
                f"{PAGE}:{requirement.row + 1}: {name} is shown by nothing{gap}; name it in the "
                f"`shows` of a scenario or in {TESTS}"
            )
    return found


def filled(text: str, found: Trace, root: Path) -> str:
    """The page with its last column written."""
    lines = text.splitlines()
    for name, requirement in found.requirements.items():
        shown = "<br>".join(_shown(found, name, root))
        lines[requirement.row] = (
            f"| {name} | {requirement.text} | {requirement.source} | {shown} |".replace("  ", " ")
        )
    return "\n".join(lines) + "\n"


def _shown(found: Trace, name: str, root: Path) -> list[str]:
    """One line for each folder of scenarios and each file of tests."""
    lines = _by_folder(found.scenarios.get(name, []), root)
    files: dict[str, list[str]] = defaultdict(list)
    for test in found.tests.get(name, []):
        file, _, function = test.partition("::")
        files[file].append(function)
    lines += [f"{file}: {', '.join(functions)}" for file, functions in files.items()]
    return lines + [f"known gap: {line}" for line in _by_folder(found.gaps.get(name, []), root)]


def _by_folder(scenarios: Iterable[Scenario], root: Path) -> list[str]:
    folders: dict[str, list[str]] = defaultdict(list)
    for scenario in scenarios:
        folders[_relative(scenario.path.parent, root)].append(scenario.name)
    return [f"{folder}: {', '.join(sorted(names))}" for folder, names in sorted(folders.items())]


def _exists(test: str, root: Path) -> bool:
    file, _, function = test.partition("::")
    path = root / file
    return path.is_file() and function in _tests(path)


@cache
def _tests(path: Path) -> frozenset[str]:
    """The tests of a file as pytest names them there, read and not run."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        names |= {
            prefix + function.name
            for function in inside
            if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
        }
    return frozenset(names)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
