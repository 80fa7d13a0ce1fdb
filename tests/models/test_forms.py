"""Training sees what the device shows, in every form, and is spoiled before it is scaled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware import tensor
from firmware.inputs import Form, InputContract, Normal
from models.data import chain
from models.data.augment import Augmentation, augment, seven
from models.data.dataset import Dataset, Metadata
from models.data.forms import Clean, Material, counts_of, kept_leads, microvolts, stands_for
from models.data.labels import MATE4, STATEMENTS, SUPERCLASSES
from models.inputs import BEAT, TEN_SECONDS, at, page

CONTRACTS = {
    "our own": TEN_SECONDS,
    "mate": at(500, 5000, Normal.MIN_MAX),
    "mate-shipped": at(50, 500, Normal.MIN_MAX),
    "2048": at(500, 2048, Normal.LOG),
    "beat": BEAT,
    "page": page(530, 290, every_s=2),
}
RECORDS = 3


def beats_mv(bpm: float) -> np.ndarray:
    """R and T waves, another size in each lead: [1000, 8] at 100 Hz."""
    t = np.arange(1000) / 100
    phase = (t * bpm / 60 + 0.4) % 1 - 0.5
    late = phase * 60 / bpm
    r, wave = np.exp(-((late / 0.02) ** 2)), np.exp(-(((late - 0.25) / 0.05) ** 2))
    return np.asarray((r + 0.3 * wave)[:, None] * np.linspace(0.4, 1.4, 8))


def dataset() -> Dataset:
    """Two ECGs and a flat line."""
    mv = np.stack([beats_mv(72), beats_mv(110), np.zeros((1000, 8))])
    return Dataset(
        steps=np.rint(mv * 200).astype(np.int16).swapaxes(1, 2),
        lsb_uv=5.0,
        meta=Metadata.from_rows(
            [
                {"record_id": f"r{i}", "patient_id": f"{i}", "source": "PTB-XL"}
                for i in range(RECORDS)
            ]
        ),
        mate4=np.zeros((RECORDS, len(MATE4)), np.uint8),
        superclasses=np.zeros((RECORDS, len(SUPERCLASSES)), np.uint8),
        statements=np.zeros((RECORDS, len(STATEMENTS)), np.uint8),
        fold=np.array([1, 1, 1]),
        digest="d" * 64,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Clean]:
    """The records in every form."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        some, rows = dataset(), np.arange(RECORDS)
        return {
            name: Clean(kept_leads(some, of, lambda *_: None), rows, of)
            for name, of in CONTRACTS.items()
        }


@pytest.mark.parametrize("name", [name for name in CONTRACTS if name != "beat"])
def test_windows_and_pages_are_those_of_the_device(data: dict[str, Clean], name: str) -> None:
    """From counts to tensor as the monitor makes it; microvolts cost a step at most."""
    of = CONTRACTS[name]
    profile_delay = {50: 140}.get(of.rate_hz, 70)
    for row in range(2):
        mv = chain.extended(dataset().mv(row), profile_delay)
        counts = chain.to_counts(mv, np.random.default_rng((0, row)))
        device, ours = tensor.of_counts(counts, of), data[name][row]
        assert ours.shape == of.shape
        off = np.abs(device.astype(int) - ours)
        if of.form is Form.PAGE:
            assert (off > 0).mean() < 0.001
        else:
            assert off.max() <= (3 if of.normal is Normal.LOG else 1)
            assert (off > 0).mean() < 0.1
        assert len(np.unique(device)) > 1


def test_a_window_at_another_rate_is_the_record_s_own_ten_seconds(data: dict[str, Clean]) -> None:
    peaks = {}
    for name in ("our own", "mate", "mate-shipped"):
        rate = CONTRACTS[name].rate_hz
        peaks[name] = data[name][0][rate // 2 : rate * 13 // 10, 6].astype(int).argmax() / rate
    assert peaks["our own"] == pytest.approx(0.917 - 0.5, abs=0.011)
    assert peaks["mate"] == pytest.approx(peaks["our own"], abs=0.011)
    assert peaks["mate-shipped"] == pytest.approx(peaks["our own"], abs=0.021)


def test_the_median_beat_has_its_r_peak_where_the_device_has_it(data: dict[str, Clean]) -> None:
    for row in range(2):
        beat = data["beat"][row].astype(int)
        assert beat.shape == (400, 12)
        assert abs(int(beat[:, 7].argmax()) - tensor.R_AT) <= 3
        values = stands_for(data["beat"][row], BEAT)
        assert values.mean(0) == pytest.approx(0, abs=0.05)  # z-scored, lead by lead
        assert values.std(0) == pytest.approx(1, abs=0.1)
    assert not data["beat"][2].any()  # no beats, nothing to show
    device = tensor.of_counts(
        chain.to_counts(chain.extended(dataset().mv(0)), np.random.default_rng((0, 0)))[1000:6000],
        BEAT,
    )
    assert np.corrcoef(device[:, 7], data["beat"][0][:, 7])[0, 1] > 0.99


def test_slices_and_single_tensors_are_the_same_and_end(data: dict[str, Clean]) -> None:
    records = data["mate-shipped"]
    assert records[0:5].shape == (RECORDS, 500, 12)
    np.testing.assert_array_equal(records[1:2][0], records[1])
    assert len(list(records)) == RECORDS


def material(data: dict[str, Clean], name: str, augmentation: str, crop: int = 0) -> Material:
    of = data[name]
    return Material(of.leads, of.rows, of.contract, 7, augmentation, crop)


def test_what_is_not_augmented_is_what_the_device_shows(data: dict[str, Clean]) -> None:
    for name in ("mate", "beat", "page"):
        shown = material(data, name, "none").epoch(0)(np.array([1, 0]))
        np.testing.assert_array_equal(
            shown, stands_for(data[name][0:2], CONTRACTS[name])[::-1], strict=True
        )


@pytest.mark.parametrize(
    ("name", "how"), [("2048", "seven"), ("mate", "light"), ("page", "variants"), ("beat", "light")]
)
def test_a_record_in_an_epoch_depends_on_neither_batch_nor_order(
    data: dict[str, Clean], name: str, how: str
) -> None:
    one = material(data, name, how)
    both = one.epoch(3)(np.array([0, 1]))
    np.testing.assert_array_equal(both[1], one.epoch(3)(np.array([1]))[0])
    assert both.shape == (2, *CONTRACTS[name].shape)
    assert any((one.tensor(epoch, 1) != one.tensor(0, 1)).any() for epoch in range(1, 9))


def test_crops_are_everywhere_and_in_the_network_s_measure(data: dict[str, Clean]) -> None:
    """Random starts; min-max is of the crop, not of the record."""
    of = replace(CONTRACTS["2048"], normal=Normal.MIN_MAX)
    some = Material(data["2048"].leads, np.array([0]), of, 1, "none", 2048)
    crops = [some.tensor(epoch, 0) for epoch in range(12)]
    assert {crop.shape for crop in crops} == {(2048, 12)}
    assert {(crop.min(), crop.max()) for crop in crops} == {(-128, 127)}
    assert len({int(crop[:, 7].argmax()) for crop in crops}) > 6


def test_lost_leads_are_zero_of_the_measure_and_of_no_weight(data: dict[str, Clean]) -> None:
    some = material(data, "mate", "seven")
    lost = [some.tensor(epoch, 0) for epoch in range(60)]
    flat = [t for t in lost if (t == -128).all(0).any()]
    assert flat
    for one in flat:
        assert one.max() == 127  # the others still fill the measure


def test_the_seven_are_drawn_alike_and_do_what_they_say() -> None:
    mv = 0.01 + beats_mv(80)[:, [0, 1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7]].astype(np.float32)
    seen = {"same": 0, "flip": 0, "drop": 0, "leads": 0, "added": 0}
    for seed in range(700):
        out, lost = seven(mv, np.random.default_rng(seed))
        added = (out - mv)[:, 0]
        if lost.any():
            seen["leads"] += 1
        elif np.array_equal(out, mv):
            seen["same"] += 1
        elif np.array_equal(out, -mv):
            seen["flip"] += 1
        elif (out == 0).all(1).any() and (out[(out != 0).any(1)] == mv[(out != 0).any(1)]).all():
            seen["drop"] += 1
            assert 0.05 < (out == 0).all(1).mean() < 0.15
        else:
            seen["added"] += 1
            np.testing.assert_allclose(out - mv, added[:, None] + 0 * mv, atol=1e-6)
            assert 0.004 < np.abs(added).max() <= 1.01
    assert seen["same"] == pytest.approx(200, abs=45)
    assert seen["added"] == pytest.approx(200, abs=45)
    for name in ("flip", "drop"):
        assert seen[name] == pytest.approx(100, abs=35)


def test_light_augmentation_of_int8_windows_is_bit_for_bit_what_it_was() -> None:
    rng = np.random.default_rng(4)
    tensors = rng.integers(-60, 60, (2, 1000, 12)).astype(np.int8)
    out = augment(tensors, np.random.default_rng(1), Augmentation())
    assert out.shape == (2, 920, 12)
    assert float(out.astype(np.float64).sum()) == pytest.approx(LIGHT_SUM, abs=1e-4)


LIGHT_SUM = -220.32291978481226


def test_microvolts_and_counts_there_and_back() -> None:
    uv = np.arange(-32000, 32001, 7)
    np.testing.assert_array_equal(microvolts(counts_of(uv)), uv)
    assert microvolts(np.array([1 << 23, -(1 << 23)], np.int32)).tolist() == [32767, -32767]


def test_the_cache_is_mapped_and_taken_up_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []

    def make(row: int) -> np.ndarray:
        made.append(row)
        if len(made) == 151:
            raise KeyboardInterrupt
        return np.full((5, 2), row, np.int16)

    kept = {"shape": (5, 2), "dtype": np.int16, "mapped": True}
    with pytest.raises(KeyboardInterrupt):
        chain.cached_tensors("key", 250, make, lambda *_: None, **kept)
    found = chain.cached_tensors("key", 250, make, lambda *_: None, **kept)
    assert isinstance(found, np.memmap)
    assert made == [*range(151), *range(100, 250)]
    assert (found[:, 0, 0] == np.arange(250)).all()


def test_contracts_of_these_forms_are_of_the_device(data: dict[str, Clean]) -> None:
    of: InputContract
    for name, of in CONTRACTS.items():
        assert data[name].leads.dtype == np.int16
        rows = of.samples if of.form is Form.MEDIAN_BEAT else 10 * of.rate_hz
        assert data[name].leads.shape == (RECORDS, rows, 8)
