"""The README's picture is what the monitor shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools import picture


def test_the_picture_is_of_this_monitor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m tools.picture`` makes it anew."""
    committed = np.asarray(Image.open(picture.PICTURE))
    monkeypatch.setattr(picture, "PICTURE", tmp_path / "monitor.png")
    picture.main()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "monitor.png")), committed)
