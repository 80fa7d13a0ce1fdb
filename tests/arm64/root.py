"""A Debian 12 root for aarch64 in build/arm64, this tree's wheel in it, commands run there.

debootstrap's first stage brings the packages. For a smoke run Python's are then unpacked on top,
without their scripts: nothing is emulated so far, and it takes half a minute. Else the second stage
runs under emulation, for minutes, and the root is an ordinary Debian. Python packages come as
wheels for aarch64 through the pip of this machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.arm64.boards import PI_4, Board

TREE = Path(__file__).parents[2]
BUILD = TREE / "build" / "arm64"
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PYTHON = "3.11"
ROOMS = ("hal", "firmware", "device", "models", "tools")
GLIBC = (17, 24, 26, 27, 28, 31, 34, 36)  # manylinux_2_N; Debian 12 has glibc 2.36
VENV = "opt/lead12/.venv"
SITE = f"{VENV}/lib/python{PYTHON}/site-packages"
SOURCE = "src"  # where the tests lie
# What the tests of the smoke run need besides the product itself
FEW = ("pytest", "hypothesis", "psutil", "tflite-runtime")
PURE = ("sdnotify",)  # only published as source, without anything to compile
_ENTER = """set -e
cd "$1"
mount -t tmpfs -o mode=755 dev dev
mkdir dev/pts dev/shm
for node in null zero full random urandom tty; do
    : >dev/$node; mount --bind /dev/$node dev/$node
done
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts; ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t proc proc proc
mount --bind "$2" proc/cpuinfo
mount --rbind -o ro /sys sys
root=$1; shift 2
exec chroot "$root" /usr/bin/env -i "$@"
"""


class CannotRunError(RuntimeError):
    """Emulated Arm cannot be had here; one line: what is missing and what to do."""


def needs() -> str:
    """What this machine lacks for a run; "" when it has all."""
    if os.geteuid() != 0:
        return "a root directory needs root rights: run it with sudo"
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux")):
        if not shutil.which(program):
            return f"{program} is not installed: apt-get install {package}"
    if sys.version_info[:2] != (3, 11):
        return f"results are compared at Python {PYTHON}, Debian 12's; this is another"
    try:
        handler = Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").read_text()
    except OSError:
        handler = ""
    if "enabled" not in handler or "F" not in handler.partition("flags:")[2].splitlines()[0]:
        return "the kernel cannot start aarch64: apt-get install qemu-user-static binfmt-support"
    if _quiet("unshare", "--mount", "--pid", "--fork", "true").returncode:
        return "mounts of one's own are not allowed here (a container without CAP_SYS_ADMIN)"
    return ""


class Root:
    """The root in ``path``; each method does nothing when it was done before."""

    def __init__(self, path: Path = BUILD / "root") -> None:
        self.path = path
        self.site = path / SITE

    def beside(self, name: str) -> Path:
        """A file of this root, outside of it."""
        return self.path.with_name(f"{self.path.name}-{name}")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the root. Raises CannotRunError while another run does."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.beside("lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotRunError(f"another run is using {self.path}; wait for it") from None
            yield

    def make(self, configured: bool) -> None:
        """Debian's base and Python. Raises CannotRunError when they cannot be fetched.

        configured : by the second stage; else Python's packages are only unpacked
        """
        done = self.beside("made")
        if done.exists():
            return
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        packages = "--include=python3,libstdc++6"
        what = ("--foreign", "--arch=arm64", "--variant=minbase", packages)
        made = _quiet("debootstrap", *what, SUITE, str(self.path), MIRROR)
        if made.returncode:
            why = (made.stdout or made.stderr).strip().splitlines() or ["it says nothing"]
            raise CannotRunError(f"debootstrap cannot make an arm64 root: {why[-1]}")
        if configured:
            _must("chroot", str(self.path), "/debootstrap/debootstrap", "--second-stage")
        else:
            for package in sorted((self.path / "var/cache/apt/archives").glob("*.deb")):
                _must("dpkg-deb", "--extract", str(package), str(self.path))
            (self.path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
            (self.path / "etc/group").write_text("root:x:0:\ntty:x:5:\n")
        done.touch()

    def install(self, everything: bool) -> None:
        """The wheel of this tree with its pinned requirements; ``everything``: [dev,tools] too."""
        wheels = self.beside("wheels")
        shutil.rmtree(wheels, ignore_errors=True)
        pins = str(TREE / "constraints.txt")
        _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), str(TREE))
        wheel = next(wheels.glob("lead12-*.whl"))
        extras = "[dev,tools]" if everything else ""
        wanted = [f"lead12{extras} @ {wheel.as_uri()}", *FEW]
        pinned = (TREE / "constraints.txt").read_bytes() + (TREE / "pyproject.toml").read_bytes()
        state = hashlib.sha256(repr(wanted).encode() + pinned).hexdigest()
        mark = self.path / VENV / ".requirements"
        if not mark.exists() or mark.read_text() != state:
            shutil.rmtree(self.path / VENV, ignore_errors=True)
            self._venv()
            _pip("wheel", "--no-deps", "--wheel-dir", str(wheels), "--constraint", pins, *PURE)
            platforms = [f"--platform=manylinux_2_{n}_aarch64" for n in GLIBC]
            binary = ("--only-binary=:all:", f"--python-version={PYTHON}", "--no-compile")
            there = ("--target", str(self.site), "--find-links", str(wheels))
            _pip(
                *("install", *binary, *platforms, "--platform=manylinux2014_aarch64"),
                *(*there, "--constraint", pins, *wanted),
            )
            mark.write_text(state)
        # Nothing of an older tree may stay
        for old in (*(self.site / room for room in ROOMS), *self.site.glob("lead12-*.dist-info")):
            if old.is_symlink():
                old.unlink()
            else:
                shutil.rmtree(old, ignore_errors=True)
        _pip(
            "install",
            "--no-deps",
            "--no-compile",
            "--upgrade",
            "--target",
            str(self.site),
            str(wheel),
        )
        self._commands()

    def copy_tests(self) -> None:
        """The tracked files of this tree; its packages are moved there as the wheel has them.

        They find their tests and documents beside them, as in a checkout.
        """
        there = self.path / SOURCE
        shutil.rmtree(there, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=TREE,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if name.split("/", 1)[0] in ROOMS or not (TREE / name).is_file():
                continue
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, there / name)
        for room in ROOMS:
            (self.site / room).rename(there / room)
            (self.site / room).symlink_to(f"/{SOURCE}/{room}")

    def run(
        self,
        command: Sequence[str],
        *,
        board: Board = PI_4,
        log: Path | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> int:
        """Run ``command`` in the root, in SOURCE, with processes and /dev of its own: exit status.

        log : where its output goes; None: to ours. All it started ends with it.
        """
        cpuinfo = self.beside(f"cpuinfo-{board.qemu}")
        cpuinfo.write_text(board.cpuinfo)
        environment = {
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
            "PATH": f"/{VENV}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "QEMU_CPU": board.qemu,
            **(extra or {}),
        }
        inside = ["sh", "-c", f'cd /{SOURCE} && exec "$@"', "sh", *command]
        argv = [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"),
            *("sh", "-c", _ENTER, "sh", str(self.path), str(cpuinfo)),
            *(f"{name}={value}" for name, value in environment.items()),
            *inside,
        ]
        if log is None:
            return subprocess.run(argv, check=False).returncode
        with log.open("wb") as file:
            return subprocess.run(argv, stdout=file, stderr=file, check=False).returncode

    def _venv(self) -> None:
        home = self.path / VENV
        self.site.mkdir(parents=True)
        (home / "bin").mkdir()
        (home / "pyvenv.cfg").write_text(
            "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n"
        )
        for name in ("python", "python3"):
            (home / "bin" / name).symlink_to(f"/usr/bin/python{PYTHON}")

    def _commands(self) -> None:
        """What pip wrote for this machine's Python starts with the root's."""
        made = self.site / "bin"
        for script in sorted(made.iterdir()):
            first, _, rest = script.read_bytes().partition(b"\n")
            if first.startswith(b"#!") and b"python" in first:
                script.write_bytes(f"#!/{VENV}/bin/python\n".encode() + rest)
            there = self.path / VENV / "bin" / script.name
            there.unlink(missing_ok=True)
            shutil.copy2(script, there)


def _pip(*arguments: str) -> None:
    _must(sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


def _must(*command: str) -> None:
    done = _quiet(*command)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise CannotRunError(f"{' '.join(command[:5])} ... fails: {why[-1]}")


def _quiet(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
