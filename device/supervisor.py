"""What ``lead12 run`` starts on a laptop; on the device systemd does this.

Starts the processes of ``device.processes``, kills what has stopped answering, starts again what
dies, ends them together. Imports the standard library only, so that it costs next to nothing
beside them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from device.config import Config, ring_path
from device.keyboard import VARIABLE, Keyboard, keyboard
from device.link.port import FD_PREFIX, PTY
from device.processes import (
    ENVIRONMENT,
    EXIT_USAGE,
    PROCESSES,
    RESTARTS,
    STOP_S,
    WATCHDOG_S,
    WITHIN_S,
    Process,
    end_with_parent,
)
from device.watchdog import Watchdog

_POLL_S = 0.05
BESIDE_THE_RING = (".ring", ".inject", ".alarms")  # files of one run


class Supervisor:
    """One run of the instrument.

    config : ``serial.port = "pty"`` makes a pseudo-terminal and reports its name
    report : takes lines for the user: what the processes say, and what becomes of them
    keyboard : its keys are the monitor's buttons
    watchdog_s : a process that is ready and says nothing for so long is killed and started again
    """

    def __init__(
        self,
        config: Config,
        report: Callable[[str], None],
        *,
        watchdog_s: float = WATCHDOG_S,
        keyboard: Keyboard | None = None,
    ) -> None:
        self._config = config
        self._report = report
        self._watchdog_s = watchdog_s
        self._keyboard = keyboard
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._deaths: dict[str, deque[float]] = {p.name: deque() for p in PROCESSES}
        self._readers: list[threading.Thread] = []
        self._stop = threading.Event()
        self._serial_fds: tuple[int, ...] = ()
        self.serial_name = ""  # where a host finds the pseudo-terminal

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run now."""
        return {name: child.pid for name, child in self._running.items()}

    def stop(self) -> None:
        """Make ``run`` return; for signal handlers and other threads."""
        self._stop.set()

    def run(self, duration_s: float | None = None) -> int:
        """Run until a signal, the end of the signal or ``duration_s``; 0 when all went well."""
        private_ring = not self._config.ring.path
        if private_ring:
            path = ring_path(self._config).with_name(f"lead12-{os.getpid()}.ring")
            _forget_the_dead(path.parent)
            self._config = self._config.override({"ring.path": str(path)})
        try:
            names = [process.name for process in PROCESSES]
            watchdog = Watchdog(names, time.monotonic, silence_s=self._watchdog_s)
            with self._signals(), self._pseudo_terminal(), contextlib.closing(watchdog):
                for process in PROCESSES:
                    self._start(process, watchdog)
                try:
                    code = self._watch(duration_s, watchdog)
                finally:
                    ended = self._end_all()
                return code or ended
        finally:
            if private_ring:
                for end in BESIDE_THE_RING:
                    ring_path(self._config).with_suffix(end).unlink(missing_ok=True)

    def _watch(self, duration_s: float | None, watchdog: Watchdog) -> int:
        end_s = None if duration_s is None else time.monotonic() + duration_s
        while not self._stop.wait(_POLL_S):
            if self._keyboard is not None:
                self._keyboard.poll()
            if end_s is not None and time.monotonic() >= end_s:
                return 0
            for process in PROCESSES:
                child = self._running.get(process.name)
                if child is None:
                    continue
                code = child.poll()
                if code is None:
                    silent_s = watchdog.silent_s(process.name)
                    if silent_s is None:
                        continue
                    self._report(f"{process.name} has not answered for {silent_s:.0f} s")
                    child.kill()
                    code = child.wait()
                del self._running[process.name]
                if code == 0:
                    if not self._running:
                        return 0
                    continue  # a recording has ended: acquire goes first, monitor when it is done
                if code == EXIT_USAGE or not self._may_restart(process, code):
                    return EXIT_USAGE if code == EXIT_USAGE else 1
                self._start(process, watchdog)
        return 0

    def _may_restart(self, process: Process, code: int) -> bool:
        why = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        deaths = self._deaths[process.name]
        deaths.append(time.monotonic())
        while deaths[0] < deaths[-1] - WITHIN_S:
            deaths.popleft()
        if len(deaths) > RESTARTS:
            self._report(f"{process.name} died {len(deaths)} times in {WITHIN_S:.0f} s ({why})")
            return False
        self._report(f"{process.name} died ({why}), started again")
        return True

    def _start(self, process: Process, watchdog: Watchdog) -> None:
        watchdog.started(process.name)
        fds = self._serial_fds if process.at_bedside else ()
        more = {}
        if process.at_bedside and self._keyboard is not None:
            fds = (*fds, self._keyboard.pipe)
            more[VARIABLE] = str(self._keyboard.pipe)
        child = subprocess.Popen(
            [sys.executable, "-m", process.module, self._config.to_json()],
            env={**os.environ, **ENVIRONMENT, **more, **watchdog.environment(process.name)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=fds,
            preexec_fn=end_with_parent,
            process_group=0,  # Ctrl-C reaches them through ``_end_all``, in order
        )
        self._running[process.name] = child
        reader = threading.Thread(target=self._relay, args=(child,), daemon=True)
        reader.start()
        self._readers.append(reader)

    def _relay(self, child: subprocess.Popen[str]) -> None:
        assert child.stderr is not None
        with child.stderr:
            for line in child.stderr:
                self._report(line.rstrip())

    def _end_all(self) -> int:
        """The monitor last: it still says what acquire wrote. 1 if one says that it failed."""
        failed = 0
        for process in PROCESSES:
            child = self._running.pop(process.name, None)
            if child is None:
                continue
            child.terminate()
            try:
                child.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._report(f"{process.name} did not end in {STOP_S:.0f} s and was killed")
                child.kill()
                child.wait()
            failed |= child.returncode > 0
        for reader in self._readers:
            reader.join(STOP_S)
        return int(failed)

    @contextlib.contextmanager
    def _pseudo_terminal(self) -> Iterator[None]:
        """Both ends stay open here, so that the name survives a restart of the monitor."""
        if self._config.serial.port != PTY:
            yield
            return
        device_end, host_end = os.openpty()
        try:
            tty.setraw(host_end)  # no echo: what is sent must not come back as commands
            self.serial_name = os.ttyname(host_end)
            self._serial_fds = (device_end,)
            port = f"{FD_PREFIX}{device_end}:{self.serial_name}"
            self._config = self._config.override({"serial.port": port})
            self._report(f"serial line on {self.serial_name}")
            yield
        finally:
            os.close(device_end)
            os.close(host_end)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM end the run, where this thread may say so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def stop(_number: int, _frame: FrameType | None) -> None:
            self._stop.set()

        before = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _forget_the_dead(folder: Path) -> None:
    """Remove the rings of runs that were killed before they could do it, and what was beside."""
    for left in [file for end in BESIDE_THE_RING for file in folder.glob(f"lead12-*{end}")]:
        pid = left.stem.removeprefix("lead12-")
        with contextlib.suppress(OSError):
            if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                left.unlink()


def run_live(config: Config, duration_s: float | None, report: Callable[[str], None]) -> int:
    """The whole instrument in real time. Returns an exit code.

    ``report`` is not called while the screen is drawn on this terminal: lines wait for the end.
    """
    held: list[str] = []
    drawn = config.display.device == "terminal" and sys.stdout.isatty()

    def hold(line: str) -> None:
        held.append(line)
        del held[:-100]

    keys = keyboard() if drawn else None
    with contextlib.closing(keys) if keys is not None else contextlib.nullcontext():
        code = Supervisor(config, hold if drawn else report, keyboard=keys).run(duration_s)
    for line in held:
        report(line)
    return code
