"""The continuous record: samples and annotations on their way into segments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from device.records.marks import electrodes
from device.records.segment import FRAME, Segment
from device.records.wfdb import NONE_24, NOTE, Mark
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ, FrameBlock

SEGMENT = 600 * SAMPLE_RATE_HZ
FILLED = SAMPLE_RATE_HZ  # a loss of up to so many samples is filled with "no sample"
HELD = 60 * SAMPLE_RATE_HZ  # so many wait for a disk that fails
LATE = SAMPLE_RATE_HZ  # a beat is told up to so late


def part(block: FrameBlock, index: int) -> FrameBlock:
    """What of ``block`` is at ``index`` or later."""
    skip = index - block.first_index
    if skip <= 0:
        return block
    return replace(
        block,
        first_index=index,
        t_ns=block.t_ns[skip:],
        counts=block.counts[skip:],
        status=block.status[skip:],
        electrodes_off=block.electrodes_off[skip:],
        lost_before=0,
    )


class Continuous:
    """What waits, the segment that grows, and the one before, which waits for late annotations.

    begin : makes the segment that starts with a block; may raise OSError
    on_disk : index behind the last sample that is in a segment, None before the first one
    """

    def __init__(self, begin: Callable[[FrameBlock], Segment], segment_samples: int) -> None:
        self.on_disk: int | None = None
        self.waiting = 0  # samples
        self.dropped = 0
        self.bytes_written = 0
        self._begin = begin
        self._segment_samples = segment_samples
        self._segment: Segment | None = None
        self._before: Segment | None = None
        self._blocks: deque[FrameBlock] = deque()
        self._marks: list[Mark] = []
        self._late: list[Mark] = []  # for the segment before

    @property
    def growing(self) -> bool:
        """Whether there is a segment with samples in it that takes more."""
        return self._segment is not None and self._segment.samples > 0

    def add(self, block: FrameBlock) -> None:
        """The next samples."""
        self._blocks.append(block)
        self.waiting += len(block)
        while self.waiting > HELD:
            self._drop()

    def mark(self, mark: Mark) -> None:
        """An annotation, not more than ``LATE`` behind the samples."""
        self._marks.append(mark)

    def count_anew(self) -> None:
        """The samples that follow are counted otherwise; what is not on the disk is lost."""
        while self._blocks:
            self._drop()
        self.end()
        self._marks.clear()
        self.on_disk = None

    def write(self) -> None:
        """Bring all that waits to the disk. Raises OSError; then ``end`` must follow."""
        while self._blocks:
            first = part(self._blocks[0], self.on_disk or 0)
            if len(first):
                self._write_run(first)
            else:
                self._pop()

    def end(self) -> None:
        """No more samples for the segment that grows."""
        if self._segment is not None:
            self._before, self._segment = self._segment, None

    def finish(self) -> None:
        """Finish the segment before. Raises OSError."""
        if (before := self._before) is not None:
            span = range(before.first_index, before.next_index + 1)
            late = [mark for mark in self._late if mark.sample in span]
            before.finish([mark.within(before.first_index) for mark in late])
            self._before = None
        self._late.clear()

    def _write_run(self, first: FrameBlock) -> None:
        """Samples that follow ``first``, and the annotations known of them."""
        segment, marks = self._segment_for(first)
        counts: list[NDArray[np.int32]] = []
        next_index, taken = segment.next_index, 0
        for waiting in self._blocks:
            block = part(waiting, self.on_disk or 0)
            missing = block.first_index - next_index
            full = segment.samples + sum(map(len, counts)) >= self._segment_samples
            if counts and (full or missing > FILLED):
                break
            if missing:
                counts.append(np.full((missing, CHANNELS), NONE_24, np.int32))
                marks.append(Mark(next_index, NOTE, f"lost: {missing} samples"))
            counts.append(block.counts)
            next_index, taken = block.first_index + len(block), taken + 1
        begin = segment.first_index
        marks += [mark for mark in self._marks if begin <= mark.sample < next_index]
        marks.sort(key=lambda mark: mark.sample)
        samples = np.concatenate(counts)
        segment.write(samples, [mark.within(begin) for mark in marks])
        self.bytes_written += len(samples) * FRAME
        self.on_disk = next_index
        self._late += [mark for mark in self._marks if mark.sample < begin]
        self._marks = [mark for mark in self._marks if mark.sample >= next_index]
        for _ in range(taken):
            self._pop()
        if segment.samples > LATE:
            self.finish()

    def _segment_for(self, block: FrameBlock) -> tuple[Segment, list[Mark]]:
        """The one that grows, or a new one where it is full or does not go on; what to note."""
        segment = self._segment
        if segment is not None:
            missing = block.first_index - segment.next_index
            if missing <= FILLED and segment.samples < self._segment_samples:
                return segment, []
            self.finish()
            self.end()
        marks = [Mark(block.first_index, NOTE, electrodes(int(block.electrodes_off[0])))]
        lost = block.lost_before if self.on_disk is None else block.first_index - self.on_disk
        if lost:
            marks.append(Mark(block.first_index, NOTE, f"lost: {lost} samples before"))
        self._segment = self._begin(block)
        return self._segment, marks

    def _pop(self) -> FrameBlock:
        block = self._blocks.popleft()
        self.waiting -= len(block)
        return block

    def _drop(self) -> None:
        block = self._pop()
        self.dropped += len(block)
        end = block.first_index + len(block)
        self._marks = [mark for mark in self._marks if mark.sample >= end]
