"""Wrong drivers are caught: each mutant fails a check that the driver passes."""

from collections.abc import Callable

import numpy as np
import pytest

from hal.ads1298 import decode, frame
from hal.ads1298 import registers as reg
from hal.ads1298.driver import Ads1298
from hal.ads1298.faults import Faults
from hal.errors import FrontendError
from hal.frontend import SAMPLE_NS, Electrode, FrontendConfig
from tests.hal.ads1298_bench import Bench, BenchPatient, joined, read_all, shown_off

E = Electrode


def check(driver: type[Ads1298] = Ads1298, spi_mode: int = 1) -> None:
    """All that a right driver does; AssertionError or FrontendError for a wrong one."""

    def bench(patient: BenchPatient | None = None, faults: Faults | None = None) -> Bench:
        return Bench(patient, driver=driver, spi_mode=spi_mode, faults=faults)

    volts = {E.RA: 1e-3, E.LA: 2e-3, E.LL: 6e-3, E.V1: -5e-3}
    on = bench(BenchPatient(volts))
    info = on.driver.configure(FrontendConfig())
    on.driver.start()
    blocks = read_all(on.driver, 200)
    microvolts = joined(blocks, "counts") * info.nv_per_count / 1e3
    assert np.abs(microvolts - [-3000, 1000, 5000, -3000, -3000, -3000, -3000, -8000]).max() < 5
    assert joined(blocks, "index").tolist() == list(range(200))
    assert set(np.diff(joined(blocks, "t_ns"))) == {SAMPLE_NS}
    assert not joined(blocks, "electrodes_off").any()

    for electrode in E:
        off = joined(read_all(bench(BenchPatient(off=[electrode])).run(), 5), "electrodes_off")
        assert set(off.tolist()) == {shown_off(electrode)}

    torn = joined(read_all(bench(faults=Faults(torn_frames=frozenset({5}))).run(), 20), "index")
    assert 5 not in torn

    slipped = bench(faults=Faults(bits_slip_at=0)).run()
    with pytest.raises(FrontendError, match="do not begin with 1100"):
        slipped.read(20, 0.1)


def settings_with(**changed: int) -> type[Ads1298]:
    class Changed(Ads1298):
        def apply(self, settings):
            return super().apply({**settings, **changed})

    return Changed


def without(*opcodes: reg.Opcode) -> type[Ads1298]:
    class Silent(Ads1298):
        def command(self, opcode):
            if opcode not in opcodes:
                super().command(opcode)

    return Silent


class NoPowerUp(Ads1298):
    def _power_up(self):
        self.command(reg.Opcode.SDATAC)


class BelievesGain1(Ads1298):
    def configure(self, config):
        info = super().configure(config)
        return type(info)(info.name, info.detail, info.nv_per_count * 6, 1, info.registers)


def test_the_driver_passes():
    check()


def test_spi_mode_0_is_caught():
    with pytest.raises(FrontendError, match="wrong SPI mode"):
        check(spi_mode=0)


@pytest.mark.parametrize(
    "mutant",
    [
        without(reg.Opcode.SDATAC),
        without(reg.Opcode.START),
        without(reg.Opcode.RDATAC),
        NoPowerUp,
        BelievesGain1,
        settings_with(CH8SET=reg.CHANNELS[7].encode(GAIN=reg.GAIN_CODES[4])),
        settings_with(CONFIG1=reg.CONFIG1.reset),
        settings_with(CONFIG3=reg.CONFIG3.encode(RLDREF_INT=1, PD_RLD=1)),
        settings_with(CONFIG3=reg.CONFIG3.encode(PD_REFBUF=1, RLDREF_INT=1)),
        settings_with(CONFIG4=0),
        settings_with(LOFF=0),
        settings_with(LOFF_SENSN=0),
        settings_with(WCT1=0),
        settings_with(WCT2=0xE3),
    ],
    ids=[
        "no SDATAC",
        "no START",
        "no RDATAC",
        "no power-up",
        "wrong scale",
        "wrong gain",
        "250 SPS",
        "no reference",
        "no right-leg drive",
        "no comparators",
        "no lead-off current",
        "RA not sensed",
        "WCT of two electrodes",
        "WCT with RA twice",
    ],
)
def test_a_wrong_driver_is_caught(mutant):
    with pytest.raises((AssertionError, FrontendError)):
        check(mutant)


def unsigned(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    status, counts = frame.unpack(data)
    return status, counts & 0xFFFFFF


def off_by_two(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    status, counts = frame.unpack(data)
    raw = counts & 0xFFFFFF
    return status, np.where(raw >> 23, raw - (2**24 - 2), raw).astype(np.int32)


def channels_reversed(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    status, counts = frame.unpack(data)
    return status, np.ascontiguousarray(counts[:, ::-1])


def test_golden_vectors_catch_what_is_within_the_noise():
    assert off_by_two(bytes.fromhex("C00000" + "FFFFFF" * 8))[1][0, 0] == 1
    assert frame.unpack(bytes.fromhex("C00000" + "FFFFFF" * 8))[1][0, 0] == -1


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("unpack", unsigned),
        ("unpack", channels_reversed),
        ("is_frame", lambda status: np.ones(len(status), np.bool_)),
    ],
    ids=["unsigned decode", "channels reversed", "no status check"],
)
def test_a_wrong_decoder_is_caught(monkeypatch, name: str, wrong: Callable[..., object]):
    monkeypatch.setattr(decode, name, wrong)
    with pytest.raises((AssertionError, FrontendError, pytest.fail.Exception)):
        check()
