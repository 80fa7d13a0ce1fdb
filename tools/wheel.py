"""``python -m tools.wheel``: dist/lead12-VERSION.whl, twice, and the same bytes both times.

What git has of the packages is copied to two places with other names, times and rights, and built
there in other time zones; the time in the wheel is that of the last commit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parents[1]
TAKEN = ("hal", "firmware", "device", "models", "tools", "pyproject.toml", "README.md", "LICENSE")
NO_COMMIT = 1_580_601_600  # 2020-02-02, as hatchling has it, where nothing says when


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another computer. umask : of its user; mtime : of the files, in seconds"""

    folder: str
    umask: int
    mtime: int
    zone: str
    hash_seed: str


PLACES = (
    Elsewhere("one", 0o022, 1_000_000_000, "UTC", "1"),
    Elsewhere("another place/with a longer name", 0o077, 1_700_000_000, "Asia/Kathmandu", "2"),
)


class WheelError(RuntimeError):
    """It cannot be built, or not twice the same; one line."""


def commit_time(root: Path = ROOT) -> int:
    """Seconds since 1970: $SOURCE_DATE_EPOCH, else of the last commit."""
    if said := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(said)
    asked = ["git", "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(asked, cwd=root, check=True, capture_output=True).stdout)
    except (OSError, subprocess.CalledProcessError):
        return NO_COMMIT


def sources(root: Path = ROOT) -> list[Path]:
    """The files to build, relative to ``root``; of an unpacked archive all that are there."""
    asked = ["git", "ls-files", "-z", "--", *TAKEN]
    try:
        listed = subprocess.run(asked, cwd=root, check=True, capture_output=True, text=True).stdout
        names = [Path(name) for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        tops = (root / name for name in TAKEN)
        names = [
            path.relative_to(root)
            for top in tops
            for path in ([top] if top.is_file() else top.rglob("*"))
            if path.is_file() and "__pycache__" not in path.parts
        ]
    return sorted(name for name in names if (root / name).is_file())


def build(place: Elsewhere, work: Path, names: list[Path], epoch: int) -> Path:
    """The wheel as it comes out at that place. Raises WheelError."""
    there, out = work / place.folder, work / f"out {place.hash_seed}"
    before = os.umask(place.umask)
    try:
        for name in names if place.hash_seed == "1" else reversed(names):
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, there / name)
            os.utime(there / name, (place.mtime, place.mtime))
        done = subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
            cwd=there,
            env=os.environ
            | {
                "SOURCE_DATE_EPOCH": str(epoch),
                "TZ": place.zone,
                "PYTHONHASHSEED": place.hash_seed,
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            capture_output=True,
            text=True,
        )
    finally:
        os.umask(before)
    if done.returncode:
        raise WheelError(f"not built: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    (wheel,) = out.glob("*.whl")
    return wheel


def build_twice(dist: Path) -> tuple[Path, list[str]]:
    """The wheel, in ``dist``, and the SHA-256 of both. Raises WheelError."""
    names, epoch = sources(), commit_time()
    with tempfile.TemporaryDirectory() as work:
        wheels = [build(place, Path(work), names, epoch) for place in PLACES]
        hashes = [sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
        if len(set(hashes)) != 1:
            raise WheelError(f"two builds are not the same: {' and '.join(hashes)}")
        dist.mkdir(exist_ok=True)
        made = dist / wheels[0].name
        made.write_bytes(wheels[0].read_bytes())
    return made, hashes


def main() -> None:
    """Build it into dist/."""
    try:
        made, hashes = build_twice(ROOT / "dist")
    except (WheelError, OSError) as error:
        sys.exit(f"lead12: {error}")
    print(f"{made}\nsha256 {hashes[0]}, twice the same")


if __name__ == "__main__":
    main()
