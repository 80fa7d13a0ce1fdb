"""Which electrode sits on which pin: TI's 12-lead reference wiring (SBAU181B, table 2).

The negative inputs of the chest channels are wired to the WCT pin, the average of RA, LA and LL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hal.ads1298 import registers as reg
from hal.frontend import CHANNEL_LEADS, Electrode

WCT = None  # the negative side of a chest channel


@dataclass(frozen=True, slots=True)
class Input:
    """One differential input: the electrodes on its pins (``WCT``: the terminal)."""

    lead: str
    positive: Electrode
    negative: Electrode | None


_PAIRS: Mapping[str, tuple[Electrode, Electrode | None]] = {
    "I": (Electrode.LA, Electrode.RA),
    "II": (Electrode.LL, Electrode.RA),
    **{f"V{n}": (Electrode[f"V{n}"], WCT) for n in range(1, 7)},
}
INPUTS: tuple[Input, ...] = tuple(Input(lead, *_PAIRS[lead]) for lead in CHANNEL_LEADS)

# WCT amplifiers: A = RA, B = LA, C = LL
WCT_PINS: tuple[reg.Pin, ...] = (reg.Pin.IN2N, reg.Pin.IN2P, reg.Pin.IN3P)
WCT1_VALUE = reg.WCT1.encode(PD_WCTA=1, WCTA=WCT_PINS[0])
WCT2_VALUE = reg.WCT2.encode(PD_WCTB=1, PD_WCTC=1, WCTB=WCT_PINS[1], WCTC=WCT_PINS[2])

# Lead-off is sensed on one pin per electrode: all positive inputs, and RA on IN2N (I).
# RA is on IN3N too; sensing it twice would only double its current. The other negative
# inputs are driven by WCT and cannot show a lead off (TI E2E 63155).
LOFF_SENSP_VALUE = 0xFF
LOFF_SENSN_VALUE = 1 << CHANNEL_LEADS.index("I")

# RLD drives the body against the mean of LA, LL and RA (IN2P, IN3P, IN2N)
RLD_SENSP_VALUE = 1 << CHANNEL_LEADS.index("I") | 1 << CHANNEL_LEADS.index("II")
RLD_SENSN_VALUE = 1 << CHANNEL_LEADS.index("I")

_STATP_SHIFT = 12  # of the status word: 1100, STATP[7:0], STATN[7:0], GPIO[7:4]
_STATN_SHIFT = 4
STATUS_BITS: Mapping[Electrode, int] = {
    **{entry.positive: _STATP_SHIFT + n for n, entry in enumerate(INPUTS)},
    Electrode.RA: _STATN_SHIFT + CHANNEL_LEADS.index("I"),
}
_STATUS_MASK = np.uint32(sum(1 << bit for bit in STATUS_BITS.values()))
_RL_PATTERN = _STATUS_MASK & ~np.uint32(1 << STATUS_BITS[Electrode.RA])


def electrode_on(pin: reg.Pin) -> Electrode | None:
    """The electrode wired to ``pin``; None for the WCT terminal."""
    entry = INPUTS[pin // 2]
    return entry.negative if pin % 2 else entry.positive


def electrodes_off(status: NDArray[np.uint32]) -> NDArray[np.uint16]:
    """Electrodes off, as bits of ``Electrode``, from status words [n].

    RL has no bit of its own. Without it the lead-off currents pull the whole body to AVDD, and
    all positive comparators trip while RA's does not (TI E2E 734377): RL is then added to the
    others, which stay off too, for their channels are as dead as if they were.
    """
    off = np.zeros(len(status), np.uint16)
    tripped = status & _STATUS_MASK
    if tripped.any():
        for electrode, bit in STATUS_BITS.items():
            off |= ((tripped >> np.uint32(bit) & np.uint32(1)) << np.uint32(electrode)).astype(
                np.uint16
            )
        off[tripped == _RL_PATTERN] |= np.uint16(1 << Electrode.RL)
    return off
