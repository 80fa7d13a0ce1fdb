"""The page of reliability is its parts, in order, with what made them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools import reliability
from tools.reliability import DOCS, Part, Table, revision, save, write_page


def part(name: str, said: str) -> Part:
    return Part(name, f"About {name}", f"make {name}", [said], [Table(["a", "b"], [["1 s", "2"]])])


def test_parts_stand_in_their_order_with_command_and_tables(tmp_path: Path) -> None:
    save(part("fuzz", "Nothing fell."), tmp_path)
    save(part("boot", "It came up."), tmp_path)
    page = (tmp_path / "reliability.md").read_text()
    assert page.index("## About boot") < page.index("It came up.") < page.index("## About fuzz")
    assert "`make boot`, 20" in page
    assert "| a | b |\n| --- | --- |\n| 1 s | 2 |" in page
    assert "## start: not measured yet" in page
    assert "boot: not measured yet" not in page


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no part 'weather'"):
        save(part("weather", "Fine."), tmp_path)


def test_what_a_command_writes_leaves_the_revision_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, corpus = tmp_path / "docs", tmp_path / "tests" / "fuzz" / "corpus"
    docs.mkdir()
    corpus.mkdir(parents=True)
    monkeypatch.setattr(reliability, "DOCS", docs)
    assert revision() == "an unknown revision"
    for path in (tmp_path / "code.py", docs / "page.md", corpus / "input"):
        path.write_text("one")
    me = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    for asked in (("init", "-q"), ("add", "."), (*me, "commit", "-qm", "One")):
        subprocess.run(["git", *asked], cwd=tmp_path, check=True)
    clean = revision()
    assert re.fullmatch("[0-9a-f]{7,}", clean)
    (docs / "page.md").write_text("two")
    (corpus / "input").unlink()
    assert revision() == clean
    (tmp_path / "code.py").write_text("two")
    assert revision() == f"{clean}-dirty"


def test_the_page_in_the_docs_is_what_its_parts_say(tmp_path: Path) -> None:
    if not (DOCS / "reliability").is_dir():
        pytest.skip("no part was made yet")
    (tmp_path / "reliability").symlink_to(DOCS / "reliability")
    write_page(tmp_path)
    assert (tmp_path / "reliability.md").read_text() == (DOCS / "reliability.md").read_text()
