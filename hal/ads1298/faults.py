"""What a simulated ADS1298 can be made to suffer."""

from __future__ import annotations

from dataclasses import dataclass

from hal.ads1298.registers import ADS1298_ID, CONFIG2


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of chip and wires; times are sample indices (0 = first settled), None = never.

    chip_id : what the ID register says
    config2_reset : the data sheet says 0x40, silicon was seen with 0x00
    miso_stuck : every byte from the chip is this one (0x00 or 0xFF: not connected)
    drdy_stops_at : the line makes no edge from this sample on
    missed_edges : edges the host does not see (their conversions are lost to it)
    torn_frames : samples whose frame lost its first nine bytes on the wire
    bits_slip_at : from this sample on every frame arrives one bit late (a glitch on SCLK)
    brown_out_at : the supply dips: registers return to reset, conversions end
    """

    chip_id: int = ADS1298_ID
    config2_reset: int = CONFIG2.reset
    miso_stuck: int | None = None
    drdy_stops_at: int | None = None
    missed_edges: frozenset[int] = frozenset()
    torn_frames: frozenset[int] = frozenset()
    bits_slip_at: int | None = None
    brown_out_at: int | None = None
