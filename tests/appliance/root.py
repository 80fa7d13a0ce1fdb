"""A Debian 12 root with the product installed as a user installs it.

What costs minutes is made once and kept in a cache folder: the bare system (debootstrap) and the
wheels of the product's dependencies. Each run gets its own layer above them (overlayfs, or a copy
where that is not to be had), installs this checkout into it, and throws it away.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
PACKAGES = "systemd,systemd-sysv,udev,dbus,python3,python3-venv,adduser,procps,ca-certificates"
SOURCE, WHEELS = "/root/lead12", "/root/wheels"  # in the root, during installation
CLOCK_LIBRARY = "/usr/lib/lead12-test-clock.so"
DATA_MB = 300  # the data partition, /var/lib/lead12
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "mkfs.ext4", "git", "gcc", "dpkg-deb")


class UnavailableError(RuntimeError):
    """Such a root cannot be made or booted here; the message is one line for the user."""


class InstallError(RuntimeError):
    """The product's own installer failed; the message ends with what it said."""


def need_machine() -> None:
    """Raises UnavailableError when this machine cannot boot a root at all."""
    if sys.platform != "linux":
        raise UnavailableError("it needs Linux, for systemd-nspawn")
    if os.geteuid() != 0:
        raise UnavailableError("systemd-nspawn needs root; run it with sudo")
    if sys.version_info[:2] != (3, 11):
        raise UnavailableError(
            "Debian 12 has Python 3.11, and the wheels are fetched with this one"
        )
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise UnavailableError(
            f"{', '.join(missing)} not found; "
            "apt-get install debootstrap systemd-container e2fsprogs git gcc"
        )


def bare(cache: Path, say: Callable[[str], None]) -> Path:
    """The bare system, made when it is not there."""
    key = hashlib.sha256(f"{SUITE} {PACKAGES}".encode()).hexdigest()[:12]
    root = cache / f"{SUITE}-{key}"
    if root.is_dir():
        return root
    say(f"making a Debian root in {root} (once, a minute or two)")
    fresh = _beside(root)
    made = _quiet(
        ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, fresh, MIRROR]
    )
    if made.returncode:
        shutil.rmtree(fresh)
        raise UnavailableError(f"debootstrap failed: {_last(made.stdout)}")
    (fresh / "etc/machine-id").write_text("")
    return _keep(fresh, root)


def wheels(cache: Path, say: Callable[[str], None]) -> Path:
    """The wheels of all the product depends on, as this Python's pip finds them."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    pins = REPOSITORY / "constraints.txt"
    lines = (REPOSITORY / "systemd/hardware.txt").read_text().splitlines()
    hardware = [line for line in lines if line.strip() and not line.startswith("#")]
    named = "\n".join([*wanted, *hardware, pins.read_text()])
    key = hashlib.sha256(named.encode()).hexdigest()[:12]
    folder = cache / f"wheels-{key}"
    if folder.is_dir():
        return folder
    say(f"fetching wheels into {folder} (once)")
    fresh = _beside(folder)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel"]
    made = _quiet([*pip, "--wheel-dir", fresh, "--constraint", pins, "pip", *wanted])
    if made.returncode:
        shutil.rmtree(fresh)
        raise UnavailableError(f"pip could not fetch the wheels: {_last(made.stdout)}")
    for library in hardware:  # what there is of them: the installer does without the others
        _quiet([*pip, "--wheel-dir", fresh, "--no-deps", "--only-binary=:all:", library])
    return _keep(fresh, folder)


def _beside(folder: Path) -> Path:
    """An empty folder for what will be ``folder``; two runs at once do not share it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    made.chmod(0o755)
    return made


def _keep(fresh: Path, folder: Path) -> Path:
    """Give it its name, unless another run was faster."""
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)
    return folder


@contextlib.contextmanager
def layer(base: Path, scratch: Path) -> Iterator[Path]:
    """A writable root on top of ``base``, for one run."""
    root, upper, work = scratch / "root", scratch / "upper", scratch / "work"
    for folder in (root, upper, work):
        folder.mkdir()
    options = f"lowerdir={base},upperdir={upper},workdir={work}"
    if _quiet(["mount", "-t", "overlay", "overlay", "-o", options, root]).returncode:
        copied = _quiet(["cp", "-a", "--reflink=auto", f"{base}/.", root])
        if copied.returncode:
            raise UnavailableError(
                f"no overlayfs here, and the root cannot be copied: {copied.stdout}"
            )
        yield root
        return
    try:
        yield root
    finally:
        subprocess.run(["umount", "-l", root], check=False)


@contextlib.contextmanager
def data_partition(scratch: Path) -> Iterator[Path]:
    """A small ext4 of its own, as the data partition of a device is: it can be full."""
    image, mounted = scratch / "data.img", scratch / "data"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(DATA_MB << 20)
    for command in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, mounted]):
        done = _quiet(command)
        if done.returncode:
            raise UnavailableError(f"no data partition: {command[0]}: {_last(done.stdout)}")
    shutil.rmtree(mounted / "lost+found")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "-l", mounted], check=False)


def jumping_clock(root: Path) -> None:
    """Put ``clock.c`` into the root: preloaded, it moves the wall clock of one process."""
    source, library = Path(__file__).with_name("clock.c"), root / CLOCK_LIBRARY.lstrip("/")
    made = _quiet(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source])
    if made.returncode:
        raise UnavailableError(f"clock.c cannot be compiled: {_last(made.stdout)}")


def checkout(folder: Path) -> None:
    """Copy this checkout into ``folder`` as git has it, changed files as they are."""
    folder.mkdir(parents=True)
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, capture_output=True, check=True,
    ).stdout.split(b"\0")  # fmt: skip
    there = b"\0".join(name for name in files if name and (REPOSITORY / name.decode()).is_file())
    packed = ["tar", "--null", "--files-from=-", "-cf", "-"]
    tar = subprocess.run(packed, cwd=REPOSITORY, input=there, capture_output=True, check=True)
    subprocess.run(["tar", "-xf", "-", "-C", folder], input=tar.stdout, check=True)


def install(root: Path, wheelhouse: Path) -> str:
    """Run this checkout's ``systemd/install.sh`` in ``root``; what it said. Raises InstallError."""
    source = root / SOURCE.lstrip("/")
    checkout(source)
    done = in_root(
        root,
        ["sh", "-c", f"cd {SOURCE} && ./systemd/install.sh"],
        binds=[f"{wheelhouse}:{WHEELS}"],
        environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS},
    )
    if done.returncode:
        raise InstallError(f"systemd/install.sh ended with {done.returncode}:\n{done.stdout}")
    shutil.rmtree(source)  # the device keeps nothing of it
    return done.stdout


def in_root(
    root: Path,
    command: Sequence[str],
    *,
    binds: Sequence[str] = (),
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the root while it is not booted."""
    return _quiet(
        [
            "systemd-nspawn", "--quiet", "--directory", root, "--register=no", "--keep-unit",
            "--as-pid2", "--pipe", "--machine=lead12-install",
            *[f"--bind-ro={bind}" for bind in binds],
            *[f"--setenv={name}={value}" for name, value in (environment or {}).items()],
            *command,
        ]
    )  # fmt: skip


def _quiet(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", check=False,
    )  # fmt: skip


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
