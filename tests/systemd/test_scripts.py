"""The scripts that install: what they place they remove; the old program stays until the new is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.systemd.units import SYSTEMD

SCRIPTS = [*SYSTEMD.glob("*.sh"), SYSTEMD / "lead12"]
MAINTAINER = sorted((SYSTEMD / "deb").iterdir())


def shell(script: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; whatever it says is in ``stdout``."""
    return subprocess.run(
        ["sh", "-euc", script, "test", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def step(home: Path, script: str, *arguments: str) -> None:
    """Run ``script`` behind the shared steps, with ``home`` as /opt/lead12."""
    begin = f". '{SYSTEMD}/steps.sh'; LEAD12_HOME='{home}' LEAD12_VENV='{home}/.venv'; "
    done = shell(begin + script, *arguments)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """/opt/lead12 with version 1 in use."""
    folder = tmp_path / "opt"
    (folder / "venv-1").mkdir(parents=True)
    (folder / "venv-1" / "program").write_text("one")
    (folder / ".venv").symlink_to("venv-1")
    return folder


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    whole = []
    for part in MAINTAINER:  # as deb.sh puts them together
        script = tmp_path / part.name
        script.write_text(
            "#!/bin/sh\nset -eu\nexport VERSION=1\n"
            + (SYSTEMD / "steps.sh").read_text()
            + part.read_text()
        )
        whole.append(script)
    done = subprocess.run(
        ["shellcheck", "--shell=sh", *SCRIPTS, *whole],
        capture_output=True, text=True, cwd=SYSTEMD.parent, check=False,
    )  # fmt: skip
    assert done.stdout == ""


def test_every_file_is_placed_and_removed_again(tmp_path: Path) -> None:
    files = str(SYSTEMD / "files.sh")
    assert shell('sh "$1" "$2" "$3"', files, SYSTEMD, tmp_path).returncode == 0
    placed = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    units = {path.name for path in SYSTEMD.iterdir() if path.suffix in (".service", ".timer")}
    assert {Path(name).name for name in placed if "systemd/system/lead12" in name} >= units
    assert "usr/lib/systemd/system/lead12-.service.d/sandbox.conf" in placed
    assert all(name.startswith("usr/") for name in placed)  # /etc is the technician's
    assert shell('sh "$1" --remove "$2" "$3"', files, SYSTEMD, tmp_path).returncode == 0
    assert [path for path in tmp_path.rglob("*") if "lead12" in path.name] == []


def test_the_package_ships_what_the_installer_places() -> None:
    for script in ("install.sh", "deb.sh"):
        text = (SYSTEMD / script).read_text()
        assert "files.sh" in text
        assert "venv.sh" in text


def test_the_link_turns_at_once_and_the_rest_is_forgotten(home: Path) -> None:
    (home / "venv-2").mkdir()
    step(home, "turn_to venv-2")
    assert os.readlink(home / ".venv") == "venv-2"
    step(home, "forget_the_others")
    assert sorted(path.name for path in home.iterdir()) == [".venv", "venv-2"]


def test_an_upgrade_cut_anywhere_leaves_the_old_program(home: Path) -> None:
    prerm = f". '{SYSTEMD}/deb/prerm'"
    step(home, prerm, "upgrade", "2")
    kept = home / ".venv" / "program"
    (home / "venv-1" / "program").unlink()  # as dpkg replaces files, one by one; then the cut
    assert kept.read_text() == "one"
    step(home, prerm, "upgrade", "2")  # the second try must not copy the half of it
    assert kept.read_text() == "one"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--root"], "--root wants a name"),
        (["--purge"], "no option --purge"),
        (["--root", "/nowhere"], "/nowhere is not the root of a system"),
        (["--wheel", "/nowhere.whl"], "/nowhere.whl cannot be read"),
    ],
)
def test_the_installer_refuses_in_one_line(arguments: list[str], said: str) -> None:
    if os.geteuid() and said.startswith("/"):
        pytest.skip("asked of root only")
    done = shell('sh "$0" "$@"'.replace("$0", str(SYSTEMD / "install.sh")), *arguments)
    assert done.returncode == 1
    assert done.stdout.startswith("lead12: ")
    assert said in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ("64M", "lead12: the package index cannot be reached; look at the network"),
        ("2M", "lead12: the disk is full; make room"),
    ],
)
def test_packages_that_cannot_be_had_are_one_line_and_pip_is_gone(size: str, said: str) -> None:
    """Ends before the first package: nothing answers on port 9, or there is no room for pip."""
    script = (
        "mount -t tmpfs -o size=$1 tmpfs /mnt && cd /mnt || exit 77; shift;"
        'sh "$1/systemd/venv.sh" "$2" /mnt/venv "$1" "$1"; ended=$?; ls /mnt; exit $ended'
    )
    unreachable = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
    }
    plain = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", size, SYSTEMD.parent, sys.executable],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env=plain | unreachable,
    )  # fmt: skip
    if done.returncode == 77 or "unshare" in done.stdout:
        pytest.skip(f"no mount of its own: {done.stdout.strip()}")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(said)
    assert lines[1:] in ([], ["venv"])  # which install.sh removes
