"""What the alarms are to know over a restart, in a small file.

``alarms.json`` in the state folder (beside the ring where no patient is on the front end):
``Alarms.state``, and of which count of samples it is. A monitor that goes on with the same count
goes on with its alarms; after a power cut they are a log, and what nobody had acknowledged is told
again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from device.flash import files
from device.kept_file import KeptFile
from firmware.alarms import AlarmEvent, Alarms
from hal.frontend import SAMPLE_NS, SAMPLE_RATE_HZ, FrameBlock

FILE = "alarms.json"
MOST = 1 << 16  # bytes
NOT_THE_SAME_NS = 1_000_000_000  # counts of samples that began so far apart are two
REFRESH = 60 * SAMPLE_RATE_HZ  # while there is an alarm: how long ago it was is known as well
STALE_S = 3600  # after so long without power nobody is asked to acknowledge


class AlarmMemory:
    """The file at ``path``, which need not be there; other processes do not write it.

    utc_of : monotonic time of a sample to UTC; None where no clock knows it
    boot : of the system whose monotonic time that is; "": no count goes on
    log : takes one line for a file that cannot be used
    """

    def __init__(
        self,
        path: Path,
        utc_of: Callable[[int], datetime | None],
        log: Callable[[str], None] = lambda line: None,
        *,
        boot: str = "",
    ) -> None:
        self._utc_of, self._log, self._boot = utc_of, log, boot
        self.file = KeptFile(path, "alarms", mode=files.PRIVATE)
        self._zero_ns: int | None = None  # when sample 0 was; None: no sample yet
        self._kept = 0  # revision of the alarms
        self._kept_at = 0

    def recall(self, alarms: Alarms, block: FrameBlock) -> list[AlarmEvent]:
        """Before each block: ``alarms`` learn at the first what the file says; what is news."""
        known, self._zero_ns = self._zero_ns, int(block.t_ns[0]) - block.first_index * SAMPLE_NS
        if known is not None:
            return []
        try:
            if (tree := self._read()) is not None:
                return self._restore(alarms, tree, block.first_index)
        except (OSError, KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
            said = error.strerror if isinstance(error, OSError) else "damaged"
            self._log(f"{self.file.path}: {said}; the alarms before the restart are not known")
        return []

    def keep(self, alarms: Alarms, index: int) -> None:
        """Write what has changed; returns at once. Before any sample there is nothing to keep."""
        if self._zero_ns is None:
            return
        old = alarms.active and index - self._kept_at >= REFRESH
        if alarms.revision == self._kept and not old:
            return
        self._kept, self._kept_at = alarms.revision, index
        utc = self._utc_of(self._zero_ns)
        about = {
            "boot": self._boot,
            "zero_ns": self._zero_ns,
            "zero_utc": utc.isoformat() if utc else None,
            "index": index,
        }
        self.file.write(json.dumps(about | alarms.state()).encode())

    def _read(self) -> dict[str, Any] | None:
        try:
            tree = json.loads(files.read(self.file.path, MOST))
        except FileNotFoundError:
            return None
        if not isinstance(tree, dict):
            raise TypeError("not an object")
        return tree

    def _restore(self, alarms: Alarms, tree: dict[str, Any], index: int) -> list[AlarmEvent]:
        assert self._zero_ns is not None
        until = int(tree["index"])
        if (
            self._boot == tree["boot"] != ""
            and abs(int(tree["zero_ns"]) - self._zero_ns) < NOT_THE_SAME_NS
        ):
            alarms.restore(tree, index)
            return []
        zero = tree["zero_utc"] and datetime.fromisoformat(tree["zero_utc"]).astimezone(UTC)
        now = self._utc_of(self._zero_ns + index * SAMPLE_NS)

        def at(sample: int) -> datetime:
            return zero + timedelta(seconds=sample / SAMPLE_RATE_HZ)

        return alarms.restore_log(
            tree,
            index,
            until=until,
            utc=lambda sample: at(sample).isoformat(timespec="seconds") if zero else "",
            latches=not (zero and now and (now - at(until)).total_seconds() > STALE_S),
        )
