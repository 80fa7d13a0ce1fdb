"""Frame codec and wiring: golden vectors of the data sheet, and the round trip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hal.ads1298 import frame, wiring
from hal.frontend import Electrode, electrode_mask
from tests.hal.ads1298_bench import shown_off

GOLDEN = [
    ("000000", 0),
    ("000001", 1),
    ("7FFFFF", 8_388_607),
    ("800000", -8_388_608),
    ("FFFFFF", -1),
    ("FFFFF6", -10),
    ("0051EC", 20_972),  # 1 mV at gain 6
]


@pytest.mark.parametrize(("code", "count"), GOLDEN)
@pytest.mark.parametrize("channel", range(8))
def test_golden_counts(code, count, channel):
    words = ["000000"] * 8
    words[channel] = code
    status, counts = frame.unpack(bytes.fromhex("C00000" + "".join(words)))
    expected = np.zeros((1, 8), np.int32)
    expected[0, channel] = count
    assert status.tolist() == [0xC00000]
    assert np.array_equal(counts, expected)
    assert frame.pack(status, expected).tobytes().hex().upper() == "C00000" + "".join(words)


@given(hnp.arrays(np.uint32, st.integers(0, 20), elements=st.integers(0, (1 << 24) - 1)), st.data())
def test_round_trip(status, data):
    counts = data.draw(
        hnp.arrays(np.int32, (len(status), 8), elements=st.integers(-(1 << 23), (1 << 23) - 1))
    )
    got_status, got_counts = frame.unpack(frame.pack(status, counts).tobytes())
    assert got_status.dtype == np.uint32
    assert got_counts.dtype == np.int32
    assert got_counts.flags.c_contiguous
    assert np.array_equal(got_status, status)
    assert np.array_equal(got_counts, counts)


def test_only_1100_begins_a_frame():
    prefixes = np.arange(16, dtype=np.uint32) << np.uint32(20)
    assert np.flatnonzero(frame.is_frame(prefixes)).tolist() == [0b1100]


def test_half_a_frame_is_refused():
    with pytest.raises(ValueError, match="28 bytes are not whole frames of 27"):
        frame.unpack(bytes(28))


@pytest.mark.parametrize(
    ("electrode", "statp", "statn"),
    [
        (Electrode.RA, 0x00, 0x02),
        (Electrode.LA, 0x02, 0x00),
        (Electrode.LL, 0x04, 0x00),
        (Electrode.V6, 0x01, 0x00),
        (Electrode.V2, 0x08, 0x00),
        (Electrode.V3, 0x10, 0x00),
        (Electrode.V4, 0x20, 0x00),
        (Electrode.V5, 0x40, 0x00),
        (Electrode.V1, 0x80, 0x00),
        (Electrode.RL, 0xFF, 0x00),  # the body drifts to AVDD and takes all positive inputs along
    ],
)
def test_status_bits_name_electrodes(electrode, statp, statn):
    status = np.array([frame.status_word(), frame.status_word(statp, statn, 0xF)], np.uint32)
    assert wiring.electrodes_off(status).tolist() == [0, shown_off(electrode)]


def test_an_unplugged_cable_is_every_electrode_but_rl():
    status = np.array([frame.status_word(0xFF, 0x02)], np.uint32)
    everything = electrode_mask(e for e in Electrode if e is not Electrode.RL)
    assert wiring.electrodes_off(status).tolist() == [everything]


def test_wct_pins_that_cannot_sense_are_ignored():
    assert wiring.electrodes_off(np.array([frame.status_word(0, 0xFD)], np.uint32)).tolist() == [0]


def test_wiring_is_the_reference_boards():
    assert [(i.lead, i.positive, i.negative) for i in wiring.INPUTS] == [
        ("V6", Electrode.V6, wiring.WCT),
        ("I", Electrode.LA, Electrode.RA),
        ("II", Electrode.LL, Electrode.RA),
        ("V2", Electrode.V2, wiring.WCT),
        ("V3", Electrode.V3, wiring.WCT),
        ("V4", Electrode.V4, wiring.WCT),
        ("V5", Electrode.V5, wiring.WCT),
        ("V1", Electrode.V1, wiring.WCT),
    ]
    assert [wiring.electrode_on(pin) for pin in wiring.WCT_PINS] == [
        Electrode.RA,
        Electrode.LA,
        Electrode.LL,
    ]
    assert (wiring.WCT1_VALUE, wiring.WCT2_VALUE) == (0x0B, 0xD4)


def test_the_right_leg_is_driven_by_each_limb_electrode_once():
    felt = [e.positive for n, e in enumerate(wiring.INPUTS) if wiring.RLD_SENSP_VALUE >> n & 1]
    felt += [e.negative for n, e in enumerate(wiring.INPUTS) if wiring.RLD_SENSN_VALUE >> n & 1]
    assert sorted(felt) == [Electrode.RA, Electrode.LA, Electrode.LL]
