"""What a soak leaves for docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence

from tools.reliability import Part, Table, save
from tools.soak.verdict import Verdict

_VIRTUAL = (
    "The real acquisition and monitor, each a process, with ring, driver, pipeline, network, "
    "serial line (a pseudo-terminal), models and records (a disk of their own, in memory), on a "
    "simulated chip and patient, in virtual time. Faults are drawn from the seed: several an "
    "hour, of electrodes, chip, bus, processes, line, disk, wall clock, host and models. In every "
    "second hundred of hours no process is killed, so that memory is seen over long lives.",
    "Checked all the time: every sample in the ring is where the clock says, samples are missing "
    "only while a planted fault explains it, the monitor's account adds up, no sequence number is "
    "skipped on the line, messages fit the schema, and half a minute after the last fault sinus "
    "rhythm at 70 is called so, once a second, with no fault standing. At every hour's end all "
    "records are whole and without holes.",
    "Memory is what is resident of a process without files: the code of libraries is the kernel's "
    "to drop. Slopes are least squares over all lives of a process, each with a level of its own, "
    "without the first twelve hours of each, read at the beginning of each hour; ± is the 95 % "
    "interval by the scatter. Growth counts as a leak when even the lower end is above 50 kB, 0.05 "
    "descriptors or 0.05 threads an hour. The slope after forty hours of life tells what goes on "
    "growing from what fills up. "
    "Time goes in steps of a second, and the age of a result's last sample with it: up to a second "
    "of it is the bench's own.",
)


_REAL = (
    "`device.acquire` and `device.monitor` under the supervisor of `lead12 run`, in real time, "
    "with a simulated chip, a pseudo-terminal and a small disk of their own. They are killed, "
    "stopped for seconds, hung until the watchdog acts; the line is pulled and blocked, the disk "
    "filled and made read-only where this machine allows mounts, the host talks nonsense.",
    "Checked is what the soak in virtual time checks. Of samples lost while nothing was planted "
    "one in ten thousand is allowed, but for those of moments in which the machine itself stood "
    "still: a probe on each processor, of higher priority than acquire, woke up more than a "
    "millisecond late. Memory, descriptors and threads are read every ten seconds; memory is told, "
    "not judged: what a process keeps fills up for hours, and none lives as long here. The "
    "age of a result's last sample is taken when the host has the line.",
)


def save_virtual(verdict: Verdict, *, seed: int, hours: float) -> None:
    """The part soak-virtual."""
    command = f"lead12 soak --hours {hours:g} --seed {seed}"
    _save("soak-virtual", "Soak, virtual time", command, _VIRTUAL, verdict)


def save_real(verdict: Verdict, *, seed: int, hours: float) -> None:
    """The part soak-real."""
    command = f"lead12 soak --real --hours {hours:g} --seed {seed}"
    _save("soak-real", "Soak, real time", command, _REAL, verdict)


def _save(name: str, title: str, command: str, text: Sequence[str], verdict: Verdict) -> None:
    save(Part(name, title, command, text, _tables(verdict), dict(verdict.figures)))


def _tables(verdict: Verdict) -> list[Table]:
    marks = {True: "held", False: "**broken**", None: ""}
    tables = [Table(("", "", ""), [(row.what, row.value, marks[row.ok]) for row in verdict.rows])]
    if verdict.problems:
        tables.append(Table(("What did not hold",), [(one,) for one in verdict.problems[:50]]))
    return tables
