"""The evaluation's files: JSON and a page anywhere, and the generated parts of docs/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.card import card
from models.report.accuracy import accuracy, summary
from models.report.blocks import html, markdown
from models.report.plots import plots

PAGE, JSON = "evaluation.html", "evaluation.json"
ACCURACY = "accuracy"  # docs/accuracy.md, and the folder of its pictures


def write_page(found: Mapping[str, Any], folder: Path) -> Path:
    """evaluation.json and one self-contained page in ``folder``; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(json.dumps(found, indent=1) + "\n")
    page = folder / PAGE
    page.write_text(html(accuracy(found), plots(found)))
    return page


def write_docs(found: Mapping[str, Any], manifest: Mapping[str, Any], docs: Path) -> list[Path]:
    """docs/accuracy.md with its pictures, and docs/models/NAME.md; returns what was written."""
    pictures = docs / ACCURACY
    pictures.mkdir(parents=True, exist_ok=True)
    written = []
    for name, png in plots(found).items():
        written.append(pictures / f"{name}.png")
        written[-1].write_bytes(png)
    for path, text in (
        (docs / f"{ACCURACY}.md", markdown(accuracy(found), ACCURACY)),
        (docs / "models" / f"{manifest['name']}.md", card(manifest, found)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)
    return written


def readable(found: Mapping[str, Any]) -> str:
    """The figures of most interest, for a terminal."""
    return markdown(summary(found))
