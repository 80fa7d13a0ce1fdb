"""What keeps the records: takes samples and events, writes segments and snapshots.

Synchronous: each call may write to the disk. Time is the sample index; the wall clock is asked only
for names and headers. A disk that fails ends the segment; samples are held back for up to a minute
and written when the disk takes them again, in a segment of their own.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device.config_sections import RecordsSection
from device.flash import files
from device.flash.owner import owner_fault
from device.patient import Patient
from device.records import sealed
from device.records.continuous import SEGMENT, Continuous, part
from device.records.folder import ASKED_FOR, RecordFolder, RecordName, new_name
from device.records.interface import ASKED, Why
from device.records.marks import electrodes, mark_of
from device.records.reading import about_record, is_placed
from device.records.record_files import SEALED, PlainFiles, RecordFiles
from device.records.seal_key import parse
from device.records.segment import FRAME, Segment, repair
from device.records.snapshot import Snapshot, gather
from device.records.wfdb import NOTE, Mark
from firmware.alarms import AlarmEvent
from firmware.events import Call, Event
from hal.errors import RecordingError
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock, FrontendInfo

FLUSH = 400  # samples, 0.8 s: the rest of the second is the disk's
RETRY = 5 * SAMPLE_RATE_HZ
NOT_THE_SAME_NS = 1_000_000_000  # indices and times that disagree by more are another count
BEFORE, BEFORE_ALARM, AFTER_ALARM = 10 * SAMPLE_RATE_HZ, 20 * SAMPLE_RATE_HZ, 10 * SAMPLE_RATE_HZ
LATE = SAMPLE_RATE_HZ // 2  # so long a snapshot waits for the beats in it
LONGEST = 60 * SAMPLE_RATE_HZ  # so far a snapshot goes on while alarm follows alarm
REMEMBERED = LONGEST + LATE + 2 * SAMPLE_RATE_HZ
AGAIN = 60 * SAMPLE_RATE_HZ  # calls that come and go: one snapshot in so long
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
UNSAVED = 4  # snapshots that wait for a disk that fails
PATIENCE = 10  # calls of ``idle`` in a row after which nothing more is expected of the front end
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
        self.saved_at: int | None = None  # index of the newest snapshot a person asked for
        self._folder = RecordFolder(folder)
        self._section = section
        self._seal_to = parse(section.seal_to) if section.seal_to else b""
        self._utc_of = utc_of
        self._boot = boot
        self._about: dict[str, Any] = {"device": "Lead12", "firmware": firmware, "boot": boot}
        self._patient = Patient()
        self._since: int | None = None  # index of the patient's first sample; None: no other before
        self._gain = 0.0  # counts per millivolt; 0: no front end yet
        self._number = 0  # of the newest record
        self._lock = ExitStack()
        self._ready = False  # folder made, locked and mended
        self._failed_at: int | None = None
        self._next = 0  # index of the sample that comes next
        self._zero_ns: int | None = None  # when sample 0 was, by the samples since
        self._idle = 0
        self._continuous = Continuous(self._new_segment, segment_samples)
        self._recent: deque[FrameBlock] = deque()
        self._recent_marks: deque[Mark] = deque()
        self._wanted: list[_Wanted] = []
        self._unsaved: deque[tuple[int, Snapshot]] = deque()
        self._no_call_before = 0
        self._snapshots = self._snapshot_bytes = 0

    @property
    def recording(self) -> bool:
        """Whether samples reach the disk now."""
        return self._continuous.growing and not self.failure

    def health(self) -> dict[str, Any]:
        """Members of ``storage`` in the health message; written and dropped since the start."""
        written = self._continuous.bytes_written + self._snapshot_bytes
        return {
            "recording": self.recording,
            "written_kb": written // 1000,
            "waiting": self._continuous.waiting,
            "dropped": self._continuous.dropped,
            "snapshots": self._snapshots,
        }

    # -- what is recorded

    def source(self, info: FrontendInfo, model: str) -> None:
        """What the samples come from and who makes the calls, from here on."""
        front_end = {"name": info.name, "detail": info.detail, "gain": info.gain}
        gain = 1e6 / info.nv_per_count
        if (gain, front_end) != (self._gain, self._about.get("front_end")):
            self.flush()
            self._continuous.end()
            self._recent.clear()  # a snapshot has one gain
        if model != self._about.get("model", model):
            self._mark(Mark(self._next, NOTE, f"model {model}"))
        self._gain = gain
        self._about |= {"front_end": front_end, "nv_per_count": info.nv_per_count, "model": model}

    def set_patient(self, patient: Patient) -> None:
        """Another patient, of whom the snapshots that follow are, with no sample of the one before.

        Those still to end are of the one before, and end here.
        """
        self._take(self._wanted)
        self._patient = patient
        self._since = self._next

    def block(self, block: FrameBlock) -> None:
        """The next samples; those that were taken before are left out."""
        if not self._gain:
            return
        self._idle = 0
        if self._continuous.waiting + len(block) > FLUSH:
            self.flush()
        zero_ns = int(block.t_ns[0]) - block.first_index * SAMPLE_NS
        if self._zero_ns is None or abs(zero_ns - self._zero_ns) > NOT_THE_SAME_NS:
            self._count_anew(block.first_index)
        self._zero_ns = zero_ns
        block = part(block, self._next)
        if not len(block):
            return
        self._next = block.first_index + len(block)
        self._recent.append(block)
        while self._recent[0].first_index + len(self._recent[0]) < self._next - REMEMBERED:
            self._recent.popleft()
        while self._recent_marks and self._recent_marks[0].sample < self._next - REMEMBERED:
            self._recent_marks.popleft()
        if self._section.continuous_hours:
            self._continuous.add(block)
        self._take([wanted for wanted in self._wanted if wanted.end + LATE <= self._next])

    def _count_anew(self, index: int) -> None:
        """Another count of samples begins, at ``index``: of a new ring, or the first one here."""
        self._take(self._wanted)
        self.flush()
        self._continuous.count_anew()
        self._ready = False  # the disk may hold the beginning of this count
        self._next = index
        self._recent.clear()
        self._recent_marks.clear()
        self._no_call_before = 0
        self._since = None

    def event(self, event: Event | AlarmEvent) -> None:
        """Beats, calls, electrodes and alarms become annotations."""
        if (mark := mark_of(event)) is not None:
            self._mark(mark, snapshots=not self._is_of_another(event))

    def _is_of_another(self, event: Event | AlarmEvent) -> bool:
        """Whether it is a call on seconds of the patient before."""
        return (
            self._since is not None
            and isinstance(event, Call)
            and event.index - event.span + 1 < self._since
        )

    def _mark(self, mark: Mark, *, snapshots: bool = True) -> None:
        if snapshots:
            self._recent_marks.append(mark)
        if self._section.continuous_hours:
            self._continuous.mark(mark)

    def snapshot(self, why: Why, index: int) -> None:
        """Keep the seconds around ``index``: ten before, of an alarm twenty and ten after.

        An alarm within those ten makes them longer instead, up to a minute in all.
        """
        if not self._section.snapshots:
            return
        if why is Why.ALARM:
            for i, wanted in enumerate(self._wanted):
                if wanted.why is why and index + AFTER_ALARM - wanted.first <= LONGEST:
                    self._wanted[i] = replace(wanted, end=index + AFTER_ALARM)
                    return
            first, end = index - BEFORE_ALARM, index + AFTER_ALARM
        else:
            first, end = index - BEFORE, index
        if why is Why.CALL:
            if index < self._no_call_before:
                return
            self._no_call_before = index + AGAIN
        first = max(first, self._since) if self._since is not None else first
        self._wanted.append(_Wanted(why, index, first, end))

    # -- to the disk

    def idle(self) -> None:
        """No sample has come for a second: what is here goes to the disk."""
        self._idle += 1
        self.flush()
        if self._idle >= PATIENCE:
            self._take(self._wanted)

    def flush(self) -> None:
        """Bring what waits to the disk, unless it has just failed."""
        if self._continuous.waiting or self._unsaved:
            self._try(self._write)

    def close(self) -> None:
        """All that is here goes to the disk, and what is open there ends."""
        self._take(self._wanted)
        self._failed_at = None  # the last chance
        self.flush()
        if self._failed_at is None:
            self._try(self._end)
        self._lock.close()

    def _try(self, act: Callable[[], None]) -> None:
        if self._failed_at is not None and self._next - self._failed_at < RETRY:
            return
        try:
            self._prepare()
            act()
        except OSError as error:
            self.failure = told(error, self._folder.path)
            self._failed_at = self._next
            self._continuous.end()
            self._ready = False
        else:
            self.failure, self._failed_at = "", None

    def _prepare(self) -> None:
        """Before the first write, and again after a failure: what was left is brought in order."""
        if self._ready:
            return
        self._lock.close()
        self._folder.prepare()
        self._lock.enter_context(files.lock(self._folder.path))
        self._continuous.finish()
        self._folder.sweep()
        for one in self._folder.segments():
            try:
                self._take_stock(one)
            except RecordingError:
                pass  # not ours, or damaged: it is left alone
            except OSError as error:
                if error.errno in OF_THE_DISK:
                    raise
                # of this one: it must not keep what comes from being kept
        self._number = max(self._number, self._folder.last_number())
        self._ready = True

    def _take_stock(self, one: RecordName) -> None:
        """End a segment that was cut off, and go on behind it."""
        if one.sealed:
            seen = sealed.look(one.path.with_suffix(SEALED))
            self._resume(seen.place, seen.samples)
        else:
            about, samples = about_record(one.path)
            self._resume(about, samples or repair(one.path))

    def _resume(self, about: dict[str, Any], samples: int) -> None:
        """Leave out what a segment on the disk holds, if it is of this very count."""
        if not self._boot or about.get("boot") != self._boot or self._zero_ns is None:
            return
        if not is_placed(about):  # of a sealed one, which nobody has checked
            return
        first_index: int = about["first_index"]
        if abs(about["t_ns"] - first_index * SAMPLE_NS - self._zero_ns) < NOT_THE_SAME_NS:
            end = first_index + samples
            self._continuous.on_disk = max(self._continuous.on_disk or 0, end)

    def _write(self) -> None:
        while self._unsaved:
            self._save(*self._unsaved[0])
            self._unsaved.popleft()
        self._continuous.write()

    def _end(self) -> None:
        self._continuous.finish()
        self._continuous.end()
        self._continuous.finish()

    def _new_segment(self, block: FrameBlock) -> Segment:
        self._folder.make_room(
            int(self._section.continuous_hours * 3600 * SAMPLE_RATE_HZ * FRAME),
            self._section.min_free_mb * _MB,
        )
        began = self._utc_of(int(block.t_ns[0]))
        about = self._describe("continuous", block, 0, began)
        record = self._folder.continuous / self._name(began)
        place = {key: about[key] for key in ("boot", "first_index", "t_ns")}
        return Segment(record, about, self._gain, began, self._files(record, place))

    # -- snapshots

    def _take(self, due: list[_Wanted]) -> None:
        if not due:
            return
        self._wanted = [wanted for wanted in self._wanted if wanted not in due]
        for wanted in due:
            if (snapshot := self._make(wanted)) is not None:
                self._unsaved.append((wanted.at, snapshot))
        self.flush()
        while len(self._unsaved) > UNSAVED:
            self._unsaved.popleft()

    def _make(self, wanted: _Wanted) -> Snapshot | None:
        found = gather(self._recent, wanted.first, wanted.end)
        if found is None:
            return None
        first, adc, lost = found
        block = next(b for b in self._recent if b.first_index + len(b) > first)
        row = first - block.first_index
        began = self._utc_of(int(block.t_ns[row]))
        about = self._describe(wanted.why, block, row, began)
        about["at"] = wanted.at - first
        if self._patient:
            about["patient"] = asdict(self._patient)
        marks = [
            Mark(first, NOTE, electrodes(int(block.electrodes_off[row]))),
            Mark(wanted.at, NOTE, f"snapshot: {wanted.why}"),
            *lost,
            *self._recent_marks,
        ]
        inside = [mark for mark in marks if first <= mark.sample <= first + len(adc)]
        inside.sort(key=lambda mark: mark.sample)
        within = tuple(mark.within(first) for mark in inside)
        return Snapshot(wanted.why, adc, within, self._gain, began, about)

    def _save(self, at: int, snapshot: Snapshot) -> None:
        name = file_name = self._name(snapshot.began, snapshot.why)
        if self._seal_to:
            file_name = new_name(
                self._number, snapshot.began, ASKED_FOR if snapshot.why in ASKED else ""
            )
        snapshot.save(name, self._files(self._folder.snapshots / file_name, {}))
        self._folder.forget_snapshots(self._section.snapshots)
        self._snapshot_bytes += snapshot.adc.nbytes
        self._snapshots += 1
        if snapshot.why in ASKED:
            self.saved_at = at

    # -- names and files

    def _files(self, record: Path, place: dict[str, Any]) -> RecordFiles:
        """Place : of a sealed one, in clear"""
        if self._seal_to:
            return sealed.SealedFiles(record, self._seal_to, place)
        return PlainFiles(record)

    def _name(self, began: datetime | None, why: str = "") -> str:
        self._number += 1
        return new_name(self._number, began, why)

    def _describe(
        self, kind: str, block: FrameBlock, row: int, began: datetime | None
    ) -> dict[str, Any]:
        utc = began.astimezone(UTC).isoformat(timespec="milliseconds") if began else None
        first_index, t_ns = block.first_index + row, int(block.t_ns[row])
        return self._about | {"kind": kind, "first_index": first_index, "t_ns": t_ns, "utc": utc}


def told(error: OSError, folder: Path) -> str:
    """One sentence: what is wrong with the disk and what to do."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"not recording: the disk of {folder} is full; make room"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            whose, act = owner_fault(folder)
            why = f"{whose}; {act}" if whose else "check the disk and who owns it"
            return f"not recording: {folder} cannot be written to; {why}"
        case errno.EAGAIN:
            return f"not recording: {folder} is used by another monitor; name another folder"
        case errno.ENOTDIR | errno.EEXIST:
            return f"not recording: {folder} is not a folder; name another one in the settings"
        case errno.ELOOP:
            return f"not recording: {error.filename or folder} is a link; name the folder itself"
    return f"not recording: {folder}: {error.strerror}; check the disk"
