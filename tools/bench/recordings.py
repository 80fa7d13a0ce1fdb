"""The packed development recordings, and their counts with or without the simulated chip."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import (
    CHANNEL_LEADS,
    SAMPLE_NS,
    SAMPLE_RATE_HZ,
    FrameBlock,
    FrontendConfig,
)
from hal.patient import Patient
from hal.patient.electrodes import ElectrodeEvent, WithElectrodeFaults
from hal.patient.record import INDEPENDENT_LEADS, Recording
from hal.patient.recording import RecordedPatient
from hal.simulated import simulated_frontend
from tools.bench.figures import RecordingsAbsentError

LEAD_IN = 2 * SAMPLE_RATE_HZ  # the record mirrored before its start, as in ``lead12 classify``
TAIL = SAMPLE_RATE_HZ
SAME_AGAIN = "PTB_s0010_re"  # of the long recordings: S0001 from another source
PACKED_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_CHANNELS = [INDEPENDENT_LEADS.index(lead) for lead in CHANNEL_LEADS]


@dataclass(frozen=True, slots=True)
class Packed:
    """One record of a packed set.

    mv : float64 [n, 8], millivolts at the set's rate, columns in the order of INDEPENDENT_LEADS
    labels : as the source writes them; fold : PTB-XL's, "" elsewhere
    """

    record: str
    source: str
    labels: tuple[str, ...]
    group: str  # MATE group, "" where none or several fit
    fold: str
    mv: NDArray[np.float64]


def folder(data: Path | None = None) -> Path:
    """``data``, else $LEAD12_DATA, else ../shared/data beside the checkout.

    Raises RecordingsAbsentError when it is no folder of recordings.
    """
    beside = Path(__file__).parents[3] / "shared" / "data"
    found = data or Path(os.environ.get("LEAD12_DATA", beside))
    if not (found / "ecg_500hz.h5").is_file():
        raise RecordingsAbsentError(
            f"no ecg_500hz.h5 in {found}; name the folder of recordings with --data or LEAD12_DATA "
            "(docs/data.md says what must be in it)"
        )
    return found


def packed(
    data: Path, name: str, *, only: str = "", fold: str = "", every: int = 1
) -> Iterator[Packed]:
    """Every ``every``-th record of the set ``name``, of one source or fold where these are given.

    The file holds first differences (int16) and the size of one step; III to aVF follow from the
    rest and are not read. Raises RecordingsAbsentError without h5py.
    """
    try:
        import h5py  # type: ignore[import-untyped]  # of the [train] and [dev] extras
    except ImportError:
        raise RecordingsAbsentError("h5py is missing; run make train-setup") from None
    with (data / f"{name}.csv").open(newline="", encoding="utf-8") as table:
        rows = [
            row
            for row in csv.DictReader(table)
            if only in ("", row["source_dataset"]) and fold in ("", row["strat_fold"])
        ]
    with h5py.File(data / f"{name}.h5") as file:
        leads = str(file.attrs["leads"]).split(",")
        columns = [leads.index(lead) for lead in INDEPENDENT_LEADS]
        step_mv = float(file.attrs["lsb_uV"]) / 1000
        stored, first, slab = file["X_delta"], 0, np.empty((0, 0, 0), np.int16)
        for row in rows[::every]:
            number = int(row["row"])
            if not first <= number < first + len(slab):  # compressed in chunks: read a whole one
                first = number - number % stored.chunks[0]
                slab = stored[first : first + stored.chunks[0]]
            steps = slab[number - first, columns]
            mv = np.cumsum(steps, axis=1, dtype=np.int16).T * step_mv
            yield Packed(
                row["record_id"],
                row["source_dataset"],
                tuple(row["labels"].split("|")),
                row["mate4"],
                row["strat_fold"],
                mv[: int(row["valid_samples"])],
            )


def packed_long(data: Path) -> Iterator[tuple[Packed, int]]:
    """The recordings of more than ten seconds at full length, and their rates in Hz.

    Labels come from the tables of the shorter sets. Raises RecordingsAbsentError without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise RecordingsAbsentError("h5py is missing; run make train-setup") from None
    rows: dict[str, dict[str, str]] = {}
    for name in ("ecg_500hz", "ecg_long_ptb"):
        with (data / f"{name}.csv").open(newline="", encoding="utf-8") as table:
            rows |= {row["record_id"]: row for row in csv.DictReader(table)}
    with h5py.File(data / "ecg_long.h5") as file:
        for name, stored in file.items():
            if name == SAME_AGAIN:
                continue
            row = rows[name]
            columns = [PACKED_LEADS.index(lead) for lead in INDEPENDENT_LEADS]
            mv = np.cumsum(stored[:], axis=1, dtype=np.int16)[columns].T
            record = Packed(
                name,
                row["source_dataset"],
                tuple(row["labels"].split("|")),
                row["mate4"],
                row["strat_fold"],
                mv * (float(stored.attrs["lsb_uV"]) / 1000),
            )
            yield record, int(stored.attrs["fs"])


def plain_counts(record: Packed, nv_per_count: float) -> NDArray[np.int32]:
    """Counts of an ideal converter [n, 8], also for what no chip would be given (80 mV, flat)."""
    counts = np.rint(record.mv[:, _CHANNELS] * 1e6 / nv_per_count).clip(-(1 << 23), (1 << 23) - 1)
    exact: NDArray[np.int32] = counts.astype(np.int32)
    return exact


def chip_counts(
    record: Packed,
    rate_hz: int = SAMPLE_RATE_HZ,
    electrodes: Sequence[ElectrodeEvent] = (),
) -> tuple[float, NDArray[np.int32]]:
    """Nanovolts per count, and what the simulated chip makes of the record.

    rate_hz : of the record's set; electrodes : what is wrong with them
    Counts [LEAD_IN + n + TAIL, 8]; sample i of a record of 500 Hz is row LEAD_IN + i.
    """
    patient: Patient = RecordedPatient(
        Recording(record.record, rate_hz, record.mv),
        lead_in_s=LEAD_IN / SAMPLE_RATE_HZ,
        tail_s=TAIL / SAMPLE_RATE_HZ,
    )
    if electrodes:
        patient = WithElectrodeFaults(patient, electrodes)
    frontend = simulated_frontend(patient, VirtualClock(), bulk=True)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    frontend.start()
    blocks: list[NDArray[np.int32]] = []
    try:
        while True:
            blocks.append(frontend.read(5000, timeout_s=1.0).counts)
    except FrontendError as error:
        if error.reason is not Reason.END_OF_SIGNAL:
            raise
    finally:
        frontend.close()
    return info.nv_per_count, np.concatenate(blocks)


def frames_of(counts: NDArray[np.int32]) -> FrameBlock:
    """Counts [n, 8] as one block of frames with all electrodes on."""
    n = len(counts)
    t_ns = np.arange(n, dtype=np.int64) * SAMPLE_NS
    return FrameBlock(0, t_ns, counts, np.zeros(n, np.uint32), np.zeros(n, np.uint16))
