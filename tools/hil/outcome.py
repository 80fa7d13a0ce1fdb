"""What a run of a scenario came to: the same whether in virtual time or on a serial line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Message = dict[str, Any]  # as decoded from the line; "t_s" is when the host had it


class Status(StrEnum):
    """How an expectation ended."""

    PASSED = "passed"
    FAILED = "failed"
    KNOWN = "known"  # a gap that the scenario admits: does not hold, as said


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation, held against what was seen.

    sentence : as in the scenario; shows : ids of the requirements it shows
    ok : whether it held
    evidence : what was seen and when; of one that held, with its margin
    known : why it cannot hold yet; "" where it must
    at_s : when it was clear that it does not hold; None where it held
    """

    sentence: str
    shows: tuple[str, ...]
    ok: bool
    evidence: str
    known: str = ""
    at_s: float | None = None

    @property
    def status(self) -> Status:
        """A known gap that holds after all fails: the scenario is to be corrected."""
        if self.known:
            return Status.FAILED if self.ok else Status.KNOWN
        return Status.PASSED if self.ok else Status.FAILED


@dataclass(frozen=True, slots=True)
class Moment:
    """What there was to see at a time worth looking at.

    t_s : scenario time · why : "15 s: V3 off", "end", or the sentence that failed then
    first_s : time of the first sample (samples lost included) · uv : int16 [n, 12], filtered leads
        at 500 Hz, -32768 where there was none · leads : their names
    screen : the 256 x 64 picture as PNG; b"" where the screen is not the bench's to see
    """

    t_s: float
    why: str
    first_s: float
    uv: NDArray[np.int16]
    leads: tuple[str, ...]
    screen: bytes = b""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run.

    target : "virtual" or "serial:PORT"
    messages : of runs longer than ten minutes all but most results, at whose times nothing changed
    account : samples ``written`` and ``lost`` by the monitor's own count, with what else was
        counted (``lost_estimated``; on a serial line ``lag_ms`` and what was lost there)
    digest : SHA-256 of all serial bytes and screen frames; "" on a serial line
    moments : traces and screens around what the timeline did and where a sentence failed
    log : lines of acquire and monitor, each with its time
    took_s : of the machine's time
    error : why there is no result; "" when the scenario ran to its end
    skipped : why it was not run here at all; "" when it was
    """

    name: str
    about: str
    file: str
    seconds: float
    target: str
    messages: list[Message] = field(default_factory=list)
    account: Mapping[str, int | float] = field(default_factory=dict)
    digest: str = ""
    verdicts: tuple[Verdict, ...] = ()
    moments: tuple[Moment, ...] = ()
    log: tuple[str, ...] = ()
    took_s: float = 0.0
    error: str = ""
    skipped: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ran and nothing failed."""
        return not self.error and all(v.status is not Status.FAILED for v in self.verdicts)

    @property
    def speed(self) -> float:
        """Seconds of signal per second of the machine."""
        return self.seconds / self.took_s if self.took_s else 0.0
