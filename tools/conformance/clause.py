"""One row of the conformance table: a clause, its limit, what was measured, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

IEC_25, IEC_27 = "IEC 60601-2-25", "IEC 60601-2-27"
EC11, EC13, EC57 = "AAMI EC11", "AAMI EC13", "AAMI EC57"

SOURCES = {
    "a": "titles of the sub-clauses of IEC 60601-2-27 201.12.1.101: Raus-Jarzabek et al., "
    "Electronics 2025;14:3878, doi 10.3390/electronics14193878",
    "b": "WhaleTEQ SECG 4.0 user manual: clauses of IEC 60601-2-25, and how they are tested",
    "c": "MEDTEQ, IEC 60601-2-27 update (2005 to 2011 edition)",
    "d": "AAMI EC11:1991, second half of its table of requirements; values read, the numbers of "
    "its sub-clauses not certain and so left out",
    "e": "vendors' manuals that answer clause by clause: Mindray BeneHeart D60, uMEC10 and "
    "Trio, Philips MP2, GE B20, Welch Allyn Propaq LT",
    "f": "vendors' specifications: Gima K10, ECGMAC EM-1201",
    "g": "PhysioNet, ANSI/AAMI EC13 test waveforms",
    "h": "PhysioNet, manual of bxb(1), the reference implementation of EC57",
    "i": "J Electrocardiol, S0022-0736(09)00324-0 (abstract)",
    "r": "recalled, or from second-hand lists; not read in the standard: look it up before citing",
    "o": "no limit in the standard that we know of: our own",
}


class Verdict(StrEnum):
    """How a clause came out."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TESTABLE = "not testable in software"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value; within low .. high where these are set.

    value : None where nothing came (a blank rate, an event that never happened): beyond any limit
    """

    name: str
    value: float | None
    unit: str
    low: float = -inf
    high: float = inf
    digits: int = 1

    @property
    def limited(self) -> bool:
        """Whether it can fail."""
        return self.low > -inf or self.high < inf

    @property
    def ok(self) -> bool:
        """Whether it is within its limits; not a number is not."""
        return not self.limited or (self.value is not None and self.low <= self.value <= self.high)

    def __str__(self) -> str:
        value = "never" if self.value is None else f"{self.value:z.{self.digits}f} {self.unit}"
        return f"{self.name} {value}".strip()


@dataclass(frozen=True, slots=True)
class Row:
    """A clause and what came of it.

    clause : standard and number, or the standard alone where the number is not known
    sources : keys of ``SOURCES`` for clause, demand and limit
    why : of a row without readings: why it was not measured
    note : what the figures do not say
    """

    clause: str
    sources: str
    asks: str
    limit: str
    readings: Sequence[Reading] = ()
    why: str = ""
    note: str = ""
    run: bool = True  # False: it could have been, but something is not here

    @property
    def verdict(self) -> Verdict:
        """Failed when one reading is; a row that measures nothing never passes."""
        if not self.run:
            return Verdict.NOT_RUN
        if not any(reading.limited for reading in self.readings):
            return Verdict.NOT_TESTABLE
        return Verdict.PASSED if all(r.ok for r in self.readings) else Verdict.FAILED


def percent(name: str, ratio: float, limit: float) -> Reading:
    """A deviation, ``ratio`` of what it should be, within ``limit`` per cent of 1."""
    return Reading(name, 100 * (ratio - 1), "%", -limit, limit, 2)
