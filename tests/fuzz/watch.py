"""One input, watched: what must not happen while it is read, and how it shows when it does."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

HANG_S = 1.0  # of computing: the machine may be busy with something else
WAIT_S = 20.0  # in all, but for what it waited for a processor
GROWTH_KIB = 128 << 10  # of the process, by one input
MAX_INPUT = 64 << 10  # bytes; larger ones only cost time
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink",
            "os.truncate", "os.chmod", "os.chown", "os.utime")  # fmt: skip
_PROCESSES = ("subprocess.Popen", "os.exec", "os.system", "os.posix_spawn", "os.fork",
              "socket.connect", "ctypes.dlopen")  # fmt: skip
_OURS = tuple(os.path.realpath(root) + os.sep for root in
              (Path(__file__).parents[2], sys.prefix, sys.base_prefix, "/usr/lib", "/usr/share",
               "/proc/self"))  # fmt: skip


_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # where syncing costs nothing
FOUND = "found-"  # begins the names of findings


class FindingError(AssertionError):
    """What must not happen did; the message says what."""


class HangError(BaseException):
    """Not an Exception, so that nothing under test can swallow it."""


class Target(Protocol):
    """What is fuzzed; ``run`` raises for everything but an orderly refusal."""

    name: str

    def seeds(self) -> list[bytes]: ...

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes: ...

    def run(self, data: bytes, folder: Path) -> None: ...


_watched: Path | None = None
_hooked = False
_breaches: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    if event in _PROCESSES:
        raise _breach(f"{event} {arguments[:2]}")
    writes = event in _CHANGES
    if event == "open":
        path, mode, flags = arguments
        paths = [path]
        writes = bool(flags & _WRITES or (mode and set(mode) & set("wax+")))
    elif event == "socket.bind":
        paths = [arguments[1]]
    else:
        paths = arguments[:2] if writes else []
    for path in paths:
        if not isinstance(path, str | bytes | os.PathLike):  # a descriptor that is open already
            continue
        inside = os.path.realpath(os.fsdecode(path))
        if inside.startswith(f"{_watched}{os.sep}") or inside == str(_watched):
            continue
        if writes or event != "open" or not inside.startswith(_OURS):
            raise _breach(f"{event} outside its folder: {path!r}")


def _breach(what: str) -> FindingError:
    """Also where it is swallowed on its way."""
    _breaches.append(what)
    return FindingError(what)


@contextlib.contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Within: no file is read or changed outside ``folder``, no process started, no hang.

    Nothing is collected meanwhile: what ends at the bottom of a deep recursion would fail there.
    """
    global _watched, _hooked
    gc.disable()
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True

    queued_s = _queued_s()

    def late(number: int, _: object) -> None:
        nonlocal queued_s
        before, queued_s = queued_s, _queued_s()
        if number == signal.SIGALRM and queued_s - before > HANG_S:
            signal.setitimer(signal.ITIMER_REAL, WAIT_S, HANG_S)  # others had the machine
            return
        raise HangError

    alarm, prof = (signal.signal(number, late) for number in (signal.SIGALRM, signal.SIGPROF))
    signal.setitimer(signal.ITIMER_REAL, WAIT_S, HANG_S)  # again, where the first was swallowed
    signal.setitimer(signal.ITIMER_PROF, HANG_S, HANG_S)
    bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    rss = _peak_kib(anew=True)
    _watched = folder.resolve()
    _breaches.clear()
    try:
        yield
    finally:
        _watched = None
        sys.dont_write_bytecode = bytecode
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGPROF, prof)
        gc.enable()
    if _breaches:
        raise FindingError(_breaches[0])
    grown = _peak_kib() - rss
    if grown > GROWTH_KIB:
        raise FindingError(f"the process grew by {grown >> 10} MiB")


def _queued_s() -> float:
    """How long this process has been ready to run and had no processor; proc(5), schedstat."""
    with open("/proc/self/schedstat", encoding="ascii") as told:
        return int(told.read().split()[1]) * 1e-9


def _peak_kib(*, anew: bool = False) -> int:
    """The most memory since the last ``anew``: what was used before an input is not its own."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins at what is used
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def one_line(text: str) -> None:
    """What a technician is told: one line, printable, of bounded length."""
    if not text or not text.isprintable() or len(text) > 600:
        raise FindingError(f"not one plain line: {text[:700]!a}")


def once(target: Target, data: bytes) -> str:
    """Run one input. What went wrong, "" for nothing."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
        try:
            with watched(Path(name)):
                target.run(data, Path(name))
        except HangError:
            return f"hangs for more than {HANG_S} s"
        except Exception as error:
            at = error.__traceback__
            while at and at.tb_next:
                at = at.tb_next
            where = f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""
            return f"{type(error).__name__} at {where}: {str(error).replace(name, '')[:300]}"
    return ""


def save(folder: Path, data: bytes) -> Path:
    """A finding as a file of the corpus, named by its content."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{FOUND}{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path
