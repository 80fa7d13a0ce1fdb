"""One boot of the root by systemd-nspawn, commanded from outside.

systemd-machined is not needed: commands enter the namespaces of the container's PID 1 (nsenter).
A power cut is SIGKILL of that PID 1: the kernel ends everything in its namespace at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

MACHINE = "lead12-boot"
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
POLL_S = 0.02
CGROUPS = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}  # as on a device, whatever the host has
patience = 1.0  # times as long is waited; the smoke runs on anybody's machine and waits longer


class CheckError(AssertionError):
    """Something that must be true was not; the message says what."""


def wait_for(
    what: str, true: Callable[[], bool], timeout_s: float, state: Callable[[], str] = str
) -> float:
    """Seconds until ``true``; raises CheckError after ``timeout_s``, with ``state``."""
    timeout_s *= patience
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > timeout_s:
            raise CheckError(f"not within {timeout_s:g} s: {what} {state()}")
        time.sleep(POLL_S)
    return time.monotonic() - began


class Container:
    """The machine. data : folder that is its /var/lib/lead12; log : its console's file"""

    def __init__(self, root: Path, data: Path, log: Path) -> None:
        self._root, self._data, self._log = root, data, log
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.pid = 0  # of its PID 1, seen from here
        self.switched_on_s = 0.0  # time.monotonic()

    def boot(self, *options: str) -> None:
        """Switch it on; returns when PID 1 is there, long before anything runs."""
        self.switched_on_s = time.monotonic()
        with self._log.open("ab") as console:
            self._nspawn = subprocess.Popen(
                [
                    "systemd-nspawn", "--quiet", "--boot", "--directory", self._root,
                    "--register=no", "--keep-unit", "--private-network", "--link-journal=no",
                    "--console=pipe", f"--machine={MACHINE}", "--hostname=lead12",
                    "--capability=CAP_IPC_LOCK", f"--bind={self._data}:/var/lib/lead12", *options,
                ],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True,
                env={**os.environ, **CGROUPS},
            )  # fmt: skip
        wait_for("PID 1 of the container", self._find, 20)

    def _find(self) -> bool:
        assert self._nspawn is not None
        if self._nspawn.poll() is not None:
            said = self._log.read_text(errors="replace").splitlines()[-3:]
            raise CheckError(
                f"systemd-nspawn ended with {self._nspawn.returncode}: {' / '.join(said)}"
            )
        task = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children")
        for child in task.read_text().split():
            with contextlib.suppress(OSError, IndexError):
                status = Path(f"/proc/{child}/status").read_text()
                first = status.split("NSpid:")[1].split("\n")[0].split()[-1] == "1"
                if first and status.startswith("Name:\tsystemd\n"):
                    self.pid = int(child)
                    return True
        return False

    @property
    def running(self) -> bool:
        return self._nspawn is not None and self._nspawn.poll() is None

    @property
    def answers(self) -> bool:
        """Whether a command can be run inside."""
        return self.running and self.code("true") == 0

    def path(self, inside: str) -> Path:
        """A path of the container, to be used from here."""
        return Path(f"/proc/{self.pid}/root{inside}")

    # -- commands

    def run(self, *command: str, user: str = "", check: bool = True) -> str:
        """Run a command inside, as root or ``user``; its output. CheckError when it fails."""
        as_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"] if user else []
        done = self._enter([*as_user, *command])
        if check and done.returncode:
            raise CheckError(
                f"{' '.join(command)} ended with {done.returncode}: {done.stdout.strip()}"
            )
        return done.stdout

    def code(self, *command: str) -> int:
        """The exit code of a command inside."""
        return self._enter(command).returncode

    def _enter(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "--target", str(self.pid), *NAMESPACES, "--", *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", check=False, timeout=120,
        )  # fmt: skip

    # -- units

    def show(self, unit: str) -> dict[str, str]:
        """Properties of a unit."""
        names = "MainPID,NRestarts,Result,ActiveState,SubState,ExecMainStatus,User"
        text = self.run("systemctl", "show", unit, f"--property={names}")
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def main_pid(self, unit: str) -> int:
        """As the container counts them; 0 while there is none."""
        return int(self.show(unit)["MainPID"])

    def outside_pid(self, unit: str) -> int:
        """The same process as seen from here; 0 while there is none."""
        wanted = self.main_pid(unit)
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError, IndexError):
                inside = status.read_text().split("NSpid:")[1].split("\n")[0].split()
                if len(inside) > 1 and inside[-1] == str(wanted) and self._ours(status.parent):
                    return int(status.parent.name)
        return 0

    def _ours(self, process: Path) -> bool:
        return os.readlink(process / "ns/pid") == os.readlink(f"/proc/{self.pid}/ns/pid")

    def kill(self, unit: str, number: signal.Signals = signal.SIGKILL) -> int:
        """A signal to a unit's main process; its pid."""
        pid = self.main_pid(unit)
        if not pid:
            raise CheckError(f"{unit} has no process")
        self.run("kill", f"-{number.value}", str(pid))
        return pid

    def journal(self, *options: str) -> str:
        return self.run("journalctl", "--no-pager", "--output=short-monotonic", *options)

    # -- power

    def cut_power(self) -> None:
        """Everything stops at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.ended(10)

    def power_off(self) -> float:
        """As by ``systemctl poweroff``; seconds it took."""
        began = time.monotonic()
        self._enter(["systemctl", "poweroff"])
        self.ended(60)
        return time.monotonic() - began

    def ended(self, timeout_s: float) -> None:
        """Wait until it is off."""
        assert self._nspawn is not None
        try:
            self._nspawn.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait()
            raise CheckError(f"the container did not end within {timeout_s:g} s") from None

    def close(self) -> None:
        """Away with it, however it stands."""
        if self.running:
            with contextlib.suppress(CheckError):
                self.cut_power()
