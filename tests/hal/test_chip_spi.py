"""The simulated chip on the wire: opcodes, registers, framing and time, byte by byte."""

import pytest

from hal.ads1298 import frame
from hal.ads1298 import registers as reg
from hal.ads1298.faults import Faults
from hal.ads1298.wire import ChipSpi
from hal.frontend import Electrode
from tests.hal.ads1298_bench import Bench, BenchPatient

POWER_ON_NS = 128_000_000
SAMPLE_NS = 2_000_000
RDATAC, SDATAC, START, STOP, RDATA = b"\x10", b"\x11", b"\x08", b"\x0a", b"\x12"
RESET, STANDBY, WAKEUP = b"\x06", b"\x04", b"\x02"


class Wire(Bench):
    """The chip after power-up, spoken to without a driver."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.clock.advance_ns(POWER_ON_NS)

    def send(self, mosi: bytes, then_ns: int = 10_000) -> bytes:
        miso = self.spi.transfer(mosi)
        self.clock.advance_ns(then_ns)
        return miso

    def rreg(self, address: int, count: int = 1) -> bytes:
        return self.send(bytes([0x20 | address, count - 1]) + bytes(count))[2:]

    def wreg(self, address: int, *values: int) -> None:
        self.send(bytes([0x40 | address, len(values) - 1, *values]))

    def convert_at_500(self) -> None:
        self.send(SDATAC)
        self.wreg(0x01, 0x86)
        self.wreg(0x03, 0xC0)
        self.send(START, 0)
        self.send(RDATAC)

    def to_edge(self, edge: int) -> None:
        self.clock.sleep_until_ns(self.chip.edge_ns(edge))


@pytest.fixture
def wire() -> Wire:
    return Wire()


def test_registers_at_reset_are_the_declared_ones(wire):
    wire.send(SDATAC)
    assert list(wire.rreg(0, 26)) == [register.reset for register in reg.REGISTERS]


def test_rreg_is_deaf_in_rdatac_the_power_up_default(wire):
    assert wire.rreg(0) == b"\x00"
    wire.send(SDATAC)
    assert wire.rreg(0) == b"\x92"
    wire.send(RDATAC)
    assert wire.rreg(0) == b"\x00"


def test_wreg_auto_increments_over_read_only_registers(wire):
    wire.send(SDATAC)
    wire.wreg(0x11, 0xA5, 0x11, 0x22, 0x30, 0x07)
    assert wire.rreg(0x11, 5) == bytes([0xA5, 0x00, 0x00, 0x30, 0x07])
    wire.wreg(0x00, 0x55)
    assert wire.rreg(0x00) == b"\x92"


def test_reserved_bits_stay_as_they_are(wire):
    wire.send(SDATAC)
    wire.wreg(0x03, 0x80)
    assert wire.rreg(0x03) == b"\xc0"


def test_two_commands_may_share_a_chip_select_and_a_partial_one_is_dropped(wire):
    miso = wire.send(SDATAC + bytes(4) + bytes([0x20, 0x00, 0x00]))
    assert miso[-1] == 0x92
    wire.send(bytes([0x41]))  # WREG without its count: chip-select high recovers
    assert wire.rreg(0) == b"\x92"


def test_talking_before_tpor_gives_zeros():
    early = Bench()
    early.clock.advance_ns(POWER_ON_NS - 1_000_000)
    early.spi.transfer(SDATAC)
    assert early.spi.transfer(bytes([0x20, 0, 0])) == bytes(3)
    early.clock.advance_ns(1_000_000)
    early.spi.transfer(SDATAC)
    early.clock.advance_ns(2_000)
    assert early.spi.transfer(bytes([0x20, 0, 0]))[2] == 0x92


def test_reset_needs_18_tclk_and_returns_to_rdatac(wire):
    wire.send(SDATAC)
    wire.wreg(0x01, 0x86)
    wire.send(RESET, 0)
    wire.send(SDATAC, 5_000)  # too early: not heard
    wire.clock.advance_ns(10_000)
    assert wire.rreg(0x01) == b"\x00"
    wire.send(SDATAC)
    assert wire.rreg(0x01) == b"\x06"


def test_a_reset_pulse_shorter_than_two_tclk_is_no_reset(wire):
    wire.send(SDATAC)
    wire.wreg(0x01, 0x86)
    for pulse_ns, value in ((900, 0x86), (1_000, 0x06)):
        wire.pins.reset(True)
        wire.clock.advance_ns(pulse_ns)
        wire.pins.reset(False)
        wire.clock.advance_ns(10_000)
        wire.send(SDATAC)
        assert wire.rreg(0x01)[0] == value


def test_power_down_forgets_everything(wire):
    wire.convert_at_500()
    wire.pins.power_down(True)
    assert wire.send(bytes(27)) == bytes(27)
    wire.pins.power_down(False)
    wire.clock.advance_ns(POWER_ON_NS)
    wire.send(SDATAC)
    assert wire.rreg(0x01) == b"\x06"
    assert not wire.chip.converting


def test_commands_need_tsdecode_and_four_tclk(wire):
    wire.send(SDATAC)
    fast = ChipSpi(wire.chip, speed_hz=8_000_000)
    assert fast.transfer(bytes([0x20, 0, 0])) == bytes(3)
    wire.send(RDATAC)
    wire.send(SDATAC, 0)
    assert wire.spi.transfer(bytes([0x20, 0, 0])) == bytes(3)


@pytest.mark.parametrize("mode", [0, 2, 3])
def test_other_spi_modes_read_one_bit_late(wire, mode):
    wire.send(SDATAC)
    wire.wreg(0x01, 0x86)
    wire.spi.mode = mode
    assert wire.rreg(0x01) == b"\x43"


def test_standby_hears_wakeup_only(wire):
    wire.convert_at_500()
    wire.send(SDATAC)
    wire.send(STANDBY)
    assert not wire.chip.converting
    assert wire.rreg(0) == b"\x00"
    wire.send(START)
    assert not wire.chip.converting
    wire.send(WAKEUP)
    assert wire.rreg(0) == b"\x92"


def test_drdy_falls_every_two_ms_and_rises_with_the_first_clock_of_a_read(wire):
    wire.convert_at_500()
    assert wire.chip.drdy_high()
    wire.to_edge(0)
    assert wire.chip.edge_ns(1) - wire.chip.edge_ns(0) == SAMPLE_NS
    assert not wire.chip.drdy_high()
    wire.spi.transfer(bytes(1))
    assert wire.chip.drdy_high()
    wire.send(STOP)
    wire.clock.advance_ns(10 * SAMPLE_NS)
    assert not wire.chip.converting


def test_250_sps_is_what_a_forgotten_config1_gives(wire):
    wire.send(SDATAC)
    wire.send(START)
    assert wire.chip.edge_ns(1) - wire.chip.edge_ns(0) == 4_000_000


def test_only_the_fourth_conversion_is_settled():
    wire = Wire(BenchPatient({Electrode.RA: 1e-3}))
    wire.convert_at_500()
    lead_i = []
    for edge in range(6):
        wire.to_edge(edge)
        _, counts = frame.unpack(wire.spi.transfer(bytes(27)))
        lead_i.append(int(counts[0, 1]))
    settled = -20_972
    assert abs(lead_i[0]) < 100
    assert settled + 100 < lead_i[2] < lead_i[1] < lead_i[0]
    assert lead_i[3:] == pytest.approx([settled] * 3, abs=60)


def test_config1_written_while_converting_restarts_the_filter(wire):
    wire.convert_at_500()
    wire.to_edge(5)
    wire.send(SDATAC)
    wire.wreg(0x01, 0x86)
    assert wire.chip.newest_edge() == -1
    wire.to_edge(0)
    assert wire.chip.newest_edge() == 0


def test_a_frame_is_given_once_and_zeros_follow(wire):
    wire.convert_at_500()
    wire.to_edge(4)
    miso = wire.spi.transfer(bytes(30))
    assert miso[0] >> 4 == frame.PREFIX
    assert miso[27:] == bytes(3)
    assert wire.spi.transfer(bytes(27)) == bytes(27)


def test_rdatac_begins_with_the_conversion_that_follows_it(wire):
    wire.convert_at_500()
    wire.to_edge(4)
    wire.send(SDATAC)
    wire.send(RDATAC)
    assert wire.send(bytes(27)) == bytes(27)
    wire.to_edge(5)
    assert wire.send(bytes(27)) == wire.chip.frames(5, 1).tobytes()


def test_a_read_that_lasts_into_the_next_edge_is_torn():
    wire = Wire(BenchPatient({Electrode.RA: 0.1}))
    wire.convert_at_500()
    wire.to_edge(5)
    wire.clock.advance_ns(SAMPLE_NS - 20_000)  # ten bytes at 4 MHz
    miso = wire.spi.transfer(bytes(27))
    assert miso[0] == 0xC0
    assert miso[10] == 0xC0  # the next frame, from its beginning
    next_frame = wire.chip.frames(6, 1).tobytes()
    assert miso[10:] == next_frame[:17]


def test_rdata_reads_on_demand(wire):
    wire.convert_at_500()
    wire.send(SDATAC)
    assert wire.send(bytes(27)) == bytes(27)
    wire.to_edge(6)
    miso = wire.send(RDATA + bytes(27))
    assert miso[1:] == wire.chip.frames(6, 1).tobytes()
    assert wire.send(RDATA + bytes(27))[1:] == miso[1:]  # again, while it is the newest


def test_stuck_miso_is_all_the_host_ever_sees():
    wire = Wire(faults=Faults(miso_stuck=0xFF))
    wire.send(SDATAC)
    assert wire.rreg(0) == b"\xff"


def test_the_line_skips_edges_nobody_waited_for(wire):
    wire.convert_at_500()
    first = wire.line.wait(10 * SAMPLE_NS)
    assert first is not None
    assert first.sequence == 0
    wire.clock.advance_ns(7 * SAMPLE_NS + 1000)
    late = wire.line.wait(0)
    assert late is not None
    assert late.sequence == 7
    assert late.t_ns == first.t_ns + 7 * SAMPLE_NS
    assert wire.line.wait(0) is None
    wire.line.reset()
    restarted = wire.line.wait(SAMPLE_NS)
    assert restarted is not None
    assert restarted.sequence == 0
    assert restarted.t_ns == first.t_ns + 8 * SAMPLE_NS
