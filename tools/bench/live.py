"""The live instrument under load: account, kills, processor, memory, latency.

Beside it run a processor hog and, for comparison, a bare timer loop of the same priority: what
that loses in the same minutes, this machine loses, not the monitor.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from device.config import Config
from device.link.port import PTY
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, decode
from device.processes import PROCESSES
from device.ring import ReaderAccount, RingReader, RingStatus
from device.segment import RingError
from device.supervisor import Supervisor
from hal.frontend import SAMPLE_NS
from tools.bench.figures import Figure
from tools.beside import BARE, HOG, beside, missed

KILLS = 3
STEP_S, FIRST_STEP_S = 0.5, 0.02
SETTLED_S = 5.0  # after a start, before the processor time counts
LEAST_S = 120.0  # shorter, and no 10-s health window lies clear of the kills


class Meter:
    """Processor time and memory of one of the processes, across its restarts."""

    def __init__(self) -> None:
        self._process: psutil.Process | None = None
        self._since_s = 0.0
        self._last: tuple[float, float] | None = None  # time, processor time
        self._busy_s = self._watched_s = 0.0
        self.pss_mb = 0.0

    def read(self, pid: int, now_s: float) -> None:
        """Take a reading; the first seconds of a process are start-up and do not count."""
        if self._process is None or self._process.pid != pid:
            self._process, self._since_s, self._last = psutil.Process(pid), now_s, None
        if now_s - self._since_s < SETTLED_S:
            return
        times = self._process.cpu_times()
        busy_s = times.user + times.system
        if self._last is not None:
            self._watched_s += now_s - self._last[0]
            self._busy_s += busy_s - self._last[1]
        self._last = now_s, busy_s

    def weigh(self) -> None:
        """Note the proportional share of memory."""
        if self._process is not None:
            self.pss_mb = self._process.memory_full_info().pss / 1e6

    @property
    def percent(self) -> float:
        """Of one core."""
        return 100 * self._busy_s / self._watched_s if self._watched_s else 0.0


class Watch:
    """An onlooker: a reader of the ring, the host of the serial line, a meter per process."""

    def __init__(self, supervisor: Supervisor, path: Path) -> None:
        self._supervisor = supervisor
        self._path = path
        self._started_s = time.monotonic()
        self._ring: RingReader | None = None
        self._host: int | None = None
        self._lines = LineSplitter(MAX_LINE)
        self._first: tuple[int, int] | None = None  # index and edge of the first sample seen
        self._newest_ns = 0
        self.meters = {process.name: Meter() for process in PROCESSES}
        self.health: list[dict[str, Any]] = []
        self.cut_lines = 0
        self.first_sample_s: float | None = None
        self.first_call_s: float | None = None

    def run(self, seconds: float) -> None:
        """Watch for ``seconds`` and kill the monitor ``KILLS`` times, evenly spread."""
        kills = [self._started_s + seconds * (k + 1) / (KILLS + 1) for k in range(KILLS)]
        while (now_s := time.monotonic()) < self._started_s + seconds:
            time.sleep(STEP_S if self.first_sample_s else FIRST_STEP_S)
            self.look()
            with contextlib.suppress(psutil.Error):  # it may be dying just now
                for name, pid in self._supervisor.pids.items():
                    self.meters[name].read(pid, now_s)
            if kills and now_s >= kills[0]:
                kills.pop(0)
                os.kill(self._supervisor.pids["monitor"], signal.SIGKILL)
        for meter in self.meters.values():
            meter.weigh()

    def look(self) -> None:
        """Read what is new in the ring and on the line."""
        with contextlib.suppress(RingError):
            self._ring = self._ring or RingReader(self._path, resume=False)
        if self._ring is not None:
            while (block := self._ring.read(10_000)) is not None:
                self._first = self._first or (block.first_index, int(block.t_ns[0]))
                self._newest_ns = int(block.t_ns[-1])
            if self.first_sample_s is None and RingReader(self._path).account.processed:
                self.first_sample_s = time.monotonic() - self._started_s
        if self._host is None and self._supervisor.serial_name:
            self._host = os.open(self._supervisor.serial_name, os.O_RDONLY | os.O_NOCTTY)
            os.set_blocking(self._host, False)
        if self._host is not None:
            with contextlib.suppress(OSError):  # nothing there, or the line is closed
                while data := os.read(self._host, 65_536):
                    self._hear(data)

    def _hear(self, data: bytes) -> None:
        for line in self._lines.push(data):
            try:
                message = decode(line or b"", crc_required=True)
            except ProtocolError:
                self.cut_lines += 1
                continue
            if message["type"] == "health":
                self.health.append(message)
            elif message.get("call") and self.first_call_s is None:
                self.first_call_s = message["t_s"]

    @property
    def chip_samples(self) -> int:
        """Samples the chip has made: told from the times of its edges, not from any index."""
        if self._first is None:
            return 0
        index, first_ns = self._first
        return index + round((self._newest_ns - first_ns) / SAMPLE_NS) + 1


def measure(seconds: float) -> list[Figure]:
    """Run ``seconds`` (at least 120) of the instrument in real time with its load."""
    memory = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder,
        beside(HOG),
        beside(BARE) as bare,
    ):
        path = Path(folder) / "bench.ring"
        changes = {
            "ring.path": str(path),
            "serial.port": PTY,
            "display.device": f"png:{folder}/png",
        }
        supervisor = Supervisor(Config().override(changes), lambda line: None)
        run = threading.Thread(target=supervisor.run)
        watch = Watch(supervisor, path)
        run.start()
        try:
            watch.run(seconds)
        finally:
            supervisor.stop()
            run.join()
        lost = missed(bare)
        watch.look()
        with contextlib.closing(RingReader(path)) as ring:
            return _figures(watch, ring.status(), ring.account, lost)


def _figures(watch: Watch, ring: RingStatus, monitor: ReaderAccount, bare: int) -> list[Figure]:
    chip, meters = watch.chip_samples, watch.meters
    spread = round(2 * math.sqrt(ring.lost + bare), 1)
    # The first message of a monitor covers its start, when it catches up on purpose.
    clear = [h["latency_ms"] for h in watch.health if h["uptime_s"] > 15]
    p50 = statistics.median([latency["p50"] for latency in clear])
    p99 = [latency["p99"] for latency in clear]
    return [
        Figure("account", "samples at the chip, by the time of its edges", chip, "samples"),
        Figure("account", "samples in the ring", ring.samples, "samples"),
        Figure("account", "losses counted", ring.lost, "samples"),
        Figure("account", "chip - ring - losses", chip - ring.samples - ring.lost, "samples", 0, 0),
        Figure(
            "account",
            f"ring - processed, after {KILLS} kills of the monitor",
            ring.samples - monitor.processed,
            "samples",
            0,
            0,
        ),
        Figure("losses", "acquire", ring.lost, "samples"),
        Figure("losses", "bare timer loop of the same priority", bare, "samples"),
        # Losses come by chance, a few in minutes: two standard deviations of the difference.
        Figure("losses", "more than the bare loop", ring.lost - bare, "samples", high=spread),
        *(Figure("processor", name, m.percent, "% of a core") for name, m in meters.items()),
        Figure(
            "processor",
            "together",
            sum(m.percent for m in meters.values()),
            "% of a core",
            high=15,
        ),
        *(Figure("memory (PSS)", name, m.pss_mb, "MB") for name, m in meters.items()),
        Figure("memory (PSS)", "together", sum(m.pss_mb for m in meters.values()), "MB", high=150),
        Figure("edge to filtered leads", "p50, median of 10-s windows", p50, "ms"),
        Figure(
            "edge to filtered leads",
            "p99, median of 10-s windows",
            statistics.median(p99),
            "ms",
            high=20,
        ),
        Figure("edge to filtered leads", "p99, worst 10-s window", max(p99), "ms"),
        Figure("start", "command to first filtered sample", watch.first_sample_s or -1, "s", 0, 3),
        Figure("start", "electrodes on to first call", watch.first_call_s or -1, "s", 0, 11),
        Figure("serial", f"lines cut off by {KILLS} kills", watch.cut_lines, "lines", high=KILLS),
    ]
