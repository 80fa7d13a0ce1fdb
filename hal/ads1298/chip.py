"""A simulated ADS1298: speaks SPI byte by byte, keeps the data sheet's timing.

Wrong drivers fail on it as they would on the bench: registers are deaf in RDATAC, a command that
comes too early is not heard, a frame read too late is torn, unsettled conversions come first.
DRDY and conversions are numbered from START on: edge 0 is the first, edge 3 the first settled.
Only 500 SPS has the right sinc3 response; other rates keep their DRDY timing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.ads1298.analog import AnalogFrontEnd, AnalogSettings
from hal.ads1298.faults import Faults, Kind
from hal.ads1298.frame import FRAME_BYTES, pack, status_word
from hal.ads1298.oscillator import Drifting, Oscillator
from hal.ads1298.run_faults import RunFaults, answer_on_wire, shifted_right
from hal.clock import Clock
from hal.patient import Patient

_CHUNK = 32  # conversions worked out at once for the byte path: none may come late by it
_CHUNK_BULK = 500  # and for the block path
_PIECE = 1000  # conversions worked out in one go: more do not fit the processor's cache
_OPCODES = {int(opcode) for opcode in reg.Opcode}


class SimulatedChip:
    """The chip with its supplies on since ``clock``'s now. See ``wire`` for its pins and buses.

    patient : what the electrodes are on; seed : of the input noise, >= 0
    """

    _decoded: AnalogSettings | None  # what the registers mean; None until somebody asks
    _edge_limit: int | None
    _chunk: bytes  # frames worked out, of edges from _chunk_first on

    def __init__(
        self, patient: Patient, clock: Clock, seed: int = 0, faults: Faults | None = None
    ) -> None:
        self.clock = clock
        self._faults = faults or Faults()
        self._oscillator = Oscillator(self._faults.spells)
        self._patient = patient
        self._seed = seed
        self._analog = AnalogFrontEnd(patient, seed)
        self._powered = True
        self._in_reset = False
        self._edges_before = 0  # DRDY edges made before the present run of conversions
        self._t0_ns: int | None = None  # START; None = not converting
        self._dipped_ns = clock.now_ns()  # brown-outs until then are over
        self._dipped_by_sample = False
        self._deaf_until_ns = 0
        self._edge_limit: int | None = None  # None = not worked out since registers changed
        self._run: RunFaults | None = None
        self._power_on()

    @property
    def faults(self) -> Faults:
        """What the chip and its wires suffer; may be changed at any time."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._meet_faults()

    @property
    def run(self) -> RunFaults:
        """What the faults do to the present run of conversions; call while ``converting``."""
        assert self._run is not None
        return self._run

    # --- pins -----------------------------------------------------------------------------

    def set_power_down(self, asserted: bool) -> None:
        """PWDN. Released, the chip powers on and needs tPOR again."""
        if self._powered and asserted:
            self._end_conversions()
        elif not self._powered and not asserted:
            self._power_on()
        self._powered = not asserted

    def set_reset(self, asserted: bool) -> None:
        """RESET. The pulse must last 2 tCLK."""
        now = self.clock.now_ns()
        if asserted:
            self._reset_since = now
        elif self._in_reset and now - self._reset_since >= reg.tclk_ns(reg.RESET_PULSE_TCLK):
            self._reset(now)
        self._in_reset = asserted

    def set_start(self, asserted: bool) -> None:
        """START, for boards that drive the pin instead of sending the opcode."""
        if asserted and self._t0_ns is None:
            self._begin_conversions(self.clock.now_ns())
        elif not asserted:
            self._end_conversions()

    def drdy_high(self) -> bool:
        """The DRDY level: low from each edge until the first SCLK of a read."""
        newest = self._newest(self.clock.now_ns())
        return newest < 0 or newest <= self._read_edge

    # --- time: conversions and DRDY edges -------------------------------------------------

    @property
    def edge_limit(self) -> int:
        """The first edge of this run that will not come: stopped, browned out, signal over."""
        if self._edge_limit is None:
            end = self.signal_ends_at
            limit = self.run.limit
            self._edge_limit = limit if end is None else min(limit, end + reg.SETTLED_EDGE)
        return self._edge_limit

    @property
    def signal_ends_at(self) -> int | None:
        """Sample index after the patient's last, where a channel looks at the patient."""
        return self._analog.conversions if self._settings.sees_electrodes else None

    @property
    def period_ns(self) -> int:
        """Between two DRDY edges."""
        return self._period_ns

    def edge_ns(self, edge: int) -> int | None:
        """When DRDY falls for this run's ``edge``; None when it will not."""
        if self._t0_ns is None or edge >= self.edge_limit:
            return None
        return self.run.conversion_ns(edge) + self.run.late_ns(edge)

    def newest_edge(self) -> int:
        """The newest edge of this run; -1 before the first."""
        now = self.clock.now_ns()
        newest = self._newest(now)
        if newest >= 0 and not self.run.regular:
            t_ns = self.edge_ns(newest)
            newest -= t_ns is not None and t_ns > now  # late by less than a period
        return newest

    @property
    def edges_before(self) -> int:
        """Edges of earlier runs, since power-on."""
        return self._edges_before

    @property
    def converting(self) -> bool:
        return self._t0_ns is not None

    def _newest(self, now: int) -> int:
        if self._t0_ns is None:
            return -1
        return min(self.run.newest(now), self.edge_limit - 1)

    def _begin_conversions(self, now: int) -> None:
        self._end_conversions()
        self._t0_ns = now
        self._read_edge = -1
        self._latched = -1
        self._meet_faults()

    def _meet_faults(self) -> None:
        """Faults, clock or run are new: what they do to each edge."""
        self._chunk_first = -1
        self._edge_limit = None
        if self._t0_ns is None:
            return
        self._run = RunFaults(
            self._faults,
            self._oscillator,
            self._t0_ns,
            self._period_ns,
            seed=self._seed,
            dipped_ns=self._dipped_ns,
            dip_by_sample=not self._dipped_by_sample,
        )
        if not self._oscillator.steady:
            first = self._oscillator.ticks(self._t0_ns) + reg.SETTLED_EDGE * self._period_ns
            self._analog.patient = Drifting(self._patient, self._oscillator, first)

    def _end_conversions(self) -> None:
        if self._t0_ns is not None:
            self._edges_before += self._newest(self.clock.now_ns()) + 1
        self._t0_ns = None

    # --- data -----------------------------------------------------------------------------

    def frames(self, first: int, n: int) -> NDArray[np.uint8]:
        """Frames uint8 [n, 27] of edges first..first+n-1 of this run, faults of data included."""
        starts = range(first, first + n, _PIECE)
        return np.concatenate([self._piece(at, min(_PIECE, first + n - at)) for at in starts])

    def _piece(self, first: int, n: int) -> NDArray[np.uint8]:
        index = first - reg.SETTLED_EDGE
        counts, statp, statn = self._analog.convert(self._settings, index, n)
        self.run.stick(first, counts)
        gpio = reg.GPIO.get(self._registers["GPIO"], "GPIOD")
        status = np.full(n, status_word(gpio=gpio), np.uint32)
        status |= statp.astype(np.uint32) << np.uint32(12)
        status |= statn.astype(np.uint32) << np.uint32(4)
        return pack(status, counts)

    def read_many(self, edges: NDArray[np.int64]) -> bytes:
        """The block path: frames of consecutive ``edges`` as one RDATAC read of each gives."""
        first, n = int(edges[0]), int(edges[-1] - edges[0]) + 1
        if not self._rdatac:
            data = bytes(n * FRAME_BYTES)
        else:
            data = self._worked_out(first, n, max(n, _CHUNK_BULK))
        self._read_edge = first + n - 1
        self._latched = self._read_edge
        self._position = FRAME_BYTES
        wire = np.frombuffer(self.run.on_wire(first, data), np.uint8)
        if len(edges) == n:
            return wire.tobytes()
        return bytes(wire.reshape(n, FRAME_BYTES)[edges - first].tobytes())

    def _worked_out(self, first: int, n: int, ahead: int) -> bytes:
        """Frames of ``n`` <= ``ahead`` edges from ``first`` on, out of a chunk of ``ahead``."""
        begin = first - self._chunk_first
        if self._chunk_first < 0 or begin < 0 or (begin + n) * FRAME_BYTES > len(self._chunk):
            self._chunk_first, begin = first, 0
            self._chunk = self.frames(first, ahead).tobytes()
        return self._chunk[begin * FRAME_BYTES : (begin + n) * FRAME_BYTES]

    # --- registers ------------------------------------------------------------------------

    @property
    def registers(self) -> dict[str, int]:
        """Register values by name, for tests and fault reports."""
        return dict(self._registers)

    def _power_on(self) -> None:
        now = self.clock.now_ns()
        self._reset_since = self._dipped_ns = now
        self._reset(now)
        self._deaf_until_ns = now + reg.tclk_ns(reg.POWER_ON_TCLK)

    def _reset(self, now: int) -> None:
        self._end_conversions()
        self._registers = {register.name: register.reset for register in reg.REGISTERS}
        self._registers[reg.CONFIG2.name] = self._faults.config2_reset
        self._rdatac = True
        self._standby = False
        self._period_ns = reg.period_ns(self._registers["CONFIG1"])
        self._read_edge = -1
        self._latched = -1
        self._position = FRAME_BYTES
        self._decode_registers()
        self._deaf_until_ns = max(self._deaf_until_ns, now + reg.tclk_ns(reg.RESET_TCLK))

    def _decode_registers(self) -> None:
        """Registers have changed; what they mean is worked out when it is next needed."""
        self._decoded = None
        self._edge_limit = None
        self._chunk_first = -1

    @property
    def _settings(self) -> AnalogSettings:
        if self._decoded is None:
            self._decoded = AnalogSettings.of(self._registers)
        return self._decoded

    def _read_register(self, address: int, now: int) -> int:
        if address >= len(reg.REGISTERS):
            return 0
        register = reg.REGISTERS[address]
        value = self._registers[register.name]
        if register is reg.ID:
            return self._identity(now)
        index = max(self._newest(now) - reg.SETTLED_EDGE, 0)
        if register is reg.CONFIG3:
            off = self._analog.right_leg_off(self._settings, index)
            return value & ~1 | reg.CONFIG3.encode(RLD_STAT=int(off)) & 1
        if register in (reg.LOFF_STATP, reg.LOFF_STATN):
            statp, statn = self._analog.lead_off(self._settings, index)
            return statp if register is reg.LOFF_STATP else statn
        return value

    def _identity(self, now: int) -> int:
        for spell in self._faults.spells:
            over = spell.end_ns is not None and spell.end_ns <= now
            if spell.kind is Kind.WRONG_ID and spell.start_ns <= now and not over:
                return spell.value[0]
        return self._faults.chip_id

    def _write_register(self, address: int, value: int, now: int) -> None:
        if address >= len(reg.REGISTERS):
            return
        register = reg.REGISTERS[address]
        if register.read_only:
            return
        writable = register.fixed | register.unsure
        for bits in register.fields:
            writable |= bits.mask
        self._registers[register.name] = value & writable | register.fixed
        self._decode_registers()
        if register is reg.CONFIG1:
            self._period_ns = reg.period_ns(value)
            if self._t0_ns is not None:  # resets the digital filter
                self._begin_conversions(now)

    # --- SPI ------------------------------------------------------------------------------

    def exchange(self, mosi: bytes, mode: int, byte_ns: int) -> bytes:
        """One chip-select: bytes in, bytes out; ``byte_ns`` is what one byte takes.

        Any SPI mode but 1 reads every bit one clock early; commands are heard in all of them.
        """
        now = self.clock.now_ns()
        self._dip(now)
        self._answering = False
        if not self._powered or self._in_reset:
            miso = bytes(len(mosi))
        else:
            miso = self._clock_bytes(mosi, now, byte_ns)
        if self._answering or not any(miso):  # frames have met their faults already
            miso = answer_on_wire(self._faults, now, self._seed, miso)
        return miso if mode == reg.SPI_MODE else shifted_right(miso)

    def _dip(self, now: int) -> None:
        """Reset if the supply has dipped since the last look."""
        if self._t0_ns is not None and self.run.brown_out_ns is not None:
            dips = [self.run.brown_out_ns]
        else:
            dips = [s.start_ns for s in self._faults.spells if s.kind is Kind.BROWN_OUT]
        due = [at_ns for at_ns in dips if self._dipped_ns < at_ns <= now]
        if due:
            self._dipped_by_sample |= self._faults.brown_out_at is not None
            self._dipped_ns = max(due)
            self._reset(now)

    def _clock_bytes(self, mosi: bytes, now: int, byte_ns: int) -> bytes:
        out = bytearray(len(mosi))
        command: list[int] = []  # of a command that takes more than one byte
        left = 0  # register bytes still to come
        sending = False  # RDATA was heard: the frame follows
        newest = self.run.newest if self._t0_ns is not None else None
        for n, byte in enumerate(mosi):
            t = now + n * byte_ns
            if t < self._deaf_until_ns:
                continue
            if (self._rdatac and not command) or sending:
                if not sending and newest is not None and newest(t) != self._latched:
                    self._latch(self._newest(t))
                if self._position < FRAME_BYTES:
                    out[n] = self._out[self._position]
                    self._position += 1
            if left:
                if command[0] == reg.Opcode.RREG:
                    out[n] = self._read_register(command[1], t)
                    self._answering = True
                else:
                    self._write_register(command[1], byte, t)
                command[1] += 1
                left -= 1
                if not left:
                    command = []
            elif command:
                left = (byte & reg.OPCODE_ADDRESS_MASK) + 1
                # faster than tSDECODE the second byte comes before the first is understood
                if byte_ns < reg.tclk_ns(reg.COMMAND_TCLK):
                    command, left = [], 0
            elif not sending and byte:
                opcode = byte & ~reg.OPCODE_ADDRESS_MASK
                if opcode in (reg.Opcode.RREG, reg.Opcode.WREG):
                    if not self._rdatac and not self._standby:
                        command = [opcode, byte & reg.OPCODE_ADDRESS_MASK]
                elif byte in _OPCODES:
                    sending = self._command(reg.Opcode(byte), t + byte_ns)
                    newest = self.run.newest if self._t0_ns is not None else None
        return bytes(out)

    def _latch(self, edge: int) -> None:
        """DRDY fell: the newest conversion replaces whatever was being shifted out."""
        if edge == self._latched or edge < 0:
            return
        self._latched = self._read_edge = edge
        self._out = self.run.on_wire(edge, self._worked_out(edge, 1, _CHUNK))
        self._position = 0

    def _command(self, opcode: reg.Opcode, t: int) -> bool:
        """Obey ``opcode``, fully clocked in at ``t``; True when a frame is to follow (RDATA)."""
        if self._standby and opcode is not reg.Opcode.WAKEUP:
            return False
        if opcode in (reg.Opcode.WAKEUP, reg.Opcode.RDATAC, reg.Opcode.SDATAC):
            self._deaf_until_ns = t + reg.tclk_ns(reg.COMMAND_TCLK)
        if opcode is reg.Opcode.RESET:
            self._reset(t)
        elif opcode is reg.Opcode.START:
            self._begin_conversions(t)
        elif opcode is reg.Opcode.STOP:
            self._end_conversions()
        elif opcode is reg.Opcode.STANDBY:
            self._end_conversions()
            self._standby = True
        elif opcode is reg.Opcode.WAKEUP:
            self._standby = False
        elif opcode in (reg.Opcode.RDATAC, reg.Opcode.SDATAC):
            self._rdatac = opcode is reg.Opcode.RDATAC
            self._latched = self._newest(t)  # the first frame is that of the next DRDY
            self._position = FRAME_BYTES
        elif opcode is reg.Opcode.RDATA and not self._rdatac and self._newest(t) >= 0:
            self._latched = -1
            self._latch(self._newest(t))
            return True
        return False
