"""Monitor, supervisor and batch run: kills, faults and restarts without a lost or doubled word."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from device import instrument as instrument_module
from device.config import Config, ConfigError
from device.fast import run_fast
from device.instrument import Instrument
from device.link.port import PTY
from device.ring import RingReader, RingWriter, WriterState
from device.supervisor import Supervisor
from device.traces import NO_SAMPLE
from firmware.events import Trace
from hal.clock import RealClock
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, FrontendInfo
from tests.device.bedside import DISPLAY_NONE, Bedside, part, processed, until_all
from tests.device.host import Host, Wire
from tests.device.waiting import wait_for

SECONDS = 20


def test_what_is_in_the_ring_is_processed_and_told(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    bedside.write(part(signal_20s[1], 0, 6000))
    bedside.write(part(signal_20s[1], 6000, 10_000, lost=7))
    bedside.end()
    bedside.monitor().run(lambda: False)
    host = bedside.hosts[0]
    host.read()
    assert [m["index"] for m in host.of("result")][:10] == list(range(499, 5000, 500))
    assert [(m["index"], m["lost"]) for m in host.of("event", event="gap")] == [(6007, 7)]
    assert host.of("result", index=5999)[0]["call"] == "SR"
    assert bedside.account() == (10_000, 7)
    assert not host.of("event", event="fault")


def test_killed_monitor_goes_on_where_it_was_and_says_nothing_twice(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock], tmp_path: Path
) -> None:
    whole = signal_20s[1]
    undisturbed = Bedside(tmp_path / "undisturbed.ring", signal_20s[0])
    undisturbed.write(whole)
    undisturbed.end()
    undisturbed.monitor().run(lambda: False)
    undisturbed.hosts[0].read()

    class KilledError(Exception):
        pass

    monitors = []  # kept: a killed process leaves its mapping behind, too, and no last words
    for first, last in ((0, 3300), (3300, 7777), (7777, 10_000)):
        bedside.write(part(whole, first, last))
        monitors.append(bedside.monitor())
        rounds = iter(range(10_000))

        def die(last: int = last, rounds: Iterator[int] = rounds) -> bool:
            if bedside.account()[0] == last and next(rounds) > 5:
                raise KilledError
            return False

        with pytest.raises(KilledError):
            monitors[-1].run(die)
    heard: list[dict[str, Any]] = []
    for host in bedside.hosts:
        host.read()
        heard += host.of("result")
    want = undisturbed.hosts[0].of("result")
    assert (
        [m["index"] for m in heard] == [m["index"] for m in want] == list(range(499, 10_000, 500))
    )
    assert [m["call"] for m in heard] == [m["call"] for m in want]
    assert [m["rate_bpm"] for m in heard] == pytest.approx([m["rate_bpm"] for m in want], abs=1)
    assert bedside.account() == (10_000, 0)


def test_sample_read_but_not_processed_is_read_again(
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bedside.write(part(signal_20s[1], 0, 1000))
    monitor = bedside.monitor()

    def die(self: Instrument, block: FrameBlock) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Instrument, "process", die)
    with pytest.raises(KeyboardInterrupt):
        monitor.run(lambda: False)
    assert bedside.account() == (0, 0)


def test_defect_of_the_analysis_is_told_once_and_survived(
    bedside: Bedside,
    signal_20s: tuple[FrontendInfo, FrameBlock],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Fragile(instrument_module.Pipeline):
        def push(self, block: FrameBlock) -> list[Any]:
            if 2000 <= block.first_index < 3000:
                raise ZeroDivisionError("a defect")
            return super().push(block)

    monkeypatch.setattr(instrument_module, "Pipeline", Fragile)
    for first in range(0, SECONDS * SAMPLE_RATE_HZ, 250):
        bedside.write(part(signal_20s[1], first, first + 250))
    bedside.end()
    monitor, log = bedside.logged_monitor()
    monkeypatch.setattr("device.monitor.BLOCK", 250)
    monitor.run(lambda: False)
    host = bedside.hosts[0]
    host.read()
    texts = [m["text"] for m in host.of("event", event="fault", part="analysis")]
    assert len(texts) == 2
    assert texts[0].startswith("the analysis failed and was started anew: ZeroDivisionError: a def")
    assert "(tests/device/test_monitor.py:" in texts[0]
    assert texts[1] == ""
    assert log == [texts[0]]  # that it is over, five calm seconds later
    assert capfd.readouterr().err == ""  # the traceback is for the journal
    assert host.of("result")[-1]["call"] == "SR"
    assert bedside.account() == (SECONDS * SAMPLE_RATE_HZ, 0)


def test_fault_of_the_front_end_reaches_screen_and_host(tmp_path: Path) -> None:
    bedside = Bedside(tmp_path / "fault.ring", None)
    text = "the ID register says 0x90; check that the chip is an ADS1298"
    bedside.writer.say(WriterState.FAULT, RealClock().now_ns(), text)
    png = tmp_path / "png"
    monitor = bedside.monitor(**{"display.device": f"png:{png}"})
    monitor.run(bedside.until("event", event="fault", part="frontend", text=text))
    assert list(png.iterdir())


def test_silent_acquire_is_told(tmp_path: Path) -> None:
    bedside = Bedside(tmp_path / "silent.ring", None)
    bedside.writer.heartbeat(RealClock().now_ns() - 3_000_000_000)
    text = "acquire does not answer"
    bedside.monitor().run(bedside.until("event", event="fault", part="frontend", text=text))


def test_ring_may_come_later_and_be_replaced(
    tmp_path: Path, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    path = tmp_path / "late.ring"
    bedside = Bedside(path, None)
    bedside.writer.close()
    path.unlink()
    monitor = bedside.monitor()
    heard = bedside.until

    def scenario() -> Iterator[Callable[[], bool]]:
        yield heard("event", event="fault", part="ring")
        bedside.writer = RingWriter(path, RealClock().now_ns())
        bedside.writer.describe(signal_20s[0])
        bedside.write(part(signal_20s[1], 0, 600))
        yield heard("result", index=499)
        bedside.writer.heartbeat(RealClock().now_ns() - 5_000_000_000)
        bedside.writer.close()
        path.unlink()
        bedside.writer = RingWriter(path, RealClock().now_ns())
        bedside.writer.describe(signal_20s[0])
        bedside.write(part(signal_20s[1], 0, 1100))
        yield heard("result", index=999)

    monitor.run(until_all(scenario()))


@pytest.mark.parametrize("device", ["ssd1306", "nonsense", "png:/dev/null/x"])
def test_absent_display_is_told_and_the_monitor_goes_on(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock], device: str
) -> None:
    bedside.write(part(signal_20s[1], 0, 6000))
    monitor = bedside.monitor(**{"display.device": device})
    heard = bedside.until("event", event="fault", part="display")
    monitor.run(lambda: heard() and bool(bedside.hosts[-1].of("result", index=5499)))


def test_unreadable_model_is_told_and_the_monitor_goes_on(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock], tmp_path: Path
) -> None:
    (tmp_path / "bad.l12").write_bytes(b"not a bundle")
    bedside.write(part(signal_20s[1], 0, 6000))
    bedside.end()
    bedside.monitor(**{"model.path": str(tmp_path / "bad.l12")}).run(lambda: False)
    host = bedside.hosts[0]
    host.read()
    (fault,) = host.of("event", event="fault", part="model")
    assert "bad.l12" in fault["text"]
    assert host.of("result")[-1]["refusal"] == "no_model"


def test_set_changes_the_filters_and_loses_nothing(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    bedside.write(part(signal_20s[1], 0, 6100))
    monitor = bedside.monitor()
    heard = bedside.until

    def scenario() -> Iterator[Callable[[], bool]]:
        yield heard("result", index=5999)
        for setting, value in (("profile", "diagnostic"), ("mains_hz", 60), ("naming", "IEC")):
            command = f'{{"type":"command","command":"set","setting":"{setting}","value":'
            told = f'"{value}"' if isinstance(value, str) else str(value)
            bedside.hosts[0].write(f"{command}{told}}}\n".encode())
            yield heard("reply", command="set", setting=setting, value=value)
        bedside.hosts[0].write(b'{"type":"command","command":"snapshot"}\n')
        yield heard("reply", command="snapshot", part=49)
        bedside.write(part(signal_20s[1], 6100, 8000))
        yield heard("result", index=7999)

    monitor.run(until_all(scenario()))
    results = bedside.hosts[0].of("result")
    assert [m["index"] for m in results] == list(range(499, 8000, 500))
    assert {m["call"] for m in results[9:]} == {"SR"}  # the window was full throughout
    assert monitor._instrument.screen.profile == "DIAG"


def test_snapshot_marks_what_could_not_be_read(
    signal_20s: tuple[FrontendInfo, FrameBlock],
) -> None:
    instrument = Instrument(Config())
    valid = np.ones(12, np.bool_)
    off = valid.copy()
    off[7] = False
    instrument._traces.push(Trace(100, np.full((50, 12), 40_000, np.int32), valid))
    instrument._traces.push(Trace(160, np.full((50, 12), -7, np.int32), off))
    index, uv = instrument.snapshot()
    assert (index, uv.shape, uv.dtype) == (100, (110, 12), np.int16)
    assert (uv[:50] == 32_767).all()
    assert (uv[50:60] == NO_SAMPLE).all()
    assert (uv[60:, 7] == NO_SAMPLE).all()
    assert (uv[60:, :7] == -7).all()


def test_screen_does_not_depend_on_how_often_it_is_drawn(
    signal_20s: tuple[FrontendInfo, FrameBlock],
) -> None:
    often, seldom = Instrument(Config()), Instrument(Config())
    for instrument in (often, seldom):
        instrument.connect(signal_20s[0])
    for first in range(0, 7000, 70):
        off = np.full(70, 1 << 6 if 2000 < first < 2600 else 0, np.uint16)
        block = replace(
            part(signal_20s[1], first, first + 70),
            first_index=first + 4 * (first >= 3500),
            lost_before=4 * (first == 3500),
            electrodes_off=off,
        )
        for instrument in (often, seldom):
            instrument.process(block)
        often.frame((256, 64), grey=True)
    want, got = (i.frame((256, 64), grey=True) for i in (often, seldom))
    assert got.image.tobytes() == want.image.tobytes()
    assert (got.index, got.status) == (want.index, want.status)
    arrays = ("trace", "history")
    told = [{k: v for k, v in vars(i.screen).items() if k not in arrays} for i in (often, seldom)]
    assert told[0] == told[1]
    views = [i.screen.history.view(i.index, 8, 1) for i in (often, seldom)]
    np.testing.assert_equal(*map(asdict, views))
    assert np.asarray(got.image).any()


# -- one process, virtual time


def run_batch(**settings: Any) -> list[dict[str, Any]]:
    wire = Wire()
    config = Config().override({"serial.port": "wire", **DISPLAY_NONE, **settings})
    done = run_fast(config, 15.0, port=wire.port)
    wire.host.read()
    assert (done.samples, done.lost, done.dropped) == (15 * SAMPLE_RATE_HZ, 0, 0)
    assert done.sent == len(wire.host.messages)
    return wire.host.messages


def test_batch_run_is_the_same_every_time_and_calls_within_11_s() -> None:
    first = run_batch()
    assert first == run_batch()
    calls = [m for m in first if m["type"] == "result" and m["call"]]
    assert calls[0]["call"] == "SR"
    assert calls[0]["t_s"] <= 11
    assert first[0]["type"] == "hello"


def test_batch_run_and_live_monitor_say_the_same(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock]
) -> None:
    batch = [m for m in run_batch(**{"patient.seed": 0}) if m["type"] == "result"]
    bedside.write(part(signal_20s[1], 0, 15 * SAMPLE_RATE_HZ))
    bedside.end()
    bedside.monitor().run(lambda: False)
    bedside.hosts[0].read()
    live = bedside.hosts[0].of("result")
    assert [{**m, "seq": 0, "crc": ""} for m in live] == [{**m, "seq": 0, "crc": ""} for m in batch]


def test_batch_run_of_real_hardware_is_refused() -> None:
    with pytest.raises(ConfigError, match="linux-iio cannot run faster than real time"):
        run_fast(Config().override({"frontend.backend": "linux-iio"}), 1.0)


# -- real processes


@pytest.mark.native("500 samples a second")
def test_real_processes_survive_kills_of_the_monitor_with_an_exact_account(tmp_path: Path) -> None:
    path = tmp_path / "live.ring"
    config = Config().override(
        {"ring.path": str(path), "serial.port": PTY, "model.path": "none", **DISPLAY_NONE}
    )
    lines: list[str] = []
    supervisor = Supervisor(config, lines.append)
    codes: list[int] = []
    run = threading.Thread(target=lambda: codes.append(supervisor.run()))
    run.start()
    try:
        wait_for("the ring", path.exists)
        ring = RingReader(path)
        name = wait_for("the serial line", lambda: supervisor.serial_name)
        host = Host(os.open(name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        for round_ in range(3):
            monitor = wait_for("a monitor", lambda: supervisor.pids.get("monitor"))
            hellos = len(host.of("hello"))
            wait_for(
                "its hello",
                lambda hellos=hellos: host.read() and len(host.of("hello")) > hellos,
            )
            seen = processed(path)
            wait_for("progress", lambda seen=seen: processed(path) > seen + 100)
            os.kill(monitor, signal.SIGKILL)
            wait_for("its end", lambda old=monitor: supervisor.pids.get("monitor") != old)
            assert len([line for line in lines if "monitor died (SIGKILL)" in line]) == round_ + 1
        acquire = supervisor.pids["acquire"]
        hellos, seen = len(host.of("hello")), ring.status().samples
        wait_for("its last hello", lambda: host.read() and len(host.of("hello")) > hellos)
        wait_for("catching up", lambda: processed(path) >= seen)
        assert supervisor.pids["acquire"] == acquire
    finally:
        supervisor.stop()
        run.join()
    status, account = ring.status(), RingReader(path).account
    assert codes == [0]
    assert account.next_index == status.samples + status.lost  # everything there was processed
    assert (account.processed, account.overrun) == (status.samples, 0)


def test_process_that_keeps_dying_ends_the_run_with_a_reason(tmp_path: Path) -> None:
    config = Config().override({"ring.path": str(tmp_path / "no" / "ring"), **DISPLAY_NONE})
    lines: list[str] = []
    assert Supervisor(config, lines.append).run() == 2
    assert any("cannot be created" in line for line in lines)


def test_recording_that_ends_ends_the_run(tmp_path: Path) -> None:
    names = ",".join(f"{lead}_mV" for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    steps = (",".join([str(k // 100 % 2)] * 8) for k in range(1000))
    (tmp_path / "short.csv").write_text("\n".join(["# rate_hz=500", names, *steps, ""]))
    config = Config().override(
        {"patient.record": str(tmp_path / "short.csv"), "patient.loop": False, **DISPLAY_NONE}
    )
    lines: list[str] = []
    assert Supervisor(config, lines.append).run(duration_s=30) == 0
    assert any("has ended" in line for line in lines), lines
