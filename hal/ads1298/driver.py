"""Driver of the ADS1298, over any SPI bus, data-ready line and pins.

Conversions are started by opcode; the START pin stays low. Register traffic needs a bus of at most
4 MHz (tSDECODE). Sample index 0 is the first settled conversion, the fourth DRDY after START.
"""

from __future__ import annotations

from collections.abc import Mapping

from hal.ads1298 import registers as reg
from hal.ads1298.decode import FrameDecoder
from hal.ads1298.edge_count import EdgeCount
from hal.ads1298.frame import FRAME_BYTES
from hal.ads1298.self_test import measure_housekeeping, run_checks
from hal.ads1298.settings import settings_for
from hal.clock import Clock, sleep_ns
from hal.errors import FrontendError, Reason
from hal.frontend import (
    Capability,
    Check,
    FrameBlock,
    FrontendConfig,
    FrontendInfo,
    Housekeeping,
)
from hal.spi import ControlPins, DataReady, FrameReader, SpiBus, exchange

MEASURE_TIMEOUT_S = 0.1
RESET_NS = 100_000  # RESET held low; the chip asks for 1 us
_CHECK_WIRES = "check power and the MISO, SCLK and CS wires"


class Ads1298:
    """A ``Frontend``; ``bus`` names the connection in messages ("/dev/spidev0.0")."""

    def __init__(
        self,
        spi: SpiBus,
        reader: FrameReader,
        pins: ControlPins,
        data_ready: DataReady,
        clock: Clock,
        *,
        bus: str = "SPI",
        extra: Capability = Capability.NONE,
    ) -> None:
        self.capabilities = (
            Capability.ELECTRODE_STATUS
            | Capability.RL_STATUS
            | Capability.SELF_TEST
            | Capability.HOUSEKEEPING
            | extra
        )
        self._spi = spi
        self._reader = reader
        self._pins = pins
        self._data_ready = data_ready
        self._clock = clock
        self._bus = bus
        self._settings: dict[str, int] = {}
        self._config = FrontendConfig()
        self._running = False
        self._forget_samples()

    # --- the Frontend contract ------------------------------------------------------------

    def open(self) -> None:
        """Bus and lines are open already; leaves the chip alone."""

    def configure(self, config: FrontendConfig) -> FrontendInfo:
        """Power up, check the identity, write and verify the settings."""
        settings = settings_for(config)
        self._running = False
        self._power_up()
        identity = self._identify()
        self._config = config
        self._settings = settings
        found = self.apply(settings)
        sleep_ns(self._clock, reg.REFERENCE_NS)
        return FrontendInfo(
            name="ads1298",
            detail=f"ADS1298 id 0x{identity:02X} on {self._bus} mode {self._spi.mode}",
            nv_per_count=reg.volts_per_count(config.gain) * 1e9,
            gain=config.gain,
            registers=found,
        )

    def start(self) -> None:
        if not self._settings:
            raise FrontendError(
                Reason.BAD_CONFIG, "start before configure", act="call configure first"
            )
        self._forget_samples()
        self._read_right_leg()
        self._data_ready.reset()
        self.command(reg.Opcode.START)
        self.command(reg.Opcode.RDATAC)
        self._running = True

    def read(self, max_frames: int, timeout_s: float) -> FrameBlock:
        """As the contract; waits for ``max_frames`` while edges come.

        A frame without 1100 is dropped and counted as lost; eight in a row raise BAD_STATUS.
        """
        if not self._running:
            raise FrontendError(Reason.BAD_CONFIG, "read before start", act="call start first")
        if max_frames < 1:
            raise FrontendError(
                Reason.BAD_CONFIG, f"{max_frames} frames asked for", act="ask for 1 or more"
            )
        while (block := self._decoder.pop(max_frames)) is None:
            self._fetch(max_frames, round(timeout_s * 1e9))
        return block

    def stop(self) -> None:
        if self._running:
            self._running = False
            self.command(reg.Opcode.SDATAC)
            self.command(reg.Opcode.STOP)

    def close(self) -> None:
        """Stop, power the chip down and release bus and lines."""
        try:
            self.stop()
            self._pins.power_down(True)
        finally:
            self._pins.close()
            self._data_ready.close()
            self._spi.close()

    def self_test(self) -> list[Check]:
        """Test signal, data-ready rate and shorted-input noise; settings are restored after."""
        try:
            return run_checks(self._measure, self._config.gain)
        finally:
            self._restore()

    def housekeeping(self) -> Housekeeping:
        """Temperature and supplies (formulas unverified, see ``self_test``); settings restored."""
        try:
            return measure_housekeeping(self._measure)
        finally:
            self._restore()

    def _measure(self, changed: Mapping[str, int], frames: int) -> list[FrameBlock]:
        """Read ``frames`` samples with registers ``changed``."""
        if self._running or not self._settings:
            raise FrontendError(
                Reason.BAD_CONFIG,
                "measuring needs a chip configured and stopped",
                act="call configure, or stop",
            )
        self.apply({**self._settings, **changed})
        self.start()
        blocks: list[FrameBlock] = []
        left = frames
        try:
            while left > 0:
                blocks.append(self.read(left, MEASURE_TIMEOUT_S))
                left -= len(blocks[-1])
        finally:
            self.stop()
        return blocks

    def _restore(self) -> None:
        if self._settings and not self._running:
            self.apply(self._settings)

    # --- registers ------------------------------------------------------------------------

    def command(self, opcode: reg.Opcode) -> None:
        """Send a one-byte command and give the chip time to obey."""
        self._spi.transfer(bytes([opcode]))
        wait = reg.RESET_TCLK if opcode is reg.Opcode.RESET else reg.COMMAND_TCLK
        sleep_ns(self._clock, reg.tclk_ns(wait))

    def read_registers(self, first: reg.Register, count: int) -> list[int]:
        """``count`` registers from ``first`` on; needs SDATAC."""
        head = bytes([reg.Opcode.RREG | first.address, count - 1])
        return list(exchange(self._spi, head + bytes(count))[len(head) :])

    def apply(self, settings: Mapping[str, int]) -> dict[str, int]:
        """Write all ``settings``, read every register back and return them by name.

        Raises FrontendError(REGISTER_MISMATCH | BUS_SHIFTED | NO_RESPONSE).
        """
        for register in reg.REGISTERS:
            if register.name in settings:
                head = bytes([reg.Opcode.WREG | register.address, 0])
                self._spi.transfer(head + bytes([settings[register.name]]))
        values = self.read_registers(reg.REGISTERS[0], len(reg.REGISTERS))
        found = {r.name: value for r, value in zip(reg.REGISTERS, values, strict=True)}
        for register in reg.REGISTERS:
            if register.name in settings:
                _verify(register, settings[register.name], found[register.name])
        return found

    def _power_up(self) -> None:
        pins, clock = self._pins, self._clock
        pins.start(False)
        pins.reset(False)
        pins.power_down(True)
        sleep_ns(clock, RESET_NS)
        pins.power_down(False)
        sleep_ns(clock, max(reg.tclk_ns(reg.POWER_ON_TCLK), reg.VCAP1_NS))
        pins.reset(True)
        sleep_ns(clock, RESET_NS)
        pins.reset(False)
        sleep_ns(clock, reg.tclk_ns(reg.RESET_TCLK))
        self.command(reg.Opcode.RESET)  # for boards that tie the pin
        self.command(reg.Opcode.SDATAC)

    def _identify(self) -> int:
        identity = self.read_registers(reg.ID, 1)[0]
        if identity == reg.ADS1298_ID:
            return identity
        context = {"register": "ID", "expected": reg.ADS1298_ID, "got": identity}
        if identity in (0x00, 0xFF):
            raise FrontendError(
                Reason.NO_RESPONSE,
                f"no chip answers on {self._bus}: ID reads 0x{identity:02X}",
                act=_CHECK_WIRES,
                **context,  # type: ignore[arg-type]
            )
        if identity == reg.ADS1298_ID >> 1:
            raise _shifted(reg.ID, reg.ADS1298_ID, identity)
        part = reg.PARTS.get(identity)
        raise FrontendError(
            Reason.WRONG_CHIP,
            f"{self._bus} has {f'an {part}' if part else 'no ADS129x'} (ID 0x{identity:02X})",
            act="this firmware needs an ADS1298",
            **context,  # type: ignore[arg-type]
        )

    # --- samples --------------------------------------------------------------------------

    def _forget_samples(self) -> None:
        self._decoder = FrameDecoder()
        self._edge_count = EdgeCount()
        self._unsettled = reg.SETTLED_EDGE
        self._until_rl_check = self._config.rl_check_every
        self._rl_off = False

    def _fetch(self, max_frames: int, timeout_ns: int) -> None:
        """Read once; leaves blocks in the decoder, and a failure that follows them."""
        every = self._config.rl_check_every
        wanted = min(max_frames, self._until_rl_check) if every else max_frames
        wanted += self._unsettled
        data, edges = self._reader.read_frames(wanted, FRAME_BYTES, timeout_ns)
        if not len(edges):
            raise self._no_edges(timeout_ns)
        index = self._edge_count.number(edges) - reg.SETTLED_EDGE
        self._unsettled = max(self._unsettled - len(edges), 0)
        self._decoder.push(index, edges[:, 1], data, rl_off=self._rl_off)
        if every:
            self._until_rl_check -= int((index >= 0).sum())
            if self._until_rl_check <= 0 and self._decoder.failure is None:
                self._until_rl_check = every
                try:
                    self.command(reg.Opcode.SDATAC)
                    self._read_right_leg()
                    self.command(reg.Opcode.RDATAC)
                except FrontendError as error:
                    self._decoder.failure = error  # after the samples that are already here

    def _read_right_leg(self) -> None:
        """RLD_STAT is in CONFIG3 only, and registers are deaf in RDATAC."""
        value = self.read_registers(reg.CONFIG3, 1)[0]
        _verify(reg.CONFIG3, self._settings["CONFIG3"], value)
        self._rl_off = bool(reg.CONFIG3.get(value, "RLD_STAT"))

    def _no_edges(self, timeout_ns: int) -> FrontendError:
        """DRDY stopped: look at the registers for the cause."""
        self.command(reg.Opcode.SDATAC)
        values = self.read_registers(reg.REGISTERS[0], len(reg.REGISTERS))
        self.command(reg.Opcode.RDATAC)
        config1 = values[reg.CONFIG1.address]
        if values[0] in (0x00, 0xFF):
            cause, act = "the chip does not answer", _CHECK_WIRES
        elif config1 != self._settings["CONFIG1"]:
            cause = f"the chip was reset (CONFIG1 reads 0x{config1:02X})"
            act = "check the supply for dips, then restart"
        else:
            cause, act = "the chip's registers are right", "check the DRDY wire, then restart"
        return FrontendError(
            Reason.DATA_READY_TIMEOUT,
            f"no data-ready edge for {timeout_ns / 1e9:g} s: {cause}",
            act=act,
            register="CONFIG1",
            expected=self._settings["CONFIG1"],
            got=config1,
        )


def _verify(register: reg.Register, expected: int, got: int) -> None:
    compared = ~register.unsure
    if got & compared == expected & compared:
        return
    if got == expected >> 1:
        raise _shifted(register, expected, got)
    raise FrontendError(
        Reason.REGISTER_MISMATCH,
        f"{register.name} reads 0x{got:02X}, 0x{expected:02X} was written",
        act="check the SPI wires and the supply",
        register=register.name,
        expected=expected,
        got=got,
    )


def _shifted(register: reg.Register, expected: int, got: int) -> FrontendError:
    return FrontendError(
        Reason.BUS_SHIFTED,
        f"{register.name} reads 0x{got:02X}, 0x{expected:02X} one bit late: wrong SPI mode",
        act=f"set SPI mode {reg.SPI_MODE}",
        register=register.name,
        expected=expected,
        got=got,
    )
