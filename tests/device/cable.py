"""A laptop and a monitor on one serial line, in virtual time, to be cut anywhere."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from device.link import messages
from device.link.link import Link
from device.link.protocol import decode
from device.link.session import Gate
from tests.device.host import VALIDATOR
from tests.device.link_kit import RESULT, Stub

TICK_S = 0.010  # between two polls of the monitor
TTY_BYTES = 4096  # that a driver takes before a write waits

_CHECKED: set[bytes] = set()  # messages that fit the schema, numbers aside
Cut = Callable[[str, bytes], tuple[float, str] | None]


class Store:
    """A small store of models: what an installer would be given, and what was asked for."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.busy = False
        self.asked: list[tuple[str, str]] = []
        self.given = b""
        self.entries: list[dict[str, Any]] = []

    def list(self) -> dict[str, Any]:
        about = {"slot": "embedded", "model": "rhythm-2.0", "sha256": "0" * 64, "counter": 1,
                 "key": "", "since": ""}  # fmt: skip
        return {"running": "embedded", "state": "embedded", "counter": 1, "trust": "production",
                "models": [about], "failed": None, "trial": None, "keyring": 1,
                "log": {"n": 0, "hash": ""}, "notes": []}  # fmt: skip

    def info(self) -> dict[str, Any]:
        return {"model": "rhythm-2.0", "sha256": "0" * 64, "state": "embedded", "accuracy": {}}

    def run(self, path: Path, *, who: str, install: bool) -> None:
        self.asked.append(("install" if install else "verify", who))
        self.given = path.read_bytes()
        self.busy = True

    def confirm(self, who: str) -> str:
        if not self.given:
            raise RuntimeError("no model is on trial; nothing was changed")
        return "rhythm-2.1"

    def rollback(self, who: str) -> str:
        self.asked.append(("rollback", who))
        return "rhythm-2.0"

    def log(self, last: int) -> list[dict[str, Any]]:
        return self.entries[-last:]

    def end(self) -> list[dict[str, Any]]:
        """What the installer says until its end."""
        self.busy = False
        sha256 = hashlib.sha256(self.given).hexdigest()
        return [
            {"stage": "signature", "text": "signed by bench"},
            {"outcome": "installed", "reason": "", "text": "rhythm-2.1 is on trial",
             "model": "rhythm-2.1", "sha256": sha256, "head": "ab"},
        ]  # fmt: skip


class Line:
    """The line between a ``Remote`` (``open_wire``, ``clock``, ``sleep``) and a ``Link``.

    baud : None carries everything at once
    cut : is shown ("down" or "up", line) and may answer how much of it still passes (0 to 1) and
        what happens then: "cable" (both ends notice that it is out), "pulled" (only the laptop
        does, as with a UART), "kill" (of the monitor)
    """

    def __init__(
        self,
        folder: Path,
        baud: int | None = None,
        cut: Cut | None = None,
        tty_bytes: int = TTY_BYTES,
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate
        self._tty_bytes = tty_bytes
        self.store = Store(folder)
        self._cut = cut or (lambda way, line: None)
        self._bytes_per_tick = None if baud is None else baud / 10 * TICK_S
        self._carried = {"down": 0.0, "up": 0.0}  # fractions of bytes left over
        self.now_s = 1.0
        self.cuts = 0
        self.sent: list[bytes] = []  # every write of the laptop
        self.results_at: list[float] = []
        self._next_result_s = 2.0
        self._ends = {"laptop": 0, "monitor": 0}  # a cut makes the open ends useless
        self._forget()
        self.start()

    def _forget(self) -> None:
        """Nothing is on the wire."""
        self._written = {"down": b"", "up": b""}  # at its sender's driver
        self._arrived = {"down": b"", "up": b""}  # at its reader's driver

    def start(self) -> None:
        """A new process of the monitor."""
        self.link = Link(
            "line", 115_200, Stub(), port=_DeviceEnd(self, "monitor"), flasher=self.store,
            gate=self._gate,
        )  # fmt: skip

    # -- what Remote is given

    def open_wire(self, port: str, baud: int) -> _HostEnd:
        return _HostEnd(self, "laptop")

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        until = self.now_s + seconds
        while self.now_s < until:
            self.tick()

    # -- time

    def tick(self) -> None:
        """Ten milliseconds: the line carries, the monitor polls, a result every second."""
        self.now_s += TICK_S
        self._carry("down")
        if self.now_s >= self._next_result_s:
            self._next_result_s += 1.0
            self.link.send("result", RESULT)
        self.link.poll(round(self.now_s * 1e9))
        if not self.link.connected:
            self.link._given = _DeviceEnd(self, "monitor")  # what opening the port again would give
        self._carry("up")

    def _carry(self, way: str) -> None:
        data = self._written[way]
        n = len(data)
        if self._bytes_per_tick is not None:
            room = self._bytes_per_tick + self._carried[way]
            n = min(n, int(room))
            self._carried[way] = room - n if n < len(data) else 0.0
        self._arrived[way] += data[:n]
        self._written[way] = data[n:]

    # -- the two ends

    def put(self, way: str, data: bytes) -> None:
        """Bytes of one end; one line in each write."""
        if way == "up":
            self._check(data)
        else:
            self.sent.append(data)
        what = self._cut(way, data)
        if what is None:
            self._written[way] += data
            return
        self.cuts += 1
        passes, event = what
        passing = int(passes * len(data))
        self._written[way] += data[:passing]
        if way == "down":
            while self._written["down"] or self._arrived["down"]:
                self.tick()  # what came through is obeyed before the rest is lost
        if event == "kill":
            if way == "down":
                self._written["down"] = data[passing:]
                self._arrived["up"] = self._arrived["up"][:-25]  # half an answer
            self._ends["monitor"] += 1
            self.start()
        else:
            self._forget()
            self._ends["laptop"] += 1
            self._ends["monitor"] += event == "cable"

    def _check(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            shape = re.sub(rb"[0-9]+", b"0", line[:-18])
            if line and (shape not in _CHECKED or b'"result"' in line):
                message = decode(line, crc_required=True)
                VALIDATOR.validate(message)
                _CHECKED.add(shape)
                if message["type"] == "result":
                    self.results_at.append(self.now_s)

    def take(self, way: str, most: int) -> bytes:
        """What has arrived at one end."""
        data = self._arrived[way][:most]
        self._arrived[way] = self._arrived[way][most:]
        return data

    def end(self, of: str) -> int:
        """The number of the end that is good now."""
        return self._ends[of]

    def waits(self, way: str) -> bool:
        """Whether a writer would block."""
        return len(self._written[way]) > self._tty_bytes


class _End:
    def __init__(self, line: Line, of: str) -> None:
        self._line, self._of = line, of
        self._number = line.end(of)

    def _alive(self) -> None:
        if self._number != self._line.end(self._of):
            raise OSError(errno.EIO, "the cable is out")

    def close(self) -> None:
        """Nothing is held."""


class _HostEnd(_End):
    def read(self) -> bytes:
        self._alive()
        self._line.tick()
        return self._line.take("up", 1 << 20)

    def write(self, data: bytes) -> None:
        self._alive()
        self._line.put("down", data)
        while self._line.waits("down"):
            self._line.tick()


class _DeviceEnd(_End):
    def read(self, max_bytes: int) -> bytes:
        self._alive()
        return self._line.take("down", max_bytes)

    def write(self, data: bytes) -> int:
        self._alive()
        if self._line.waits("up"):
            return 0
        self._line.put("up", data)
        return len(data)


def finish_installs(line: Line) -> None:
    """The installer ends: what it says goes out as events."""
    for said in line.store.end():
        line.link.send("event", messages.flash_event(0, said))
