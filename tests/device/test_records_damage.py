"""A newest record that is damaged in any of its files never keeps the next one from being kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.device.records_kit import SEALED, SECTION, feed, keeper, samples

N = 3000


def truncated(share: float) -> Callable[[Path], None]:
    def act(file: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(share * len(data))])

    act.__name__ = f"to {share:.0%}"
    return act


def zeros(file: Path) -> None:
    file.write_bytes(bytes(len(file.read_bytes())))


def noise(file: Path) -> None:
    file.write_bytes(np.random.default_rng(3).bytes(len(file.read_bytes())))


def zeros_behind(file: Path) -> None:
    file.write_bytes(file.read_bytes() + bytes(5000))


def other_bytes(file: Path) -> None:
    """Some of them."""
    data = bytearray(file.read_bytes())
    rng = np.random.default_rng(4)
    for at in rng.integers(0, len(data), 20):
        data[at] = int(rng.integers(0, 256))
    file.write_bytes(bytes(data))


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "in").touch()


def away(file: Path) -> None:
    file.unlink()


def link(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


DAMAGE = [
    *map(truncated, (0.0, 0.1, 0.5, 0.9, 0.99)),
    *(zeros, noise, zeros_behind, other_bytes, folder, away, link),
]


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("suffix", [".hea", ".dat", ".atr", ".sealed"])
@pytest.mark.parametrize("closed", [True, False])
def test_next_record_is_kept(
    tmp_path: Path, suffix: str, damage: Callable[[Path], None], closed: bool
) -> None:
    section = SEALED if suffix == ".sealed" else SECTION
    first = keeper(tmp_path, section)
    block = samples(N)
    feed(first, block, end=1500)
    if closed:
        first.close()
    else:
        first.flush()
        first._lock.close()  # as the kernel does for a killed process
    (file,) = (tmp_path / "continuous").glob(f"*{suffix}")
    before = {p.name for p in (tmp_path / "continuous").iterdir()}
    damage(file)
    second = keeper(tmp_path, section)
    feed(second, block, first=1500)
    second.flush()
    assert (second.failure, second.recording) == ("", True)
    second.close()
    assert second.failure == ""
    new = {p.name for p in (tmp_path / "continuous").iterdir()} - before
    assert {Path(name).suffix for name in new} >= {".sealed" if section.seal_to else ".dat"}
    third = keeper(tmp_path, section, boot="boot-2")
    feed(third, block)
    third.close()
    assert third.failure == ""
