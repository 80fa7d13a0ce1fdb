"""``python -m tools.build_part``: what is known of how Lead12 is built, for docs/reliability.md."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tools.audit import AuditError, audit
from tools.locks import LOCKS, Locked, read_lock
from tools.reliability import Part, Table, save
from tools.sbom import DIST, RELEASE, make
from tools.wheel import PLACES, build_twice

COMMAND = "python -m tools.build_part"


def refuses_another_file(one: Locked) -> bool:
    """Whether pip, told to expect other hashes than those of the package's files, leaves it."""
    wrong = " ".join(f"--hash=sha256:{text[:-1]}{int(text[-1], 16) ^ 1:x}" for text in one.sha256)
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "lock.txt"
        lock.write_text(f"{one.name}=={one.version} {wrong}\n")
        asked = [
            sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-deps",
            "--require-hashes", "--target", f"{folder}/there", "--requirement", str(lock),
        ]  # fmt: skip
        done = subprocess.run(asked, capture_output=True, text=True)
        return done.returncode != 0 and "DO NOT MATCH THE HASHES" in done.stderr


def main() -> None:
    """Build, list, ask, and save what came of it."""
    if not (RELEASE / "python").is_file():
        raise SystemExit(f"{RELEASE} has none of what builds a release; run make sbom first")
    wheel, hashes = build_twice(DIST)
    _, bill = make()
    try:
        audited = audit(LOCKS / "runtime.txt", RELEASE, DIST)
    except AuditError as error:
        audited = str(error)
    locks = {path.stem: read_lock(path) for path in sorted(LOCKS.glob("*.txt"))}
    unhashed = sum(not one.sha256 for lock in locks.values() for one in lock)
    small = next(one for one in locks["runtime"] if one.name == "mdurl")
    refused = refuses_another_file(small)
    rows = [
        (name, str(len(lock)), str(sum(len(one.sha256) for one in lock)))
        for name, lock in locks.items()
    ]
    built = [(place.folder, f"{place.umask:03o}", place.zone) for place in PLACES]
    save(
        Part(
            name="build",
            title="Build",
            command=COMMAND,
            text=(
                f"`{wheel.name}` was built in two places; both wheels "
                + ("have the same SHA-256." if len(set(hashes)) == 1 else "DIFFER."),
                f"Pins without a hash: {unhashed}. A lock with one digit of each hash of "
                f"{small.name} changed: {'pip refuses it' if refused else 'INSTALLED'}.",
                f"The bill of the runtime names {len(bill['components'])} components and is valid "
                "CycloneDX 1.6.",
                f"Vulnerabilities: {audited}.",
            ),
            tables=(
                Table(
                    ("place", "umask", "time zone", "SHA-256"),
                    [(*row, text) for row, text in zip(built, hashes, strict=True)],
                ),
                Table(("lock", "pins", "hashes"), rows),
            ),
            figures={
                "wheels_equal": len(set(hashes)) == 1,
                "pins": sum(map(len, locks.values())),
                "pins_without_hash": unhashed,
                "tampered_refused": refused,
                "components": len(bill["components"]),
            },
        )
    )


if __name__ == "__main__":
    main()
