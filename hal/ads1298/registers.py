"""The ADS1298, declared once: registers, opcodes, timing, scale.

Driver, simulator, decoder and docs/ads1298-registers.md all read this declaration. Source: TI
datasheet SBAS459 (register maps, tables 16-40; opcodes, table 15; timing, p. 8 and p. 40-43).
Beware: every ``PD_`` bit except CHnSET.PD means *powered on when 1*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Field:
    """Some bits of a register; ``meanings`` names the values worth naming."""

    name: str
    high: int
    low: int
    meanings: Mapping[int, str] = field(default_factory=dict)

    @property
    def mask(self) -> int:
        return (1 << self.high + 1) - (1 << self.low)

    def get(self, value: int) -> int:
        """The field's value within the register ``value``."""
        return (value & self.mask) >> self.low


@dataclass(frozen=True, slots=True)
class Register:
    """One byte of the map.

    fixed : bits that must be written as they are here, whatever the fields say
    unsure : bits whose read-back is not to be compared (status, pins, disputed resets)
    """

    name: str
    address: int
    reset: int
    fields: tuple[Field, ...]
    read_only: bool = False
    fixed: int = 0
    unsure: int = 0

    def field(self, name: str) -> Field:
        """The field called ``name``; KeyError if there is none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(f"{self.name} has no field {name}")

    def get(self, value: int, name: str) -> int:
        """Field ``name`` of the register value ``value``."""
        return self.field(name).get(value)

    def encode(self, **fields: int) -> int:
        """The register value with ``fields`` set, all others 0; ValueError if one does not fit."""
        value = self.fixed
        for name, number in fields.items():
            bits = self.field(name)
            if number < 0 or number << bits.low & ~bits.mask:
                raise ValueError(f"{self.name}.{name} cannot hold {number}")
            value |= number << bits.low
        return value


class Mux(IntEnum):
    """CHnSET.MUX: what a channel looks at."""

    ELECTRODE = 0
    SHORTED = 1
    RLD_MEAS = 2
    MVDD = 3
    TEMPERATURE = 4
    TEST = 5
    RLD_DRP = 6
    RLD_DRN = 7


class Pin(IntEnum):
    """WCTx routing: the input a WCT amplifier listens to."""

    IN1P = 0
    IN1N = 1
    IN2P = 2
    IN2N = 3
    IN3P = 4
    IN3N = 5
    IN4P = 6
    IN4N = 7


class LeadOffFrequency(IntEnum):
    """LOFF.FLEAD_OFF; UNSET must be changed when any SENS bit is set, 2 is not to be used."""

    UNSET = 0
    AC = 1  # fDR/4: in the ECG band, and the comparators do not see it
    DC = 3


class TestFrequency(IntEnum):
    """CONFIG2.TEST_FREQ: 0.977 Hz, 1.953 Hz, or a constant."""

    __test__ = False  # not a pytest class
    SLOW = 0
    FAST = 1
    DC = 3


class Opcode(IntEnum):
    """SPI commands; RREG and WREG carry the address in their low five bits, then count - 1."""

    WAKEUP = 0x02
    STANDBY = 0x04
    RESET = 0x06
    START = 0x08
    STOP = 0x0A
    RDATAC = 0x10
    SDATAC = 0x11
    RDATA = 0x12
    RREG = 0x20
    WREG = 0x40


OPCODE_ADDRESS_MASK = 0x1F

GAIN_CODES: Mapping[int, int] = {6: 0, 1: 1, 2: 2, 3: 3, 4: 4, 8: 5, 12: 6}  # gain -> GAIN
GAINS: Mapping[int, int] = {code: gain for gain, code in GAIN_CODES.items()}  # 7 is undefined
LEAD_OFF_CURRENTS_NA = (6, 12, 18, 24)  # LOFF.ILEAD_OFF
LEAD_OFF_THRESHOLDS_PERCENT = (95.0, 92.5, 90.0, 87.5, 85.0, 80.0, 75.0, 70.0)  # LOFF.COMP_TH
DATA_RATE_500_HR = 6  # CONFIG1.DR with HR = 1

CHANNEL_COUNT = 8
FULL_SCALE = (1 << 23) - 1  # counts; -(FULL_SCALE + 1) at the negative end
VREF_V = 2.4
VREF_HIGH_V = 4.0  # CONFIG3.VREF_4V; needs a 5 V supply
TEST_DIVIDER = 2400  # the test square steps by VREF/2400: 1 mV (2 mV with TEST_AMP)

F_CLK_HZ = 2_048_000
SETTLED_EDGE = 3  # sequence of the first settled DRDY after START: the fourth
SPI_MODE = 1
REGISTER_SPEED_MAX_HZ = 4_000_000  # up to here a byte lasts tSDECODE, no pause needed

# waits, in tCLK (488 ns)
POWER_ON_TCLK = 1 << 18  # tPOR; 2^16 of older data sheets failed now and then
RESET_PULSE_TCLK = 2
RESET_TCLK = 18
COMMAND_TCLK = 4  # after WAKEUP, RDATAC, SDATAC; and tSDECODE
# waits, in ns
VCAP1_NS = 500_000_000  # from power-on until VCAP1 is above 1.1 V
REFERENCE_NS = 150_000_000  # from PD_REFBUF = 1 until VREF has settled

PARTS: Mapping[int, str] = {  # ID register -> part
    0x90: "ADS1294",
    0x91: "ADS1296",
    0x92: "ADS1298",
    0xD0: "ADS1294R",
    0xD1: "ADS1296R",
    0xD2: "ADS1298R",
}
ADS1298_ID = 0x92


def tclk_ns(count: int) -> int:
    """Nanoseconds that ``count`` cycles of the 2.048 MHz clock take, rounded up."""
    return -(-count * 1_000_000_000 // F_CLK_HZ)


def volts_per_count(gain: int, vref_v: float = VREF_V) -> float:
    """Input-referred volts of one count (datasheet: weight of the LSB)."""
    return vref_v / (gain * FULL_SCALE)


def period_ns(config1: int) -> int:
    """DRDY period set by CONFIG1: fMOD = fCLK/4 (HR) or /8, over-sampling ratio 16 << DR."""
    divider = 4 if CONFIG1.get(config1, "HR") else 8
    return tclk_ns(divider * (16 << CONFIG1.get(config1, "DR")))


def _per_channel(prefix: str) -> tuple[Field, ...]:
    return tuple(Field(f"{prefix}{n}", n - 1, n - 1) for n in range(CHANNEL_COUNT, 0, -1))


ID = Register(
    "ID",
    0x00,
    ADS1298_ID,
    (
        Field("DEV_ID", 7, 5, {0b100: "ADS129x", 0b110: "ADS129xR"}),
        Field("CH_ID", 2, 0, {0: "4 channels", 1: "6 channels", 2: "8 channels"}),
    ),
    read_only=True,
)
CONFIG1 = Register(
    "CONFIG1",
    0x01,
    0x06,
    (
        Field("HR", 7, 7, {0: "low power", 1: "high resolution"}),
        Field("DAISY_EN", 6, 6, {0: "daisy chain", 1: "multiple read-back"}),
        Field("CLK_EN", 5, 5),
        Field("DR", 2, 0, {DATA_RATE_500_HR: "HR: 500 SPS, low power: 250 SPS", 7: "reserved"}),
    ),
)
CONFIG2 = Register(
    "CONFIG2",
    0x02,
    0x40,
    (
        Field("WCT_CHOP", 5, 5),
        Field("INT_TEST", 4, 4, {0: "external", 1: "internal test signal"}),
        Field("TEST_AMP", 2, 2, {0: "VREF/2400", 1: "2 VREF/2400"}),
        Field("TEST_FREQ", 1, 0, {0: "0.977 Hz", 1: "1.953 Hz", 2: "not used", 3: "DC"}),
    ),
    unsure=0x40,  # the data sheet says 1, silicon was seen with 0
)
CONFIG3 = Register(
    "CONFIG3",
    0x03,
    0x40,
    (
        Field("PD_REFBUF", 7, 7, {0: "external reference", 1: "internal reference"}),
        Field("VREF_4V", 5, 5, {0: "2.4 V", 1: "4 V"}),
        Field("RLD_MEAS", 4, 4),
        Field("RLDREF_INT", 3, 3, {0: "external", 1: "(AVDD + AVSS)/2"}),
        Field("PD_RLD", 2, 2, {0: "RLD off", 1: "RLD on"}),
        Field("RLD_LOFF_SENS", 1, 1),
        Field("RLD_STAT", 0, 0, {0: "RL connected", 1: "RL off"}),
    ),
    fixed=0x40,
    unsure=0x01,  # RLD_STAT is read-only
)
LOFF = Register(
    "LOFF",
    0x04,
    0x00,
    (
        Field(
            "COMP_TH",
            7,
            5,
            {
                code: f"{p:g} % / {100 - p:g} %"
                for code, p in enumerate(LEAD_OFF_THRESHOLDS_PERCENT)
            },
        ),
        Field("VLEAD_OFF_EN", 4, 4, {0: "current source", 1: "pull-up/down resistor"}),
        Field(
            "ILEAD_OFF", 3, 2, {code: f"{na} nA" for code, na in enumerate(LEAD_OFF_CURRENTS_NA)}
        ),
        Field("FLEAD_OFF", 1, 0, {0: "unset", 1: "AC, fDR/4", 2: "not used", 3: "DC"}),
    ),
)
CHANNELS = tuple(
    Register(
        f"CH{n}SET",
        0x04 + n,
        0x00,
        (
            Field("PD", 7, 7, {0: "on", 1: "powered down"}),
            Field("GAIN", 6, 4, {**{c: str(g) for c, g in GAINS.items()}, 7: "undefined"}),
            Field("MUX", 2, 0, {m: m.name.lower() for m in Mux}),
        ),
    )
    for n in range(1, CHANNEL_COUNT + 1)
)
RLD_SENSP = Register("RLD_SENSP", 0x0D, 0x00, _per_channel("RLD"))
RLD_SENSN = Register("RLD_SENSN", 0x0E, 0x00, _per_channel("RLD"))
LOFF_SENSP = Register("LOFF_SENSP", 0x0F, 0x00, _per_channel("LOFF"))
LOFF_SENSN = Register("LOFF_SENSN", 0x10, 0x00, _per_channel("LOFF"))
LOFF_FLIP = Register("LOFF_FLIP", 0x11, 0x00, _per_channel("FLIP"))
LOFF_STATP = Register("LOFF_STATP", 0x12, 0x00, _per_channel("OFF"), read_only=True)
LOFF_STATN = Register("LOFF_STATN", 0x13, 0x00, _per_channel("OFF"), read_only=True)
GPIO = Register(
    "GPIO",
    0x14,
    0x0F,
    (Field("GPIOD", 7, 4), Field("GPIOC", 3, 0, {0: "all outputs", 0xF: "all inputs"})),
    unsure=0xF0,  # data of inputs is what the pins see
)
PACE = Register(
    "PACE",
    0x15,
    0x00,
    (
        Field("PACEE", 4, 3, {0: "ch2", 1: "ch4", 2: "ch6", 3: "ch8"}),
        Field("PACEO", 2, 1, {0: "ch1", 1: "ch3", 2: "ch5", 3: "ch7"}),
        Field("PD_PACE", 0, 0, {0: "pace buffer off", 1: "pace buffer on"}),
    ),
)
RESP = Register(
    "RESP",
    0x16,
    0x00,
    (
        Field("RESP_DEMOD_EN1", 7, 7),
        Field("RESP_MOD_EN1", 6, 6),
        Field("RESP_PH", 4, 2),
        Field("RESP_CTRL", 1, 0),
    ),
    unsure=0x20,  # to be written 1 on R parts only
)
CONFIG4 = Register(
    "CONFIG4",
    0x17,
    0x00,
    (
        Field("RESP_FREQ", 7, 5),
        Field("SINGLE_SHOT", 3, 3),
        Field("WCT_TO_RLD", 2, 2),
        Field("PD_LOFF_COMP", 1, 1, {0: "comparators off", 1: "comparators on"}),
    ),
)
_PINS: Mapping[int, str] = {pin: pin.name for pin in Pin}
WCT1 = Register(
    "WCT1",
    0x18,
    0x00,
    (
        Field("AVF_CH6", 7, 7),
        Field("AVL_CH5", 6, 6),
        Field("AVR_CH7", 5, 5),
        Field("AVR_CH4", 4, 4),
        Field("PD_WCTA", 3, 3, {0: "off", 1: "on"}),
        Field("WCTA", 2, 0, _PINS),
    ),
)
WCT2 = Register(
    "WCT2",
    0x19,
    0x00,
    (
        Field("PD_WCTC", 7, 7, {0: "off", 1: "on"}),
        Field("PD_WCTB", 6, 6, {0: "off", 1: "on"}),
        Field("WCTB", 5, 3, _PINS),
        Field("WCTC", 2, 0, _PINS),
    ),
)

REGISTERS: tuple[Register, ...] = (
    ID,
    CONFIG1,
    CONFIG2,
    CONFIG3,
    LOFF,
    *CHANNELS,
    RLD_SENSP,
    RLD_SENSN,
    LOFF_SENSP,
    LOFF_SENSN,
    LOFF_FLIP,
    LOFF_STATP,
    LOFF_STATN,
    GPIO,
    PACE,
    RESP,
    CONFIG4,
    WCT1,
    WCT2,
)
BY_NAME: Mapping[str, Register] = {register.name: register for register in REGISTERS}


def decode(name: str, value: int) -> dict[str, int]:
    """Fields of register ``name`` (KeyError if unknown) at ``value`` (0..255)."""
    return {bits.name: bits.get(value) for bits in BY_NAME[name].fields}


def markdown() -> str:
    """The register map as docs/ads1298-registers.md (``python -m hal.ads1298.registers``)."""
    lines = [
        "# ADS1298 registers",
        "",
        "Written by `python -m hal.ads1298.registers > docs/ads1298-registers.md`; "
        "the declaration is `hal/ads1298/registers.py`.",
        "",
        "| Address | Name | Reset | Access | Fields |",
        "|---|---|---|---|---|",
    ]
    for register in REGISTERS:
        fields = []
        for bits in register.fields:
            span = f"{bits.high}" if bits.high == bits.low else f"{bits.high}:{bits.low}"
            named = ", ".join(f"{code} = {text}" for code, text in bits.meanings.items())
            fields.append(f"{bits.name} [{span}]" + (f" ({named})" if named else ""))
        access = "R" if register.read_only else "R/W"
        lines.append(
            f"| {register.address:02X} | {register.name} | {register.reset:02X} | {access} | "
            f"{'; '.join(fields)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
