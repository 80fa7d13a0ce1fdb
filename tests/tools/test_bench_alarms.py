"""``lead12 bench alarms``: what it counts, and on a few recordings what it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware.findings import Priority
from tools.bench import alarms as bench
from tools.bench.recordings import Packed, packed


def of(labels: tuple[str, ...]) -> Packed:
    """A record with these labels."""
    return Packed("r", "PTB-XL", labels, "", "9", np.zeros((5000, 8)))


@pytest.mark.parametrize(
    ("code", "labels", "true"),
    [
        ("af", ("AFIB",), True),
        ("af", ("SR",), False),
        ("extreme_brady", ("SBRAD",), True),
        ("extreme_tachy", ("SBRAD",), False),
        ("st_elevation", ("IMI",), True),
        ("vf_vt", ("AFIB", "IMI"), False),
        ("unreadable", ("unacceptable",), True),
        ("unreadable", ("acceptable",), False),
    ],
)
def test_labels_say_which_alarms_were_needed(code, labels, true):
    assert bench.allowed(code, of(labels)) is true


def test_the_time_is_from_the_onset_of_the_wave():
    assert 1 < bench._delay_s(("asystole", 1)) <= bench.WITHIN_S


def test_an_interval_of_a_count_holds_it():
    assert bench.poisson(0) == pytest.approx((0, 3.689), abs=1e-3)  # -ln 0.025
    low, high = bench.poisson(10)
    assert (low, high) == pytest.approx((4.795, 18.39), abs=0.01)  # Garwood's table


@pytest.mark.data
def test_people_without_need_raise_no_grave_alarm(recordings: Path):
    """A look at a few; the rates are those of the command."""
    network = bench._network()
    false = [
        record.record
        for record in packed(recordings, "ptbxl_100hz", fold="9", every=150)
        for said in bench.raised(
            bench.Watched(record, bench.PTBXL_RATE_HZ, 20.0).counts(), bench.NV_PER_COUNT, network
        )
        if said.alarm.priority is Priority.HIGH and not bench.allowed(said.alarm.code, record)
    ]
    assert len(false) <= 1
