"""How fast recordings go through the chain, and how fast the chip can be read byte by byte."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from hal.clock import VirtualClock
from hal.frontend import CHANNEL_LEADS, SAMPLE_RATE_HZ, Electrode, Frontend, FrontendConfig
from hal.patient import ANALOG_OVERSAMPLING, ANALOG_RATE_HZ
from hal.patient.presets import preset
from hal.simulated import simulated_frontend
from tools.bench.figures import Figure
from tools.classify import classify

RECORDS = 400
PASSES = 3  # a virtual machine's two cores are sometimes one: the slow passes are the neighbours'
SECONDS = 10
BYTE_PATH_SECONDS = 20
PRESETS = ("sinus-70", "af-90", "sinus-40", "sinus-120", "lbbb-70", "pvc-70", "noisy-70")


def measure(jobs: int = 2) -> list[Figure]:
    """Wall-clock figures of this machine, which should be otherwise idle."""
    figures = [_byte_path()]
    with tempfile.TemporaryDirectory() as folder:
        files = _recordings(Path(folder))
        for workers in sorted({1, jobs}):
            # Small batches are dominated by starting Python; that is told apart from the rate.
            start_s = _classify_s(files[:workers], workers)
            took_s = min(_classify_s(files, workers) for _ in range(PASSES))
            rate = (len(files) - workers) / (took_s - start_s)
            low = 100.0 if workers == jobs else None
            part = f"classify --jobs {workers}"
            figures += [
                Figure(
                    part,
                    f"recordings of 10 s, fastest of {PASSES} passes",
                    rate,
                    "records/s",
                    low=low,
                ),
                Figure(part, "start of the workers", start_s, "s"),
            ]
    return figures


def _classify_s(files: list[Path], jobs: int) -> float:
    began = time.perf_counter()
    failed = sum("error" in result for result in classify(files, jobs=jobs))
    if failed:
        raise RuntimeError(f"{failed} of the bench's own recordings could not be classified")
    return time.perf_counter() - began


def _byte_path() -> Figure:
    frontend = _started(preset("sinus-70"))
    began = time.perf_counter()
    samples = 0
    while samples < BYTE_PATH_SECONDS * SAMPLE_RATE_HZ:
        samples += len(frontend.read(1, timeout_s=1.0))
    speed = samples / SAMPLE_RATE_HZ / (time.perf_counter() - began)
    frontend.close()
    return Figure("simulated chip, byte by byte", "speed", speed, "x real time", low=20.0)


def _started(patient: object) -> Frontend:
    frontend = simulated_frontend(patient, VirtualClock())  # type: ignore[arg-type]
    frontend.open()
    frontend.configure(FrontendConfig())
    frontend.start()
    return frontend


def _recordings(folder: Path) -> list[Path]:
    """RECORDS WFDB records at 500 Hz of the generator's patients, each of its own seed."""
    files = []
    for number in range(RECORDS):
        patient = preset(PRESETS[number % len(PRESETS)], seed=number)
        points = SECONDS * ANALOG_RATE_HZ
        volts = patient.potentials(5 * ANALOG_RATE_HZ, points).volts[::ANALOG_OVERSAMPLING]
        files.append(write_wfdb(folder / f"bench{number:04d}", volts))
    return files


def write_wfdb(stem: Path, volts: np.ndarray) -> Path:
    """Leads I, II, V1-V6 of electrode ``volts`` [n, 10], format 16, 1 uV per unit."""
    at = {electrode.name: volts[:, electrode] for electrode in Electrode}
    wilson = (at["RA"] + at["LA"] + at["LL"]) / 3
    leads = {"I": at["LA"] - at["RA"], "II": at["LL"] - at["RA"]}
    leads |= {name: at[name] - wilson for name in sorted(CHANNEL_LEADS) if name.startswith("V")}
    samples = np.rint(np.stack(list(leads.values()), axis=1) * 1e6)
    samples = np.clip(samples, -32767, 32767).astype("<i2")
    stem.with_suffix(".dat").write_bytes(samples.tobytes())
    header = [f"{stem.name} {len(leads)} {SAMPLE_RATE_HZ} {len(samples)}"]
    for column, name in enumerate(leads):
        checksum = int(samples[:, column].astype(np.int64).sum()) & 0xFFFF
        first = samples[0, column]
        header.append(f"{stem.name}.dat 16 1000(0)/mV 16 0 {first} {checksum} 0 {name}")
    path = stem.with_suffix(".hea")
    path.write_text("\n".join(header) + "\n")
    return path
