"""The kernel's ti-ads1298: what it stores, what it hides, what it refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hal import linux_iio
from hal.ads1298 import wiring
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import SAMPLE_NS, Capability, FrameBlock, FrontendConfig
from hal.linux_iio import BUFFER_SCANS, LinuxIio
from tests.hal.fake_iio import UNSETTLED, FakeKernel, ramp


@pytest.fixture
def kernel(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeKernel]:
    kernel = FakeKernel(tmp_path, clock).install(monkeypatch)
    yield kernel
    kernel.close()


@pytest.fixture
def running(kernel: FakeKernel, tmp_path: Path) -> Iterator[LinuxIio]:
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    frontend.configure(FrontendConfig())
    frontend.start()
    yield frontend
    frontend.close()


def read_all(frontend: LinuxIio) -> FrameBlock:
    return frontend.read(1_000_000, 0.0)


def test_counts_are_sign_extended_and_unsettled_ones_dropped(
    kernel: FakeKernel, running: LinuxIio
) -> None:
    kernel.elapse(UNSETTLED + 10)
    block = read_all(running)
    assert block.first_index == 0
    assert block.counts.tolist() == [ramp(n) for n in range(10)]
    assert block.counts.min() < 0
    assert not block.status.any()
    assert not block.electrodes_off.any()


@pytest.mark.parametrize("counts", [0x7FFFFF, -0x800000, -1, 0, 1])
def test_golden_counts(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, counts: int
) -> None:
    kernel = FakeKernel(tmp_path, clock, counts=lambda index: [counts] * 8).install(monkeypatch)
    block = start_and_read(kernel, tmp_path)
    assert (block.counts == counts).all()


@pytest.mark.parametrize("big_endian", [False, True])
def test_layout_is_read_from_sysfs(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, big_endian: bool
) -> None:
    order = [7, 0, 1, 2, 3, 4, 6, 5]
    kernel = FakeKernel(tmp_path, clock, order=order, big_endian=big_endian).install(monkeypatch)
    block = start_and_read(kernel, tmp_path)
    assert block.counts.tolist() == [ramp(n) for n in range(10)]


def start_and_read(kernel: FakeKernel, root: Path) -> FrameBlock:
    frontend = LinuxIio(kernel.clock, root=root)
    frontend.open()
    frontend.configure(FrontendConfig())
    frontend.start()
    kernel.elapse(UNSETTLED + 10)
    block = read_all(frontend)
    frontend.close()
    kernel.close()
    return block


def test_times_are_those_of_the_arrival(kernel: FakeKernel, running: LinuxIio) -> None:
    kernel.elapse(UNSETTLED + 25)
    now = kernel.clock.now_ns()
    block = read_all(running)
    assert block.t_ns[-1] == now
    assert (np.diff(block.t_ns) == SAMPLE_NS).all()


def test_a_late_reader_loses_nothing_while_the_kernel_buffers(
    kernel: FakeKernel, running: LinuxIio
) -> None:
    kernel.elapse(UNSETTLED + 100)
    first = read_all(running)
    kernel.elapse(BUFFER_SCANS - 1)
    second = read_all(running)
    assert kernel.dropped == 0
    assert second.lost_before == 0
    assert second.first_index == len(first)
    assert second.t_ns[-1] == kernel.clock.now_ns()


@pytest.mark.parametrize("late", [BUFFER_SCANS + 1, BUFFER_SCANS + 777, 3 * BUFFER_SCANS])
def test_an_overrun_of_the_kernel_buffer_is_counted_from_time(
    kernel: FakeKernel, running: LinuxIio, late: int
) -> None:
    kernel.elapse(UNSETTLED + 100)
    read_all(running)
    kernel.elapse(late)
    oldest = read_all(running)
    assert oldest.lost_before == 0
    assert oldest.counts[0].tolist() == ramp(100)
    kernel.elapse(5)
    after = read_all(running)
    assert kernel.dropped == late - BUFFER_SCANS
    assert after.lost_before == kernel.dropped
    assert after.first_index == 100 + late
    assert after.counts[0].tolist() == ramp(100 + late)


def test_a_slow_oscillator_is_measured_before_an_overrun(
    tmp_path: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 2 % slow, the worst the data sheet allows: at the nominal period 80 samples would be wrong
    kernel = FakeKernel(tmp_path, clock, period_ns=2_040_000).install(monkeypatch)
    frontend = LinuxIio(clock, root=tmp_path)
    frontend.open()
    frontend.configure(FrontendConfig())
    frontend.start()
    for _ in range(60):
        kernel.elapse(100)
        read_all(frontend)
    kernel.elapse(BUFFER_SCANS + 1000)
    read_all(frontend)
    kernel.elapse(1)
    assert abs(read_all(frontend).lost_before - 1000) <= 1
    frontend.close()
    kernel.close()


def test_reads_are_cut_to_max_frames(kernel: FakeKernel, running: LinuxIio) -> None:
    kernel.elapse(UNSETTLED + 10)
    blocks = [running.read(4, 0.0) for _ in range(3)]
    assert [len(block) for block in blocks] == [4, 4, 2]
    assert [block.first_index for block in blocks] == [0, 4, 8]
    assert np.concatenate([b.counts for b in blocks]).tolist() == [ramp(n) for n in range(10)]


def test_samples_of_an_earlier_run_are_forgotten(kernel: FakeKernel, running: LinuxIio) -> None:
    kernel.elapse(UNSETTLED + 10)
    running.read(4, 0.0)
    running.stop()
    running.start()
    kernel.elapse(UNSETTLED + 2)
    block = read_all(running)
    assert (block.first_index, block.lost_before) == (0, 0)
    assert block.counts.tolist() == [ramp(0), ramp(1)]


def test_a_buffer_that_a_killed_reader_left_on_is_taken_over(
    kernel: FakeKernel, running: LinuxIio, tmp_path: Path
) -> None:
    assert kernel.attribute("buffer/enable").read_text() == "1"
    after = LinuxIio(kernel.clock, root=tmp_path)
    after.open()
    after.configure(FrontendConfig())
    after.start()
    kernel.elapse(UNSETTLED + 1)
    assert read_all(after).counts.tolist() == [ramp(0)]
    after.close()


def test_what_the_user_must_know_is_in_the_detail(kernel: FakeKernel, tmp_path: Path) -> None:
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    assert "no electrode state" in info.detail
    assert "estimated" in info.detail
    assert info.gain == 6
    assert info.nv_per_count == pytest.approx(47.683721, abs=1e-5)
    assert frontend.capabilities is Capability.NONE
    frontend.close()


def test_four_volt_reference_is_exact_despite_the_driver_rounding(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    kernel.attribute("in_voltage0_scale").write_text("0.000079393\n")  # 666 mV / 2^23
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    assert frontend.configure(FrontendConfig()).nv_per_count == pytest.approx(79.4729, abs=1e-3)
    frontend.close()


def test_right_leg_drive_and_wct_are_switched_on(kernel: FakeKernel, tmp_path: Path) -> None:
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    info = frontend.configure(FrontendConfig())
    assert kernel.registers[0x03] == 0xCC  # CONFIG3: reference kept, RLD and its level on
    assert kernel.registers[0x18] == wiring.WCT1_VALUE
    assert kernel.registers[0x19] == wiring.WCT2_VALUE
    assert info.registers["CONFIG3"] == 0xCC
    frontend.close()


def test_without_debugfs_it_refuses_unless_the_board_has_its_own_references(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    kernel.debug.unlink()
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    with pytest.raises(FrontendError, match="right-leg drive and WCT off") as caught:
        frontend.configure(FrontendConfig())
    assert caught.value.reason is Reason.PERMISSION
    frontend.close()
    own = LinuxIio(kernel.clock, root=tmp_path, external_references=True)
    own.open()
    assert own.configure(FrontendConfig()).registers == {}
    own.close()


def test_no_device(tmp_path: Path, clock: VirtualClock) -> None:
    with pytest.raises(FrontendError, match="no IIO device found") as caught:
        LinuxIio(clock, root=tmp_path).open()
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("name", "reason"),
    [("bme280", Reason.NOT_FOUND), ("ads1294", Reason.WRONG_CHIP), ("ads1296r", Reason.WRONG_CHIP)],
)
def test_another_driver_or_chip_is_named(
    kernel: FakeKernel, tmp_path: Path, name: str, reason: Reason
) -> None:
    kernel.attribute("name").write_text(f"{name}\n")
    with pytest.raises(FrontendError, match=name) as caught:
        LinuxIio(kernel.clock, root=tmp_path).open()
    assert caught.value.reason is reason


def test_a_clock_that_cannot_give_500_hz(
    kernel: FakeKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    put = linux_iio._put

    def other_clock(path: Path, text: str) -> None:
        put(path, text)
        if path.name == "sampling_frequency":
            path.write_text("488\n")

    monkeypatch.setattr(linux_iio, "_put", other_clock)
    with pytest.raises(FrontendError, match="488 Hz, not 500") as caught:
        frontend.configure(FrontendConfig())
    assert caught.value.reason is Reason.BAD_CONFIG
    frontend.close()


def test_another_gain_is_refused(kernel: FakeKernel, tmp_path: Path) -> None:
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    with pytest.raises(FrontendError, match="fixes gain 6, 4 was asked for") as caught:
        frontend.configure(FrontendConfig(gain=4))
    assert caught.value.reason is Reason.BAD_CONFIG
    frontend.close()


def test_a_sample_form_it_does_not_know(kernel: FakeKernel, tmp_path: Path) -> None:
    kernel.attribute("scan_elements/in_voltage3_type").write_text("le:s16/16>>0\n")
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    with pytest.raises(FrontendError, match="does not know") as caught:
        frontend.configure(FrontendConfig())
    assert caught.value.reason is Reason.BAD_CONFIG
    frontend.close()


@pytest.mark.parametrize(
    ("number", "reason", "words"),
    [
        (errno.EBUSY, Reason.BUS, "another program reads"),
        (errno.EACCES, Reason.PERMISSION, "no permission"),
        (errno.ENOENT, Reason.NOT_FOUND, "does not exist"),
    ],
)
def test_a_refused_character_device(
    kernel: FakeKernel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    reason: Reason,
    words: str,
) -> None:
    really_open = os.open

    def refuse(path: str | Path, *args: int) -> int:
        if Path(path) == kernel.node:
            raise OSError(number, os.strerror(number))
        return really_open(path, *args)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FrontendError, match=words) as caught:
        LinuxIio(kernel.clock, root=tmp_path).open()
    assert caught.value.reason is reason
    assert str(kernel.node) in str(caught.value)


def test_a_buffer_somebody_else_has_enabled(kernel: FakeKernel, tmp_path: Path) -> None:
    frontend = LinuxIio(kernel.clock, root=tmp_path)
    frontend.open()
    kernel.busy = True
    with pytest.raises(FrontendError, match="another program") as caught:
        frontend.configure(FrontendConfig())
    assert caught.value.reason is Reason.BUS
    kernel.busy = False
    frontend.close()


def test_half_a_scan_is_an_error(kernel: FakeKernel, running: LinuxIio) -> None:
    with kernel.node.open("wb", buffering=0) as fifo:
        fifo.write(bytes(33))
    with pytest.raises(FrontendError, match="not whole scans") as caught:
        read_all(running)
    assert caught.value.reason is Reason.BAD_STATUS
