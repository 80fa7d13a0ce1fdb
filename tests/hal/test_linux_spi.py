"""spidev: settings, chip-select framing, and what is said when the node is not there."""

from __future__ import annotations

import errno
import sys

import pytest

from hal.errors import FrontendError, Reason
from hal.linux_spi import SpidevBus
from tests.hal.fake_spidev import FakeSpidev


@pytest.fixture
def spidev(monkeypatch: pytest.MonkeyPatch) -> FakeSpidev:
    fake = FakeSpidev(lambda mosi, mode, speed_hz: bytes(0xFF - byte for byte in mosi))
    monkeypatch.setitem(sys.modules, "spidev", fake)
    return fake


def test_fake_offers_nothing_the_real_module_lacks() -> None:
    real = pytest.importorskip("spidev").SpiDev
    fake = FakeSpidev(lambda mosi, mode, speed_hz: mosi).SpiDev
    ours = {name for name in dir(fake) if not name.startswith("_")}
    assert ours <= set(dir(real))
    with pytest.raises(AttributeError):
        real().some_other_setting = 1
    with pytest.raises(AttributeError):
        fake().some_other_setting = 1


def test_fake_and_real_module_refuse_alike() -> None:
    real = pytest.importorskip("spidev").SpiDev
    fake = FakeSpidev(lambda mosi, mode, speed_hz: mosi).SpiDev
    for device in (real(), fake()):
        with pytest.raises(OSError, match="Bad file descriptor"):
            device.mode = 1
        with pytest.raises(OSError, match="Bad file descriptor"):
            device.max_speed_hz = 2_000_000
        with pytest.raises(FileNotFoundError):
            device.open(99, 9)


def test_one_transfer_is_one_low_pulse_of_chip_select(spidev: FakeSpidev) -> None:
    bus = SpidevBus(0, 0, speed_hz=1_000_000)
    assert bus.transfer(b"\x20\x00\x00") == b"\xdf\xff\xff"
    assert bus.transfer(bytes(27)) == b"\xff" * 27
    assert spidev.transfers == [b"\x20\x00\x00", bytes(27)]
    assert spidev.modes == {1}
    assert spidev.speeds_hz == {1_000_000}
    bus.close()


def test_close_releases_the_node_and_may_be_repeated(spidev: FakeSpidev) -> None:
    bus = SpidevBus()
    assert spidev.open_count == 1
    bus.close()
    bus.close()
    assert spidev.open_count == 0
    with pytest.raises(FrontendError) as caught:
        bus.transfer(b"\x00")
    assert caught.value.reason is Reason.BUS


@pytest.mark.parametrize(
    ("refusal", "reason", "act"),
    [
        (FileNotFoundError(errno.ENOENT, "gone"), Reason.NOT_FOUND, "dtparam=spi=on"),
        (PermissionError(errno.EACCES, "no"), Reason.PERMISSION, "usermod -aG spi"),
        (OSError(errno.EINVAL, "Invalid argument"), Reason.BUS, "Invalid argument"),
    ],
)
def test_a_refused_node_says_what_to_do(
    spidev: FakeSpidev, refusal: OSError, reason: Reason, act: str
) -> None:
    spidev.refuse = refusal
    with pytest.raises(FrontendError, match=r"/dev/spidev0\.0") as caught:
        SpidevBus()
    assert caught.value.reason is reason
    assert act in str(caught.value)
    assert spidev.open_count == 0


def test_absent_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spidev", None)
    with pytest.raises(FrontendError, match="make pi-setup"):
        SpidevBus()


@pytest.mark.parametrize("speed_hz", [0, 100_000, 4_000_001, 20_000_000])
def test_speed_out_of_range_is_refused(spidev: FakeSpidev, speed_hz: int) -> None:
    with pytest.raises(FrontendError, match=f"{speed_hz} Hz") as caught:
        SpidevBus(speed_hz=speed_hz)
    assert caught.value.reason is Reason.BAD_CONFIG


def test_a_failing_transfer_names_the_node(spidev: FakeSpidev) -> None:
    bus = SpidevBus()

    def broken(mosi: bytes, mode: int, speed_hz: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    spidev.exchange = broken
    with pytest.raises(FrontendError, match=r"/dev/spidev0\.0.*Input/output error") as caught:
        bus.transfer(b"\x00")
    assert caught.value.reason is Reason.BUS
