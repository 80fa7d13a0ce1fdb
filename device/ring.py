"""The shared-memory ring between ``acquire`` and ``monitor``: one writer, one resuming reader.

65 536 slots: 131 s at 500 Hz. The writer announces the slots it is about to overwrite
(``RESERVED``), fills them, then publishes the count (``PUBLISHED``). A reader copies, then looks
at ``RESERVED``: what the writer may have touched meanwhile is thrown away and counted. The
monitor's place is kept in the segment and moved by ``commit`` after the samples were *processed*,
so a killed monitor loses nothing.

Account, exact at all times: samples at the chip = samples in the ring + samples lost.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from device import segment as memory
from device.segment import MAGIC, RingError, Segment, Word, fence, refusal
from hal.frontend import SAMPLE_NS, FrameBlock, FrontendInfo

SLOTS = 65_536
_LOOK_NS = 1_000_000_000  # between two looks of the writer at its own ring
_OURS = re.compile(r"lead12(-\d+)?\.ring")  # whatever has such a name may be replaced


class WriterState(IntEnum):
    """What ``acquire`` is doing; shown on the screen and in the health line."""

    STARTING = 0
    RUNNING = 1
    FAULT = 2  # the fault text says what
    ENDED = 3  # a finite source is exhausted; no more samples will come


@dataclass(frozen=True, slots=True)
class RingStatus:
    """The writer's side of the account.

    samples : written since the ring was made
    lost : samples of the chip that are not among them; samples + lost = next index
    lost_estimated : of ``lost``, those measured with the clock because the front end had stopped
    heartbeat_ns : monotonic time at which the writer last said it lives
    """

    samples: int
    lost: int
    lost_estimated: int
    heartbeat_ns: int
    state: WriterState
    fault: str


@dataclass(frozen=True, slots=True)
class ReaderAccount:
    """The reader's side: ``processed + lost = next_index``.

    position : samples of the ring behind this reader; overrun : of these, overwritten unread
    """

    position: int = 0
    next_index: int = 0
    overrun: int = 0

    @property
    def processed(self) -> int:
        return self.position - self.overrun

    @property
    def lost(self) -> int:
        return self.next_index - self.processed


class RingWriter:
    """The one writer. Goes on in the segment of that name, or makes one.

    A ring whose newest sample is older than the ring is long is replaced, so that an instrument
    that was switched off does not report hours of loss; so is a damaged or outdated one. Anything
    else is put aside where it has the name of a ring of ours, and refused under another name.
    ``now_ns`` is monotonic time. Raises RingError when another writer is alive or there is no room;
    and later, about once a second, when the file was damaged or replaced: begin anew.

    found : what was wrong with what had the name, one sentence; "" for nothing
    """

    def __init__(self, path: Path, now_ns: int, slots: int = SLOTS) -> None:
        recent, self.found = _recent(path, now_ns, slots)
        self._segment = recent or memory.create(path, slots)
        self._described = self._segment.get_text(memory.INFO_AT)
        self._looked_ns = now_ns
        words = self._segment.words
        self._words = words
        self._position = words[Word.PUBLISHED]
        self._announced = words[Word.RESERVED]  # by a writer killed half way: slots it spoiled
        last = (self._position - 1) % slots
        self.next_index = int(self._segment.index[last]) + 1 if self._position else 0
        self.last_t_ns: int | None = int(self._segment.t_ns[last]) if self._position else None
        words[Word.STATE] = WriterState.STARTING
        words[Word.HEARTBEAT] = now_ns

    def write(self, block: FrameBlock, *, estimated: bool = False) -> None:
        """Append ``block``; ``estimated`` marks its ``lost_before`` as measured by the clock.

        Raises ValueError when it does not follow (first_index = next_index + lost_before) or is
        longer than the ring.
        """
        n, words, size = len(block), self._words, self._segment.n
        if block.lost_before < 0 or block.first_index != self.next_index + block.lost_before:
            raise ValueError(
                f"a block at index {block.first_index} with {block.lost_before} lost before it "
                f"does not follow index {self.next_index - 1}"
            )
        if n > size:
            raise ValueError(f"a block of {n} samples does not fit a ring of {size}")
        words[Word.RESERVED] = max(self._position + n, self._announced)
        fence()
        at = self._position % size
        head = min(n, size - at)
        self._fill(at, block, 0, head, block.lost_before)
        if head < n:
            self._fill(0, block, head, n, 0)
        fence()
        self._position += n
        self.next_index = block.first_index + n
        self.last_t_ns = int(block.t_ns[-1])
        words[Word.PUBLISHED] = self._position
        words[Word.HEARTBEAT] = self.last_t_ns
        words[Word.STATE] = WriterState.RUNNING
        if estimated:
            words[Word.LOST_ESTIMATED] += block.lost_before
        self._look(self.last_t_ns)

    def _look(self, now_ns: int) -> None:
        """Now and then: is this still the ring that readers find, and can they use it?"""
        if 0 <= now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        segment = self._segment
        if segment.replaced():
            raise RingError(f"{segment.path} was removed or replaced; it is made anew")
        if segment.damaged() or segment.get_text(memory.INFO_AT) != self._described:
            raise RingError(f"{segment.path} was damaged; it is made anew")

    def _fill(self, at: int, block: FrameBlock, first: int, end: int, lost: int) -> None:
        segment, where = self._segment, slice(at, at + end - first)
        segment.index[where] = np.arange(block.first_index + first, block.first_index + end)
        segment.t_ns[where] = block.t_ns[first:end]
        segment.counts[where] = block.counts[first:end]
        segment.status[where] = block.status[first:end]
        segment.electrodes_off[where] = block.electrodes_off[first:end]
        segment.lost_before[where] = 0
        segment.lost_before[at] = lost

    def describe(self, info: FrontendInfo) -> None:
        """Publish what front end was found."""
        self._segment.put_text(memory.INFO_AT, json.dumps(dataclasses.asdict(info)))
        self._described = self._segment.get_text(memory.INFO_AT)

    def say(self, state: WriterState, now_ns: int, fault: str = "") -> None:
        """Publish a state, and with FAULT the sentence for the screen."""
        self._segment.put_text(memory.FAULT_AT, fault)
        self._words[Word.STATE] = state
        self._words[Word.HEARTBEAT] = now_ns

    def heartbeat(self, now_ns: int) -> None:
        """Say that the writer lives although no sample came."""
        self._words[Word.HEARTBEAT] = now_ns
        self._look(now_ns)

    def close(self) -> None:
        """Leave the segment to the next writer."""
        self._segment.close()


def _recent(path: Path, now_ns: int, slots: int) -> tuple[Segment | None, str]:
    """The ring of that name, locked, if it can be continued, and what is wrong with it else.

    Raises RingError: it is in use, or no ring and not ours to put aside.
    """
    try:
        memory.expect_ring(path)
    except FileNotFoundError:
        return None, ""
    except RingError as error:
        if not _OURS.fullmatch(path.name):
            raise
        return None, f"{str(error).partition(';')[0]}; it is now {memory.put_aside(path).name}"
    damaged = f"{path} was damaged; it is made anew"
    try:
        segment = memory.attach(path)
    except RingError:
        return None, damaged  # ours, but of another version or damaged
    memory.lock_for_writing(segment)
    published = segment.words[Word.PUBLISHED]
    age_ns = now_ns - int(segment.t_ns[(published - 1) % segment.n])
    recent = segment.n == slots and (published == 0 or 0 <= age_ns < slots * SAMPLE_NS)
    if recent and _is_whole(segment):
        return segment, ""
    segment.close()
    return None, damaged if recent else ""


def _is_whole(segment: Segment) -> bool:
    """Whether the samples follow each other as the counters say, and the reader's place is one."""
    words, n = segment.words, segment.n
    published, reserved = words[Word.PUBLISHED], words[Word.RESERVED]
    if reserved - published > n or segment.damaged():
        return False
    places = np.arange(max(0, reserved - n), published) % n  # a killed writer spoiled those before
    if not len(places):
        return published == 0
    index, lost = segment.index[places], segment.lost_before[places]
    follow = np.diff(index) == 1 + lost[1:]
    return bool(follow.all() and (lost >= 0).all()) and int(index[-1]) + 1 >= published


class RingReader:
    """A reader of the ring.

    ``resume=True`` is the monitor: it goes on where ``commit`` was last called, across deaths.
    ``resume=False`` begins at the newest sample and keeps no place in the segment.
    Raises RingError: no ring yet, or a file that is not one.
    """

    def __init__(self, path: Path, *, resume: bool = True) -> None:
        try:
            self._segment = memory.attach(path)
        except FileNotFoundError:
            raise RingError(f"{path} does not exist; is acquire running?") from None
        self._words = self._segment.words
        self._resume = resume
        self._follows = True  # the next sample is the one behind the last block
        self._account = self._committed() if resume else self._newest()

    @property
    def account(self) -> ReaderAccount:
        """What was read, committed or not."""
        return self._account

    def read(self, max_samples: int) -> FrameBlock | None:
        """The next 1..max_samples consecutive samples; None when there is nothing new.

        A block ends before a gap and at the end of the memory. ``lost_before`` counts the samples
        lost at the chip and those overwritten before this reader came. Where slots contradict each
        other all that is unread is damaged: it is left out and counted as overwritten.
        """
        segment, words, n = self._segment, self._words, self._segment.n
        while True:
            published = words[Word.PUBLISHED]
            fence()
            position, overrun = self._account.position, self._account.overrun
            oldest = words[Word.RESERVED] - n
            if position < oldest:  # leave room, or the writer laps this reader again at once
                target = min(oldest + n // 16, published)
                overrun += target - position
                position = target
            k = min(max_samples, published - position, n - position % n)
            if k <= 0:
                return None
            at = position % n
            gaps = np.flatnonzero(segment.lost_before[at + 1 : at + k])
            if len(gaps):
                k = int(gaps[0]) + 1
            where = slice(at, at + k)
            first, last = int(segment.index[at]), int(segment.index[at + k - 1])
            block = FrameBlock(
                first_index=first,
                t_ns=segment.t_ns[where].copy(),
                counts=segment.counts[where].copy(),
                status=segment.status[where].copy(),
                electrodes_off=segment.electrodes_off[where].copy(),
                lost_before=first - self._account.next_index,
            )
            said = int(segment.lost_before[at])
            fence()
            if words[Word.RESERVED] - n > position:
                continue  # overwritten while it was copied
            strict = self._follows and overrun == self._account.overrun
            follows = block.lost_before == said if strict else block.lost_before >= 0
            if not follows or last != first + k - 1:
                self._skip(published, overrun + published - position)
                continue
            self._account = ReaderAccount(position + k, last + 1, overrun)
            self._follows = True
            return block

    def _skip(self, published: int, overrun: int) -> None:
        """Go on behind the newest sample; the loss is counted where its index can be believed."""
        before, newest = self._account.next_index, self._index_after(published)
        next_index = before if 0 <= newest - before <= 2 * self._segment.n else newest
        self._account = ReaderAccount(published, next_index, overrun)
        self._follows = False

    def commit(self) -> None:
        """Everything read so far has been processed: a restart goes on from here."""
        if not self._resume:
            raise ValueError("only the resuming reader commits")
        account, words = self._account, self._words
        which = 1 - (words[Word.READER_WHICH] & 1)
        at = Word.READER + which * memory.RECORD_WORDS
        words[at] = account.position
        words[at + 1] = account.next_index
        words[at + 2] = account.overrun
        words[at + 3] = account.position ^ account.next_index ^ account.overrun ^ MAGIC
        fence()
        words[Word.READER_WHICH] = which  # one store: a kill leaves the old record or the new

    def _committed(self) -> ReaderAccount:
        place = self._segment.reader_place()
        if place is None:
            raise refusal(self._segment.path, "has a damaged reader's place")
        return ReaderAccount(*place)

    def _newest(self) -> ReaderAccount:
        published = self._words[Word.PUBLISHED]
        fence()
        return ReaderAccount(published, self._index_after(published))

    def _index_after(self, position: int) -> int:
        """Index of the sample at ``position``, if nothing was lost before it."""
        return int(self._segment.index[(position - 1) % self._segment.n]) + 1 if position else 0

    def history(self, samples: int) -> list[FrameBlock]:
        """Up to ``samples`` samples before ``commit``, as far as the ring still has them.

        They were processed already: feeding them to a new pipeline restores its state. Blocks end
        before gaps; the first one's ``lost_before`` is 0. Reading goes on where it was.
        """
        reading, follows, here = self._account, self._follows, self._committed()
        start = max(here.position - samples, self._words[Word.RESERVED] - self._segment.n, 0)
        if start >= here.position:
            return []
        self._account = ReaderAccount(start, int(self._segment.index[start % self._segment.n]))
        self._follows = False
        blocks = []
        try:
            while (left := here.position - self._account.position) > 0:
                block = self.read(left)
                if block is None or self._account.overrun:
                    return []  # the writer was faster; a fresh start is honest, a hole is not
                blocks.append(block)
        finally:
            self._account, self._follows = reading, follows
        return blocks

    def status(self) -> RingStatus:
        """The writer's counters."""
        words = self._words
        published = words[Word.PUBLISHED]
        fence()
        try:
            state = WriterState(words[Word.STATE])
        except ValueError:
            raise refusal(self._segment.path, "is in no state that there is") from None
        return RingStatus(
            samples=published,
            lost=self._index_after(published) - published,
            lost_estimated=words[Word.LOST_ESTIMATED],
            heartbeat_ns=words[Word.HEARTBEAT],
            state=state,
            fault=self._segment.get_text(memory.FAULT_AT),
        )

    @property
    def lag(self) -> int:
        """Samples published and not read yet."""
        return self._words[Word.PUBLISHED] - self._account.position

    def info(self) -> FrontendInfo | None:
        """The front end the writer found; None before it has."""
        text = self._segment.get_text(memory.INFO_AT)
        if not text:
            return None
        try:
            fields: dict[str, Any] = json.loads(text)
            return FrontendInfo(**fields)
        except (ValueError, TypeError):
            raise refusal(self._segment.path, "has a damaged description") from None

    def replaced(self) -> bool:
        """Whether a new ring has been made under this name, or it was deleted."""
        return self._segment.replaced()

    def close(self) -> None:
        """Let go; the place stays in the segment."""
        self._segment.close()
