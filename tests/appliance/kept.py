"""What is on the data partition, held against what the witness saw: each sample, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from device.records.folder import RecordFolder
from device.records.reading import about_record, fault
from device.records.segment import ORDER
from device.records.wfdb import NONE_24, samples_from_bytes
from hal.errors import RecordingError
from hal.frontend import CHANNELS, SAMPLE_NS
from tests.appliance.container import CheckError
from tests.appliance.witness import Ring

SAME_MOMENT = SAMPLE_NS // 2


@dataclass(frozen=True)
class Kept:
    """samples : in the rings; on_disk : of these, in the records; missing : runs of (first, count,
    monotonic seconds of its begin and end)
    """

    samples: int
    on_disk: int
    missing: tuple[tuple[int, int, float, float], ...]

    def missing_but(self, spans: list[tuple[float, float]]) -> list[tuple[int, int, float, float]]:
        """Runs that do not lie in ``spans`` (monotonic seconds), each of which has its cause."""
        return [
            run for run in self.missing if not any(a <= run[2] and run[3] <= b for a, b in spans)
        ]


def compare(rings: list[Ring], records: Path) -> Kept:
    """Every record whose header can be read must hold what its ring did. Raises CheckError."""
    samples = on_disk = 0
    missing: list[tuple[int, int, float, float]] = []
    there = [ring.counts_at() for ring in rings]
    seen = [np.zeros(len(index), bool) for index, _, _ in there]
    for one in RecordFolder(records).segments():
        try:
            about, _ = about_record(one.path)
        except RecordingError:
            continue  # damaged on purpose: ``whole`` names it
        data = samples_from_bytes(one.path.with_suffix(".dat").read_bytes(), CHANNELS)
        for (index, t_ns, counts), found in zip(there, seen, strict=True):
            at = int(np.searchsorted(index, about["first_index"]))
            if at == len(index) or index[at] != about["first_index"]:
                continue
            if abs(int(t_ns[at]) - about["t_ns"]) > SAME_MOMENT:
                continue  # the same number in another ring
            where = np.searchsorted(index, about["first_index"] + np.arange(len(data)))
            where = np.minimum(where, len(index) - 1)
            is_there = index[where] == about["first_index"] + np.arange(len(data))
            kept = is_there & (data != NONE_24).any(axis=1)
            if not np.array_equal(data[kept], counts[where[kept]][:, ORDER]):
                raise CheckError(f"{one.path.name} does not hold what the ring did")
            if found[where[kept]].any():
                raise CheckError(f"{one.path.name} holds samples that another record holds, too")
            found[where[kept]] = True
    for (index, t_ns, _), found in zip(there, seen, strict=True):
        samples += len(index)
        on_disk += int(found.sum())
        missing += _runs(index, t_ns, found)
    return Kept(samples, on_disk, tuple(missing))


def _runs(index, t_ns, found):  # type: ignore[no-untyped-def]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], ~found, [0]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2):
        yield int(index[begin]), int(end - begin), t_ns[begin] * 1e-9, t_ns[end - 1] * 1e-9


def damaged(records: Path) -> dict[str, str]:
    """What the product's own check says of each record that is not whole."""
    folder = RecordFolder(records)
    headers = [one.path.with_suffix(".hea") for one in (*folder.segments(), *folder.taken())]
    return {path.stem: said for path in headers if (said := fault(path))}
