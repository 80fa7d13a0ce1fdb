"""Tiny data sets as files, in the forms their publishers chose."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from models.data.labels import STATEMENTS, SUPERCLASS_OF

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
EIGHT = [LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]


def twelve(eight: np.ndarray) -> np.ndarray:
    """[n, 8] of I, II, V1..V6 -> [n, 12]."""
    one, two = eight[:, 0], eight[:, 1]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.column_stack([*limb, eight[:, 2:]])


def ecg_uv(seed: int, samples: int, step_uv: int = 10) -> np.ndarray:
    """Something with a signal in every lead, integer [samples, 8] in microvolts."""
    rng = np.random.default_rng(seed)
    return rng.integers(-100, 100, (samples, 8)) * step_uv


def write_wfdb(
    path: Path,
    uv: np.ndarray,
    rate_hz: int,
    comments: Iterable[str] = (),
    suffix: str = ".dat",
    leads: Sequence[str] = LEADS,
) -> None:
    """One record, [n, 12] in microvolts, format 16 (behind a 24-byte header in a ``.mat``)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    adc = np.rint(uv).astype("<i2")
    offset, form = (b"\0" * 24, "16+24") if suffix == ".mat" else (b"", "16")
    path.with_suffix(suffix).write_bytes(offset + adc.tobytes())
    sums = adc.sum(0, dtype=np.int64).astype(np.int16)
    lines = [f"{path.name} {len(leads)} {rate_hz} {len(adc)}"]
    for column, lead in enumerate(leads):
        file = path.name + suffix
        lines.append(f"{file} {form} 1000(0)/mV 16 0 {adc[0, column]} {sums[column]} 0 {lead}")
    lines += [f"#{text}" for text in comments]
    Path(f"{path}.hea").write_text("\n".join(lines) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def write_published(folder: Path, records: Sequence[Mapping[str, object]], rate_hz: int) -> None:
    """PTB-XL as PhysioNet has it; records: ecg_id, patient_id, age, sex, codes, fold, uv [n, 8]."""
    folder.mkdir(exist_ok=True)
    kind = {100: "lr", 500: "hr"}[rate_hz]
    rows = []
    for record in records:
        name = f"records{rate_hz}/00000/{record['ecg_id']:05d}_{kind}"
        write_wfdb(folder / name, twelve(np.asarray(record["uv"])), rate_hz)
        rows.append(
            {
                "ecg_id": record["ecg_id"],
                "patient_id": f"{record['patient_id']}.0",
                "age": f"{record['age']}.0",
                "sex": {"M": 0, "F": 1}[str(record["sex"])],
                "site": "2.0",
                "device": "CS-12   E",
                "scp_codes": str(record["codes"]),
                "strat_fold": record["fold"],
                f"filename_{kind}": name,
            }
        )
    write_csv(folder / "ptbxl_database.csv", rows)
    write_csv(
        folder / "scp_statements.csv",
        [{"": code, "diagnostic_class": SUPERCLASS_OF.get(code, "")} for code in STATEMENTS],
    )


def write_packed(
    folder: Path, stem: str, steps: np.ndarray, lsb_uv: float, rate_hz: int, leads: Sequence[str]
) -> None:
    """The HDF5 of a packed set; steps int16 [records, leads, samples]."""
    with h5py.File(folder / f"{stem}.h5", "w") as file:
        file["X_delta"] = np.diff(steps, axis=2, prepend=np.int16(0))
        file.attrs.update(fs=rate_hz, lsb_uV=lsb_uv, leads=",".join(leads))


def _beats_uv(rate_bpm: float, samples: int = 1000) -> np.ndarray:
    """[samples, 8] at 100 Hz, a wave per beat."""
    phase = np.arange(samples) / 100 * rate_bpm / 60 % 1
    wave = 1000 * np.exp(-((phase - 0.5) ** 2) / 0.001)
    return np.rint(wave[:, None] * np.arange(8, 0, -1)).astype(int)


def forty_patients(folder: Path) -> Path:
    """Two records of each of 40 patients, every second infarcted; a few are of fold 9."""
    records = [
        {
            "ecg_id": number + 1,
            "patient_id": 100 + patient,
            "age": 60,
            "sex": "F",
            "codes": {"IMI" if patient % 2 else "NORM": 100.0, "SR": 0.0},
            "fold": patient % 9 + 1,
            "uv": _beats_uv(60 + 40 * (patient % 2)),
        }
        for number, patient in enumerate(np.repeat(np.arange(40), 2))
    ]
    write_published(folder, records, 100)
    return folder
