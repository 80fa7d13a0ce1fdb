"""What is read back from disk as an ECG: WFDB records, our own among them, and CSV."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from device.records.folder import CONTINUOUS, SNAPSHOTS
from device.records.interface import Why
from device.records.reading import about_record
from firmware.events import Beat, ElectrodeChange
from hal.ads1298.frame import pack
from hal.clock import VirtualClock
from hal.errors import RecordingError
from hal.frontend import SAMPLE_NS, FrameBlock, FrontendConfig
from hal.patient.presets import preset
from hal.patient.recording import RecordedPatient
from hal.simulated import simulated_frontend
from tests.device import records_kit
from tests.fuzz.mutate import change_bytes, change_text, join, split
from tests.fuzz.watch import FindingError, one_line
from tools import own_record

NAME = "20261121T112312Z_000001"
SAMPLES = 600
WORDS = (b"../r.dat", b"/etc/passwd", b"../../../etc/hostname", b".", b"~", b"-",
         NAME.encode() + b".dat", NAME.encode() + b".mat", b"r.atr", b"16", b"24", b"32", b"61",
         b"80", b"212", b"16+24", b"16x2",
         b"uV", b"mV/2", b"V1", b"aVR", b"I", b"# lead12: {}", b"# lead12: " + b"[" * 9000,
         b'{"first_index":1}', b"#",
         b"time_s", b"I_mV", b";", b"\t", b"nan", b"inf", b"\n", b"r/2", b"1e308(0)/mV",
         b"00:00:00 01/01/2026", b"\xff", "\u0663".encode())  # fmt: skip
GROWTH = 64  # times the bytes of its files a recording may hold


INFO = records_kit.INFO


@cache
def counts() -> Any:
    """The simulated patient as the chip gives it: int32 [SAMPLES, 8]."""
    frontend = simulated_frontend(preset("sinus-70"), VirtualClock(), bulk=True)
    frontend.open()
    frontend.configure(FrontendConfig(rl_check_every=0))
    frontend.start()
    blocks, held = [], 0
    while held < SAMPLES:
        blocks.append(frontend.read(SAMPLES - held, 1.0).counts)
        held += len(blocks[-1])
    return np.concatenate(blocks)


def frames(samples: int) -> bytes:
    """The same as it comes over SPI, 27 bytes each."""
    return pack(np.full(samples, 0xC00000, np.uint32), counts()[:samples]).tobytes()


def blocks(samples: int = SAMPLES) -> Iterator[FrameBlock]:
    """The same as the ring gives them, every index 20 ms apart and ten lost on the way."""
    for first in range(0, samples, 10):
        if first != 200:
            rows = slice(first, first + 10)
            t_ns = SAMPLE_NS * np.arange(first, first + 10)
            status, off = np.full(10, 0xC00000, np.uint32), np.zeros(10, np.uint16)
            yield FrameBlock(first, t_ns, counts()[rows], status, off, 10 * (first == 210))


def _ours() -> list[bytes]:
    """A segment that grows, one that ended, a snapshot: as this device writes them."""
    with tempfile.TemporaryDirectory() as name:
        keeper = records_kit.keeper(Path(name))
        for block in blocks():
            keeper.block(block)
        keeper.event(Beat(90))
        keeper.event(ElectrodeChange(300, 1))
        keeper.snapshot(Why.BUTTON, 590)
        keeper.flush()
        found = [_parts(Path(name) / CONTINUOUS / NAME)]
        keeper.close()
        found.append(_parts(Path(name) / CONTINUOUS / NAME))
        (snapshot,) = (Path(name) / SNAPSHOTS).glob("*.hea")
        renamed = snapshot.read_bytes().replace(snapshot.stem.encode(), NAME.encode())
        snapshot.write_bytes(renamed)
        found.append(_parts(snapshot.with_suffix("")))
    return found


def _parts(record: Path) -> bytes:
    return join(*(record.with_suffix(suffix).read_bytes() for suffix in (".hea", ".dat", ".atr")))


def _others() -> list[bytes]:
    """WFDB in another's spelling and every format, and CSV."""
    adc = counts()[:300] >> 8
    names = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    raw = adc.astype("<i2").tobytes()
    found = []
    for form, data in ((16, raw), (61, raw), (80, raw), (212, raw), (32, adc.tobytes())):
        lines = [f"{NAME} 8 250", *(f"{NAME}.dat {form} 200(0)/mV 16 0 0 0 0 {n}" for n in names)]
        found.append(join("\n".join([*lines, "# Dx: 426783006", ""]).encode(), data))
    matlab = [f"{NAME} 8 250 300 12-Jan-2020 10:00:00",
              *(f"{NAME}.mat 16+24 200/uV 16 0 0 0 0 {n}" for n in names)]  # fmt: skip
    found.append(join("\n".join(matlab).encode(), bytes(24) + raw))
    rows = [",".join(f"{value / 200:.3f}" for value in row) for row in adc]
    head = ",".join(f"{name}_mV" for name in names)
    found.append("\n".join(["# rate_hz=250", head, *rows]).encode())
    timed = [f"{i / 250:.3f};{row.replace(',', ';')}" for i, row in enumerate(rows)]
    found.append("\n".join(["time_s;" + head.replace(",", ";"), *timed]).encode())
    return found


class RecordsTarget:
    """An input is header, samples and annotations of a record; alone, a CSV file."""

    def seeds(self) -> list[bytes]:
        """Ours and others', of the simulated patient."""
        return [*_ours(), *_others()]

    def run(self, data: bytes, folder: Path) -> None:
        """RecordingError in one line, or a recording fit for the chain; ours are mended."""
        parts = split(data, 3)
        continuous = folder / CONTINUOUS
        continuous.mkdir()
        if parts[1:] == [b"", b""]:
            (continuous / "r.csv").write_bytes(data)
            self._read(continuous / "r.csv", len(data))
            return
        record = continuous / NAME
        for suffix, part in zip((".hea", ".dat", ".atr"), parts, strict=True):
            record.with_suffix(suffix).write_bytes(part)
        record.with_suffix(".mat").write_bytes(parts[1])
        self._read(record, len(data))
        self._mend(record, folder)

    def _read(self, path: Path, size: int) -> None:
        try:
            recording = own_record.read(path)
        except RecordingError as error:
            one_line(str(error))
            return
        if not np.isfinite(recording.mv).all() or recording.mv.shape[1] != 8:
            raise FindingError("what is no number was accepted")
        if recording.mv.nbytes > GROWTH * size + 4096:
            raise FindingError(f"{recording.mv.nbytes} bytes out of {size}")
        own_record.whose(recording)
        own_record.electrodes_off(path, recording)
        patient = RecordedPatient(recording)
        assert patient.duration is not None
        volts = patient.potentials(0, min(patient.duration, 64)).volts
        if not np.isfinite(volts).all():
            raise FindingError("electrodes without a voltage")

    def _mend(self, record: Path, folder: Path) -> None:
        """As the monitor does at its start: what was cut off is ended, and it records."""
        keeper = records_kit.keeper(folder)
        for block in blocks(450):
            keeper.block(block)
        keeper.close()
        if keeper.failure:
            raise FindingError(f"nothing is recorded: {keeper.failure}")
        try:
            _, samples = about_record(record)
        except RecordingError:
            return
        if not samples:
            raise FindingError("a segment that was cut off was left open")

    def change(self, rng: random.Random, data: bytes, other: bytes) -> bytes:
        """Mostly the header or the text; sometimes samples, annotations, or a file less."""
        parts, others = split(data, 3), split(other, 3)
        at = rng.choice((0, 0, 0, 0, 1, 2, 2))
        if parts[1] == parts[2] == b"":
            at = 0
        if rng.random() < 0.02:
            parts[at] = others[at]
        elif at == 0 and rng.random() < 0.85:
            parts[0] = change_text(rng, parts[0], WORDS)
        else:
            parts[at] = change_bytes(rng, parts[at], others[at])
        return join(*parts) if any(parts[1:]) else parts[0]


TARGET = RecordsTarget()
