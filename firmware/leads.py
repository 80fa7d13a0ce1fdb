"""Twelve leads from eight channels, in integers, and which of them an electrode takes away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from firmware.events import LEADS
from hal.frontend import CHANNEL_LEADS, Electrode, electrode_mask

_I, _II = CHANNEL_LEADS.index("I"), CHANNEL_LEADS.index("II")
_CHEST = [CHANNEL_LEADS.index(lead) for lead in LEADS[6:]]


def twelve_leads(channels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Derive the leads: int32 [n, 8] in the order of CHANNEL_LEADS -> int32 [n, 12] as in LEADS.

    III = II - I is exact. aVR is -(I + II) / 2 with halves rounded up, aVL is I - II / 2 with
    halves rounded down, and aVF is -(aVR + aVL), which is II - I / 2 to within half a unit. So
    Einthoven's I + III = II and Goldberger's aVR + aVL + aVF = 0 both hold to the last bit.
    I and II must stay within +-2**30, as filtered 24-bit counts do.
    """
    one, two = channels[:, _I], channels[:, _II]
    leads = np.empty((len(channels), len(LEADS)), dtype=np.int32)
    leads[:, 0] = one
    leads[:, 1] = two
    leads[:, 2] = two - one
    leads[:, 3] = -((one + two) >> 1)
    leads[:, 4] = one + (-two >> 1)
    leads[:, 5] = -(leads[:, 3] + leads[:, 4])
    leads[:, 6:] = channels[:, _CHEST]
    return leads


def _electrodes_needed(channel_lead: str) -> int:
    """The electrodes a channel is measured between; chest leads use RA, LA and LL as reference."""
    if channel_lead == "I":
        return electrode_mask([Electrode.RA, Electrode.LA])
    if channel_lead == "II":
        return electrode_mask([Electrode.RA, Electrode.LL])
    return electrode_mask([Electrode[channel_lead], Electrode.RA, Electrode.LA, Electrode.LL])


_CHANNEL_NEEDS = np.array([_electrodes_needed(lead) for lead in CHANNEL_LEADS])
_LEAD_NEEDS = np.array(
    [
        _electrodes_needed("I"),
        _electrodes_needed("II"),
        *[_electrodes_needed("I") | _electrodes_needed("II")] * 4,  # III, aVR, aVL, aVF
        *[_electrodes_needed(lead) for lead in LEADS[6:]],
    ]
)


def channels_lost(electrodes_off: int) -> NDArray[np.bool_]:
    """Bool [8]: the channels that an electrode in the mask takes away."""
    return np.not_equal(_CHANNEL_NEEDS & electrodes_off, 0)


def leads_lost(electrodes_off: int) -> NDArray[np.bool_]:
    """Bool [12]: the leads that an electrode in the mask takes away.

    RA off takes all twelve: both limb channels and Wilson's terminal hang on it (III too, since it
    is computed from two channels that share the open input). LA off leaves II, LL off leaves I:
    Wilson's terminal is gone, and with it the chest leads. A chest electrode takes its own lead.
    RL takes none by itself: no lead is measured against it. What its loss does to the others (the
    lead-off currents then pull the body to the supply) shows as those electrodes being off, too.
    """
    return np.not_equal(_LEAD_NEEDS & electrodes_off, 0)
