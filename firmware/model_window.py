"""The last ten seconds as the network wants them: filtered, decimated, always at hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from firmware.filters import FilterChain
from firmware.leads import twelve_leads
from firmware.network import Network, Scores
from firmware.profiles import PROFILES
from firmware.window import to_tensor
from hal.frontend import CHANNELS


class ModelWindow:
    """Counts in by ``push``; ``scores`` runs the network on the newest window of its contract."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._contract = network.bundle.input
        self._filter = FilterChain(PROFILES[self._contract.profile], mains_hz=None)
        # Twice the window: the newest rows are moved to the front only when the end is reached.
        self._rows = np.zeros((2 * self._contract.samples, CHANNELS), dtype=np.int32)
        self._end = 0
        self.tensor: NDArray[np.int8] | None = None  # what ``scores`` showed the network last

    @property
    def full(self) -> bool:
        """Whether a whole window has been seen since the start or ``reset()``."""
        return self._end >= self._contract.samples

    def reset(self, channels: Iterable[int] | None = None) -> None:
        """Forget the past: of some channels' filters, or with None of everything."""
        self._filter.reset(channels)
        if channels is None:
            self._end = 0

    def push(self, counts: NDArray[np.int32]) -> None:
        """Take int32 [n, 8] raw counts at 500 Hz; n is free."""
        samples = self._contract.samples
        new = self._filter.push(counts)[-samples:]
        if self._end + len(new) > len(self._rows):
            self._rows[:samples] = self._rows[self._end - samples : self._end]
            self._end = samples
        self._rows[self._end : self._end + len(new)] = new
        self._end += len(new)

    def leads(self) -> NDArray[np.int32]:
        """The newest window, int32 [samples, 12], counts."""
        return twelve_leads(self._rows[self._end - self._contract.samples : self._end])

    def rows(self, indices: Iterable[int], end: int) -> list[int]:
        """Rows of ``leads()`` in which samples appear; those outside the window are left out.

        indices : at 500 Hz; end : one after the last sample pushed
        """
        profile, samples = PROFILES[self._contract.profile], self._contract.samples
        late = [end - index - profile.delay_samples for index in indices]
        rows = [samples - round(delay / profile.decimation) for delay in late]
        return [row for row in rows if 0 <= row < samples]

    def scores(self, lost: NDArray[np.bool_]) -> Scores:
        """Calibrated probabilities of the newest window; ``lost`` [12] leads are zero in it."""
        contract = self._contract
        self.tensor = to_tensor(self.leads(), lost, contract.scale_num, contract.scale_den)
        return self._network.run(self.tensor)
