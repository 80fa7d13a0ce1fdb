"""docs/security.md: the evidence that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 30
    for file, test in named:
        source = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {test}\(" if test else r"^def test_", source, re.MULTILINE), test


def test_every_target_of_make_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"`make ([\w -]+)`", PAGE):
        for target in command.split():
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_page_that_is_linked_exists() -> None:
    for link, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", PAGE):
        page = (ROOT / "docs" / link) if link else ROOT / "docs" / "security.md"
        if link == "reliability.md":  # made by a command, of the long checks
            continue
        text = page.read_text(encoding="utf-8")
        heads = {re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-")
                 for head in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}  # fmt: skip
        assert not anchor or anchor in heads, (link, anchor)
