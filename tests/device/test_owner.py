"""Whose a folder is that keeps the monitor's user out."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.flash.owner import owner_fault

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder of root that any user may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def as_nobody(folder: Path) -> list[str]:
    """What ``owner_fault`` says to another user."""
    code = (
        "import os, sys; from pathlib import Path; from device.flash.owner import owner_fault;"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "print('\\n'.join(owner_fault(Path(sys.argv[1]))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
@pytest.mark.parametrize("mode", [0o750, 0o755])
def test_a_folder_of_root_is_named_with_the_command(reachable: Path, mode: int) -> None:
    state = reachable / "lead12"
    (state / "models").mkdir(parents=True)
    state.chmod(mode)
    for below in ("", "records", "records/continuous"):
        assert as_nobody(state / below) == [
            f"{state} belongs to root",
            f"sudo chown -R nobody:nogroup {state}",
        ]


def test_a_folder_of_its_own_is_no_trouble(tmp_path: Path) -> None:
    assert owner_fault(tmp_path / "not" / "there") == ("", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_the_command_names_the_owner_too(reachable: Path) -> None:
    records = reachable / "records"
    records.mkdir(mode=0o700)
    settings = reachable / "lead12.toml"
    settings.touch(0o600)
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    done = subprocess.run(
        [*nobody, sys.executable, "-m", "tools.entry", "records", "list", records],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    whose = f"{records} belongs to root; sudo chown -R nobody:nogroup {records}"
    assert done.stderr == f"lead12: {records}: Permission denied; {whose}\n"
    done = subprocess.run(
        [*nobody, sys.executable, "-m", "tools.entry", "doctor", "--config", settings],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"lead12: {settings}: cannot be read (Permission denied); ")
    assert done.stderr.count("\n") == 1
