"""The Debian package, on the booted appliance: over install.sh's files, a newer one, and away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tests.appliance import kept
from tests.appliance.bench import ACQUIRE, CONFIG, MONITOR, STATE, Bench, Outcome
from tests.appliance.container import CheckError
from tests.appliance.root import REPOSITORY, checkout
from tests.appliance.security import KEY

UNITS = (ACQUIRE, MONITOR)
APT = ("apt", "--quiet=2", "--yes", "--no-install-recommends")  # the container has no network
STAYS = (CONFIG, KEY, f"{STATE}/settings.json")


def steps(bench: Bench, wheelhouse: Path, scratch: Path) -> None:
    """Install, upgrade, remove and purge with apt; nothing runs afterwards."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    *first, last = version.split(".")
    newer = ".".join([*first, str(int(last) + 1)])
    with bench.step("apt install over install.sh's", "one restart, all still there") as outcome:
        _install(bench, outcome, _build(scratch, wheelhouse, version), version)
    with bench.step("apt install of a newer package", "one restart, all still there") as outcome:
        _install(bench, outcome, _build(scratch, wheelhouse, newer), newer)
    with bench.step("apt remove", "stopped; settings, key and records stay"):
        stay, before = _stay(bench), kept.compare(bench.witness.rings, bench.data / "records")
        _apt(bench, "remove", "lead12")
        _gone(bench, "/opt/lead12", "/usr/bin/lead12", f"/usr/lib/systemd/system/{MONITOR}")
        _same(bench, stay, before)
    with bench.step("apt purge", "all gone but the ECG records") as outcome:
        before = kept.compare(bench.witness.rings, bench.data / "records")
        outcome.screen = _apt(bench, "purge", "lead12").strip().splitlines()[-1]
        _gone(bench, "/etc/lead12", f"{STATE}/settings.json", f"{STATE}/lead12.toml.good")
        _same(bench, {}, before)


def _build(scratch: Path, wheelhouse: Path, version: str) -> Path:
    """The package of this checkout, as ``version``, of the wheels in ``wheelhouse``."""
    source = scratch / f"checkout-{version}"
    checkout(source)
    _say(source / "pyproject.toml", 'version = "', f'{version}"')
    _say(source / "firmware" / "bundle.py", "FIRMWARE = (", f"{version.replace('.', ', ')})")
    environment = os.environ | {
        "PYTHON": sys.executable,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheelhouse),
        "SOURCE_DATE_EPOCH": "1800000000",
    }
    _made(source, environment, [sys.executable, "-m", "hatchling", "build", "-t", "wheel"])
    (wheel,) = (source / "dist").glob("*.whl")
    _made(source, environment, ["sh", "systemd/deb.sh", wheel])
    (made,) = (source / "dist").glob("*.deb")
    return made


def _made(source: Path, environment: dict[str, str], command: list[str | Path]) -> None:
    done = subprocess.run(
        command, cwd=source, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CheckError(f"{command[1]} ended with {done.returncode}: {done.stdout.strip()}")


def _say(file: Path, name: str, value: str) -> None:
    """In the line that begins with ``name``."""
    before, name, rest = file.read_text().partition(f"\n{name}")
    file.write_text(f"{before}{name}{value}{rest[rest.index(chr(10)) :]}")


def _install(bench: Bench, outcome: Outcome, deb: Path, version: str) -> None:
    shutil.copyfile(deb, bench.container.path(f"/srv/{deb.name}"))
    stay, before = _stay(bench), kept.compare(bench.witness.rings, bench.data / "records")
    starts = {unit: _starts(bench, unit) for unit in UNITS}
    at_s = time.monotonic()
    _apt(bench, "install", f"/srv/{deb.name}")
    outcome.recovery_s.append(bench.monitoring(time.monotonic()))
    bench.away(at_s)
    for unit in UNITS:
        if (times := _starts(bench, unit) - starts[unit]) != 1:
            raise CheckError(f"{unit} was started {times} times")
    told = bench.line.since(at_s, "hello")[-1]["firmware"]
    if told != version:
        raise CheckError(f"firmware {told} runs, not {version}")
    if [path.name for path in bench.container.path("/opt/lead12").glob("venv-*")] != [
        f"venv-{version}"
    ]:
        raise CheckError("other programs than the newest are in /opt/lead12")
    _same(bench, stay, before)


def _apt(bench: Bench, *command: str) -> str:
    return bench.container.run("env", "DEBIAN_FRONTEND=noninteractive", *APT, *command)


def _starts(bench: Bench, unit: str) -> int:
    """How often it was started since the boot."""
    lines = bench.container.run("journalctl", "--boot", "--quiet", "--output=cat", "--unit", unit)
    return sum(line.startswith(f"Started {unit}") for line in lines.splitlines())


def _stay(bench: Bench) -> dict[str, tuple[bytes, int, int, int]]:
    """What no package may touch: content, mode, owner, group."""
    found = {}
    for name in STAYS:
        path = bench.container.path(name)
        about = path.stat()
        found[name] = (path.read_bytes(), about.st_mode, about.st_uid, about.st_gid)
    return found


def _same(bench: Bench, stay: dict[str, tuple[bytes, int, int, int]], before: kept.Kept) -> None:
    now = _stay(bench) if stay else {}
    if changed := [name for name in stay if stay[name] != now[name]]:
        raise CheckError(f"changed: {', '.join(changed)}")
    on_disk = kept.compare(bench.witness.rings, bench.data / "records").on_disk
    if on_disk < before.on_disk:
        raise CheckError(f"{before.on_disk - on_disk} samples that were on the disk are gone")


def _gone(bench: Bench, *paths: str) -> None:
    if there := [path for path in paths if os.path.lexists(bench.container.path(path))]:
        raise CheckError(f"still there: {', '.join(there)}")
    processes = bench.container.code("pgrep", "--uid", "lead12,lead12-acquire")
    if processes == 0:
        raise CheckError("processes of the device still run")
