"""What the running appliance exposes: asked of the kernel, for its processes, sockets and files."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from tests.appliance.bench import ACQUIRE, CONFIG, MONITOR, RUN, STATE, Bench
from tests.appliance.container import CheckError

KEY = "/etc/lead12/serial.key"
LAYOUT = {  # path: owner, group, mode
    "/etc/lead12": ("root", "lead12", 0o750),
    CONFIG: ("root", "lead12", 0o640),
    KEY: ("root", "lead12", 0o640),
    STATE: ("lead12", "lead12", 0o750),
    RUN: ("lead12-acquire", "lead12", 0o2770),
    f"{RUN}/lead12.ring": ("lead12-acquire", "lead12", 0o660),
}
LISTENERS = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet", "udplite", "udplite6")
# Where a service must not be able to write; each is tried as its user, in its own namespace.
CLOSED = ("/etc", "/etc/lead12", "/opt/lead12", "/usr/bin", "/var/log", "/home", "/root", "/boot")


def check(bench: Bench) -> str:
    """All of it; a sentence of what was found. Raises CheckError."""
    container = bench.container
    ours = _processes(bench)
    for name, uid in ours.items():
        if uid == 0:
            raise CheckError(f"{name} runs as root")
    _no_sockets(bench)
    for path, wanted in LAYOUT.items():
        found = container.run("stat", "--format=%U %G %a", path).split()
        if (found[0], found[1], int(found[2], 8)) != wanted:
            raise CheckError(
                f"{path} is {' '.join(found)}, not {wanted[0]} {wanted[1]} {wanted[2]:o}"
            )
    _nothing_else_writable(bench)
    for unit, user in ((ACQUIRE, "lead12-acquire"), (MONITOR, "lead12")):
        _sandbox(bench, unit, user)
    if _as_service(bench, ACQUIRE, "lead12-acquire", f"cat {KEY}") == 0:
        raise CheckError("acquire's user can read the key of the serial line")
    if _as_service(bench, MONITOR, "lead12", f"cat {KEY}") != 0:
        raise CheckError("the monitor cannot read its key")
    return f"{len(ours)} processes, none of root's; AF_UNIX only"


def _processes(bench: Bench) -> dict[str, int]:
    """Ours, and whose they are: whatever runs from /opt/lead12."""
    found = {}
    listed = bench.container.run("ps", "-e", "-o", "pid=,uid=,args=").splitlines()
    for line in listed:
        pid, uid, arguments = line.split(None, 2)
        if "/opt/lead12/" in arguments:
            found[f"{arguments.split(' -m ')[-1]} ({pid})"] = int(uid)
    if len(found) < 2:
        raise CheckError(f"only {len(found)} of our processes run")
    return found


def _no_sockets(bench: Bench) -> None:
    """No socket of any network family, neither ours nor anybody's."""
    for unit in (ACQUIRE, MONITOR):
        pid = bench.container.main_pid(unit)
        for name in LISTENERS:
            with contextlib.suppress(FileNotFoundError):
                table = bench.container.path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
                if table:
                    raise CheckError(f"{unit} can see a {name} socket: {table[0].strip()}")
        interfaces = bench.container.path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
        if [line for line in interfaces if not line.strip().startswith("lo:")]:
            raise CheckError(f"{unit} has a network interface besides lo")


def _nothing_else_writable(bench: Bench) -> None:
    """Nothing of the installed program is writable to anybody but root."""
    for top in ("/opt/lead12", "/etc/lead12", "/usr/bin/lead12"):
        base = bench.container.path(top)
        for path in (base, *base.rglob("*")):
            about = path.lstat()
            if stat.S_ISLNK(about.st_mode):
                continue
            if about.st_uid != 0 or about.st_mode & 0o022:
                raise CheckError(
                    f"{top}/{path.relative_to(base)} can be changed by others than root"
                )


def _sandbox(bench: Bench, unit: str, user: str) -> None:
    """The service's own view of the files, by its user, and its capabilities and filter."""
    for place in CLOSED:
        if _as_service(bench, unit, user, f"test -d {place} && touch {place}/lead12-was-here") == 0:
            raise CheckError(f"{unit} can write to {place}")
    if _as_service(bench, unit, user, f"touch {RUN}/.try && rm {RUN}/.try") != 0:
        raise CheckError(f"{unit} cannot write to {RUN}")
    may = _as_service(bench, unit, user, f"touch {STATE}/.try && rm {STATE}/.try") == 0
    if may != (unit == MONITOR):
        raise CheckError(f"{unit} {'can' if may else 'cannot'} write to {STATE}")
    for place in ("/run/dbus", "/run/systemd/private"):
        if _as_service(bench, unit, user, f"test -r {place}") == 0:
            raise CheckError(f"{unit} can reach {place}")
    status = _status(bench.container.path(f"/proc/{bench.container.main_pid(unit)}/status"))
    if int(status["CapEff"], 16) or int(status["CapBnd"], 16):
        raise CheckError(
            f"{unit} has capabilities: {status['CapEff']}, bounding {status['CapBnd']}"
        )
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        raise CheckError(f"{unit} runs without its system call filter")


def _as_service(bench: Bench, unit: str, user: str, command: str) -> int:
    """Exit code of a shell command in the service's view of the files, as its user."""
    pid = bench.container.main_pid(unit)
    return bench.container.code(
        "nsenter", f"--mount=/proc/{pid}/ns/mnt", "--",
        "setpriv", "--reuid", user, "--regid", user, "--init-groups", "--bounding-set=-all",
        "--inh-caps=-all", "--no-new-privs", "sh", "-c", command,
    )  # fmt: skip


def _status(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
