"""What keeps the records: takes samples and events, writes segments and snapshots.

Synchronous: each call may write to the disk. Time is the sample index; the wall clock is asked only
for names and headers. A disk that fails ends the segment; samples are held back for up to a minute
and written when the disk takes them again, in a segment of their own.
"""

from __future__ import annotations

import contextlib
import errno
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device.config import RecordsSection
from device.flash import files
from device.patient import Patient
from device.records.folder import RecordFolder, new_name
from device.records.interface import Why
from device.records.marks import electrodes, mark_of
from device.records.segment import FRAME, Segment, about_record, repair
from device.records.snapshot import Snapshot, gather
from device.records.wfdb import NONE_24, NOTE, Mark
from firmware.alarms import AlarmEvent
from firmware.events import Event
from hal.errors import RecordingError
from hal.frontend import CHANNELS, SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock, FrontendInfo

FLUSH = 400  # samples, 0.8 s: the rest of the second is the disk's
SEGMENT = 600 * SAMPLE_RATE_HZ
FILLED = SAMPLE_RATE_HZ  # a loss of up to so many samples is filled with "no sample"
HELD = 60 * SAMPLE_RATE_HZ  # so many wait for a disk that fails
NOT_THE_SAME_NS = 1_000_000_000  # indices and times that disagree by more are another count
RETRY = 5 * SAMPLE_RATE_HZ
LATE = SAMPLE_RATE_HZ // 2  # a beat is told up to so late
BEFORE, BEFORE_ALARM, AFTER_ALARM = 10 * SAMPLE_RATE_HZ, 20 * SAMPLE_RATE_HZ, 10 * SAMPLE_RATE_HZ
REMEMBERED = BEFORE_ALARM + AFTER_ALARM + LATE + 2 * SAMPLE_RATE_HZ
AGAIN = 60 * SAMPLE_RATE_HZ  # alarms and calls that come and go: one snapshot of each in so long
UNSAVED = 4  # snapshots that wait for a disk that fails
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A snapshot to be made when its last sample is there."""

    why: Why
    at: int
    first: int
    end: int


class Keeper:
    """Records below ``folder``, as ``section`` says.

    utc_of : monotonic time of a sample to UTC; None where no clock knows it
    boot : of the system whose monotonic time that is; "": nothing goes on where another left off
    """

    def __init__(
        self,
        folder: Path,
        section: RecordsSection,
        utc_of: Callable[[int], datetime | None],
        *,
        firmware: str,
        boot: str = "",
        segment_samples: int = SEGMENT,
    ) -> None:
        self.failure = ""
        self.dropped = 0  # samples that are on no disk
        self.bytes_written = 0
        self.snapshots_taken = 0
        self._folder = RecordFolder(folder)
        self._section = section
        self._utc_of = utc_of
        self._boot = boot
        self._about: dict[str, Any] = {"device": "Lead12", "firmware": firmware, "boot": boot}
        self._patient = Patient()
        self._gain = 0.0  # counts per millivolt; 0: no front end yet
        self._segment_samples = segment_samples
        self._number = 0
        self._lock = ExitStack()
        self._open = False  # folder made, locked and mended
        self._failed_at: int | None = None
        self._next = 0  # index of the sample that comes next
        self._on_disk = 0  # index behind the last sample of this count that is in a segment
        self._zero_ns: int | None = None  # when sample 0 was, by the samples since
        self._segment: Segment | None = None
        self._closing: Segment | None = None  # the one before, for annotations that come late
        self._late: list[Mark] = []  # for it
        self._batch: deque[FrameBlock] = deque()
        self._waiting = 0  # samples in the batch
        self._marks: list[Mark] = []
        self._recent: deque[FrameBlock] = deque()
        self._recent_marks: deque[Mark] = deque()
        self._wanted: list[_Wanted] = []
        self._unsaved: deque[Snapshot] = deque(maxlen=UNSAVED)
        self._last_taken: dict[Why, int] = {}

    @property
    def recording(self) -> bool:
        """Whether samples reach the disk now."""
        return self._segment is not None and not self.failure

    def health(self) -> dict[str, Any]:
        """Members of ``storage`` in the health message; written and dropped since the start."""
        return {
            "recording": self.recording,
            "written_kb": self.bytes_written // 1000,
            "waiting": self._waiting,
            "dropped": self.dropped,
            "snapshots": self.snapshots_taken,
        }

    # -- what is recorded

    def source(self, info: FrontendInfo, model: str) -> None:
        """What the samples come from and who makes the calls, from here on."""
        front_end = {"name": info.name, "detail": info.detail, "gain": info.gain}
        gain = 1e6 / info.nv_per_count
        if gain != self._gain or self._about.get("front_end") != front_end:
            self._end_segment()
        self._gain = gain
        self._about |= {"front_end": front_end, "nv_per_count": info.nv_per_count}
        if model != self._about.get("model", model):
            self._mark(Mark(self._next, NOTE, f"model {model}"))
        self._about["model"] = model

    def set_patient(self, patient: Patient) -> None:
        """Whom the snapshots that follow are of; those that wait for their end are of another."""
        self._take_due(self._next)
        self._patient = patient

    def block(self, block: FrameBlock) -> None:
        """The next samples; those that were taken before are left out."""
        if not self._gain:
            return
        if self._waiting + len(block) > FLUSH:
            self.flush()
        zero_ns = int(block.t_ns[0]) - block.first_index * SAMPLE_NS
        if self._zero_ns is None or abs(zero_ns - self._zero_ns) > NOT_THE_SAME_NS:
            self._count_anew(block.first_index)
        self._zero_ns = zero_ns
        if block.first_index + len(block) <= self._next:
            return
        block = _from(block, self._next)
        self._next = block.first_index + len(block)
        self._recent.append(block)
        while self._recent[0].first_index + len(self._recent[0]) < self._next - REMEMBERED:
            self._recent.popleft()
        while self._recent_marks and self._recent_marks[0].sample < self._next - REMEMBERED:
            self._recent_marks.popleft()
        if self._section.continuous_hours:
            self._batch.append(block)
            self._waiting += len(block)
        self._take_due(self._next - LATE)

    def _count_anew(self, index: int) -> None:
        """Another count of samples begins, at ``index``: of a new ring, or the first one here."""
        self.flush()
        self.dropped += self._waiting
        self._waiting = 0
        self._batch.clear()
        self._end_segment()
        self._open = False  # the disk may hold the beginning of this count
        self._next = index
        self._on_disk = 0
        for kept in (self._recent, self._recent_marks, self._marks, self._wanted):
            kept.clear()

    def event(self, event: Event | AlarmEvent) -> None:
        """Beats, calls, electrodes and alarms become annotations."""
        if (mark := mark_of(event)) is not None:
            self._mark(mark)

    def _mark(self, mark: Mark) -> None:
        self._recent_marks.append(mark)
        if self._section.continuous_hours:
            self._marks.append(mark)

    def snapshot(self, why: Why, index: int) -> None:
        """Keep the seconds around ``index``: ten before, of an alarm twenty and ten after."""
        alarm = why is Why.ALARM
        if not self._section.snapshots:
            return
        if alarm or why is Why.CALL:
            if index - self._last_taken.get(why, index - AGAIN) < AGAIN:
                return
            self._last_taken[why] = index
        first = index - (BEFORE_ALARM if alarm else BEFORE)
        end = index + AFTER_ALARM * alarm
        self._wanted.append(_Wanted(why, index, max(0, first), end))

    # -- to the disk

    def idle(self) -> None:
        """No sample has come for a while: what is here goes to the disk."""
        self.flush()
        if self._batch or self._wanted:
            self._take_due(self._next)

    def flush(self) -> None:
        """Bring the samples that wait to the disk, unless it has just failed."""
        if self._batch or self._unsaved:
            self._try(self._write)
        while self._waiting > HELD:
            oldest = self._batch.popleft()
            self._waiting -= len(oldest)
            self.dropped += len(oldest)

    def close(self) -> None:
        """All that is here goes to the disk, and what is open there ends."""
        self._take_due(self._next)
        self._failed_at = None  # the last chance
        if self._batch or self._unsaved:
            self._try(self._write)
        self._end_segment()
        self._try(self._finish_closing)
        self._lock.close()

    def _try(self, act: Callable[[], None]) -> None:
        if self._failed_at is not None and self._next - self._failed_at < RETRY:
            return
        try:
            self._prepare()
            act()
        except OSError as error:
            self._fail(error)
        else:
            self.failure, self._failed_at = "", None

    def _fail(self, error: OSError) -> None:
        self.failure = told(error, self._folder.path)
        self._failed_at = self._next
        self._end_segment()
        self._open = False

    def _prepare(self) -> None:
        """Before the first write, and again after a failure: what was left is brought in order."""
        if self._open:
            return
        self._lock.close()
        self._folder.prepare()
        self._lock.enter_context(files.lock(self._folder.path / "lock"))
        self._finish_closing()
        self._folder.sweep()
        for one in self._folder.segments():
            with contextlib.suppress(RecordingError):  # not ours; leave it alone
                about, samples = about_record(one.path)
                samples = samples or repair(one.path)
                if self._boot and about.get("boot") == self._boot and self._zero_ns is not None:
                    zero_ns = about["t_ns"] - about["first_index"] * SAMPLE_NS
                    if abs(zero_ns - self._zero_ns) < NOT_THE_SAME_NS:
                        self._on_disk = max(self._on_disk, about["first_index"] + samples)
        self._number = max(self._number, self._folder.last_number())
        self._open = True

    def _write(self) -> None:
        while self._unsaved:
            self._save(self._unsaved[0])
            self._unsaved.popleft()
        while self._batch:
            self._write_run()

    def _write_run(self) -> None:
        """Samples that follow each other, and the annotations known of them."""
        first = _from(self._batch[0], self._on_disk)
        if not len(first):
            self._waiting -= len(self._batch.popleft())
            return
        segment = self._segment_for(first)
        room = segment.first_index + self._segment_samples
        counts: list[NDArray[np.int32]] = []
        next_index, taken = segment.next_index, 0
        for block in self._batch:
            block = _from(block, self._on_disk)
            if block.first_index - next_index > FILLED or (taken and block.first_index >= room):
                break
            if missing := block.first_index - next_index:
                counts.append(np.full((missing, CHANNELS), NONE_24, np.int32))
                self._marks.append(Mark(next_index, NOTE, f"lost: {missing} samples"))
            counts.append(block.counts)
            next_index, taken = block.first_index + len(block), taken + 1
        now = [mark for mark in self._marks if segment.first_index <= mark.sample < next_index]
        self._late += [mark for mark in self._marks if mark.sample < segment.first_index]
        samples = np.concatenate(counts)
        segment.write(samples, [mark.within(segment.first_index) for mark in now])
        self.bytes_written += len(samples) * FRAME
        self._on_disk = next_index
        self._marks = [mark for mark in self._marks if mark.sample >= next_index]
        for _ in range(taken):
            self._waiting -= len(self._batch.popleft())
        if segment.samples > LATE:
            self._finish_closing()

    def _segment_for(self, block: FrameBlock) -> Segment:
        """The one that is open, or a new one where it is full or does not go on."""
        segment = self._segment
        if segment is not None:
            missing = block.first_index - segment.next_index
            if missing <= FILLED and segment.samples < self._segment_samples:
                return segment
            self._end_segment()
            lost = block.first_index - segment.next_index
        else:
            lost = block.lost_before
        self._folder.make_room(
            int(self._section.continuous_hours * 3600 * SAMPLE_RATE_HZ * FRAME),
            self._section.min_free_mb * _MB,
        )
        began = self._utc(block)
        about = self._describe("continuous", block.first_index, int(block.t_ns[0]), began)
        if lost:
            self._marks.append(Mark(block.first_index, NOTE, f"lost: {lost} samples before"))
        off = int(block.electrodes_off[0])
        self._marks.insert(0, Mark(block.first_index, NOTE, electrodes(off)))
        record = self._folder.continuous / self._name(began)
        self._segment = Segment(record, about, self._gain, began)
        return self._segment

    def _end_segment(self) -> None:
        """No more samples for it; it ends when late annotations have had their time."""
        if self._segment is not None:
            self._try_quietly(self._finish_closing)
            self._closing, self._segment = self._segment, None

    def _try_quietly(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):  # the next start mends it
            act()

    def _finish_closing(self) -> None:
        closing = self._closing
        if closing is not None:
            late = [mark for mark in self._late if mark.sample >= closing.first_index]
            self._late.clear()
            closing.finish([mark.within(closing.first_index) for mark in late])
            self._closing = None

    # -- snapshots

    def _take_due(self, reached: int) -> None:
        due = [wanted for wanted in self._wanted if wanted.end <= reached]
        if not due:
            return
        self._wanted = [wanted for wanted in self._wanted if wanted not in due]
        for wanted in due:
            if (snapshot := self._make(wanted)) is not None:
                self._unsaved.append(snapshot)
        self.flush()

    def _make(self, wanted: _Wanted) -> Snapshot | None:
        found = gather(self._recent, wanted.first, wanted.end)
        if found is None:
            return None
        first, adc, lost = found
        block = next(b for b in self._recent if b.first_index + len(b) > first)
        row = first - block.first_index
        began = self._utc(block, row)
        about = self._describe(str(wanted.why), first, int(block.t_ns[row]), began)
        about["at"] = wanted.at - first
        if self._patient:
            about["patient"] = asdict(self._patient)
        marks = [
            Mark(first, NOTE, electrodes(int(block.electrodes_off[row]))),
            Mark(wanted.at, NOTE, f"snapshot: {wanted.why}"),
            *lost,
            *self._recent_marks,
        ]
        inside = [m.within(first) for m in marks if first <= m.sample <= first + len(adc)]
        inside.sort(key=lambda mark: mark.sample)
        return Snapshot(wanted.why, adc, tuple(inside), self._gain, began, about)

    def _save(self, snapshot: Snapshot) -> None:
        if self._section.snapshots:
            self._folder.forget_snapshots(self._section.snapshots - 1)
        snapshot.save(self._folder.snapshots / self._name(snapshot.began, snapshot.why))
        self.bytes_written += snapshot.adc.nbytes
        self.snapshots_taken += 1

    # -- names

    def _name(self, began: datetime | None, why: str = "") -> str:
        self._number += 1
        return new_name(self._number, began, why)

    def _utc(self, block: FrameBlock, row: int = 0) -> datetime | None:
        return self._utc_of(int(block.t_ns[row]))

    def _describe(
        self, kind: str, first_index: int, t_ns: int, began: datetime | None
    ) -> dict[str, Any]:
        utc = began.astimezone(UTC).isoformat(timespec="milliseconds") if began else None
        return {
            **self._about,
            "kind": kind,
            "first_index": first_index,
            "t_ns": t_ns,
            "utc": utc,
        }


def _from(block: FrameBlock, index: int) -> FrameBlock:
    """What of ``block`` is at ``index`` or later."""
    skip = index - block.first_index
    if skip <= 0:
        return block
    return FrameBlock(
        first_index=index,
        t_ns=block.t_ns[skip:],
        counts=block.counts[skip:],
        status=block.status[skip:],
        electrodes_off=block.electrodes_off[skip:],
    )


def told(error: OSError, folder: Path) -> str:
    """One sentence: what is wrong with the disk and what to do."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"not recording: the disk of {folder} is full; make room"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return f"not recording: {folder} cannot be written to; check the disk and who owns it"
        case errno.EAGAIN:
            return f"not recording: {folder} is used by another monitor; name another folder"
    return f"not recording: {folder}: {error.strerror}; check the disk"
