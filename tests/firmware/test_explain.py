"""Explanations: what must be found where it is known, and what must never be blamed."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.bundle import Bundle
from firmware.events import LEADS
from firmware.explain import FAR, Scorer, _pieces, beats, explain, without
from firmware.network import Network, NetworkError
from models.evaluate.saliency import drop, top_cells
from models.inputs import at
from tools.bench.explain import simulated

WINDOWS = 250
NETWORK_INPUT = at(100, 1000)
PRESETS = {
    "sinus-70": ("mate4", "SR"),
    "af-90": ("mate4", "AFIB"),
    "rbbb-70": ("superclasses", "CD"),
}


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(
        Bundle.from_bytes(resources.files("firmware").joinpath("embedded.l12").read_bytes())
    )


@pytest.fixture(scope="module")
def tensors(network: Network) -> dict[str, NDArray[np.int8]]:
    return {name: simulated(network, name, 1) for name in [*PRESETS, "pvc-70", "asystole"]}


class Planted(Network):
    """A network of known reasons: each label is the trace's height in some cells."""

    def __init__(self, bundle: Bundle, cells: NDArray[np.bool_]) -> None:
        super().__init__(bundle)
        self._cells = np.repeat(cells, 4, axis=1).T

    def logits(self, tensor: NDArray[np.int8]) -> NDArray[np.int8]:
        height = np.abs(tensor[self._cells].astype(int)).sum()
        outputs = sum(len(group.labels) for group in self.bundle.groups)
        return np.full(outputs, np.clip(height // 16 - 100, -128, 127), np.int8)


def test_a_wave_of_one_lead_is_found(network, tensors) -> None:
    tensor = tensors["sinus-70"]
    cells = np.zeros((12, WINDOWS), np.bool_)
    for peak in beats(tensor, NETWORK_INPUT):
        cells[LEADS.index("V2"), int(peak) // 4] = True
    found = explain(Planted(network.bundle, cells), tensor, "superclasses", "MI")
    assert found.lead_shares["V2"] == 1
    near = cells | np.roll(cells, 1, axis=1) | np.roll(cells, -1, axis=1)
    near |= np.roll(near, 1, axis=1) | np.roll(near, -1, axis=1)
    assert found.relevance[near].sum() == found.relevance.sum() > 0


def test_one_beat_is_found_among_its_like(network, tensors) -> None:
    tensor = tensors["sinus-70"]
    fifth = int(beats(tensor, NETWORK_INPUT)[4]) // 4
    cells = np.zeros((12, WINDOWS), np.bool_)
    cells[:, fifth - 1 : fifth + 2] = True
    shares = explain(Planted(network.bundle, cells), tensor, "superclasses", "MI").window_shares
    per_window = shares[fifth - 7 : fifth + 12].max()
    elsewhere = np.delete(shares, np.s_[fifth - 7 : fifth + 12]).max()
    assert per_window > 3 * elsewhere


def test_what_nothing_speaks_for_has_no_relevance(network, tensors) -> None:
    nothing = Planted(network.bundle, np.zeros((12, WINDOWS), np.bool_))
    found = explain(nothing, tensors["sinus-70"], "superclasses", "MI")
    assert not found.relevance.any()
    assert sum(found.lead_shares.values()) == found.window_shares.sum() == 0
    assert found.top(10) == []


def test_every_group_is_explained_in_the_same_form(network, tensors) -> None:
    tensor = tensors["pvc-70"]
    for group in network.bundle.groups:
        scores = network.run(tensor)[group.name]
        label = max(scores, key=lambda one: scores[one])
        found = explain(network, tensor, group.name, label)
        assert (found.group, found.label) == (group.name, label)
        assert found.relevance.shape == (12, WINDOWS)
        assert found.relevance.dtype == np.int8
        assert found.relevance.min() >= 0
        assert found.relevance.max() == 127
        assert sum(found.lead_shares.values()) == pytest.approx(1)
        assert found.window_shares.sum() == pytest.approx(1)
        shares = [share for *_, share in found.top(10)]
        assert shares == sorted(shares, reverse=True)
        assert len(shares) == 10


def test_the_score_is_the_log_odds_of_the_probability(network, tensors) -> None:
    for group in network.bundle.groups:
        cold = 1 / group.temperature
        for label in group.labels[:3]:
            score = Scorer(network, group.name, label)(tensors["af-90"])
            p = network.run(tensors["af-90"])[group.name][label]
            if group.activation == "sigmoid" and 0.001 < p < 0.999:
                assert np.log(p / (1 - p)) == pytest.approx(score * cold, abs=0.01)
            assert (score > 0) == (p > 0.5) or abs(p - 0.5) < 0.1


def test_the_same_window_gives_the_same_explanation(network, tensors) -> None:
    first, second = (explain(network, tensors["af-90"], "mate4", "AFIB") for _ in range(2))
    np.testing.assert_array_equal(first.relevance, second.relevance)
    assert first.top(5) == second.top(5)


def test_lost_leads_are_never_blamed(network, tensors) -> None:
    tensor = tensors["sinus-70"].copy()
    lost = [LEADS.index(lead) for lead in ("I", "V2", "V6")]
    tensor[:, lost] = 0
    found = explain(network, tensor, "mate4", "SR")
    assert not found.relevance[lost].any()
    assert found.relevance.any()
    assert found.lead_shares["V2"] == 0


@pytest.mark.parametrize("name", PRESETS)
def test_without_what_counts_the_score_falls_more_than_without_anything_else(
    network, tensors, name
) -> None:
    tensor, (group, label) = tensors[name], PRESETS[name]
    score, found = Scorer(network, group, label), explain(network, tensor, group, label)
    rng = np.random.default_rng(0)
    for to_zero in (False, True):
        lost = drop(score, tensor, top_cells(found.relevance, 0.1), to_zero=to_zero)
        by_lot = [
            drop(score, tensor, top_cells(rng.random((12, WINDOWS)), 0.1), to_zero=to_zero)
            for _ in range(5)
        ]
        elsewhere = [
            np.roll(found.relevance, rng.integers(WINDOWS), axis=1)[rng.permutation(12)]
            for _ in range(5)
        ]
        moved = [drop(score, tensor, top_cells(m, 0.1), to_zero=to_zero) for m in elsewhere]
        assert lost > max(*by_lot, np.mean(moved))


def test_a_window_without_beats_is_explained_too(network, tensors) -> None:
    tensor = tensors["asystole"]
    assert len(beats(tensor, NETWORK_INPUT)) == 0
    assert explain(network, tensor, "mate4", "SR").relevance.shape == (12, WINDOWS)
    flat = explain(network, np.zeros_like(tensor), "mate4", "SR")
    assert not flat.relevance.any()


def test_without_beats_the_piece_of_time_is_found(network, tensors) -> None:
    tensor = tensors["asystole"].copy()
    tensor[410:430, 8] += 60
    cells = np.zeros((12, WINDOWS), np.bool_)
    cells[8, 102:108] = True
    found = explain(Planted(network.bundle, cells), tensor, "superclasses", "MI")
    shares = found.window_shares
    assert found.lead_shares["V3"] == 1
    assert shares[100:110].min() > 5 * np.delete(shares, np.s_[100:110]).max()


def test_half_a_step_of_the_output_is_taken_for_rounding(network) -> None:
    tensor = np.zeros((1000, 12), np.int8)
    tensor[500:504, 4], tensor[500:504, 9] = 4, 12  # one step of the output, and three
    cells = np.zeros((12, WINDOWS), np.bool_)
    cells[:, 125] = True
    shares = explain(Planted(network.bundle, cells), tensor, "superclasses", "MI").lead_shares
    assert shares["V4"] == pytest.approx(5 * shares["aVL"], rel=0.02)


def test_a_fast_beat_keeps_its_own_waves() -> None:
    peaks = np.arange(10.5, 250, 60_000 / 180 / 40)
    distance, beat = _pieces(peaks, WINDOWS)
    for number, peak in enumerate(peaks[:-1]):
        own = np.arange(int(peak) - 2, int(peak) + 4)  # QRS and, 120 ms after R, ST
        assert set(beat[own]) == {number}
        assert distance[int(peak)] == 0
    assert beat[0] == 0  # what comes before the first beat belongs to it
    assert distance[0] == FAR


def test_beats_are_those_of_the_patient(network, tensors) -> None:
    rr = np.diff(beats(tensors["sinus-70"], NETWORK_INPUT)) / 100
    assert 60 / rr.mean() == pytest.approx(70, abs=2)
    assert np.ptp(rr) < 0.1


def test_cells_are_bridged_by_straight_lines() -> None:
    tensor = np.zeros((1000, 12), np.int8)
    tensor[:, 3] = np.arange(1000) // 10
    tensor[400:408, 3] = 90
    removed = np.zeros((12, WINDOWS), np.bool_)
    removed[3, 100:102] = removed[5] = True
    tensor[:, 5] = 7
    out = without(tensor, removed)
    assert set(out[400:408, 3]) <= {39, 40, 41}
    assert not out[:, 5].any()
    assert tensor[403, 3] == 90  # the original is kept
    removed[3, :102] = True
    assert set(without(tensor, removed)[:408, 3]) == {40}


@pytest.mark.parametrize(
    ("group", "label", "said"), [("mood", "SR", "no group mood"), ("mate4", "VF", "no label VF")]
)
def test_what_the_bundle_does_not_say_is_refused(network, tensors, group, label, said) -> None:
    with pytest.raises(NetworkError, match=said):
        explain(network, tensors["sinus-70"], group, label)


def test_another_shape_is_refused_in_one_line(network) -> None:
    with pytest.raises(NetworkError, match="pass int8"):
        explain(network, np.zeros((999, 12), np.int8), "mate4", "SR")
