"""What a soak leaves for docs/reliability.md."""

from __future__ import annotations

from tools.reliability import Part, Table, save
from tools.soak.verdict import Verdict

_VIRTUAL = (
    "The real acquisition and monitor, each a process, with ring, driver, pipeline, network, "
    "serial line (a pseudo-terminal), models and records (a disk of their own, in memory), on a "
    "simulated chip and patient, in virtual time. Faults are drawn from the seed: several an "
    "hour, of electrodes, chip, bus, processes, line, disk, wall clock, host and models.",
    "Checked all the time: every sample in the ring is where the clock says, samples are missing "
    "only while a planted fault explains it, the monitor's account adds up, no sequence number is "
    "skipped on the line, messages fit the schema, and half a minute after the last fault sinus "
    "rhythm at 70 is called so, once a second, with no fault standing. At every hour's end all "
    "records are whole and without holes.",
    "Slopes are least squares over all lives of a process, each with a level of its own, without "
    "the first quarter of an hour of each; ± is the 95 % interval by the scatter. Growth counts as "
    "a leak when even the lower end is above 50 kB, 0.05 descriptors or 0.05 threads an hour.",
)


def save_virtual(verdict: Verdict, *, seed: int, hours: float) -> None:
    """The part soak-virtual."""
    save(
        Part(
            "soak-virtual",
            "Soak, virtual time",
            f"lead12 soak --hours {hours:g} --seed {seed}",
            _VIRTUAL,
            _tables(verdict),
            dict(verdict.figures),
        )
    )


def _tables(verdict: Verdict) -> list[Table]:
    marks = {True: "held", False: "**broken**", None: ""}
    tables = [Table(("", "", ""), [(row.what, row.value, marks[row.ok]) for row in verdict.rows])]
    if verdict.problems:
        tables.append(Table(("What did not hold",), [(one,) for one in verdict.problems[:50]]))
    return tables
