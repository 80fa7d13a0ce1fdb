"""Recorded ECGs as patients: resampling, ends, loops, and what cannot be a patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from hal.errors import RecordingError
from hal.patient import ANALOG_RATE_HZ
from hal.patient.record import INDEPENDENT_LEADS, Recording, lead_name
from hal.patient.recording import RecordedPatient, read_recording
from hal.patient.resample import Resampler
from tests.hal.patient_leads import leads_mv


def band_limited(rate_hz: float, seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """Eight leads of sines up to 0.4 of the rate, at most 1 mV each."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    hz = rng.uniform(0.5, 0.4 * min(rate_hz, 400), (6, 1, 8))
    return np.sin(2 * np.pi * (hz * t[:, None] + rng.uniform(0, 1, (6, 1, 8)))).mean(axis=0)


def recording(mv: np.ndarray, rate_hz: float = 500.0, **extra: np.ndarray) -> Recording:
    leads = dict(zip(INDEPENDENT_LEADS, mv.T, strict=True)) | extra
    return Recording.from_leads("test", rate_hz, leads)


def grid(patient: RecordedPatient) -> np.ndarray:
    leads = leads_mv(patient.potentials(0, patient.duration).volts)
    return np.stack([leads[lead] for lead in INDEPENDENT_LEADS], axis=1)


@pytest.mark.parametrize("rate_hz", [100, 125, 250, 400, 500, 1000, 2000])
def test_samples_on_the_grid_come_out_as_they_went_in(rate_hz):
    mv = np.random.default_rng(1).normal(0, 1, (2 * rate_hz, 8))  # white: the worst case
    np.testing.assert_allclose(
        grid(RecordedPatient(recording(mv, rate_hz)))[:: 2000 // rate_hz], mv, atol=1e-9
    )


@pytest.mark.parametrize("rate_hz", [128.0, 257.0, 360.0, 500.0, 977.3, 1000 / 3, 4096.0, 10_000.0])
def test_sines_keep_their_phase_at_any_rate(rate_hz):
    t_in = np.arange(round(3 * rate_hz)) / rate_hz
    hz = np.linspace(1, 0.4 * min(rate_hz, 400), 8)
    out = grid(RecordedPatient(recording(np.sin(2 * np.pi * t_in[:, None] * hz), rate_hz)))
    t_out = np.arange(len(out)) / ANALOG_RATE_HZ
    inner = slice(600, 5400)  # the ends are mirrored, not sines
    np.testing.assert_allclose(
        out[inner], np.sin(2 * np.pi * t_out[:, None] * hz)[inner], atol=4e-3
    )


@pytest.mark.parametrize(("rate_hz", "up", "down"), [(500, 4, 1), (257, 2000, 257), (1000, 2, 1)])
def test_agrees_with_scipy(rate_hz, up, down):
    mv = band_limited(rate_hz)
    want = resample_poly(mv, up, down, axis=0, window=("kaiser", 8.0))
    got = grid(RecordedPatient(recording(mv, rate_hz)))
    inner = slice(1000, len(got) - 1000)
    np.testing.assert_allclose(got[inner], want[: len(got)][inner], atol=5e-3)


def test_pass_band_is_flat_and_images_are_down():
    """The kernel's own response: +-0.05 dB to 0.4 of the rate, below -80 dB from 0.6 of it."""
    impulse = np.zeros((256, 1))
    impulse[128] = 1.0
    resampler = Resampler(500)
    response = resampler.blocks(impulse, 0, 256 // resampler.block_in)[:, 0]
    magnitude = np.abs(np.fft.rfft(response, 8192)) / resampler.up
    of_rate = np.fft.rfftfreq(8192, 1 / resampler.up)
    assert np.abs(20 * np.log10(magnitude[of_rate <= 0.4])).max() < 0.05
    assert 20 * np.log10(magnitude[of_rate >= 0.6].max()) < -80


def test_a_constant_stays_that_constant():
    mv = np.full((1000, 8), 0.7)
    mv[500, 0] = 0.8
    np.testing.assert_allclose(grid(RecordedPatient(recording(mv)))[:, 3], 0.7, atol=1e-12)


@pytest.mark.parametrize("rate_hz", [257.0, 500.0])
def test_long_records_have_no_seams(rate_hz):
    """A record of several chunks equals one resampled whole."""
    mv = band_limited(rate_hz, seconds=33.0)
    patient = RecordedPatient(recording(mv, rate_hz))
    resampler = Resampler(rate_hz)
    whole = resampler.blocks(mv, 0, -(-len(mv) // resampler.block_in))[: patient.duration]
    np.testing.assert_allclose(grid(patient), whole, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("loop", [False, True])
def test_same_volts_however_cut(loop, data):
    lengths = {} if loop else {"tail_s": 4.0}
    patient = RecordedPatient(
        recording(band_limited(360, 3.3), 360), lead_in_s=2.0, loop=loop, **lengths
    )
    total = patient.duration or 40_000
    whole = patient.potentials(0, total).volts
    first = data.draw(st.integers(0, total))
    n = data.draw(st.integers(0, total - first))
    np.testing.assert_array_equal(patient.potentials(first, n).volts, whole[first : first + n])


def test_lead_in_and_tail_mirror_the_record():
    mv = band_limited(500, 2.0)
    patient = RecordedPatient(recording(mv), lead_in_s=3.0, tail_s=1.0)
    got = grid(patient)
    assert patient.duration == 6 * ANALOG_RATE_HZ
    start, end = 6000, 9999
    np.testing.assert_allclose(got[start - 1000 : start], got[start + 1 : start + 1001][::-1])
    np.testing.assert_allclose(got[end + 1 : end + 1001], got[end - 1000 : end][::-1])
    assert (
        np.abs(np.diff(got, axis=0)).max() < 0.5
    )  # no step at either end, nor when mirrored twice


def test_loop_goes_round_without_a_step():
    t = np.arange(1500) / 500
    mv = np.tile(
        (np.sin(2 * np.pi * 3.1 * t) + 0.4 * t + 1.0)[:, None], (1, 8)
    )  # ends 1.2 mV higher
    patient = RecordedPatient(recording(mv), loop=True)
    assert patient.duration is None
    volts = leads_mv(patient.potentials(0, 40_000).volts)["V2"]
    assert np.abs(np.diff(volts)).max() < 0.02
    period = 6000 - 1000
    np.testing.assert_allclose(volts[6000 : 6000 + 3000], volts[6000 + period : 9000 + period])
    np.testing.assert_allclose(
        volts[:period], np.interp(np.arange(period), np.arange(1500) * 4, mv[:, 0]), atol=0.02
    )
    with pytest.raises(ValueError, match="no tail"):
        RecordedPatient(recording(mv), loop=True, tail_s=1.0)


def test_beyond_the_end_is_refused():
    patient = RecordedPatient(recording(band_limited(500, 1.0)))
    assert patient.potentials(2000, 0).volts.shape == (0, 10)
    for first, n in ((1999, 2), (-1, 1)):
        with pytest.raises(ValueError, match="not in the signal"):
            patient.potentials(first, n)


def test_limb_leads_are_derived_and_compared():
    mv = band_limited(500)
    fine = recording(mv, III=mv[:, 1] - mv[:, 0], AVR=-(mv[:, 0] + mv[:, 1]) / 2)
    assert fine.notes == ()
    odd = recording(mv, III=mv[:, 0] - mv[:, 1] + 3.0)
    assert len(odd.notes) == 1
    assert "III differs from its sum of I and II" in odd.notes[0]
    np.testing.assert_array_equal(odd.mv, mv)


@pytest.mark.parametrize(
    ("text", "name"), [("i", "I"), (" II ", "II"), ("AVR", "aVR"), ("avf", "aVF"), ("v6", "V6"),
                       ("MLII", None), ("MLI", None), ("vx", None), ("V7", None), ("", None)],
)  # fmt: skip
def test_lead_names(text, name):
    assert lead_name(text) == name


def broken(change) -> dict[str, np.ndarray]:
    leads = dict(zip(INDEPENDENT_LEADS, band_limited(500).T.copy(), strict=True))
    change(leads)
    return leads


@pytest.mark.parametrize(
    ("change", "rate_hz", "message"),
    [
        (lambda x: x.pop("V3"), 500, r"lead V3 missing \(found I, II, V1, V2, V4.*; record I, II"),
        (lambda x: x.clear(), 500, "lead I, II, V1, .* missing .found none"),
        (lambda x: x.update(MLII=x.pop("II")), 500, "lead II missing"),
        (lambda x: x.update(v1=x["V1"]), 500, "lead V1 appears twice"),
        (lambda x: x["V2"].__setitem__(250, np.nan), 500, r"V2 has 1 missing samples.*at 0\.500 s"),
        (
            lambda x: x["I"].__setitem__(slice(0, 9), np.inf),
            500,
            "lead I has 9 samples that are no numbers",
        ),
        (lambda x: x.update(V6=x["V6"][:-1]), 500, r"differ in length \(1499 to 1500"),
        (lambda x: [v.fill(0.1) for v in x.values()], 500, "every lead is flat"),
        (lambda x: x.update({k: v[:400] for k, v in x.items()}), 500, r"lasts 0\.80 s, less than"),
        (lambda x: x.update({k: v[:0] for k, v in x.items()}), 500, r"lasts 0\.00 s"),
        (lambda x: None, 0, "sampling rate 0 Hz is not 50 to 20000 Hz"),
        (lambda x: None, -500, "sampling rate -500 Hz"),
        (lambda x: None, 1e6, "sampling rate 1e"),
        (lambda x: None, float("nan"), "sampling rate nan"),
    ],
)
def test_bad_recordings_are_refused_in_one_line(change, rate_hz, message):
    with pytest.raises(RecordingError, match=message) as caught:
        Recording.from_leads("test", rate_hz, broken(change))
    assert "\n" not in str(caught.value)
    assert caught.value.act


def test_real_records_come_back_to_the_microvolt(recordings):
    """Every development record: read, put on the 2 kHz grid, sampled again at 500 Hz."""
    headers = sorted((recordings / "wfdb").glob("*.hea"))
    assert len(headers) >= 90
    for header in headers:
        record = read_recording(header)
        leads = leads_mv(RecordedPatient(record).potentials(0, 4 * len(record.mv)).volts[::4])
        for column, lead in enumerate(INDEPENDENT_LEADS):
            assert np.abs(leads[lead] - record.mv[:, column]).max() < 1e-3


def test_packed_real_records_can_be_patients(recordings):
    """300 recordings of all sources: taken as they are, or refused for a reason."""
    h5py = pytest.importorskip("h5py")
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    taken = 0
    with h5py.File(recordings / "ecg_500hz.h5") as file:
        stored = file.attrs["leads"].split(",")
        lsb_mv = float(file.attrs["lsb_uV"]) / 1000
        rows = np.cumsum(file["X_delta"][497:797], axis=2, dtype=np.int16)
    assert set(stored) <= set(names)
    for row in rows:
        leads = dict(zip(stored, row * lsb_mv, strict=True))
        patient = RecordedPatient(Recording.from_leads("row", 500.0, leads))
        assert np.isfinite(patient.potentials(0, 20_000).volts).all()
        taken += 1
    assert taken == 300
