"""The driver on the simulated chip: order of work, and one clear message for each trouble."""

import numpy as np
import pytest

from hal.ads1298 import registers as reg
from hal.ads1298.faults import Faults
from hal.errors import FrontendError, Reason
from hal.frontend import Capability, Electrode, FrontendConfig, electrode_mask
from tests.hal.ads1298_bench import COUNT_V, Bench, BenchPatient, joined, read_all

E = Electrode


class ListeningSpi:
    """Notes each transfer's first byte and its time."""

    def __init__(self, bench: Bench) -> None:
        self.log: list[tuple[int, bytes]] = []
        transfer = bench.spi.transfer

        def listen(mosi: bytes) -> bytes:
            self.log.append((bench.clock.now_ns(), mosi))
            return transfer(mosi)

        bench.spi.transfer = listen


def test_power_up_waits_and_order():
    bench = Bench()
    spi = ListeningSpi(bench)
    info = bench.driver.configure(FrontendConfig())
    times, sent = zip(*spi.log, strict=True)
    assert [m[0] for m in sent[:3]] == [reg.Opcode.RESET, reg.Opcode.SDATAC, reg.Opcode.RREG]
    assert times[0] >= 500_000_000  # tPOR and VCAP1
    assert times[1] - times[0] >= 18 * 488
    assert bench.clock.now_ns() - times[-1] >= 150_000_000  # reference
    assert info.name == "ads1298"
    assert info.detail == "ADS1298 id 0x92 on SPI mode 1"
    assert info.nv_per_count == pytest.approx(47.684, abs=1e-3)
    assert info.registers == bench.chip.registers


def test_the_reset_pin_is_pulsed_and_its_wait_kept_before_anything_is_sent():
    bench = Bench()
    spi = ListeningSpi(bench)
    pulse: list[int] = []
    reset = bench.pins.reset

    def listen(asserted: bool) -> None:
        pulse.append(bench.clock.now_ns())
        reset(asserted)

    bench.pins.reset = listen
    bench.driver.configure(FrontendConfig())
    low, high = pulse[-2:]
    assert high - low >= reg.tclk_ns(reg.RESET_PULSE_TCLK)
    assert spi.log[0][0] - high >= reg.tclk_ns(reg.RESET_TCLK)


def test_closed_the_chip_is_powered_down():
    bench = Bench()
    bench.run().close()
    assert not bench.chip.converting
    assert bench.spi.transfer(b"\x11") == b"\x00"
    bench.pins.power_down(False)
    assert bench.chip.registers["CONFIG1"] == reg.CONFIG1.reset


def test_settings_on_the_chip():
    bench = Bench()
    bench.driver.configure(
        FrontendConfig(gain=4, lead_off_current_na=24, lead_off_threshold_percent=70.0)
    )
    registers = bench.chip.registers
    assert registers["CONFIG1"] == 0x86
    assert registers["CONFIG3"] == 0xCE
    assert registers["LOFF"] == 0xEF
    assert {registers[f"CH{n}SET"] for n in range(1, 9)} == {0x40}
    assert (registers["LOFF_SENSP"], registers["LOFF_SENSN"]) == (0xFF, 0x02)
    assert (registers["CONFIG4"], registers["WCT1"], registers["WCT2"]) == (0x02, 0x0B, 0xD4)
    assert registers["GPIO"] == 0x00  # outputs, low: no pin floats


def test_every_channel_in_millivolts():
    volts = {E.LA: 1e-3, E.RA: -1e-3, E.LL: 3e-3, E.V1: -10 * COUNT_V + 1e-3}
    counts = joined(read_all(Bench(BenchPatient(volts)).run(), 400), "counts")
    millivolts = counts.mean(axis=0) * COUNT_V * 1e3
    assert millivolts == pytest.approx([-1, 2, 4, -1, -1, -1, -1, -10 * COUNT_V * 1e3], abs=1e-4)


@pytest.mark.parametrize(
    ("faults", "spi_mode", "reason", "message"),
    [
        (
            Faults(miso_stuck=0x00),
            1,
            Reason.NO_RESPONSE,
            "no chip answers on SPI: ID reads 0x00; check power and the MISO, SCLK and CS wires",
        ),
        (
            Faults(miso_stuck=0xFF),
            1,
            Reason.NO_RESPONSE,
            "no chip answers on SPI: ID reads 0xFF; check power and the MISO, SCLK and CS wires",
        ),
        (
            Faults(chip_id=0x90),
            1,
            Reason.WRONG_CHIP,
            "SPI has an ADS1294 (ID 0x90); this firmware needs an ADS1298",
        ),
        (
            Faults(chip_id=0x91),
            1,
            Reason.WRONG_CHIP,
            "SPI has an ADS1296 (ID 0x91); this firmware needs an ADS1298",
        ),
        (
            Faults(chip_id=0xD2),
            1,
            Reason.WRONG_CHIP,
            "SPI has an ADS1298R (ID 0xD2); this firmware needs an ADS1298",
        ),
        (
            Faults(chip_id=0x3E),
            1,
            Reason.WRONG_CHIP,
            "SPI has no ADS129x (ID 0x3E); this firmware needs an ADS1298",
        ),
        (
            Faults(),
            0,
            Reason.BUS_SHIFTED,
            "ID reads 0x49, 0x92 one bit late: wrong SPI mode; set SPI mode 1",
        ),
    ],
)
def test_wrong_chips_and_wires(faults, spi_mode, reason, message):
    bench = Bench(faults=faults, spi_mode=spi_mode)
    with pytest.raises(FrontendError) as caught:
        bench.driver.configure(FrontendConfig())
    assert str(caught.value) == message
    assert caught.value.reason is reason
    assert (caught.value.register, caught.value.expected) == ("ID", 0x92)


@pytest.mark.parametrize("reset", [0x40, 0x00])
def test_either_config2_of_the_field_is_accepted(reset):
    bench = Bench(faults=Faults(config2_reset=reset))
    bench.driver.configure(FrontendConfig())


@pytest.mark.parametrize(
    ("stuck", "reason", "message"),
    [
        (0x20, Reason.REGISTER_MISMATCH, "WCT2 reads 0x20, 0xD4 was written; check the SPI wires"),
        (0x6A, Reason.BUS_SHIFTED, "WCT2 reads 0x6A, 0xD4 one bit late: wrong SPI mode"),
    ],
)
def test_a_register_that_does_not_keep_its_value(stuck, reason, message):
    bench = Bench()
    write = bench.chip._write_register
    bench.chip._write_register = lambda address, value, t: write(
        address, stuck if address == reg.WCT2.address else value, t
    )
    with pytest.raises(FrontendError, match=message) as caught:
        bench.driver.configure(FrontendConfig())
    assert caught.value.reason is reason
    assert (caught.value.register, caught.value.expected, caught.value.got) == ("WCT2", 0xD4, stuck)


@pytest.mark.parametrize(
    ("name", "stuck", "written"), [("WCT2", 0x08, 0xD4), ("LOFF_FLIP", 0x01, 0x00)]
)
def test_a_register_with_a_bit_too_many(name, stuck, written):
    bench = Bench()
    read = bench.chip._read_register
    address = reg.BY_NAME[name].address
    bench.chip._read_register = lambda at, t: read(at, t) | (stuck if at == address else 0)
    said = f"{name} reads 0x{written | stuck:02X}, 0x{written:02X} was written"
    with pytest.raises(FrontendError, match=said):
        bench.driver.configure(FrontendConfig())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (FrontendConfig(gain=5), "gain 5 is not 1, 2, 3, 4 or 6; use 6"),
        (FrontendConfig(gain=8), "gain 8 .* saturate at 300 mV"),
        (FrontendConfig(lead_off_current_na=7), "lead-off current 7 nA .* use one of"),
        (FrontendConfig(lead_off_threshold_percent=99), "lead-off threshold 99 % .* use one of"),
        (FrontendConfig(rl_check_every=-1), "rl_check_every is negative; use 0"),
    ],
)
def test_settings_the_chip_cannot_have(config, message):
    with pytest.raises(FrontendError, match=message) as caught:
        Bench().driver.configure(config)
    assert caught.value.reason is Reason.BAD_CONFIG


def test_calls_out_of_order():
    driver = Bench().driver
    for call in (driver.start, lambda: driver.read(1, 1), driver.self_test, driver.housekeeping):
        with pytest.raises(FrontendError) as caught:
            call()
        assert caught.value.reason is Reason.BAD_CONFIG
    driver.stop()
    driver.close()


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("faults", "samples", "reason", "message"),
    [
        (
            Faults(drdy_stops_at=123),
            123,
            Reason.DATA_READY_TIMEOUT,
            "no data-ready edge for 0.1 s: the chip's registers are right; check the DRDY wire",
        ),
        (
            Faults(brown_out_at=123),
            123,
            Reason.DATA_READY_TIMEOUT,
            r"the chip was reset \(CONFIG1 reads 0x06\); check the supply for dips",
        ),
        (
            Faults(bits_slip_at=123),
            123,
            Reason.BAD_STATUS,
            r"8 frames in a row do not begin with 1100 \(status 0x600000\); check SCLK",
        ),
    ],
)
def test_trouble_while_running(bulk, faults, samples, reason, message):
    driver = Bench(bulk=bulk, faults=faults).run()
    blocks = read_all(driver, 1000)
    assert joined(blocks, "index").tolist() == list(range(samples))
    with pytest.raises(FrontendError, match=message) as caught:
        driver.read(10, 0.1)
    assert caught.value.reason is reason


def test_a_chip_that_falls_silent():
    bench = Bench(faults=Faults(drdy_stops_at=20))
    driver = bench.run()
    read_all(driver, 100)
    bench.chip.faults = Faults(drdy_stops_at=20, miso_stuck=0xFF)
    with pytest.raises(FrontendError, match="the chip does not answer; check power"):
        driver.read(1, 0.1)


def test_torn_frames_are_dropped_and_counted():
    torn = frozenset({10, 20, 21, 22, 23, 24, 25, 26})
    bench = Bench(faults=Faults(torn_frames=torn))
    blocks = read_all(bench.run(), 100, 64)
    assert [(b.first_index, len(b), b.lost_before) for b in blocks[:3]] == [
        (0, 10, 0),
        (11, 9, 1),
        (27, 37, 7),
    ]
    assert not set(joined(blocks, "index").tolist()) & torn


def test_a_new_start_begins_at_sample_0_again():
    driver = Bench().run()
    read_all(driver, 100)
    driver.stop()
    driver.start()
    block = driver.read(10, 0.1)
    assert (block.first_index, block.lost_before) == (0, 0)


def test_bad_frames_with_good_ones_between_them_are_not_in_a_row():
    torn = frozenset({*range(46, 50), *range(100, 104)})
    driver = Bench(faults=Faults(torn_frames=torn)).run()
    seen = joined(read_all(driver, 142, 50), "index")
    assert seen.tolist() == sorted(set(range(150)) - torn)


def test_samples_lost_before_the_first_are_counted():
    missed = frozenset({0, 1})
    block = Bench(faults=Faults(missed_edges=missed)).run().read(5, 0.1)
    assert (block.first_index, block.lost_before) == (2, 2)


def test_a_split_block_keeps_its_remainder():
    driver = Bench(bulk=True, faults=Faults(missed_edges=frozenset({30}))).run()
    first = driver.read(50, 0.1)
    second = driver.read(5, 0.1)
    third = driver.read(500, 0.1)
    assert (first.first_index, len(first)) == (0, 30)
    assert (second.first_index, len(second), second.lost_before) == (31, 5, 1)
    assert (third.first_index, third.lost_before) == (36, 0)
    for block in (first, second, third):
        assert block.counts.flags.c_contiguous
        assert block.counts.dtype == np.int32


def test_rl_is_read_between_two_edges_without_a_loss():
    # current off, so that the body does not drift and only RLD_STAT can tell
    bench = Bench(BenchPatient(off=[E.RL], off_span=(400, 1200)))
    bench.driver.configure(FrontendConfig(rl_check_every=50))
    bench.driver._settings["LOFF"] = 0x00
    bench.driver.apply(bench.driver._settings)
    bench.driver.start()
    blocks = read_all(bench.driver, 500, 7)
    assert joined(blocks, "index").tolist() == list(range(500))
    off = joined(blocks, "electrodes_off") == electrode_mask([E.RL])
    # read after samples 49, 99, ...; point 400 is sample 100, point 1200 sample 300
    assert np.flatnonzero(off).tolist() == list(range(150, 300 + 50))


def test_a_brown_out_is_seen_by_the_rl_check_too():
    bench = Bench()
    driver = bench.run(FrontendConfig(rl_check_every=50))
    driver.read(10, 0.1)
    bench.chip._registers["CONFIG3"] = reg.CONFIG3.reset
    blocks = read_all(driver, 100, 1)
    assert joined(blocks, "index").tolist() == list(range(10, 50))
    with pytest.raises(FrontendError, match="CONFIG3 reads 0x40, 0xCE was written"):
        driver.read(1, 0.1)


@pytest.mark.parametrize("bulk", [False, True])
def test_self_test_passes_and_leaves_the_settings_as_they_were(bulk):
    bench = Bench(BenchPatient(sine_v={E.V1: 5e-3}, duration=2000), bulk=bulk)
    bench.driver.configure(FrontendConfig())
    before = bench.chip.registers
    checks = bench.driver.self_test()
    assert [(c.name, c.ok, c.act) for c in checks] == [
        ("test signal", True, ""),
        ("data-ready rate", True, ""),
        ("input noise", True, ""),
    ]
    assert "1 mV step reads 1.000" in checks[0].evidence
    assert "500.00 per second" in checks[1].evidence
    assert bench.chip.registers == before
    assert not bench.chip.converting


def test_housekeeping_reads_temperature_and_supplies():
    bench = Bench(bulk=True)
    bench.driver.configure(FrontendConfig())
    before = bench.chip.registers
    found = bench.driver.housekeeping()
    assert found.temperature_c == pytest.approx(31.0, abs=0.05)
    assert found.avdd_v == pytest.approx(3.0, abs=1e-3)
    assert found.dvdd_v == pytest.approx(3.3, abs=1e-3)
    assert bench.chip.registers == before


@pytest.mark.parametrize(
    ("break_it", "failing"),
    [
        (lambda volts: volts * np.array([1, 1, 1.06, 1, 1, 1, 1, 1]), "test signal"),
        (lambda volts: volts + 1e-5 * np.sin(np.arange(len(volts)))[:, None], "input noise"),
    ],
)
def test_self_test_finds_a_bad_channel(break_it, failing):
    bench = Bench(bulk=True)
    bench.driver.configure(FrontendConfig())
    quantise = bench.chip._analog._quantise
    bench.chip._analog._quantise = lambda s, volts, first: quantise(s, break_it(volts), first)
    failed = [check for check in bench.driver.self_test() if not check.ok]
    assert [check.name for check in failed] == [failing]
    assert failed[0].act


def test_self_test_finds_a_slow_clock_and_a_dead_channel(monkeypatch):
    monkeypatch.setattr(reg, "period_ns", lambda config1: 2_100_000)
    bench = Bench(bulk=True)
    bench.driver.configure(FrontendConfig())
    bench.chip._analog._quantise = lambda s, volts, first: np.zeros(volts.shape, np.int32)
    assert [check.ok for check in bench.driver.self_test()] == [False, False, False]


def test_capabilities():
    assert Bench().driver.capabilities == (
        Capability.ELECTRODE_STATUS
        | Capability.RL_STATUS
        | Capability.SELF_TEST
        | Capability.HOUSEKEEPING
    )
