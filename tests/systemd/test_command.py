"""The command of an installed device: who runs it, with what."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.units import SYSTEMD, Settings

STATE = {
    "LEAD12_CONFIG": "/etc/lead12/lead12.toml",
    "STATE_DIRECTORY": "/var/lib/lead12",
    "RUNTIME_DIRECTORY": "/run/lead12",
    "LG_WD": "/run/lead12",
}


def device(folder: Path) -> Path:
    """The script, on a device whose user is nobody, with a command that says what it was given."""
    folder.chmod(0o755)
    said = folder / "said"
    said.write_text('#!/bin/sh\nid -un; id -Gn; umask; env | sort; echo "given: $*"\n')
    script = folder / "lead12"
    text = (SYSTEMD / "lead12").read_text()
    for old, new in (
        ("user=lead12", "user=nobody"),
        ('regid "$user"', "regid nogroup"),
        ("groups=lead12,lead12-acquire,dialout", "groups=nogroup,dialout"),
        ("/opt/lead12/.venv/bin/lead12", str(said)),
    ):
        assert old in text
        text = text.replace(old, new)
    script.write_text(text)
    for file in (said, script):
        file.chmod(0o755)
    return script


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_root_becomes_the_devices_user_with_its_state_and_the_chip(reachable: Path) -> None:
    done = subprocess.run(
        [device(reachable), "model", "list", "a b"], capture_output=True, text=True, check=True
    )
    user, groups, umask, *rest = done.stdout.splitlines()
    assert user == "nobody"
    assert set(groups.split()) == {"nogroup", "dialout"}
    assert umask == "0007"
    assert rest[-1] == "given: model list a b"
    env = dict(line.split("=", 1) for line in rest[:-1])
    assert STATE.items() <= env.items()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_others_are_told_to_ask_root(reachable: Path) -> None:
    script = device(reachable)
    script.write_text(script.read_text().replace("user=nobody", "user=lead12"))
    done = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", script, "doctor"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "type: sudo lead12 doctor" in done.stderr


def test_it_has_the_state_of_the_units() -> None:
    pairs = Settings("lead12-.service.d/sandbox.conf")["Service"]["Environment"].split()
    units = dict(pair.split("=") for pair in pairs)
    text = (SYSTEMD / "lead12").read_text()
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY", "LG_WD"):
        assert f"{name}={units[name]}" in text
