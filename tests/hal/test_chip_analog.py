"""The simulated chip's analog half, seen through the driver."""

from itertools import pairwise

import numpy as np
import pytest

from hal.ads1298.analog import NOISE_CHUNK, SINC3_TAPS, AnalogFrontEnd, AnalogSettings
from hal.ads1298.settings import settings_for
from hal.frontend import Electrode, FrontendConfig, electrode_mask
from tests.hal.ads1298_bench import COUNT_V, Bench, BenchPatient, joined, read_all, shown_off

E = Electrode
LEADS = ("V6", "I", "II", "V2", "V3", "V4", "V5", "V1")
MAX, MIN = 8_388_607, -8_388_608
NOISE_COUNTS = 50  # six sigma of the input noise


def counts_of(patient: BenchPatient, frames: int = 200, **config) -> np.ndarray:
    driver = Bench(patient, bulk=True).run(FrontendConfig(**config))
    return joined(read_all(driver, frames, frames), "counts")


def test_leads_are_electrode_differences_against_wct():
    volts = {E.RA: 1e-3, E.LA: 2e-3, E.LL: 6e-3} | {E[f"V{n}"]: n * 10e-3 for n in range(1, 7)}
    got = counts_of(BenchPatient(volts)).mean(axis=0) * COUNT_V
    wct = 3e-3
    expected = {"I": 1e-3, "II": 5e-3} | {f"V{n}": n * 10e-3 - wct for n in range(1, 7)}
    assert got == pytest.approx([expected[lead] for lead in LEADS], abs=0.2e-6)


@pytest.mark.parametrize("gain", [1, 2, 3, 4, 6])
def test_one_millivolt_at_every_gain(gain):
    got = counts_of(BenchPatient({E.LA: 1e-3}), gain=gain)[:, 1].mean()
    assert got == pytest.approx(1e-3 * gain * MAX / 2.4, rel=1e-3)


def test_offsets_of_300_mv_pass_and_more_than_full_scale_clips():
    assert counts_of(BenchPatient({E.LA: 0.3}))[:, 1].mean() == pytest.approx(6_291_455, abs=20)
    assert (counts_of(BenchPatient({E.LA: 0.3, E.RA: -0.2}))[:, 1] == MAX).all()
    assert (counts_of(BenchPatient({E.LA: -0.3, E.RA: 0.2}))[:, 1] == MIN).all()


@pytest.mark.parametrize("hz", [0.5, 10.0, 50.0, 100.0, 125.0, 150.0])
def test_droop_is_that_of_sinc3(hz):
    amplitude = 10e-3
    got = counts_of(BenchPatient(sine_v={E.V1: amplitude}, hz=hz), 2000)[:, 7] * COUNT_V
    t = np.arange(len(got)) / 500
    basis = np.stack([np.sin(2 * np.pi * hz * t), np.cos(2 * np.pi * hz * t)], axis=1)
    measured = np.linalg.norm(np.linalg.lstsq(basis, got, rcond=None)[0]) / amplitude
    # sinc3 of the chip: 1024 modulator samples at 512 kHz
    x = np.pi * hz / 512_000
    sinc3 = abs(np.sin(1024 * x) / (1024 * np.sin(x))) ** 3
    assert 20 * np.log10(measured / sinc3) == pytest.approx(0, abs=0.01)


def test_taps_have_unit_gain_and_are_symmetric():
    assert sum(SINC3_TAPS) == pytest.approx(1, abs=1e-15)
    assert np.allclose(SINC3_TAPS, SINC3_TAPS[::-1], rtol=0, atol=1e-15)


@pytest.mark.parametrize(("gain", "uv"), [(6, 0.40), (1, 1.25)])
def test_noise_is_seeded_and_of_the_expected_size(gain, uv):
    patient = BenchPatient()
    volts_per_count = 2.4 / gain / MAX
    got = counts_of(patient, 2000, gain=gain)
    assert got.std(axis=0) * volts_per_count * 1e6 == pytest.approx([uv] * 8, rel=0.1)
    correlation = np.corrcoef(got.T) - np.eye(8)
    assert np.abs(correlation).max() < 0.1
    other = Bench(patient, bulk=True, seed=2).run(FrontendConfig(gain=gain))
    assert not np.array_equal(joined(read_all(other, 2000, 2000), "counts"), got)


def test_counts_do_not_depend_on_how_time_is_cut():
    patient = BenchPatient({E.RA: 0.1}, sine_v={E.V3: 5e-3, E.LL: 1e-3}, off=[E.V2])
    registers = dict.fromkeys(("ID", "LOFF_STATP", "LOFF_STATN"), 0)
    settings = AnalogSettings.of(registers | settings_for(FrontendConfig()))
    whole = AnalogFrontEnd(patient, 7).convert(settings, -3, NOISE_CHUNK + 100)
    pieces = AnalogFrontEnd(patient, 7)
    starts = [-3, 0, 1, 50, NOISE_CHUNK - 1, NOISE_CHUNK, NOISE_CHUNK + 97]
    cut = [pieces.convert(settings, a, b - a) for a, b in pairwise(starts)]
    for n, part in enumerate(whole):
        assert np.array_equal(part, np.concatenate([piece[n] for piece in cut]))


@pytest.mark.parametrize("electrode", list(Electrode))
def test_every_electrode_says_when_it_is_off(electrode):
    bench = Bench(BenchPatient(off=[electrode]), bulk=True)
    blocks = read_all(bench.run(), 20)
    assert set(joined(blocks, "electrodes_off").tolist()) == {shown_off(electrode)}


def test_all_on_and_all_off():
    on = read_all(Bench(BenchPatient(dict.fromkeys(E, 0.3))).run(), 20)
    assert not joined(on, "electrodes_off").any()
    off = read_all(Bench(BenchPatient(off=list(E))).run(), 20)
    assert set(joined(off, "electrodes_off").tolist()) == {electrode_mask(E)}


@pytest.mark.parametrize(
    ("electrode", "railed"),
    [
        (E.V4, {"V4"}),
        (E.RA, set(LEADS)),  # I, II, and through WCT every chest lead
        (E.LA, set(LEADS) - {"II"}),
        (E.LL, set(LEADS) - {"I"}),
    ],
)
def test_an_electrode_off_rails_the_leads_that_need_it(electrode, railed):
    got = counts_of(BenchPatient(off=[electrode]))
    stuck = {
        lead for lead, column in zip(LEADS, got.T, strict=True) if np.isin(column, (MAX, MIN)).all()
    }
    assert stuck == railed


def test_a_right_leg_off_lets_the_body_drift_to_the_supply():
    patient = BenchPatient(sine_v={E.V1: 5e-3}, off=[E.RL])
    assert np.abs(counts_of(patient)).max() < NOISE_COUNTS  # nothing of the 5 mV is left


def test_lead_off_takes_effect_with_the_sample_at_which_it_happens():
    patient = BenchPatient(off=[E.V2], off_span=(400, 800))
    blocks = read_all(Bench(patient, bulk=True).run(), 300)
    flagged = np.flatnonzero(joined(blocks, "electrodes_off"))
    assert (flagged[0], flagged[-1]) == (100, 199)


@pytest.mark.parametrize(
    "changed",
    [{"CONFIG4": 0x00}, {"LOFF": 0x00}, {"LOFF": 0x01}, {"LOFF_SENSP": 0x00}],
    ids=["comparators off", "no current", "AC", "not sensed"],
)
def test_comparators_need_all_of_their_settings(changed):
    bench = Bench(BenchPatient(off=[E.V2]))
    bench.run()
    bench.driver.stop()
    bench.driver.apply(changed)
    bench.driver.start()
    assert not joined(read_all(bench.driver, 10), "electrodes_off").any()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"CONFIG3": 0x4C}, MAX),  # no reference: every code is full scale
        ({"CH2SET": 0x80}, 0),  # powered down: zero, its place in the frame is kept
        ({"CH2SET": 0x70}, 20_972),  # the undefined gain
        ({"CH2SET": 0x05, "CONFIG2": 0x13}, 10_486),  # test signal, constant: half a step
        ({"CH2SET": 0x05}, 0),  # external test signal: nothing is connected
        ({"CONFIG3": 0xEC}, 20_972 * 2.4 / 4.0),  # 4 V reference
    ],
)
def test_settings_of_a_channel(changed, expected):
    bench = Bench(BenchPatient({E.LA: 1e-3}))
    bench.run()
    bench.driver.stop()
    bench.driver._settings |= changed
    bench.driver.apply(changed)
    bench.driver.start()
    lead_i = joined(read_all(bench.driver, 100), "counts")[:, 1]
    assert lead_i.mean() == pytest.approx(expected, abs=10)


def test_the_terminal_is_the_mean_of_the_amplifiers_that_are_on():
    bench = Bench(BenchPatient({E.RA: 1e-3, E.LA: 2e-3, E.LL: 6e-3}))
    bench.driver.configure(FrontendConfig())
    bench.driver.apply({"WCT1": 0x00})  # without RA's
    bench.driver.start()
    v2 = joined(read_all(bench.driver, 100), "counts")[:, 3] * COUNT_V
    assert v2.mean() == pytest.approx(-4e-3, abs=1e-6)


@pytest.mark.parametrize(("config2", "half"), [(0x10, 256), (0x11, 128)])
def test_square_has_the_declared_frequency(config2, half):
    bench = Bench()
    bench.run()
    bench.driver.stop()
    bench.driver.apply({"CONFIG2": config2, "CH1SET": 0x05})
    bench.driver.start()
    square = joined(read_all(bench.driver, 1030), "counts")[:, 0]
    edges = np.flatnonzero(np.diff(np.sign(square)))
    assert np.diff(edges).tolist() == [half] * (len(edges) - 1)
    assert len(edges) >= 3
