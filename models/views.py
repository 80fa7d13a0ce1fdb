"""Views: the training records as one epoch sees them, the same for teachers and student.

A view depends on its seed and number alone, so that a teacher's opinion of it can be kept on disk
and the student is taught what the teacher said of the very same windows (Beyer et al., Knowledge
distillation: a good teacher is patient and consistent, CVPR 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.augment import STEP_MV, Augmentation, augment

CHUNK = 256
DOSE = Augmentation()
STRESSED = 0.15


@dataclass(frozen=True)
class Views:
    """``clean`` and ``stressed``: int8 [n, 1000, 12] of the same records, row by row.

    A share STRESSED of a view's windows comes from ``stressed``, spoiled before the chip model.
    """

    clean: NDArray[np.int8]
    stressed: NDArray[np.int8]
    seed: int

    def __len__(self) -> int:
        return len(self.clean)

    def epoch(self, number: int) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """What view ``number`` shows of given records: float32 [rows, crop, 12] millivolts."""
        windows = self.view(number)

        def show(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            return windows[rows].astype(np.float32) * STEP_MV

        return show

    def view(
        self, number: int, say: Callable[[str, int, int], None] = lambda *_: None
    ) -> NDArray[np.int8]:
        """View ``number``: int8 [n, crop, 12]."""
        out = np.empty((len(self), DOSE.crop, self.clean.shape[2]), np.int8)
        for start in range(0, len(self), CHUNK):
            rng = np.random.default_rng((self.seed, number, start))
            rows = np.s_[start : start + CHUNK]
            stressed = rng.random(len(self.clean[rows])) < STRESSED
            windows = np.where(stressed[:, None, None], self.stressed[rows], self.clean[rows])
            out[rows] = np.rint(augment(windows, rng, DOSE) / STEP_MV).astype(np.int8)
            say(f"view {number}", min(start + CHUNK, len(self)), len(self))
        return out
