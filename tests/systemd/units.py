"""The units as systemd itself reads and judges them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

SYSTEMD = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(path.name for path in SYSTEMD.glob("lead12-*.service"))
TIMERS = sorted(path.name for path in SYSTEMD.glob("lead12-*.timer"))
PYTHON = "/opt/lead12/.venv/bin/python"
MAX_EXPOSURE = 2.0  # of systemd-analyze security, 0 to 10
ANALYZE = shutil.which("systemd-analyze")


class Settings(RawConfigParser):
    """A unit, or a drop-in; a key that stands there again adds a line."""

    optionxform = staticmethod(str)  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        super().__init__(strict=False)
        lines: dict[str, dict[str, list[str]]] = {}
        for line in (SYSTEMD / name).read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = lines.setdefault(line.strip("[]"), {})
            elif "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                section.setdefault(key, []).append(value)
        self.read_dict({s: {k: "\n".join(v) for k, v in kv.items()} for s, kv in lines.items()})


def installed(folder: Path) -> Path:
    """A copy of the units that finds an interpreter on this machine."""
    copy = folder / "systemd"
    shutil.copytree(SYSTEMD, copy)
    for unit in copy.glob("*.service"):
        unit.write_text(unit.read_text().replace(PYTHON, sys.executable))
    return copy


def verify(units: Path) -> str:
    """What systemd-analyze verify has to say of all of them; "" for nothing."""
    names = [units / name for name in (*SERVICES, *TIMERS)]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        capture_output=True, text=True, env=_plain(), check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).strip()
    return said or ("" if done.returncode == 0 else f"exit code {done.returncode}")


def exposure(unit: Path) -> float:
    """Of systemd-analyze security, offline: 0 (nothing) to 10."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, env=_plain(), check=True,
    )  # fmt: skip
    line = done.stdout.strip().splitlines()[-1]  # Overall exposure level for NAME: 0.9 SAFE
    return float(line.split(":")[1].split()[0])


def version() -> str:
    """Of systemd."""
    told = subprocess.run(
        ["systemd-analyze", "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.split()[1]


def _plain() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0"}
