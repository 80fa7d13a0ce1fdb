"""Where frames go: names of displays, PNG files, nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from device.display.example import make_call, patient
from device.display.oled import CONTROLLERS, Oled
from device.display.outputs import DisplayError, NoDisplay, PngFolder, open_display
from device.display.screens import Frame, render


def test_every_controller_opens_by_name_at_its_size() -> None:
    sizes = {name: open_display(name).size for name in CONTROLLERS}
    assert sizes == {
        "ssd1306": (128, 64),
        "sh1106": (128, 64),
        "ssd1309": (128, 64),
        "ssd1322": (256, 64),
        "ssd1327": (128, 128),
        "ssd1351": (128, 128),
    }


@pytest.mark.parametrize(
    ("spec", "bus"),
    [
        ("ssd1306", "i2c1@0x3c"),
        ("ssd1306:i2c0@0x3D", "i2c0@0x3d"),
        ("ssd1309:spi0.1,dc=22,rst=27", "spi0.1"),
        ("ssd1322", "spi1.0"),
        ("ssd1322:spi1.2,rotate=2", "spi1.2"),
        ("ssd1351:size=128x96", "spi1.0"),
    ],
)
def test_options_name_the_bus(spec: str, bus: str) -> None:
    display = open_display(spec)
    assert isinstance(display, Oled)
    assert display.bus == bus


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "unknown; use one of none, terminal, png:FOLDER, ssd1306"),
        ("ssd1305", "unknown; use one of"),
        ("png", "unknown; use one of"),
        ("none:1", "unknown; use one of"),
        ("ssd1306:usb0", "option 'usb0' is unknown; use spi1.0"),
        ("ssd1306:rotate=1", "option 'rotate=1' is unknown"),
        ("ssd1306:size=128x32", "ssd1306 is 128x64, not 128x32"),
    ],
)
def test_a_wrong_name_says_what_is_right(spec: str, words: str) -> None:
    with pytest.raises(DisplayError, match=words):
        open_display(spec)


def frame(index: int, state_seconds: float = 12.0) -> Frame:
    state = patient(state_seconds)
    state.apply(make_call(state.index))
    state.index = index
    return render(state, (256, 64))


def test_png_once_a_second_and_only_when_the_picture_changed(tmp_path: Path) -> None:
    display = open_display(f"png:{tmp_path / 'new' / 'frames'}")
    assert isinstance(display, PngFolder)
    first = frame(6000)
    for index, shown in (
        (6000, first),
        (6250, frame(6250, 8.0)),
        (6500, first),
        (7000, frame(7000)),
    ):
        display.show(Frame(shown.image, index, ""))
    folder = tmp_path / "new" / "frames"
    assert sorted(path.name for path in folder.iterdir()) == ["000006000.png", "000007000.png"]
    saved = np.array(Image.open(folder / "000006000.png"))
    assert (saved == np.array(first.image)).all()


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    display = open_display(f"png:{tmp_path / 'file'}")
    with pytest.raises(DisplayError, match=r"is not a folder; choose another folder"):
        display.show(frame(6000))
    display.show(frame(6500))
    (tmp_path / "file").unlink()
    display.show(frame(8500))
    assert not display.failure
    assert (tmp_path / "file" / "000008500.png").is_file()


def test_none_takes_everything() -> None:
    display = open_display("none")
    assert isinstance(display, NoDisplay)
    display.show(render(patient(1.0), display.size, grey=display.grey))
    display.close()
