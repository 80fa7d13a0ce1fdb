"""Off and on again, in every way; clocks that jump; what is on the disk and must still be there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from device.link.access import read_key
from tests.appliance import kept
from tests.appliance.bench import ACQUIRE, HOUSEKEEPING, MONITOR, RUN, Bench
from tests.appliance.container import CheckError, wait_for
from tests.appliance.root import CLOCK_LIBRARY
from tests.appliance.security import KEY
from tests.appliance.start import measure
from tools.line_session import LineSession

BOOT_S = 60.0
STOPPING_S = 0.5  # the monitor, told to stop, is done before acquire stops
SYNCED_S = 2.0  # a power cut may take so much of the newest record, with room for this machine
CLOCK = f"{RUN}/clock"
# The wall clock of the two services only; this machine's, and PID 1's, stay as they are.
CLOCK_DROP_IN = f"[Service]\nEnvironment=LD_PRELOAD={CLOCK_LIBRARY}\n"


def restarts(bench: Bench) -> None:
    """``systemctl stop`` and ``start``, ``restart``."""
    with bench.step("systemctl restart, both", "monitoring") as outcome:
        for _ in range(3):
            bench.restart_counts_anew()
            at_s = time.monotonic()
            bench.container.run("systemctl", "restart", ACQUIRE, MONITOR)
            outcome.recovery_s.append(bench.monitoring(at_s))
            bench.away(at_s)
    with bench.step("systemctl stop, 5 s later start", "monitoring") as outcome:
        at_s = time.monotonic()
        bench.container.run("systemctl", "stop", MONITOR, ACQUIRE)
        time.sleep(5)
        started_s = time.monotonic()
        bench.container.run("systemctl", "start", ACQUIRE, MONITOR)
        outcome.recovery_s.append(bench.monitoring(started_s))
        bench.away(at_s)


def boots(bench: Bench, cuts: int = 3) -> None:
    """Reboot, power off and on, power cuts at random moments: settings and records survive."""
    lead = "V2"
    with bench.step("a setting changed over the keyed line", "refused without the key") as outcome:
        refused = bench.line.ask(command="set", setting="lead", value=lead)
        if refused.get("reason") != "no_session":
            raise CheckError(f"a change without the key was answered {refused}")
        change(bench, setting="lead", value=lead)
        outcome.what += ", kept over restarts"
    for name, off in (("reboot", _reboot), ("power off and on", _power_off)):
        with bench.step(name, "monitoring, all still there") as outcome:
            before = _on_disk(bench)
            off(bench)
            outcome.recovery_s.append(_on_again(bench, lead))
            _still_there(bench, before, lost_s=STOPPING_S)
    with bench.step("power cut", "monitoring, all but the last second there") as outcome:
        for _ in range(cuts):
            time.sleep(bench.random.uniform(1, 5))
            before = _on_disk(bench)
            bench.container.cut_power()
            outcome.recovery_s.append(_on_again(bench, lead))
            _still_there(bench, before, lost_s=SYNCED_S)


def read_only(bench: Bench) -> None:
    """The root file system read-only, the data partition not."""
    with bench.step("root read-only", "monitoring") as outcome:
        bench.container.power_off()
        on_s = bench.boot("--read-only", "--tmpfs=/var/tmp", "--tmpfs=/var/log")
        outcome.recovery_s.append(bench.monitoring(on_s, timeout_s=BOOT_S))
        if bench.container.code("touch", "/etc/lead12/try") == 0:
            raise CheckError("the root is not read-only")
        at_s = bench.hit(MONITOR)
        bench.monitoring(at_s)
        bench.container.power_off()
        bench.monitoring(bench.boot(), timeout_s=BOOT_S)


def clocks(bench: Bench) -> None:
    """The wall clock of the services jumps; samples, calls and records go on."""
    _preload(bench, CLOCK_DROP_IN)
    for name, jump_s in (("+1 h", 3600), ("-1 h", -3600), ("to 1970", 60 - time.time())):
        with bench.step(f"clock jumps {name}", "goes on") as outcome:
            at_s, wanted = time.monotonic(), time.time() + jump_s
            _set_clock(bench, jump_s)
            outcome.recovery_s.append(bench.monitoring(at_s))
            said = f"health of {_minute(wanted)}"
            wait_for(said, lambda at_s=at_s, wanted=wanted: _told(bench, at_s, wanted), 20)
            at_s = bench.hit(MONITOR)  # and it must start with such a clock
            outcome.recovery_s.append(bench.monitoring(at_s))
            bench.restart_counts_anew()
    _set_clock(bench, 0)
    _preload(bench, "")


def _preload(bench: Bench, text: str) -> None:
    """A drop-in for both services, "" for none, and both anew with it."""
    for unit in (ACQUIRE, MONITOR):
        drop_in = bench.container.path(f"/etc/systemd/system/{unit}.d/clock.conf")
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text(text)
    bench.container.run("systemctl", "daemon-reload")
    at_s = time.monotonic()
    bench.container.run("systemctl", "restart", ACQUIRE, MONITOR)
    bench.monitoring(at_s)
    bench.away(at_s)


def _told(bench: Bench, since_s: float, wanted: float) -> bool:
    """Whether a health line has the wall clock that was set; before 2026 there is none to tell."""
    minutes = [_minute(wanted + late) for late in (0, 60)]
    utcs = [health["utc"] for health in bench.line.since(since_s + 1, "health")]
    return any(utc.startswith(minute) for utc in utcs for minute in minutes)


def state_files(bench: Bench) -> None:
    """Each file of the state damaged, and the newest record, then a restart of the monitor."""
    folder = bench.data
    spoils = {
        "settings.json nonsense": folder / "settings.json",
        "newest record's header nonsense": _newest(folder, ".hea"),
        "newest record's samples cut": _newest(folder, ".dat"),
        "newest record's notes nonsense": _newest(folder, ".atr"),
    }
    for name, path in spoils.items():
        with bench.step(f"state: {name}", "told or mended, monitoring") as outcome:
            if not path.exists():
                raise CheckError(f"{path.name} is not there to be damaged")
            bench.restart_counts_anew()
            bench.container.run("systemctl", "stop", MONITOR)
            _spoil(bench, path)
            at_s = time.monotonic()
            bench.container.run("systemctl", "start", MONITOR)
            outcome.recovery_s.append(bench.monitoring(at_s))
            faults = bench.line.since(at_s, "hello")[-1]["faults"]
            outcome.screen = "; ".join(faults.values())
    with bench.step("state: a setting changed after that", "kept"):
        change(bench, setting="lead", value="V5")
        kept = spoils["settings.json nonsense"]
        wait_for("the change on the disk", lambda: kept.exists() and b"V5" in kept.read_bytes(), 5)


def housekeeping(bench: Bench) -> None:
    """The daily care, beside a monitor at work."""
    with bench.step("housekeeping", "done, nothing lost") as outcome:
        at_s = time.monotonic()
        bench.container.run("systemctl", "start", HOUSEKEEPING)
        if (result := bench.container.show(HOUSEKEEPING)["Result"]) != "success":
            raise CheckError(f"housekeeping ended with {result}")
        outcome.recovery_s.append(bench.monitoring(at_s))


def change(bench: Bench, **members: Any) -> None:
    """``set`` over the keyed line, with the key that the installer made."""
    session = LineSession(read_key(bench.container.path(KEY)))
    proof = session.prove(bench.line.ask(**session.begin))
    if (said := bench.line.ask(**proof))["type"] != "reply":
        raise CheckError(f"the installed key was refused: {said}")
    said = bench.line.ask(session=session, command="set", **members)
    if said["type"] != "reply":
        raise CheckError(f"a change with the key was refused: {said}")


def _reboot(bench: Bench) -> None:
    bench.container.run("systemctl", "reboot", check=False)
    bench.container.ended(60)


def _power_off(bench: Bench) -> None:
    bench.container.power_off()


def _on_again(bench: Bench, lead: str) -> float:
    on_s = bench.boot()
    took_s = bench.monitoring(on_s, timeout_s=BOOT_S)
    bench.starts.append(measure(bench, on_s))
    found = bench.line.since(on_s, "hello")[-1]["settings"]["lead"]
    if found != lead:
        raise CheckError(f"lead {lead} was set before; {found} is shown now")
    return took_s


def _on_disk(bench: Bench) -> kept.Kept:
    return kept.compare(bench.witness.rings, bench.data / "records")


def _still_there(bench: Bench, before: kept.Kept, lost_s: float) -> None:
    """What was on the disk is there, and of the ring before the boot all but its end."""
    now = _on_disk(bench)
    if now.on_disk < before.on_disk:
        raise CheckError(f"{before.on_disk - now.on_disk} samples that were on the disk are gone")
    at_end = [ring for ring in bench.witness.rings[:-1] if ring.blocks][-1]
    end_s = float(at_end.blocks[-1].t_ns[-1]) * 1e-9
    for first, count, from_s, to_s in now.missing:
        if to_s <= end_s and from_s < end_s - lost_s - 0.1 and to_s > end_s - 0.1 and count > 1:
            raise CheckError(f"{end_s - from_s:.1f} s before the end are not on the disk ({first})")


def _set_clock(bench: Bench, jump_s: float) -> None:
    path = bench.container.path(CLOCK)
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{jump_s:.0f}\n")
    fresh.chmod(0o644)
    fresh.replace(path)


def _minute(at_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at_s))


def _newest(folder: Path, suffix: str) -> Path:
    there = sorted((folder / "records" / "continuous").glob(f"*{suffix}"), key=lambda f: f.name)
    return there[-1] if there else folder / f"no{suffix}"


def _spoil(bench: Bench, path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2] if path.suffix == ".dat" else bench.random.randbytes(200))
