"""The whole walk: every screen says what it must, and a power cut costs no more than a second."""

from __future__ import annotations

from PIL import Image

from tools.walk import SIZES, kept, walk


def test_from_power_up_to_a_restart(tmp_path):
    pictures, records = tmp_path / "pictures", tmp_path / "records"
    seen = walk(pictures, records)
    assert {step.name: step.missing for step in seen if step.missing} == {}
    for step in seen:
        for size, (pixels, _) in SIZES.items():
            with Image.open(pictures / f"{step.name}-{size}.png") as picture:
                assert picture.size == pixels
                assert picture.getextrema() == (0, 255)
    found = kept(records)
    assert 0 <= found.lost_s <= 1.0
    assert ["button" in name for name, _ in found.snapshots].count(True) == 1
    assert all(seconds >= 10 for _, seconds in found.snapshots)
