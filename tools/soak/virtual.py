"""A soak in virtual time: benches side by side, a checkpoint after every hour, one table."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from device.processes import end_with_parent
from tools.soak.bench import Bench, Hour
from tools.soak.growth import Reading
from tools.soak.plan import HOUR_S, Course
from tools.whole_file import PUBLIC, write_whole

LONGEST_H = 100  # of one bench
SHARED = Path("/dev/shm")
PACKED = ".gz"


@dataclass
class Soak:
    """What is asked for, and what is done of it: the checkpoint file as it is."""

    seed: int
    hours: float
    done: dict[int, Hour] = field(default_factory=dict)

    @property
    def hours_done(self) -> float:
        return sum(hour.seconds for hour in self.done.values()) / 3600

    def save(self, path: Path) -> None:
        """All or nothing; packed where it is named .gz, the same bytes for the same soak."""
        tree = {
            "seed": self.seed,
            "hours": self.hours,
            "done": [asdict(self.done[number]) for number in sorted(self.done)],
        }
        data = json.dumps(tree).encode()
        write_whole(path, gzip.compress(data, mtime=0) if path.suffix == PACKED else data, PUBLIC)

    @classmethod
    def load(cls, path: Path) -> Soak:
        """Raises OSError, or ValueError with a sentence for what is no checkpoint."""
        try:
            data = path.read_bytes()
            tree = json.loads(gzip.decompress(data) if path.suffix == PACKED else data)
            hours = [hour_from(one) for one in tree["done"]]
            return cls(tree["seed"], tree["hours"], {hour.number: hour for hour in hours})
        except (KeyError, TypeError, ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            what = f"{path} is not the checkpoint of a soak ({type(error).__name__})"
            raise ValueError(f"{what}; name another with --resume, or begin without") from None


def hour_from(tree: dict[str, Any]) -> Hour:
    """As ``asdict`` made it; readings of memory with files, of before, are left out."""
    known = {kind.name for kind in fields(Reading)}
    readings = [Reading(**one) for one in tree.pop("readings") if one.keys() == known]
    return Hour(**tree, readings=readings)


def ranges(soak: Soak, jobs: int) -> list[tuple[int, float]]:
    """(first hour, how many) that are still to do, cut so that ``jobs`` have about the same.

    An hour of which only a part was asked for is done again; one that broke stays as it is.
    """

    def is_done(number: int, hours: float) -> bool:
        hour = soak.done.get(number)
        return hour is not None and bool(hour.problems or hour.seconds >= hours * HOUR_S - 1)

    whole = int(soak.hours)
    asked = [(n, 1.0) for n in range(whole)]
    if soak.hours > whole:
        asked.append((whole, soak.hours - whole))
    left = [(number, hours) for number, hours in asked if not is_done(number, hours)]
    share = min(-(-len(left) // jobs), LONGEST_H)
    parts: list[tuple[int, float]] = []
    for number, hours in left:
        if parts and number == parts[-1][0] + parts[-1][1] and parts[-1][1] + hours <= share:
            parts[-1] = (parts[-1][0], parts[-1][1] + hours)
        else:
            parts.append((number, hours))
    return parts


def run(
    soak: Soak,
    *,
    jobs: int = 1,
    make: Callable[[int], Course] = Course,
    code: str = "",
    tell: Callable[[Hour], None] = lambda hour: None,
) -> None:
    """Do what is left, ``jobs`` benches at a time; ``tell`` hears of each hour as it ends.

    code : what each hour is said to be of
    """
    waiting = ranges(soak, jobs)
    free = sorted(os.sched_getaffinity(0))
    with DefaultSelector() as selector:
        running = 0
        while waiting or running:
            while waiting and running < jobs:
                first, hours = waiting.pop(0)
                worker = _Worker(make(soak.seed), first, hours, free.pop() if free else None)
                selector.register(worker.fd, EVENT_READ, worker)
                running += 1
            for key, _ in selector.select():
                for hour in key.data.read():
                    hour.code = code
                    soak.done[hour.number] = hour
                    tell(hour)
                if key.data.ended:
                    selector.unregister(key.fd)
                    key.data.close()
                    free += key.data.cpus
                    running -= 1


class _Worker:
    """A process with one bench: it has mounts of its own, and forks from nothing but itself.

    cpu : for it and its children, which take turns: to wake another processor takes longer
    """

    def __init__(self, course: Course, first: int, hours: float, cpu: int | None = None) -> None:
        self.fd, theirs = os.pipe()
        self.cpus = [] if cpu is None else [cpu]
        self._first, self._held, self.ended = first, b"", False
        self._left = set(range(first, first + max(1, round(hours + 0.499))))
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _work(course, first, hours, theirs, self.cpus)
        os.close(theirs)

    def read(self) -> Iterator[Hour]:
        """The hours that have ended."""
        data = os.read(self.fd, 1 << 20)
        if not data:
            self.ended = True
            _, status = os.waitpid(self.pid, 0)
            if code := os.waitstatus_to_exitcode(status):
                number = min(self._left, default=self._first)
                said = self._held.decode(errors="replace")
                yield Hour(number, problems=[f"the bench ended with {code}: {said}"])
            return
        *lines, self._held = (self._held + data).split(b"\n")
        for line in lines:
            hour = hour_from(json.loads(line))
            self._left.discard(hour.number)
            yield hour

    def close(self) -> None:
        os.close(self.fd)


def _work(course: Course, first: int, hours: float, out: int, cpus: Sequence[int]) -> None:
    """Does not return."""
    code = 1
    try:
        end_with_parent()
        if cpus:
            os.sched_setaffinity(0, cpus)
        signal.signal(signal.SIGTERM, _give_up)
        shared = SHARED if SHARED.is_dir() else None
        with tempfile.TemporaryDirectory(
            prefix="lead12-soak-", dir=shared, ignore_cleanup_errors=True
        ) as folder:
            for hour in Bench(course, Path(folder), first).run(hours):
                _write(out, json.dumps(hour.to_dict()).encode() + b"\n")
        code = 0
    except BaseException:
        with contextlib.suppress(OSError):
            _write(out, traceback.format_exc().encode().replace(b"\n", b" | "))
    finally:
        os._exit(code)


def _give_up(*_: object) -> None:
    raise SystemExit


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
