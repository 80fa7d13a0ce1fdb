"""Lead derivation against its definitions, and the consequence of every electrode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.events import LEADS
from firmware.leads import channels_lost, leads_lost, twelve_leads
from hal.frontend import CHANNEL_LEADS, Electrode, electrode_mask

PEAK = 2**27  # more than any filter gives
ALL = set(LEADS)


@given(st.lists(st.integers(-PEAK, PEAK), min_size=8, max_size=8))
def test_leads_follow_their_definitions(row: list[int]) -> None:
    channels = dict(zip(CHANNEL_LEADS, row, strict=True))
    leads = twelve_leads(np.array([row], dtype=np.int32))
    assert leads.dtype == np.int32
    lead = dict(zip(LEADS, leads[0].tolist(), strict=True))
    one, two = channels["I"], channels["II"]
    assert {name: lead[name] for name in channels} == channels
    assert lead["III"] == two - one
    assert abs(2 * lead["aVR"] + one + two) <= 1
    assert abs(2 * lead["aVL"] - (2 * one - two)) <= 1
    assert abs(2 * lead["aVF"] - (2 * two - one)) <= 1
    assert lead["aVR"] + lead["aVL"] + lead["aVF"] == 0


@pytest.mark.parametrize(
    ("off", "lost"),
    [
        ([], set()),
        (["RA"], ALL),
        (["LA"], ALL - {"II"}),
        (["LL"], ALL - {"I"}),
        (["LA", "LL"], ALL),
        (["RL"], set()),
        *[([f"V{i}"], {f"V{i}"}) for i in range(1, 7)],
        (["V2", "V5", "RL"], {"V2", "V5"}),
    ],
)
def test_leads_lost(off: list[str], lost: set[str]) -> None:
    mask = electrode_mask(Electrode[name] for name in off)
    flags = leads_lost(mask)
    assert {name for name, gone in zip(LEADS, flags, strict=True) if gone} == lost
    channel_flags = dict(zip(CHANNEL_LEADS, channels_lost(mask), strict=True))
    assert {name for name, gone in channel_flags.items() if gone} == lost & set(CHANNEL_LEADS)
