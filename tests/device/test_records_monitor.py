"""The monitor with a disk: what it says of it on line and screen, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from device.config import Config
from device.controls import Button
from device.fast import run_fast
from device.instrument import Instrument
from device.patient import Patient
from device.records.interface import Why
from device.records.reading import about_record
from device.records.segment import ORDER
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.bedside import Bedside, part, until_all
from tests.device.records_kit import cut, digital, keeper, notes, records

ADA, NOBODY = Patient(name="Lovelace, Ada"), Patient()


def test_the_monitor_keeps_what_the_ring_had(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock], in_memory: Path
) -> None:
    whole = signal_20s[1]
    bedside.write(part(whole, 0, 6100))
    monitor = bedside.monitor(**{"records.folder": str(in_memory), "records.min_free_mb": 0})

    def scenario() -> Iterator[Callable[[], bool]]:
        yield bedside.until("result", index=5999)
        bedside.hosts[0].write(b'{"type":"command","command":"record"}\n')
        yield bedside.until("reply", command="record")
        bedside.write(part(whole, 6100, 8000))
        yield bedside.until("result", index=7999)

    monitor.run(until_all(scenario()))
    (record,) = records(in_memory / "continuous")
    np.testing.assert_array_equal(digital(record).d_signal, whole.counts[:8000, ORDER])
    said = [text for _, symbol, text in notes(record) if symbol != "N"]
    assert "call SR 1.00: SINUS RHYTHM" in said
    (snapshot,) = records(in_memory / "snapshots")
    assert snapshot.name.endswith("_command")
    assert digital(snapshot).sig_len == 5000


def test_a_disk_that_cannot_be_used_is_told_and_the_monitor_goes_on(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    bedside.write(part(signal_20s[1], 0, 6100))
    monitor = bedside.monitor(**{"records.folder": str(tmp_path / "file")})

    def scenario() -> Iterator[Callable[[], bool]]:
        yield bedside.until("event", event="fault", part="storage")
        yield bedside.until("event", event="alarm", code="storage")
        bedside.write(part(signal_20s[1], 6100, 8000))
        yield bedside.until("result", index=7999)

    monitor.run(until_all(scenario()))
    (fault,) = bedside.hosts[0].of("event", event="fault", part="storage")
    assert fault["text"].startswith(f"not recording: {tmp_path}/file is not a folder; name another")
    assert not monitor._instrument.screen.recording


def test_a_simulated_patient_leaves_nothing_behind_unless_a_folder_is_named(
    tmp_path: Path, in_memory: Path
) -> None:
    config = Config().override({"display.device": "none"})
    run_fast(config, 2.0)
    changes = {"records.folder": str(in_memory), "records.min_free_mb": 0}
    done = run_fast(config.override(changes), 2.0)
    (record,) = records(in_memory / "continuous")
    assert (digital(record).sig_len, done.faults) == (1000, {})


def test_what_is_asked_for_too_early_is_refused_and_not_said_to_be_saved(
    signal_20s: tuple[FrontendInfo, FrameBlock], in_memory: Path
) -> None:
    info, block = signal_20s
    keep = keeper(in_memory)
    instrument = Instrument(Config().override({"model.path": "none"}), recorder=keep)
    early = "less than a second of this patient is there; try again in a second"
    assert instrument.record(Why.COMMAND) == early
    instrument.connect(info)
    instrument.process(cut(block, 0, 499))
    instrument.press(Button.PAGE, held=True)
    assert instrument.screen.saved_at is None  # "not saved"
    for first, end in ((499, 500), (500, 6000)):
        instrument.process(cut(block, first, end))
        assert instrument.record(Why.COMMAND) == ""
    instrument.set_patient(ADA)
    instrument.process(cut(block, 6000, 6499))
    assert instrument.record(Why.COMMAND) == early
    instrument.process(cut(block, 6499, 6500))
    instrument.set_patient(ADA)  # who she was
    assert instrument.record(Why.COMMAND) == ""
    instrument.process(cut(block, 6500, 9000))
    instrument.set_patient(NOBODY)
    assert instrument.record(Why.COMMAND) == early
    instrument.process(cut(block, 9000, 9500))
    instrument.set_patient(NOBODY)  # another of whom nothing is known
    assert instrument.record(Why.COMMAND) == early
    keep.close()
    found = [about_record(record) for record in records(in_memory / "snapshots")]
    assert [(about["first_index"], n) for about, n in found] == [
        (0, 500),
        (1000, 5000),
        (6000, 500),
    ]


def test_a_monitor_that_keeps_no_snapshots_says_so(
    signal_20s: tuple[FrontendInfo, FrameBlock], in_memory: Path
) -> None:
    settings = {"model.path": "none", "records.snapshots": 0}
    instrument = Instrument(Config().override(settings), recorder=keeper(in_memory))
    instrument.connect(signal_20s[0])
    instrument.process(part(signal_20s[1], 0, 1000))
    said = "this monitor keeps no snapshots; raise [records] snapshots"
    assert instrument.record(Why.COMMAND) == said
    assert instrument.screen.saved_at is None
