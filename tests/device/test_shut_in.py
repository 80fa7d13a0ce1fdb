"""The running instrument opens no socket but local ones, and what it writes is not for everybody.

Real processes: acquire, monitor, installer and its self-test. Two witnesses watch each of them: an
audit hook, which hears of every socket that Python makes, and the kernel, whose list of local
sockets must have every socket that a process holds. Both see one that is planted.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.flash.store import Store
from tests.device.bundle_kit import KEYRING, NOW, signed_bundle
from tests.device.keyed import KEY
from tests.device.waiting import wait_for
from tools.flash_line import Remote

UMASK = 0o007  # as in the units of systemd
LEAD12 = (sys.executable, "-c", "from tools.entry import main; main()", "run", "--config")
ON_ALL = stat.S_IRWXO

HOOK = """
import os, socket, sys

with open("/proc/self/cmdline", "rb") as file:
    command = file.read().replace(b"\\0", b" ")

def note(what):
    seen = os.open(os.environ["SHUT_IN_SEEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(seen, what.encode() + b" " + command[:300].replace(b"\\n", b" ") + b"\\n")
    os.close(seen)

def hook(event, arguments):
    if event == "socket.__new__":
        note(f"family={int(arguments[1])}")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        note(event)

note("watched")
sys.addaudithook(hook)
planted = os.environ.get("SHUT_IN_PLANT")
if planted and planted.encode() in command:
    left_open = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
"""


class Instrument:
    """``lead12 run`` as a service has it, watched."""

    def __init__(self, folder: Path, plant: str = "") -> None:
        self.state, self.runtime = folder / "state", folder / "run"
        self.seen = folder / "seen"
        for made in (self.state, self.runtime, folder / "hook"):
            made.mkdir(mode=0o750)
        (folder / "hook" / "sitecustomize.py").write_text(HOOK)
        key = folder / "serial.key"
        key.write_text(KEY.hex())
        key.chmod(0o640)
        settings = folder / "lead12.toml"
        settings.write_text(
            f'[ring]\npath = "{self.runtime}/lead12.ring"\n'
            '[serial]\nport = "pty"\naccess = "keyed"\nkey_file = "serial.key"\n'
            '[display]\ndevice = "none"\n'
            f'[records]\nfolder = "{self.state}/records"\ncontinuous_hours = 0.001\n'
        )
        before = os.umask(UMASK)
        Store(self.state / "models").trust(KEYRING, "anna", NOW)
        os.umask(before)
        environment = {
            **os.environ,
            "PYTHONPATH": str(folder / "hook"),
            "STATE_DIRECTORY": str(self.state),
            "SHUT_IN_SEEN": str(self.seen),
            "SHUT_IN_PLANT": plant,
        }
        self._process = subprocess.Popen(
            [*LEAD12, str(settings)],
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            umask=UMASK,
        )
        assert self._process.stderr is not None
        self.port = self._process.stderr.readline().split()[-1]

    def end(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=20)

    def families(self) -> set[str]:
        """What the audit hook of any process has heard."""
        lines = self.seen.read_text().splitlines()
        return {line.split()[0] for line in lines} - {"watched"}

    def watched(self, name: str) -> bool:
        """Whether a process with this in its command has the hook."""
        lines = self.seen.read_text().splitlines()
        return any(line.startswith("watched") and name in line for line in lines)

    def not_local(self) -> set[str]:
        """Sockets of all its processes that are none of AF_UNIX, as the kernel says."""
        found = set()
        for process in family_of(self._process.pid):
            with contextlib.suppress(OSError):  # it has ended
                local = {line.split()[6] for line in _lines(process, "unix")}
                held = {os.readlink(fd) for fd in Path(f"/proc/{process}/fd").iterdir()}
                inodes = {name[8:-1] for name in held if name.startswith("socket:[")}
                found |= inodes - local
        return found


def _lines(process: int, table: str) -> list[str]:
    return Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]


def family_of(process: int) -> Iterator[int]:
    """A process and all that came of it."""
    yield process
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family_of(int(child))


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.native("a self-test within 20 s")
def test_no_socket_leaves_the_machine_and_no_file_is_for_everybody(folder: Path) -> None:
    instrument = Instrument(folder)
    found: set[str] = set()
    bundle = signed_bundle("3.0")
    try:
        with Remote(instrument.port, 921_600, key=KEY) as remote:
            wait_for("a call", lambda: (remote.hear() or {}).get("type") == "result")
            remote.ask({"command": "patient", "id": "4711"})
            remote.upload(bundle)
            outcome = remote.install(
                bundle, "ada", lambda *of: found.update(instrument.not_local())
            )
            remote.ask({"command": "set", "setting": "lead", "value": "V1"})
            remote.ask({"command": "record"})
            snapshots = instrument.state / "records" / "snapshots"
            wait_for("the record", lambda: list(snapshots.glob("*.hea")))
            found |= instrument.not_local()
            modes = {
                str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode)
                for top in (instrument.state, instrument.runtime)
                for path in (top, *top.rglob("*"))
            }
    finally:
        instrument.end()
    assert outcome.ok, outcome
    for process in ("device.acquire", "device.monitor", "device.flash.install", "selftest"):
        assert instrument.watched(process), process
    assert found == set()
    assert instrument.families() == {f"family={int(socket.AF_UNIX)}"}
    names = " ".join(modes)
    for kept in ("settings.json", "models/a.l12", "audit.log", ".hea", ".dat", "lead12.ring"):
        assert kept in names, (kept, names)
    assert {name: oct(mode) for name, mode in modes.items() if mode & ON_ALL} == {}
    patient = {name: mode for name, mode in modes.items() if "/records/" in name}
    assert {name: oct(mode) for name, mode in patient.items() if mode & stat.S_IRWXG} == {}


def test_a_socket_that_is_planted_is_seen_by_both_witnesses(folder: Path) -> None:
    instrument = Instrument(folder, plant="device.monitor")
    try:
        wait_for("the monitor", lambda: instrument.watched("device.monitor"))
        assert wait_for("the kernel to tell", instrument.not_local)
    finally:
        instrument.end()
    assert f"family={int(socket.AF_INET)}" in instrument.families()
