"""The loop: change an input, run it watched, keep it when it reached what none had reached."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

HANG_S = 2.0
GROWTH_KIB = 128 << 10  # of the process, by one input
MAX_INPUT = 256 << 10  # bytes; larger ones only cost time
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink",
            "os.truncate", "os.chmod", "os.chown", "os.utime")  # fmt: skip
_PROCESSES = ("subprocess.Popen", "os.exec", "os.system", "os.posix_spawn", "os.fork",
              "socket.connect", "socket.bind", "ctypes.dlopen")  # fmt: skip


class FindingError(AssertionError):
    """What must not happen did; the message says what."""


class HangError(BaseException):
    """Not an Exception, so that nothing under test can swallow it."""


class Target(Protocol):
    """What is fuzzed; ``run`` raises for everything but an orderly refusal."""

    name: str
    modules: tuple[str, ...]  # whose lines count as reached

    def seeds(self) -> list[bytes]: ...

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes: ...

    def run(self, data: bytes, folder: Path) -> None: ...


@dataclass
class Report:
    """What a run did."""

    executions: int = 0
    edges: int = 0
    kept: int = 0
    findings: dict[str, bytes] = field(default_factory=dict)  # what happened: the input


class Coverage:
    """Pairs of lines that ran one after the other in the modules under test."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self.edges: set[tuple[int, int, int]] = set()
        self._codes = {str(sys.modules[name].__file__): i for i, name in enumerate(modules)}
        self._last = 0

    def __enter__(self) -> None:
        self._last = 0
        sys.settrace(self._call)

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        index = self._codes.get(frame.f_code.co_filename)
        if index is None:
            return None
        edges = self.edges

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            if event == "line":
                edges.add((index, self._last, frame.f_lineno))
                self._last = frame.f_lineno
            return line

        return line


_watched: Path | None = None
_hooked = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    if event in _PROCESSES:
        raise FindingError(f"{event} {arguments[:2]}")
    if event == "open":
        path, mode, flags = arguments
        paths = [path] if flags & _WRITES or (mode and set(mode) & set("wax+")) else []
    else:
        paths = [one for one in arguments[:2] if isinstance(one, str | bytes | os.PathLike)]
        paths = paths if event in _CHANGES else []
    for path in paths:
        if isinstance(path, int):  # a descriptor that is open already
            continue
        inside = os.path.realpath(os.fsdecode(path))
        if not inside.startswith(f"{_watched}{os.sep}") and inside != str(_watched):
            raise FindingError(f"{event} outside its folder: {path!r}")


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Within: no file is changed outside ``folder``, no process started, no more than HANG_S.

    Nothing is collected meanwhile: what ends at the bottom of a deep recursion would fail there.
    """
    global _watched, _hooked
    gc.disable()
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True

    def late(*_: object) -> None:
        raise HangError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    _watched = folder.resolve()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        yield
    finally:
        _watched = None
        sys.dont_write_bytecode = bytecode
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss
    if grown > GROWTH_KIB:
        raise FindingError(f"the process grew by {grown >> 10} MiB")


def one_line(text: str) -> None:
    """What a technician is told: one line, printable, of bounded length."""
    if not text or not text.isprintable() or len(text) > 600:
        raise FindingError(f"not one plain line: {text[:700]!a}")


def once(target: Target, data: bytes, coverage: Coverage | None = None) -> str:
    """Run one input. What went wrong, "" for nothing."""
    with tempfile.TemporaryDirectory() as name:
        try:
            with watched(Path(name)), coverage or contextlib.nullcontext():
                target.run(data, Path(name))
        except HangError:
            return f"hangs for more than {HANG_S} s"
        except Exception as error:
            at = error.__traceback__
            while at and at.tb_next:
                at = at.tb_next
            where = f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""
            return f"{type(error).__name__} at {where}: {str(error)[:300]}"
    return ""


def fuzz(
    target: Target,
    seed: int,
    *,
    runs: int | None = None,
    seconds: float | None = None,
    tell: Callable[[Report], object] = lambda _: None,
) -> Report:
    """So many runs or so many seconds; the same seed and runs do the same."""
    rng = random.Random(seed)
    coverage = Coverage(target.modules)
    report = Report()
    pool: list[bytes] = []
    places: set[str] = set()
    ends = time.monotonic() + seconds if seconds is not None else float("inf")
    queue = target.seeds()
    while (runs is None or report.executions < runs) and time.monotonic() < ends:
        if queue:
            data, is_seed = queue.pop(0), True
        else:
            # Half the time one of the newest: what it reached is least explored
            recent = pool[-20:] if rng.random() < 0.5 else pool
            data, is_seed = rng.choice(recent), False
            for _ in range(rng.choice((1, 1, 2, 4))):
                data = target.change(rng, data, rng.choice(pool))[:MAX_INPUT]
        known = len(coverage.edges)
        wrong = once(target, data, coverage)
        report.executions += 1
        if wrong and (place := wrong[:80]) not in places:
            places.add(place)  # one of a kind
            report.findings[wrong] = data
        if is_seed or len(coverage.edges) > known:
            pool.append(data)
        report.edges, report.kept = len(coverage.edges), len(pool)
        if report.executions % 1000 == 0:
            tell(report)
    return report


def save(folder: Path, data: bytes) -> Path:
    """A finding as a file of the corpus, named by its content."""
    path = folder / f"{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.write_bytes(data)
    return path
