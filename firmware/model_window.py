"""The last ten seconds as the network wants them: filtered, decimated, always at hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware import tensor
from firmware.events import Refusal
from firmware.filters import FilterChain
from firmware.inputs import Form
from firmware.leads import twelve_leads
from firmware.median_beat import MedianBeat
from firmware.network import Network, Scores
from firmware.profiles import MODEL, PROFILES, Profile
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ

SECONDS = 10


class FilteredWindow:
    """Counts in by ``push``; the newest ``samples`` rows of a profile out by ``leads``."""

    def __init__(self, profile: Profile, samples: int) -> None:
        self._profile, self._samples = profile, samples
        self._filter = FilterChain(profile, mains_hz=None)
        # Twice the window: the newest rows are moved to the front only when the end is reached.
        self._rows = np.zeros((2 * samples, CHANNELS), dtype=np.int32)
        self._end = 0

    @property
    def full(self) -> bool:
        """Whether a whole window has been seen since the start or ``reset()``."""
        return self._end >= self._samples

    def reset(self, channels: Iterable[int] | None = None) -> None:
        """Forget the past: of some channels' filters, or with None of everything."""
        self._filter.reset(channels)
        if channels is None:
            self._end = 0

    def push(self, counts: NDArray[np.int32]) -> None:
        """Take int32 [n, 8] raw counts at 500 Hz; n is free."""
        samples = self._samples
        new = self._filter.push(counts)[-samples:]
        if self._end + len(new) > len(self._rows):
            self._rows[:samples] = self._rows[self._end - samples : self._end]
            self._end = samples
        self._rows[self._end : self._end + len(new)] = new
        self._end += len(new)

    def leads(self, samples: int | None = None) -> NDArray[np.int32]:
        """The newest window or the newest rows of it, int32 [samples, 12], counts."""
        return twelve_leads(self._rows[self._end - (samples or self._samples) : self._end])

    def rows(self, indices: Iterable[int], end: int) -> list[int]:
        """Rows of ``leads()`` in which samples appear; those outside the window are left out.

        indices : at 500 Hz; end : one after the last sample pushed
        """
        profile, samples = self._profile, self._samples
        late = [end - index - profile.delay_samples for index in indices]
        rows = [samples - round(delay / profile.decimation) for delay in late]
        return [row for row in rows if 0 <= row < samples]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A tensor that a network was shown, int8 as its contract says.

    end : index behind the last sample in it; scores : what the network gave
    """

    tensor: NDArray[np.int8]
    end: int
    scores: Scores


class Runner(ABC):
    """Runs a network on tensors as they come."""

    @abstractmethod
    def begin(self, shown: NDArray[np.int8], end: int) -> None:
        """With the tensor that ends at ``end``; may be left out while another is at work."""

    @abstractmethod
    def newest(self) -> Shown | None:
        """The newest result since ``forget()``; raises what its run raised."""

    @abstractmethod
    def forget(self) -> None:
        """What was begun so far is of no more use."""


class AtOnce(Runner):
    """Gives the scores before ``begin`` returns."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._newest: Shown | None = None

    def begin(self, shown: NDArray[np.int8], end: int) -> None:
        """Run."""
        self._newest = Shown(shown, end, self._network.run(shown))

    def newest(self) -> Shown | None:
        """Of the last ``begin``."""
        return self._newest

    def forget(self) -> None:
        """Forget it."""
        self._newest = None


class ModelWindow:
    """Counts in by ``push``; ``scores`` runs the network on the newest window of its contract.

    runner : of the network; None: at once

    ``leads`` and ``rows`` are of ten seconds at 100 Hz whatever the network reads: the firmware's
    own looks at a window are made for these.
    """

    def __init__(self, network: Network, runner: Runner | None = None) -> None:
        self._contract = of = network.bundle.input
        self._runner = runner or AtOnce(network)
        self._due = 0  # from this index on
        profile = PROFILES[of.profile]
        self._seen = FilteredWindow(MODEL, SECONDS * SAMPLE_RATE_HZ // MODEL.decimation)
        self._read = self._seen
        if of.form is not Form.MEDIAN_BEAT and profile is not MODEL:
            self._read = FilteredWindow(profile, of.rows)
        self._windows = list({id(one): one for one in (self._seen, self._read)}.values())
        self.shown: Shown | None = None  # what the newest scores are of
        self.tensor: NDArray[np.int8] | None = None  # of the newest there ever were
        self.unscored: Refusal | None = None  # why there are none though a network is there

    @property
    def full(self) -> bool:
        """Whether a whole window has been seen since the start or ``reset()``."""
        return self._seen.full

    def reset(self, channels: Iterable[int] | None = None) -> None:
        """Forget the past: of some channels' filters, or with None of everything."""
        channels = None if channels is None else list(channels)
        for window in self._windows:
            window.reset(channels)
        if channels is None:
            self._forget()

    def push(self, counts: NDArray[np.int32]) -> None:
        """Take int32 [n, 8] raw counts at 500 Hz; n is free."""
        for window in self._windows:
            window.push(counts)

    def leads(self) -> NDArray[np.int32]:
        """The newest ten seconds at 100 Hz, int32 [1000, 12], counts."""
        return self._seen.leads()

    def rows(self, indices: Iterable[int], end: int) -> list[int]:
        """Rows of ``leads()``, as ``FilteredWindow.rows``."""
        return self._seen.rows(indices, end)

    def scores(
        self,
        lost: NDArray[np.bool_],
        end: int,
        beat: Callable[[], MedianBeat | None] = lambda: None,
    ) -> Scores:
        """Calibrated probabilities, of the newest window that was shown; {} where there are none.

        lost : bool [12], leads without a valid signal; end : index behind the newest sample
        beat : gives the median beat of the last ten seconds, for networks that read one

        A network that its bundle wants run every so many seconds keeps its scores in between, but
        never beyond the window they are of.
        """
        of = self._contract
        if end >= self._due:
            self._due = end + (of.every_s - 1) * SAMPLE_RATE_HZ + 1  # every call, where that is 1
            if of.form is Form.MEDIAN_BEAT:
                found = beat()
                if found is None:
                    self._forget()
                    self.unscored = Refusal.UNSURE
                    return {}
                self._runner.begin(tensor.of_beat(found, lost, of), end)
            else:
                self._runner.begin(tensor.of_leads(self._read.leads(of.rows), lost, of), end)
        newest = self._runner.newest()
        self.shown = newest if newest and end - newest.end < SECONDS * SAMPLE_RATE_HZ else None
        self.unscored = None if self.shown else Refusal.STARTING
        self.tensor = self.shown.tensor if self.shown else self.tensor
        return self.shown.scores if self.shown else {}

    def _forget(self) -> None:
        self._runner.forget()
        self.shown, self._due = None, 0
