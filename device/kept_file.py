"""A small file of the device's own that a thread writes, whole, and again until it is written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from device.flash import files

AGAIN_NS = 10_000_000_000  # between two attempts: a disk may be full or read-only for a while


class KeptFile:
    """The file at ``path``, which need not be there; other processes do not write it.

    what : it keeps, for the message
    failure : why ``what`` will be forgotten, one line; "" while it is kept
    """

    def __init__(self, path: Path, what: str, *, mode: int = files.MODE) -> None:
        self.path, self.failure = path, ""
        self._what, self._mode = what, mode
        self._writer = ThreadPoolExecutor(1, what)  # nobody waits for the disk
        self._writer.submit(int)  # its thread is there from the start: none comes later
        self._newest = b""
        self._again_ns = 0

    def write(self, data: bytes) -> None:
        """Replace the content; returns at once."""
        self._newest = data
        self._writer.submit(self._write, data)

    def poll(self, now_ns: int) -> None:
        """Try once more what could not be written; called now and then, monotonic time."""
        if self.failure and now_ns >= self._again_ns:
            self._again_ns = now_ns + AGAIN_NS
            self._writer.submit(self._write, self._newest)

    def close(self) -> None:
        """What is not written yet is tried once more; returns when that is over."""
        if self.failure:
            self._writer.submit(self._write, self._newest)
        self._writer.shutdown()

    def _write(self, data: bytes) -> None:
        try:
            files.make_folder(self.path.parent)
            files.save(self.path, data, mode=self._mode)
            self.failure = ""
        except OSError as error:
            self.failure = f"{self._what} are not kept: {self.path}: {error.strerror}"
