"""The parts boot and start of docs/reliability.md."""

from __future__ import annotations

import statistics

from tests.appliance.bench import Bench, Outcome
from tools.reliability import Part, Table

WHY_NSPAWN = (
    "The units, users and files are those that `systemd/install.sh` made in a root of Debian 12, "
    "booted by systemd-nspawn: its own PID 1 (systemd 252), users, mounts and network, on the "
    "kernel of the machine that tests. A whole emulated machine would bring a kernel of its own, "
    "too; without hardware virtualisation it is too slow for 500 samples a second in real time, "
    "and most machines that run tests have none to lend. What the container does not "
    "show: udev, drivers, the hardware watchdog, locked memory (where it may not raise that limit)."
)
HOW = (
    "Samples are counted from outside by a second reader of the ring, which keeps every one, and "
    "held against the records on the disk bit by bit. *Recovery* is from the fault (or from its "
    "end: disk freed, settings mended, power on) to a result of samples taken after it, with the "
    "monitor at the newest sample and both services active. *Lost* are samples that the front end "
    "took, or would have, and the ring has not; index and clock agree in each ring. A ring damaged "
    "on purpose leaves the account, with what it had lost: fewer than before. Five starts in three "
    "minutes are the monitor's; before each random kill `systemctl reset-failed` gives them back, "
    "and the row of six kills at once uses them up."
)


def part(bench: Bench, command: str) -> Part:
    """What came of every fault."""
    rows = [_row(outcome) for outcome in bench.outcomes]
    failed = [outcome for outcome in bench.outcomes if outcome.failures]
    text = [WHY_NSPAWN, HOW]
    figures: dict[str, float | int | str | bool | None] = {
        "steps": len(bench.outcomes),
        "failed": len(failed),
        "kills": sum(len(o.recovery_s) for o in bench.outcomes if o.fault.endswith(": SIGKILL")),
        "rings": len(bench.witness.rings),
        "samples": samples(bench),
        "lost_while_the_machine_stood_still": sum(bench.stalled.values()),
        "lost_without_a_cause": sum(bench.unplanned.values()),
    }
    text.append(f"Losses that nobody planted: {losses(bench)}.")
    return Part(
        name="boot",
        title="The appliance under systemd: boot, kills, hangs, disk, settings, clock, power",
        command=command,
        text=text,
        tables=[Table(("Fault", "Outcome", "Times", "Recovery", "Worst", "Lost", "Says"), rows)],
        figures=figures,
    )


def samples(bench: Bench) -> int:
    """Of all rings."""
    return sum(ring.samples for ring in bench.witness.rings)


def losses(bench: Bench) -> str:
    """Those that were not planted, in words."""
    return (
        f"{sum(bench.stalled.values())} of {samples(bench):,} samples while this machine stood "
        "still (a probe of higher priority than acquire did not run either), "
        f"{sum(bench.unplanned.values())} otherwise"
    )


def _row(outcome: Outcome) -> tuple[str, ...]:
    times = outcome.recovery_s
    return (
        outcome.fault,
        f"FAILED: {'; '.join(outcome.failures)}" if outcome.failures else outcome.what,
        str(len(times)) if times else "",
        f"{statistics.median(times):.1f} s" if times else "",
        f"{max(times):.1f} s" if times else "",
        f"{outcome.lost}{', new ring' * bool(outcome.rings)}",
        outcome.screen.replace("|", "/"),
    )
