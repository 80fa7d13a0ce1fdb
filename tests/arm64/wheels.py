"""``python -m tests.arm64.wheels``: which pinned requirements come as wheels, for which Python.

Asks pip, with the pins of constraints.txt, for what the product needs to run; --update-docs puts
the table into docs/boards.md. pip evaluates markers for the Python it runs on, so it is asked for
each target's own pins, one closure at a time.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.arm64.root import TREE

PAGE = TREE / "docs" / "boards.md"
BEGIN, END = "<!-- wheels: made by python -m tests.arm64.wheels -->\n", "<!-- end of wheels -->"
GLIBC = {"bookworm": 36, "trixie": 41}
MANYLINUX = (17, 24, 26, 27, 28, 31, 34, 35, 36, 39, 41)
LACKING = re.compile(r"No matching distribution found for ([\w.-]+)")


@dataclass(frozen=True)
class Target:
    """A Python on a Debian of a processor."""

    python: str
    debian: str
    machine: str

    @property
    def environment(self) -> dict[str, str]:
        """Of its markers."""
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.2",
            "platform_machine": self.machine,
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
            "extra": "",
        }


TARGETS = (
    Target("3.11", "bookworm", "aarch64"),
    Target("3.12", "trixie", "aarch64"),
    Target("3.13", "trixie", "aarch64"),
    Target("3.14", "trixie", "aarch64"),
    Target("3.11", "bookworm", "armv7l"),
    Target("3.13", "trixie", "armv7l"),
)


def pins(target: Target) -> dict[str, str]:
    """Of constraints.txt, those that hold there: {name: "name==version"}."""
    found = {}
    for line in (TREE / "constraints.txt").read_text().splitlines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(target.environment):
            found[canonicalize_name(pin.name)] = f"{pin.name}{pin.specifier}"
    return found


def needed(target: Target, of: str = "lead12") -> Iterator[str]:
    """Names of what is needed to run, as installed here, with what these need in turn."""
    seen: set[str] = set()
    todo = [of]
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        if name != of:
            yield name
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # only needed there
            continue
        for requirement in map(Requirement, requires):
            if requirement.marker is None or requirement.marker.evaluate(target.environment):
                todo.append(requirement.name)


def without_wheel(target: Target) -> tuple[int, list[str]]:
    """How many packages are needed, and those of them that have no wheel for it."""
    pinned = pins(target)
    wanted = {name: pinned.get(name, name) for name in needed(target)}
    total, lacking = len(wanted), []
    glibc = [n for n in MANYLINUX if n <= GLIBC[target.debian]]
    platforms = [f"--platform=manylinux_2_{n}_{target.machine}" for n in glibc]
    platforms += [f"--platform={kind}_{target.machine}" for kind in ("manylinux2014", "linux")]
    while wanted:
        with tempfile.TemporaryDirectory() as there:
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--no-deps"),
                    *("--ignore-installed", "--only-binary=:all:", "--target", there),
                    *(f"--python-version={target.python}", *platforms, *wanted.values()),
                ],
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode == 0:
            break
        if not (missing := LACKING.search(done.stderr)):
            raise RuntimeError(f"pip cannot tell: {done.stderr.strip().splitlines()[-1]}")
        lacking.append(wanted.pop(canonicalize_name(missing[1])))
    return total, lacking


def main() -> int:
    """Print the table; with --update-docs put it into the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.arm64.wheels", description=__doc__)
    parser.add_argument("--update-docs", action="store_true")
    asked = parser.parse_args()
    lines = ["| Python | machine | packages | without a wheel |", "|---|---|---|---|"]
    for target in TARGETS:
        total, lacking = without_wheel(target)
        words = ", ".join(sorted(lacking)) or "none"
        lines.append(f"| {target.python} | {target.machine} | {total} | {words} |")
        print(lines[-1], flush=True)
    if asked.update_docs:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        table = "\n".join(lines) + "\n"
        PAGE.write_text(before + BEGIN + table + END + rest.partition(END)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
