"""The decoder; see the package's text. It stands alone but for its table."""

import sigrokdecode as srd

from .table import (
    ALL_BUT_RA,
    FRAME_BYTES,
    FULL_SCALE,
    GAINS,
    LEADS,
    OPCODES,
    PREFIX,
    REGISTERS,
    STATUS,
    STATUS_BITS,
    VREF_V,
)

COMMAND, WRITTEN, READ, FIELD, STATUS_WORD, CHANNEL, ERROR = range(7)
NAMES = [name for name, _, _ in REGISTERS]
ADDRESS = 0x1F  # of a register, in the low bits of RREG and WREG


class Decoder(srd.Decoder):
    api_version = 3
    id = "ads1298"
    name = "ADS1298"
    longname = "Texas Instruments ADS1298"
    desc = "8-channel 24-bit ECG front end."
    license = "apache-2.0"
    inputs = ["spi"]  # noqa: RUF012
    outputs = []  # noqa: RUF012
    tags = ["IC", "Analog/digital"]  # noqa: RUF012
    annotations = (
        ("command", "Command"),
        ("written", "Register written"),
        ("read", "Register read"),
        ("field", "Field of a register"),
        ("status", "Status word"),
        ("channel", "Channel"),
        ("error", "Error"),
    )
    annotation_rows = (
        ("commands", "Commands", (COMMAND,)),
        ("registers", "Registers", (WRITTEN, READ)),
        ("fields", "Fields", (FIELD,)),
        ("frames", "Frames", (STATUS_WORD, CHANNEL)),
        ("errors", "Errors", (ERROR,)),
    )

    def __init__(self):
        self.reset()

    def reset(self):
        self.rdatac = None  # not known before RDATAC, SDATAC or RESET
        self.power_on()

    def start(self):
        self.out_ann = self.register(srd.OUTPUT_ANN)

    def power_on(self):
        self.registers = {name: reset for name, reset, _ in REGISTERS}

    def decode(self, ss, es, data):
        kind, mosi, miso = data
        if kind != "TRANSFER" or not mosi:
            return
        at = 0
        while at < len(mosi):
            opcode = mosi[at].val
            group = opcode & ~ADDRESS
            if OPCODES.get(group) in ("RREG", "WREG"):
                at = self.register_access(OPCODES[group], at, mosi, miso)
            elif OPCODES.get(opcode) == "RDATA":
                self.tell(mosi[at : at + 1], COMMAND, "RDATA")
                if self.rdatac:
                    self.tell(mosi[at : at + 1], ERROR, "RDATA in RDATAC: not heard")
                self.frame(miso[at + 1 :])
                return
            elif opcode in OPCODES:
                self.command(OPCODES[opcode], mosi[at : at + 1])
                at += 1
            elif any(byte.val for byte in mosi[at:]):
                self.tell(mosi[at : at + 1], ERROR, f"unknown command {opcode:02X}")
                at += 1
            else:
                if at:  # padding behind a command
                    return
                if self.rdatac is False:
                    self.tell(mosi, ERROR, "read outside RDATAC: nothing comes")
                else:
                    self.frame(miso)
                return

    def tell(self, part, kind, *texts):
        self.put(part[0].ss, part[-1].es, self.out_ann, [kind, list(texts)])

    def command(self, name, byte):
        self.tell(byte, COMMAND, name)
        if name == "RESET":
            self.power_on()
        if name in ("RESET", "RDATAC", "SDATAC"):
            self.rdatac = name != "SDATAC"

    def register_access(self, name, at, mosi, miso):
        """RREG or WREG at byte ``at``; returns the byte after it."""
        if at + 2 > len(mosi):
            self.tell(mosi[at:], ERROR, name + " cut short: no count")
            return len(mosi)
        first = mosi[at].val & ADDRESS
        count = (mosi[at + 1].val & ADDRESS) + 1
        self.tell(mosi[at : at + 2], COMMAND, f"{name} from {first:02X}, {count}", name)
        data = (mosi if name == "WREG" else miso)[at + 2 : at + 2 + count]
        if self.rdatac:
            self.tell(mosi[at:], ERROR, name + " in RDATAC: not heard, send SDATAC first")
        elif len(data) < count:
            self.tell(mosi[at:], ERROR, f"{name} cut short: {len(data)} of {count}")
        if not self.rdatac:
            for n, byte in enumerate(data):
                self.value(WRITTEN if name == "WREG" else READ, first + n, byte)
        return at + 2 + count

    def value(self, kind, address, byte):
        """One register's value, and its fields below the bits they have in the byte."""
        if address >= len(REGISTERS):
            self.tell([byte], ERROR, f"no register {address:02X}")
            return
        name, _, fields = REGISTERS[address]
        self.registers[name] = byte.val
        self.tell([byte], kind, f"{name} = {byte.val:02X}", name)
        width = (byte.es - byte.ss) / 8
        for field, high, low, meanings in fields:
            number = (byte.val >> low) & ((1 << high - low + 1) - 1)
            text = f"{field} = {number}"
            if number in meanings:
                text += f" ({meanings[number]})"
            ss, es = (int(byte.ss + bits * width) for bits in (7 - high, 8 - low))
            self.put(ss, es, self.out_ann, [FIELD, [text, field]])

    def frame(self, miso):
        if not miso:
            return
        if len(miso) != FRAME_BYTES:
            self.tell(miso, ERROR, f"torn frame: {len(miso)} of {FRAME_BYTES} bytes")
            return
        words = [miso[n : n + 3] for n in range(0, FRAME_BYTES, 3)]
        values = [a.val << 16 | b.val << 8 | c.val for a, b, c in words]
        if values[0] >> STATUS_BITS - 4 != PREFIX:
            self.tell(words[0], ERROR, f"bad status {values[0]:06X}: a frame begins with C")
            return
        self.tell(words[0], STATUS_WORD, f"{values[0]:06X} {electrodes(values[0])}")
        for n, lead in enumerate(LEADS):
            value = values[n + 1]
            counts = value - (1 << 24) if value >> 23 else value
            mv = counts * self.mv_per_count(n)
            self.tell(words[n + 1], CHANNEL, f"{lead} {counts} = {mv:.6f} mV", lead)

    def mv_per_count(self, channel):
        gain = GAINS.get(self.field(f"CH{channel + 1}SET", "GAIN"), 6)
        vref = VREF_V[self.field("CONFIG3", "VREF_4V")]
        return 1e3 * vref / (gain * FULL_SCALE)

    def field(self, register, field):
        _, _, fields = REGISTERS[NAMES.index(register)]
        high, low = next((high, low) for name, high, low, _ in fields if name == field)
        return (self.registers[register] >> low) & ((1 << high - low + 1) - 1)


def electrodes(status):
    """The electrodes off, in words."""
    off = [name for bit, name in sorted(STATUS.items()) if status >> bit & 1]
    wired = sum(1 << bit for bit in STATUS)
    if status & wired == ALL_BUT_RA:
        off.append("RL")
    return "off: " + " ".join(off) if off else "all electrodes on"
