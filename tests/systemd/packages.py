"""``python -m tests.systemd.packages [ARCH ...]``: each .deb twice, and the same bytes both times.

Built as on two computers. It fetches what the locks name (minutes), so no test of the ordinary
suite; amd64 and arm64 without ARCH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

from tools.wheel import PLACES, ROOT, Elsewhere, WheelError, build, commit_time, sources

ARCHITECTURES = ("amd64", "arm64")


def package(arch: str, place: Elsewhere, wheel: Path, work: Path, epoch: int) -> str:
    """SHA-256 of the package as it comes out at that place. Raises WheelError."""
    there = work / arch / place.folder
    before = os.umask(place.umask)
    try:
        shutil.copytree(work / "sources", there, copy_function=shutil.copyfile)
        for file in there.rglob("*"):
            os.utime(file, (place.mtime, place.mtime))
        done = subprocess.run(
            ["sh", "systemd/deb.sh", wheel, arch],
            cwd=there,
            env=os.environ
            | {
                "SOURCE_DATE_EPOCH": str(epoch),
                "TZ": place.zone,
                "PYTHONHASHSEED": place.hash_seed,
                "PYTHON": sys.executable,
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.umask(before)
    if done.returncode:
        raise WheelError((done.stderr or done.stdout).strip().splitlines()[-1])
    (made,) = (there / "dist").glob(f"*_{arch}.deb")
    return sha256(made.read_bytes()).hexdigest()


def main(architectures: list[str]) -> int:
    """0: each is the same bytes twice; 1: one is not, or cannot be built."""
    epoch, same = commit_time(), True
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        work = Path(folder)
        try:
            for name in ("systemd", "locks"):
                shutil.copytree(ROOT / name, work / "sources" / name)
            shutil.copyfile(ROOT / "constraints.txt", work / "sources/constraints.txt")
            wheel = build(PLACES[0], work, sources(), epoch)
            for arch in architectures or ARCHITECTURES:
                hashes = {package(arch, place, wheel, work, epoch) for place in PLACES}
                same = same and len(hashes) == 1
                verdict = "twice the same" if len(hashes) == 1 else "not the same"
                print(f"{arch}: sha256 {' and '.join(sorted(hashes))}, {verdict}", flush=True)
        except (WheelError, OSError) as error:
            print(f"lead12: {error}", file=sys.stderr)
            return 1
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
