"""The declaration against the data sheet, and against itself."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.ads1298 import registers as reg

# address, name, reset, from the register map of SBAS459
MAP = """
00 ID 92|01 CONFIG1 06|02 CONFIG2 40|03 CONFIG3 40|04 LOFF 00|05 CH1SET 00|06 CH2SET 00
07 CH3SET 00|08 CH4SET 00|09 CH5SET 00|0A CH6SET 00|0B CH7SET 00|0C CH8SET 00|0D RLD_SENSP 00
0E RLD_SENSN 00|0F LOFF_SENSP 00|10 LOFF_SENSN 00|11 LOFF_FLIP 00|12 LOFF_STATP 00
13 LOFF_STATN 00|14 GPIO 0F|15 PACE 00|16 RESP 00|17 CONFIG4 00|18 WCT1 00|19 WCT2 00
"""


def test_map_is_the_data_sheets():
    entries = [entry.split() for entry in MAP.replace("\n", "|").split("|") if entry]
    declared = [[f"{r.address:02X}", r.name, f"{r.reset:02X}"] for r in reg.REGISTERS]
    assert declared == entries
    assert [r.name for r in reg.REGISTERS if r.read_only] == ["ID", "LOFF_STATP", "LOFF_STATN"]


@pytest.mark.parametrize("register", reg.REGISTERS, ids=lambda r: r.name)
def test_fields_share_no_bit(register):
    seen = register.fixed
    for field in register.fields:
        assert not seen & field.mask, field.name
        assert field.mask <= 0xFF
        assert all(meaning <= field.mask >> field.low for meaning in field.meanings)
        seen |= field.mask


@given(st.sampled_from([r for r in reg.REGISTERS if not r.read_only]), st.integers(0, 255))
def test_decode_and_encode_are_inverse(register, value):
    fields = reg.decode(register.name, value)
    kept = register.fixed
    for field in register.fields:
        kept |= value & field.mask
    assert register.encode(**fields) == kept


@pytest.mark.parametrize(
    ("register", "fields", "value"),
    [
        (reg.CONFIG1, {"HR": 1, "DR": reg.DATA_RATE_500_HR}, 0x86),
        (reg.CONFIG3, {"PD_REFBUF": 1, "RLDREF_INT": 1, "PD_RLD": 1}, 0xCC),
        (reg.CHANNELS[0], {"GAIN": reg.GAIN_CODES[12], "MUX": reg.Mux.TEST}, 0x65),
        (reg.CHANNELS[0], {"PD": 1}, 0x80),
        (reg.LOFF, {"COMP_TH": 7, "ILEAD_OFF": 3, "FLEAD_OFF": 3}, 0xEF),
        (reg.CONFIG2, {"INT_TEST": 1, "TEST_FREQ": 1}, 0x11),
        (reg.PACE, {"PACEO": 3}, 0x06),
        (reg.CONFIG4, {"PD_LOFF_COMP": 1}, 0x02),
        (reg.WCT1, {"PD_WCTA": 1, "WCTA": reg.Pin.IN2N}, 0x0B),
        (
            reg.WCT2,
            {"PD_WCTC": 1, "PD_WCTB": 1, "WCTB": reg.Pin.IN2P, "WCTC": reg.Pin.IN3P},
            0xD4,
        ),
    ],
)
def test_known_values(register, fields, value):
    assert register.encode(**fields) == value


def test_a_value_too_large_for_its_field_is_refused():
    with pytest.raises(ValueError, match=r"CH1SET\.GAIN cannot hold 8"):
        reg.CHANNELS[0].encode(GAIN=8)
    with pytest.raises(KeyError, match="CONFIG1 has no field GAIN"):
        reg.CONFIG1.encode(GAIN=1)


def test_periods_follow_the_rate_table():
    rates_hr = [1e9 / reg.period_ns(reg.CONFIG1.encode(HR=1, DR=dr)) for dr in range(7)]
    rates_lp = [1e9 / reg.period_ns(reg.CONFIG1.encode(HR=0, DR=dr)) for dr in range(7)]
    assert rates_hr == pytest.approx([32e3, 16e3, 8e3, 4e3, 2e3, 1e3, 500], rel=1e-6)
    assert rates_lp == pytest.approx([16e3, 8e3, 4e3, 2e3, 1e3, 500, 250], rel=1e-6)


@pytest.mark.parametrize(
    ("gain", "nv"),
    [(1, 286.102), (2, 143.051), (3, 95.367), (4, 71.526), (6, 47.684), (8, 35.763), (12, 23.842)],
)
def test_scale_depends_on_the_gain(gain, nv):
    assert reg.volts_per_count(gain) * 1e9 == pytest.approx(nv, abs=5e-4)


def test_full_scale_is_the_reference_exactly():
    assert reg.volts_per_count(6) * 6 * 0x7FFFFF == pytest.approx(2.4, rel=1e-9)


def test_waits():
    assert reg.tclk_ns(reg.POWER_ON_TCLK) == 128_000_000
    assert reg.tclk_ns(reg.RESET_TCLK) == 8_790
    assert reg.tclk_ns(reg.COMMAND_TCLK) == 1_954


def test_document_is_current():
    document = Path(__file__).parents[2] / "docs" / "ads1298-registers.md"
    assert document.read_text(encoding="utf-8") == reg.markdown(), (
        "run: python -m hal.ads1298.registers > docs/ads1298-registers.md"
    )
