"""Faults of the running appliance: killed, stopped, and a disk, settings or ring that fail it."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path

from tests.appliance import container, kept
from tests.appliance.bench import (
    ACQUIRE,
    CONFIG,
    DEGRADED,
    MONITOR,
    SETTINGS,
    STATE,
    Bench,
)
from tests.appliance.container import CheckError, wait_for
from tests.appliance.witness import RING

KILL_WITHIN_S = 1.5  # after monitoring is restored, the next victim falls within so long
WATCHDOG_S = 10.0
CUT, MADE_ANEW = "cut to half", "made anew or read on"
UNSYNCED_S = 3.0  # what waits for the disk; 0.8 s, and this machine is busy
AGAIN_S = 60.0  # after which the monitor is started again


def kills(bench: Bench, times: int) -> None:
    """SIGKILL to each of the two, ``times`` times, at random moments."""
    for unit in (ACQUIRE, MONITOR):
        what = "killed at random times"
        with bench.step(f"{_name(unit)}: SIGKILL", what) as outcome:
            for _ in range(times):
                bench.restart_counts_anew()  # five in three minutes are allowed; see ``burst``
                time.sleep(bench.random.uniform(0, KILL_WITHIN_S))
                at_s = bench.hit(unit)
                outcome.recovery_s.append(bench.monitoring(at_s))
                if unit == ACQUIRE:
                    bench.away(at_s)
                if (restarts := int(bench.container.show(unit)["NRestarts"])) != 1:
                    raise CheckError(f"{unit} was started again {restarts} times")


def burst(bench: Bench) -> None:
    """The monitor killed as often as it comes: the screen says so, and it comes back by itself."""
    with bench.step("monitor: SIGKILL 6 times at once", "gives up, tries again") as outcome:
        gave_up_s = _gives_up(bench)
        wait_for("its picture", lambda: bench.newest_picture(gave_up_s) is not None, 15)
        outcome.screen = _degraded_says(bench, gave_up_s)
        bench.keep_picture("monitor-gave-up", gave_up_s)
        outcome.recovery_s.append(bench.monitoring(gave_up_s, timeout_s=AGAIN_S + 30))
        if bench.container.show(DEGRADED)["ActiveState"] != "inactive":
            raise CheckError("the degraded screen is still there")
    with bench.step("the same, and restarted by hand", "starts at once") as outcome:
        gave_up_s = _gives_up(bench)
        if bench.container.code("systemctl", "restart", MONITOR) != 0:
            raise CheckError("systemd refused a monitor whose cause may be mended")
        outcome.recovery_s.append(bench.monitoring(gave_up_s, timeout_s=AGAIN_S / 2))


def _gives_up(bench: Bench) -> float:
    """Kill it until systemd starts the degraded screen; that moment."""
    bench.restart_counts_anew()

    def given_up() -> bool:
        if bench.container.main_pid(MONITOR):
            bench.hit(MONITOR)
        return bench.container.show(DEGRADED)["ActiveState"] == "active"

    wait_for("the degraded screen", given_up, 60)
    return time.monotonic()


def _degraded_says(bench: Bench, since_s: float) -> str:
    """What the degraded screen tells the line, too."""
    return f"MONITOR FAILED ({bench.fault_told('monitor', since_s)})"


def hang(bench: Bench, unit: str) -> None:
    """SIGSTOP: systemd's watchdog must act."""
    with bench.step(f"{_name(unit)}: hangs (SIGSTOP)", "killed by the watchdog") as outcome:
        bench.restart_counts_anew()
        at_s = bench.hit(unit, signal.SIGSTOP)
        if unit == ACQUIRE:
            outcome.screen = bench.fault_told("frontend", at_s)
            bench.keep_picture("acquire-hangs", at_s)
        before = bench.container.main_pid(unit)
        wait_for(
            "the watchdog",
            lambda: bench.container.main_pid(unit) not in (0, before),
            WATCHDOG_S + 5,
        )
        started_s = time.monotonic()
        if unit == ACQUIRE:
            bench.away(at_s)
        outcome.recovery_s.append(bench.monitoring(started_s) + started_s - at_s)
        if unit == ACQUIRE:
            bench.away(at_s)


def disk_full(bench: Bench) -> None:
    """The data partition is filled to the last byte, and freed again."""
    with bench.step("disk full", "told, records go on later") as outcome:
        ballast = bench.data / "ballast"
        at_s = time.monotonic()
        _fill(ballast)
        try:
            outcome.screen = bench.fault_told("storage", at_s)
            time.sleep(3)  # it must stay so, and the monitor must not mind
            bench.keep_picture("disk-full", at_s + 1)
            bench.monitoring(time.monotonic())
            at_s = bench.hit(MONITOR)  # and it must start on such a disk
            bench.monitoring(at_s)
        finally:
            ballast.unlink()
        freed_s = time.monotonic()
        bench.fault_over("storage", freed_s)
        outcome.recovery_s.append(time.monotonic() - freed_s)
        bench.monitoring(freed_s)


def records(bench: Bench) -> None:
    """All that was sampled so far is on the disk, but for its last seconds, and once each."""
    with bench.step("the records of all that", "every sample of the ring, bit by bit") as outcome:
        unsynced_s = UNSYNCED_S * container.patience
        time.sleep(unsynced_s)
        before_s = time.monotonic()
        found = kept.compare(bench.witness.rings, bench.data / "records")
        now_s = time.monotonic()  # not earlier: the ring goes on while it is compared
        if runs := found.missing_but([(before_s - unsynced_s, now_s)]):
            count, first = sum(run[1] for run in runs), runs[0]
            raise CheckError(
                f"{count} samples are in no record, the first at index {first[0]}, "
                f"{before_s - first[2]:.1f} s before they were sought"
            )
        outcome.what += f": {found.on_disk:,} samples"


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def settings(bench: Bench, *, smoke: bool) -> None:
    """Settings that are gone, damaged or closed, with and without the last good copy."""
    copy = bench.container.path(f"{STATE}/lead12.toml.good")
    if not smoke:
        wait_for("the copy of the settings", copy.exists, 90)
        with bench.step("settings file gone, copy there", "runs with the copy") as outcome:
            _spoil_settings(bench, None)
            outcome.recovery_s.append(_restart(bench))
            outcome.screen = bench.line.since(0, "hello")[-1]["faults"].get("settings", "")
            if not outcome.screen:
                raise CheckError("the monitor does not say that its settings are gone")
            bench.keep_picture("settings-gone", time.monotonic() - 2)
    cases = {"gone": None} if smoke else {
        "gone": None,
        "zeroed": bytes(len(SETTINGS)),
        "empty": b"",
        "nonsense": b"\xff\xfe<<<not settings>>>\n",
        "closed (0600)": SETTINGS.encode(),
    }  # fmt: skip
    for name, text in cases.items():
        with bench.step(f"settings file {name}, no copy", "refuses, says so, and waits") as outcome:
            copy.unlink(missing_ok=True)
            at_s = time.monotonic()
            _spoil_settings(bench, text)
            bench.restart_counts_anew()
            bench.container.code("systemctl", "restart", "--no-block", ACQUIRE, MONITOR)
            wait_for(
                "the degraded screen",
                lambda: bench.container.show(DEGRADED)["ActiveState"] == "active",
                60,
            )
            outcome.screen = "degraded screen, on panels this machine has not"
            if bench.witness.samples_since(time.monotonic() - 0.5):
                raise CheckError("samples come although there are no settings")
            bench.write_settings()
            mended_s = time.monotonic()
            if smoke or name != "gone":  # that they try again by themselves is shown once
                bench.restart_counts_anew()
                bench.container.run("systemctl", "restart", ACQUIRE, MONITOR)
            outcome.recovery_s.append(bench.monitoring(mended_s, timeout_s=AGAIN_S + 30))
            bench.away(at_s)


def _spoil_settings(bench: Bench, text: bytes | None) -> None:
    path = bench.container.path(CONFIG)
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_bytes(text)
        path.chmod(0o600 if text == SETTINGS.encode() else 0o640)
        if text != SETTINGS.encode():
            bench.container.run("chown", "root:lead12", CONFIG)


def _restart(bench: Bench) -> float:
    """Both services anew; seconds to monitoring."""
    bench.restart_counts_anew()
    at_s = time.monotonic()
    bench.container.run("systemctl", "restart", ACQUIRE, MONITOR)
    recovered_s = bench.monitoring(at_s)
    bench.away(at_s)
    return recovered_s


def ring(bench: Bench) -> None:
    """The ring damaged, while nobody runs and while everybody does."""
    ring_file = bench.container.path(RING)
    spoils = {
        "header zeroed": lambda size: (0, bytes(4096)),
        "counters nonsense": lambda size: (64, bytes([255]) * 16),
        "samples overwritten": lambda size: (4096, bench.random.randbytes(size - 4096)),
        CUT: lambda size: (size // 2, None),
    }
    for running in (False, True):
        for name, spoil in spoils.items():
            when = "while it runs" if running else "while it is off"
            what = "goes on to the cut, then made anew" if running and name == CUT else MADE_ANEW
            with bench.step(f"ring {when}: {name}", what) as outcome:
                bench.restart_counts_anew()
                at_s = time.monotonic()
                if not running:
                    bench.container.run("systemctl", "stop", MONITOR, ACQUIRE)
                at, raw = spoil(ring_file.stat().st_size)
                with ring_file.open("r+b") as file:
                    if raw is None:
                        file.truncate(at)
                    else:
                        file.seek(at)
                        file.write(raw)
                if not running:
                    bench.container.run("systemctl", "start", ACQUIRE, MONITOR)
                outcome.recovery_s.append(bench.monitoring(at_s, timeout_s=90))
                bench.away(at_s)


def _name(unit: str) -> str:
    return unit.removeprefix("lead12-").removesuffix(".service")
