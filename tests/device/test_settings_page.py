"""docs/settings.md shows every setting with its default."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

from device.config import Config


def test_settings_page_shows_the_defaults() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    shown = tomllib.loads(page.split("```toml\n")[1].split("```")[0])
    assert shown == dataclasses.asdict(Config())
