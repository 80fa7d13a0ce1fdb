"""Networks by name. Each file defines one kind: ``build(outputs, samples) -> keras.Model``.

Input float32 [samples, 12] in millivolts at 100 Hz (samples None while training: windows may be
cropped), output float32 [outputs] logits. ``DEVICE`` holds those that convert to plain int8
operators and fit the device; the others only teach.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from models.architectures import recurrent, residual, separable

ARCHITECTURES: dict[str, Callable[[int, int | None], Any]] = {
    "residual": residual.build,
    "separable": separable.build,
    "residual-wide": partial(residual.build, blocks=residual.WIDE),
    "recurrent": recurrent.build,
}
DEVICE = ("residual", "separable")
