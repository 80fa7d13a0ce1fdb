"""Everything that is installed is pinned with the hashes of its files."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locks import LOCKS, Locked, LockError, read_lock

PROJECT = tomllib.loads((LOCKS.parent / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
HARDWARE = (LOCKS.parent / "systemd" / "hardware.txt").read_text(encoding="ascii").splitlines()
RUNTIME = PROJECT["project"]["dependencies"]
SETS = {
    "runtime": RUNTIME,
    "dev": [*RUNTIME, *EXTRAS["dev"], *EXTRAS["tools"]],
    "train": [*RUNTIME, *EXTRAS["train"]],
    "pi": [*RUNTIME, *EXTRAS["pi"]],
    "build": [*PROJECT["dependency-groups"]["build"], *PROJECT["build-system"]["requires"]],
    "fuzz": PROJECT["dependency-groups"]["fuzz"],
    "release": PROJECT["dependency-groups"]["release"],
    "hardware": [line for line in HARDWARE if not line.startswith("#")],
}
PLACES = [
    {"python_version": version, "python_full_version": f"{version}.1",
     "platform_machine": machine, "sys_platform": "linux", "extra": ""}
    for version, machine in itertools.product(("3.11", "3.12", "3.13"), ("x86_64", "aarch64"))
]  # fmt: skip


@pytest.fixture(scope="module")
def locks() -> dict[str, list[Locked]]:
    return {path.stem: read_lock(path) for path in LOCKS.glob("*.txt")}


def test_every_pin_has_its_hashes_and_no_lock_names_a_host(locks: dict[str, list[Locked]]) -> None:
    assert set(locks) == set(SETS)
    for name, lock in locks.items():
        assert [one.name for one in lock if not one.sha256] == []
        text = (LOCKS / f"{name}.txt").read_text()
        assert "://" not in text
        assert "index-url" not in text


@pytest.mark.parametrize("name", SETS)
def test_what_the_project_asks_for_is_in_the_lock_once(
    name: str, locks: dict[str, list[Locked]]
) -> None:
    for place in PLACES:
        here = [one for one in locks[name] if one.applies(place)]
        versions = {one.name: one.version for one in here}
        assert len(versions) == len(here), "two versions of one package"
        for asked in map(Requirement, SETS[name]):
            if asked.marker is None or asked.marker.evaluate(place):
                got = versions.get(canonicalize_name(asked.name))
                assert got is not None, f"{asked} is not in {name}.txt; make lock"
                assert asked.specifier.contains(got)


def test_the_locks_agree(locks: dict[str, list[Locked]]) -> None:
    """They are installed one over the other."""
    together = {name: lock for name, lock in locks.items() if name != "release"}
    for place in PLACES:
        for one, other in itertools.combinations(together.values(), 2):
            first = {pin.name: pin for pin in one if pin.applies(place)}
            for pin in other:
                if pin.applies(place) and pin.name in first:
                    assert first[pin.name].version == pin.version
                    assert first[pin.name].sha256 == pin.sha256


def test_a_line_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    for line in ("numpy>=1", "-r other.txt", "numpy @ file:///tmp/x.whl"):
        lock.write_text(line + "\n")
        with pytest.raises(LockError, match="is no pin; make lock writes it anew"):
            read_lock(lock)


def test_the_filters_come_ready_made_and_as_one_version_on_arm(
    locks: dict[str, list[Locked]],
) -> None:
    """1.10.3 would be compiled there, and what computes the filters be another."""
    got = {
        one.version
        for place in PLACES
        if place["platform_machine"] == "aarch64"
        for one in locks["runtime"]
        if one.name == "cmsisdsp" and one.applies(place)
    }
    assert got == {"1.10.1"}
