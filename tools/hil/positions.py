"""YAML with the line of everything, and none of YAML's surprises.

Only what JSON knows: ``on`` and ``off`` are words, no dates, no anchors (a few lines of aliases
can stand for gigabytes), no key twice, nothing nested without end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.extra import HOW
from tools.heard import printable

try:
    import yaml
except ImportError:  # the [tools] extra
    yaml = None  # type: ignore[assignment]

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MOST = 400  # characters of an error
Place = tuple[str | int, ...]  # keys and numbers that lead to a value
_SCALARS = (
    (re.compile(r"null|~|"), lambda text: None),
    (re.compile(r"true|false"), lambda text: text == "true"),
    (re.compile(r"[-+]?(0|[1-9]\d{0,17})"), int),
    (re.compile(r"0x[0-9a-fA-F]{1,15}"), lambda text: int(text, 16)),
    (re.compile(r"[-+]?(\d+\.\d*|\.\d+|\d+)([eE][-+]?\d{1,2})?"), float),
)


class ScenarioError(ValueError):
    """A scenario that cannot be used: file and line, what is wrong and what to do, in one line."""


@dataclass
class Document:
    """What a file says, and the line (from 1) and column (from 0) of each value."""

    path: Path
    data: Any = None
    lines: dict[Place, tuple[int, int]] = field(default_factory=dict)

    def error(self, place: Place, text: str) -> ScenarioError:
        """``text``, with the file and the line of the nearest value above ``place``."""
        while place and place not in self.lines:
            place = place[:-1]
        line = self.lines.get(place, (1, 0))[0]
        return ScenarioError(f"{self.path}:{line}: {_one_line(text)}")


def _one_line(text: str) -> str:
    """It may quote the file."""
    line = printable(text)
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"


def read_yaml(path: Path) -> Document:
    """Read one document. Raises ScenarioError."""
    if yaml is None:
        raise ScenarioError(f"scenarios are YAML and PyYAML is not installed here; {HOW}")
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read ({error.strerror}); check its name") from None
    if len(raw) > MAX_BYTES:
        raise ScenarioError(f"{path}: more than {MAX_BYTES} bytes; this is no scenario")
    document = Document(path)
    try:
        node = _compose(document, raw.decode())
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ScenarioError(f"{path}:{line}: not UTF-8; save it as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        problem = error.problem or error.context
        act = "check the brackets and the indentation"
        if problem and problem.startswith("mapping values"):
            act = "put a text that has ': ' in it in quotes"
        raise ScenarioError(f"{path}{where}: not YAML: {_one_line(f'{problem}; {act}')}") from None
    except ScenarioError:
        raise
    except (yaml.YAMLError, ValueError) as error:  # the latter: a version of 5000 digits
        said = _one_line(str(error).splitlines()[0].partition(";")[0])
        raise ScenarioError(f"{path}: not YAML: {said}; correct it") from None
    if node is None:
        raise ScenarioError(f"{path}:1: is empty; docs/hil.md shows a scenario")
    document.data = _value(document, node, ())
    return document


def _compose(document: Document, text: str) -> Any:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _at(document, event, "anchors and aliases (& and *) are not read; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _at(document, event, "nested too deeply; check the brackets and the indentation")
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _value(document: Document, node: Any, place: Place) -> Any:
    document.lines[place] = node.start_mark.line + 1, node.start_mark.column
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, item, (*place, n)) for n, item in enumerate(node.value)]
    if isinstance(node, yaml.ScalarNode):
        return _scalar(document, node)
    found: dict[str, Any] = {}
    for key_node, item in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
        if key is None or key == "<<":
            raise _at(document, key_node, "a key must be a word")
        if key in found:
            first = document.lines[(*place, key)][0]
            raise _at(document, key_node, f"{key} is there twice (line {first}); take one away")
        found[key] = _value(document, item, (*place, key))
        document.lines[(*place, key)] = key_node.start_mark.line + 1, item.start_mark.column
    return found


def _scalar(document: Document, node: Any) -> Any:
    if node.style is not None and node.tag == "tag:yaml.org,2002:str":
        return node.value
    if node.tag.startswith("!"):
        raise _at(document, node, f"the tag {node.tag} is not read; write the plain value")
    for pattern, read in _SCALARS:
        if node.style is None and pattern.fullmatch(node.value):
            return read(node.value)
    return node.value


def _at(document: Document, node: Any, text: str) -> ScenarioError:
    return ScenarioError(f"{document.path}:{node.start_mark.line + 1}: {_one_line(text)}")
