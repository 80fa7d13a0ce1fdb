"""What a simulated ADS1298 can be made to suffer: by sample in a test, by the clock in a scenario.

``FAULTS`` names every fault a scenario's timeline may begin and end, with what the driver makes
of it. Faults of the wires act on what the host reads (MISO, DRDY); what the chip hears is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hal.ads1298.registers import ADS1298_ID, CONFIG2, PARTS
from hal.frontend import CHANNEL_LEADS

OFF = "off"  # as a value in a timeline: the fault has gone
FOREVER = "forever"
COUNT_BITS = 0xFFFFFF
LATE_MAX_US = 1400  # an edge later than this could as well be missing: see Ads1298
PPM_MAX = 10_000
_PART_IDS = {part: identity for identity, part in PARTS.items()}


class Kind(StrEnum):
    """The faults of a timeline."""

    WRONG_ID = "wrong_id"
    MISO_STUCK = "miso_stuck"
    BIT_SLIP = "bit_slip"
    TORN_FRAME = "torn_frame"
    MISSED_EDGE = "missed_edge"
    LATE_DRDY = "late_drdy"
    DRDY_STOPS = "drdy_stops"
    STUCK_BITS = "stuck_bits"
    BROWN_OUT = "brown_out"
    CLOCK_PPM = "clock_ppm"
    SPI_NOISE = "spi_noise"


@dataclass(frozen=True, slots=True)
class Spell:
    """A fault between two times of the chip's clock.

    start_ns, end_ns : in force for conversions with start <= time < end; None = for ever
    value : integers, as ``FAULTS[kind].values`` gives them
    """

    kind: Kind
    start_ns: int
    end_ns: int | None
    value: tuple[int, ...] = ()


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
    spells : faults by the clock instead, which outlive a restart of the front end
    """

    chip_id: int = ADS1298_ID
    config2_reset: int = CONFIG2.reset
    miso_stuck: int | None = None
    drdy_stops_at: int | None = None
    missed_edges: frozenset[int] = frozenset()
    torn_frames: frozenset[int] = frozenset()
    bits_slip_at: int | None = None
    brown_out_at: int | None = None
    spells: tuple[Spell, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One entry of ``FAULTS``.

    what : the fault; told : what the driver makes of it, and what nobody can see
    schema : JSON Schema of the value; values : that value as integers, ValueError if out of range
    once : happens at a time; the others last until ``off``
    """

    what: str
    told: str
    schema: Mapping[str, Any]
    values: Callable[[Any], tuple[int, ...]]
    once: bool = False


def _integer(name: str, low: int, high: int) -> Callable[[Any], tuple[int, ...]]:
    def values(value: Any) -> tuple[int, ...]:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} is a whole number from {low} to {high}, not {value!r}")
        return (value,)

    return values


def _identity(value: Any) -> tuple[int, ...]:
    if isinstance(value, str) and value in _PART_IDS:
        return (_PART_IDS[value],)
    if isinstance(value, str):
        raise ValueError(f"wrong_id is a byte or one of {', '.join(_PART_IDS)}, not {value!r}")
    return _integer("wrong_id", 0, 0xFF)(value)


def _stuck(value: Any) -> tuple[int, ...]:
    if value not in (0x00, 0xFF) or isinstance(value, bool):
        raise ValueError(f"miso_stuck is 0x00 or 0xFF, not {value!r}")
    return (int(value),)


def _late(value: Any) -> tuple[int, ...]:
    parts = value if isinstance(value, Mapping) else {"us": value}
    if unknown := set(parts) - {"us", "jitter_us"}:
        raise ValueError(f"late_drdy has us and jitter_us, not {', '.join(sorted(unknown))}")
    micro = [_integer("late_drdy", 0, LATE_MAX_US)(parts.get(k, 0))[0] for k in ("us", "jitter_us")]
    if sum(micro) > LATE_MAX_US:
        raise ValueError(f"late_drdy is {LATE_MAX_US} us at most, jitter included")
    return (micro[0] * 1000, micro[1] * 1000)


def _silence(value: Any) -> tuple[int, ...]:
    if value == FOREVER:
        return ()
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"drdy_stops is a number of seconds or '{FOREVER}', not {value!r}")
    return (round(value * 1e9),)


def _masks(value: Any) -> tuple[int, ...]:
    if not isinstance(value, Mapping) or set(value) - {"lead", "and", "or"}:
        raise ValueError(f"stuck_bits has lead, and, or; not {value!r}")
    if value.get("lead") not in CHANNEL_LEADS:
        raise ValueError(
            f"stuck_bits: lead {value.get('lead')!r} has no channel; these have: "
            + ", ".join(sorted(CHANNEL_LEADS))
        )
    mask = _integer("a mask of stuck_bits", 0, COUNT_BITS)
    kept, set_ = mask(value.get("and", COUNT_BITS))[0], mask(value.get("or", 0))[0]
    return (CHANNEL_LEADS.index(value["lead"]), kept, set_)


def _dip(value: Any) -> tuple[int, ...]:
    if value is not True:
        raise ValueError(f"brown_out happens: true, not {value!r}")
    return ()


def _bit_errors(value: Any) -> tuple[int, ...]:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 0.5:
        raise ValueError(f"spi_noise is the share of bits in error, up to 0.5, not {value!r}")
    return (round(value * (1 << 32)),)


_COUNT = {"type": "integer", "minimum": 1, "maximum": 100_000}
FAULTS: Mapping[Kind, FaultKind] = {
    Kind.WRONG_ID: FaultKind(
        "the ID register names another part",
        "WRONG_CHIP with the part's name, at configure; the ID is not read while running",
        {"type": ["integer", "string"]},
        _identity,
    ),
    Kind.MISO_STUCK: FaultKind(
        "MISO is stuck at 0 or 1 (a wire off)",
        "NO_RESPONSE at configure; frames without 1100 are dropped and counted as lost, eight in "
        "a row raise BAD_STATUS",
        {"enum": [0, 255]},
        _stuck,
    ),
    Kind.BIT_SLIP: FaultKind(
        "everything from the chip comes 1 to 7 bits late (wrong clock edge, glitch on SCLK)",
        "BUS_SHIFTED (one bit) or WRONG_CHIP at configure, BAD_STATUS while running: 1100 has "
        "moved in every frame",
        {"type": "integer", "minimum": 1, "maximum": 7},
        _integer("bit_slip", 1, 7),
    ),
    Kind.TORN_FRAME: FaultKind(
        "so many frames lose their first nine bytes",
        "frames without 1100 are dropped and counted as lost, eight in a row raise BAD_STATUS; a "
        "tear whose new first four bits happen to be 1100 passes, one in sixteen of random data",
        _COUNT,
        _integer("torn_frame", 1, 100_000),
        once=True,
    ),
    Kind.MISSED_EDGE: FaultKind(
        "so many DRDY edges are made, and the host is too late for them",
        "the kernel's count of edges jumps: counted as lost, to the sample",
        _COUNT,
        _integer("missed_edge", 1, 100_000),
        once=True,
    ),
    Kind.LATE_DRDY: FaultKind(
        "DRDY edges fall late by us, and at random by up to jitter_us more",
        "nothing, and nothing is wrong: samples are counted, not timed, and the frame is read "
        "before the next conversion",
        {
            "type": ["integer", "object"],
            "properties": {
                k: {"type": "integer", "minimum": 0, "maximum": LATE_MAX_US}
                for k in ("us", "jitter_us")
            },
            "additionalProperties": False,
        },
        _late,
    ),
    Kind.DRDY_STOPS: FaultKind(
        "the DRDY wire makes no edge for so many seconds, or forever; the chip converts on",
        "beyond the read's timeout DATA_READY_TIMEOUT, with what the registers say; a shorter "
        "silence shows in the time of the next edge only: counted as lost from that",
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"const": FOREVER}]},
        _silence,
    ),
    Kind.STUCK_BITS: FaultKind(
        "bits of one lead's counts are stuck: count AND and, OR or",
        "nothing while running: frames carry no check of their data. High bits show as an offset "
        "or a clipped lead, and in the self-test as a wrong step; a stuck bit below the noise "
        "shows nowhere",
        {
            "type": "object",
            "properties": {
                "lead": {"enum": sorted(CHANNEL_LEADS)},
                "and": {"type": "integer", "minimum": 0, "maximum": COUNT_BITS},
                "or": {"type": "integer", "minimum": 0, "maximum": COUNT_BITS},
            },
            "required": ["lead"],
            "additionalProperties": False,
        },
        _masks,
    ),
    Kind.BROWN_OUT: FaultKind(
        "the supply dips: registers return to reset, conversions end",
        "DATA_READY_TIMEOUT naming CONFIG1 and its reset value; a restart sets the chip up anew",
        {"const": True},
        _dip,
        once=True,
    ),
    Kind.CLOCK_PPM: FaultKind(
        "the chip's clock is fast by so many parts per million (negative: slow)",
        "nothing while running: the sample index counts the chip's samples, so that rates and "
        "filters are off by as much (1 % of the heart rate at most; 50 Hz mains looks like 49.5 "
        "Hz); the self-test measures the data-ready rate and allows 3 %",
        {"type": "integer", "minimum": -PPM_MAX, "maximum": PPM_MAX},
        _integer("clock_ppm", -PPM_MAX, PPM_MAX),
    ),
    Kind.SPI_NOISE: FaultKind(
        "a share of the bits the host reads is wrong, at random",
        "frames whose 1100 was hit (4 of 216 bits) are dropped and counted, a hit register at the "
        "right-leg check raises REGISTER_MISMATCH; a hit count or lead-off bit is believed: "
        "frames carry no checksum",
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        _bit_errors,
    ),
}


def timeline(entries: Iterable[tuple[float, Mapping[str, Any]]], origin_ns: int = 0) -> Faults:
    """The faults of a scenario: (seconds, {name: value}) in any order, value ``off`` to end one.

    A fault that is given again while in force takes the new value; stuck_bits go by lead.
    origin_ns : the clock's time at second 0. Raises ValueError: unknown fault or value.
    """
    spells: list[Spell] = []
    for at_s, named in sorted(entries, key=lambda entry: entry[0]):
        at_ns = origin_ns + round(at_s * 1e9)
        for name, value in named.items():
            if name not in FAULTS:
                raise ValueError(f"no fault '{name}'; there are {', '.join(FAULTS)}")
            kind = Kind(name)
            entry = FAULTS[kind]
            values = () if value == OFF else entry.values(value)
            if entry.once and value == OFF:
                raise ValueError(f"{name} happens and is over; it has no '{OFF}'")
            if not entry.once:
                same_lead = kind is Kind.STUCK_BITS and value != OFF
                for n, spell in enumerate(spells):
                    over = spell.end_ns is not None and spell.end_ns <= at_ns
                    other_lead = same_lead and spell.value[:1] != values[:1]
                    if spell.kind is kind and not over and not other_lead:
                        spells[n] = replace(spell, end_ns=at_ns)
            if value == OFF:
                continue
            end_ns = at_ns + values[0] if kind is Kind.DRDY_STOPS and values else None
            spells.append(Spell(kind, at_ns, end_ns, values))
    return Faults(spells=tuple(spells))
