"""The README's picture, from the running monitor: ``python -m tools.picture``."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from device.config import Config
from device.display.outputs import Display
from device.display.screens import Frame
from device.fast import run_fast

PICTURE = Path(__file__).parents[1] / "docs" / "monitor.png"
SIZE = (256, 64)
SCALE = 3
MARGIN = 12
# What is shown: simulated patient, seconds after power-up
SHOTS = (("sinus-70", 21.4), ("af-90", 21.4), ("v3-off", 21.4), ("ra-off", 17.0))


class _LastFrame(Display):
    """Keeps the newest frame."""

    def __init__(self) -> None:
        super().__init__(SIZE, grey=True)
        self.frame: Frame | None = None

    def _open(self) -> None:
        pass

    def _show(self, frame: Frame) -> None:
        self.frame = frame

    def _close(self) -> None:
        pass


def main() -> None:
    """Run each patient through the whole chain and stack the last screens."""
    width, height = SIZE[0] * SCALE, SIZE[1] * SCALE
    picture = Image.new("L", (width + 2 * MARGIN, len(SHOTS) * (height + MARGIN) + MARGIN), 70)
    for row, (patient, seconds) in enumerate(SHOTS):
        display = _LastFrame()
        config = Config().override({"patient.preset": patient})
        run_fast(config, seconds, display=display)
        assert display.frame is not None
        screen = display.frame.image.resize((width, height), Image.Resampling.NEAREST)
        picture.paste(screen, (MARGIN, MARGIN + row * (height + MARGIN)))
    picture.save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
