"""The bench's own account of samples: from the ring, by index and by time, and from the records."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from device.records.folder import RecordFolder
from device.records.reading import about_record, fault
from device.ring import RingReader
from device.segment import RingError
from firmware.pipeline import BRIDGE, BRIDGED_IN_WINDOW, WINDOW
from hal.errors import RecordingError
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ
from tools.soak.children import ORIGIN_NS
from tools.soak.plan import Act, explain_loss

BLOCK = 10_000
WINDOW_S, SETTLE_S = WINDOW / SAMPLE_RATE_HZ, 3.0  # of a call; until it is heard
LATE_NS = 1_000_000  # by so much edges may be late, or a restart's phase be another


class Account:
    """Reads every sample of the ring. By the clock each must be where its index says.

    late_machine : a real one, that comes late by itself: single losses are counted, not refused
    unplanned : where samples were lost while nothing was planted: from and to, in seconds of the
        monotonic clock, and how many; what follows of them in the analysis is no problem of its own
    """

    def __init__(
        self, path: Path, origin_ns: int = ORIGIN_NS, *, late_machine: bool = False
    ) -> None:
        self._path, self._origin_ns, self._late_machine = path, origin_ns, late_machine
        self.unplanned: list[tuple[float, float, int]] = []
        self._restarted_s = -math.inf  # since when the analysis has no unplanted hole behind it
        self._ring: RingReader | None = None
        self._samples = self._lost = self._estimated = self._gaps = 0
        self._bridged = deque[tuple[float, int]](maxlen=BRIDGED_IN_WINDOW)  # when, how many
        self._last: tuple[int, int] | None = None  # index and time of the newest sample
        self._overrun = 0
        self.gaps: list[tuple[float, float]] = []  # seconds between which samples are missing

    def totals(self) -> tuple[int, int, int, int, int]:
        """Samples, lost, of these estimated, overrun by the monitor, and gaps, until now."""
        return self._samples, self._lost, self._estimated, self._overrun, self._gaps

    def restarted(self, now_s: float) -> bool:
        """Whether the analysis had to begin anew because of samples that nobody took on purpose."""
        return now_s - self._restarted_s < WINDOW_S + SETTLE_S

    def second(self, t_ns: int) -> float:
        """Of the soak, by the monotonic clock."""
        return (t_ns - self._origin_ns) * 1e-9

    def age_ms(self, index: int, now_s: float) -> int:
        """How long ago sample ``index`` - 1 was."""
        if self._last is None:
            return 0
        newest, t_ns = self._last
        at_ns = t_ns - (newest + 1 - index) * SAMPLE_NS
        return round((now_s * 1e9 + self._origin_ns - at_ns) / 1e6)

    def read(self, acts: Sequence[Act], now_s: float) -> Iterator[str]:
        """What is new in the ring; what is wrong with it."""
        if self._ring is None:
            try:
                self._ring = RingReader(self._path, resume=False)
            except RingError:
                return
        while (block := self._ring.read(BLOCK)) is not None:
            t_ns, first = block.t_ns, block.first_index
            self._samples += len(block)
            self._lost += block.lost_before
            wrong = np.abs(t_ns - t_ns[0] - np.arange(len(block)) * SAMPLE_NS)
            if int(wrong.max()) > LATE_NS:
                at = int(wrong.argmax())
                yield f"sample {first + at} is {wrong[at] / 1e6:.2f} ms from where its index says"
            if self._last is not None:
                yield from self._join(first, int(t_ns[0]), block.lost_before, acts)
            self._last = first + len(block) - 1, int(t_ns[-1])
        self._estimated = self._ring.status().lost_estimated
        if self._ring.account.overrun:
            yield "the bench itself was overrun"
        if self._ring.replaced():
            yield "the ring was made anew, and nothing planted does that"

    def _join(self, first: int, t_ns: int, lost: int, acts: Sequence[Act]) -> Iterator[str]:
        assert self._last is not None
        index, before_ns = self._last
        if first != index + 1 + lost:
            yield f"sample {first} comes after {index}, with {lost} lost between them"
        elapsed_ns = t_ns - before_ns
        if abs(elapsed_ns - (first - index) * SAMPLE_NS) > LATE_NS:
            passed = elapsed_ns / SAMPLE_NS
            yield f"from sample {index} to {first} {passed:.2f} samples have passed, {lost} lost"
        if lost:
            self._gaps += 1
            from_s, to_s = (before_ns - self._origin_ns) * 1e-9, (t_ns - self._origin_ns) * 1e-9
            self.gaps.append((from_s, to_s))
            del self.gaps[:-10_000]
            if explain_loss(acts, from_s, to_s):
                return
            self.unplanned.append((before_ns * 1e-9, t_ns * 1e-9, lost))
            self._bridged.append((to_s, lost))
            near = [n for at_s, n in self._bridged if at_s > to_s - WINDOW_S]
            if lost > BRIDGE or sum(near) > BRIDGED_IN_WINDOW:
                self._restarted_s = to_s
            if not self._late_machine:
                yield f"{lost} samples lost, {from_s:.3f} to {to_s:.3f} s; no fault explains it"

    def hear(self, ring: dict[str, int], index: int) -> Iterator[str]:
        """The monitor's account in a health message."""
        written, lost = ring["written"], ring["lost"]
        if ring["processed"] + ring["overrun"] + ring["lag"] != written:
            yield f"the monitor's account does not add up: {ring}"
        if written > self._samples or lost > self._lost:
            yield f"the monitor says {written} written, {lost} lost; the ring has {self._samples}"
        if ring["overrun"] < self._overrun:
            yield f"overrun went back from {self._overrun} to {ring['overrun']}"
        self._overrun = ring["overrun"]

    def close(self) -> Iterator[str]:
        """Both processes have ended: everything written is processed or counted."""
        if self._ring is None:
            yield "there never was a ring"
            return
        left = RingReader(self._path)
        account, status = left.account, left.status()
        if status.samples != self._samples:
            yield f"{status.samples} samples written, {self._samples} read by the bench"
        if account.processed + account.overrun + left.lag != status.samples or left.lag:
            yield f"{status.samples} samples written: {account}, {left.lag} not read"
        if account.next_index != status.samples + status.lost:
            yield f"index {account.next_index} is not {status.samples} + {status.lost} lost"
        left.close()
        self._ring.close()


def records_problems(folder: Path, account: Account, acts: Sequence[Act]) -> Iterator[str]:
    """Every record whole, segments without a hole that nothing planted explains."""
    before: tuple[int, int] | None = None  # number and end of the segment before
    for segment in sorted(RecordFolder(folder).segments(), key=lambda one: one.number):
        try:
            about, samples = about_record(segment.path)
        except RecordingError as error:
            yield f"record {segment.path.name}: {error}"
            continue
        if wrong := fault(segment.path.with_suffix(".hea")):
            yield f"record {segment.path.name}: {wrong}"
        first = int(about["first_index"])
        if before is not None and first > before[1] and before[1] > 0:
            t_s = account.second(int(about["t_ns"]))
            from_s = t_s - (first - before[1]) * SAMPLE_NS * 1e-9
            if not _explained(from_s, t_s, acts, account):
                missing = first - before[1]
                yield f"record {segment.path.name}: {missing} samples before it are not recorded"
        before = segment.number, first + samples if samples else 0
    for snapshot in RecordFolder(folder).snapshots.glob("*.hea"):
        if wrong := fault(snapshot):
            yield f"snapshot {snapshot.name}: {wrong}"


_STORAGE = {"disk_full", "disk_read_only", "disk_hangs", "monitor_laps", "monitor_killed"}


def _explained(from_s: float, to_s: float, acts: Sequence[Act], account: Account) -> bool:
    if any(gap[0] < to_s and from_s < gap[1] for gap in account.gaps):
        return True
    faults = [act for act in acts if act.name in _STORAGE]
    return any(act.at_s - 2 < to_s and from_s < act.over_s for act in faults)
