"""Networks by name. Each file defines one: ``build(outputs, samples) -> keras.Model``.

Input float32 [samples, 12] in millivolts at 100 Hz (samples None while training: windows may be
cropped), output float32 [outputs] logits. Only layers that convert to plain int8 operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.architectures import residual, separable

ARCHITECTURES: dict[str, Callable[[int, int | None], Any]] = {
    "residual": residual.build,
    "separable": separable.build,
}
