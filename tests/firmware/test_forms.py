"""Networks that are shown other things than ten seconds at 100 Hz: bundle, window, pipeline."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware import page
from firmware.archive import BundleError, IncompatibleError
from firmware.bundle import Bundle
from firmware.call import READABLE
from firmware.events import LEADS, Call, Measurements, Refusal
from firmware.explain import beats, explain
from firmware.filters import FilterChain
from firmware.inputs import Form, InputContract, Normal
from firmware.leads import twelve_leads
from firmware.median_beat import AFTER, BEFORE, median_beat
from firmware.model_window import ModelWindow
from firmware.network import Network, NetworkError
from firmware.pipeline import CALL_EVERY, WINDOW, Pipeline
from firmware.profiles import PROFILES
from firmware.tensor import R_AT, of_beat, of_counts
from firmware.window import normalised
from hal.frontend import FrameBlock
from hal.patient.presets import preset
from models import inputs
from models.architectures import ARCHITECTURES
from tests.firmware.forms import form_bundle, of_form
from tests.firmware.test_pipeline import NV_PER_COUNT, cut, frames

NONE_LOST = np.zeros(12, np.bool_)
V2 = LEADS.index("V2")
PAGE = inputs.page(500, 200, every_s=1)
FORMS = {
    "5000-min-max": inputs.at(500, 5000, Normal.MIN_MAX),
    "2048-log": inputs.at(500, 2048, Normal.LOG),
    "2048-l2": inputs.at(500, 2048, Normal.L2),
    "50-min-max": inputs.at(50, 500, Normal.MIN_MAX),
    "100-z": inputs.at(100, 700, Normal.Z_SCORE),
    "beat": inputs.BEAT,
    "page": PAGE,
}
WINDOWS = {name: of for name, of in FORMS.items() if of.form is Form.WINDOW}


@pytest.fixture(scope="module")
def sinus() -> FrameBlock:
    return frames(preset("sinus-70"), 16)


def pipeline(of: InputContract) -> Pipeline:
    return Pipeline(NV_PER_COUNT, network=Network(of_form(of)))


def calls(events: list[object]) -> list[Call]:
    return [event for event in events if isinstance(event, Call)]


@pytest.mark.parametrize("of", FORMS.values(), ids=FORMS.keys())
def test_a_bundle_of_any_form_calls_once_a_second(of: InputContract, sinus: FrameBlock) -> None:
    bundle = of_form(of)
    assert bundle.input == of
    network = Network(bundle)
    network.self_test()
    chain = Pipeline(NV_PER_COUNT, network=network)
    found = calls(chain.push(sinus))
    assert [bool(call.scores) for call in found] == [False] * 9 + [True] * 7
    assert {call.scores_age for call in found} == {0}
    assert chain.tensor is not None
    assert found[-1].scores == network.run(chain.tensor)


def test_every_input_that_networks_are_trained_on_is_one_the_device_makes() -> None:
    for of in {architecture.input for architecture in ARCHITECTURES.values()}:
        assert of_form(of).input == of


@pytest.mark.parametrize("of", WINDOWS.values(), ids=WINDOWS.keys())
def test_the_network_sees_the_newest_rows(of: InputContract, sinus: FrameBlock) -> None:
    chain = pipeline(of)
    for start, stop in pairwise([0, 3, 2222, 5010, 5011, 7600, 16 * CALL_EVERY]):
        chain.push(cut(sinus, start, stop))
    rows = FilterChain(PROFILES[of.profile], mains_hz=None).push(sinus.counts)
    wanted = normalised(twelve_leads(rows[: 16 * CALL_EVERY])[-of.samples :], NONE_LOST, of)
    assert chain.tensor is not None
    np.testing.assert_array_equal(chain.tensor, wanted)


def test_a_page_is_drawn_of_ten_seconds_at_100_hz(sinus: FrameBlock) -> None:
    chain = pipeline(PAGE)
    chain.push(sinus)
    rows = FilterChain(PROFILES["model"], mains_hz=None).push(sinus.counts)
    wanted = page.draw(twelve_leads(rows)[-1000:], NONE_LOST, PAGE)
    assert chain.tensor is not None
    np.testing.assert_array_equal(chain.tensor, wanted)


@pytest.mark.parametrize("fault", ["v3-off", "ra-off"])
def test_what_other_networks_read_changes_no_refusal(fault: str) -> None:
    """Rest, plausibility and electrodes are judged at 100 Hz, whatever the network reads."""
    block = frames(preset(fault), 13)
    ours, *others = (
        [(call.refusal in READABLE or call.refusal, call.faults) for call in of_network]
        for of_network in (
            calls(pipeline(of).push(block))
            for of in (inputs.TEN_SECONDS, FORMS["2048-log"], FORMS["50-min-max"], PAGE)
        )
    )
    assert others == [ours] * 3


def test_vf_is_seen_behind_a_network_at_500_hz() -> None:
    found = calls(pipeline(FORMS["5000-min-max"]).push(frames(preset("vf"), 13)))
    assert found[-1].refusal is Refusal.VENTRICULAR


def test_a_median_beat_has_r_where_the_paper_has_it(sinus: FrameBlock) -> None:
    chain = pipeline(inputs.BEAT)
    events = chain.push(sinus)
    beat = chain.tensor
    assert beat is not None
    assert beat.shape == (400, 12)
    two = beat[:, LEADS.index("II")].astype(float)
    assert abs(int(two.argmax()) - R_AT) <= 2
    for lead in beat.T.astype(float):  # in standard deviations from the mean, twelve steps each
        assert abs(lead.mean()) < 1
        assert lead.std() == pytest.approx(12, abs=0.5)
    assert [event.beats for event in events if isinstance(event, Measurements)][-1] > 8


def test_the_median_beat_is_worked_out_once_a_second(
    sinus: FrameBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from firmware import intervals

    made = []
    of_it = intervals.median_beat
    monkeypatch.setattr(intervals, "median_beat", lambda *of: made.append(1) or of_it(*of))
    chain = pipeline(inputs.BEAT)
    found = calls(chain.push(sinus))
    assert len(made) == sum(bool(call.scores) for call in found) == 7


def test_without_a_beat_nothing_is_scored_and_the_trace_is_to_be_read(
    sinus: FrameBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firmware.pipeline.beat_of", lambda *_: None)
    chain = pipeline(inputs.BEAT)
    *_, last = calls(chain.push(sinus))
    assert (last.refusal, last.text, last.act) == (Refusal.UNSURE, "UNSURE", "read the trace")
    assert last.scores == {}
    assert chain.tensor is None
    assert not of_beat(None, NONE_LOST, inputs.BEAT).any()
    assert not of_counts(np.zeros((5000, 8), np.int32), inputs.BEAT).any()


def test_a_seldom_network_keeps_its_scores_and_says_how_old_they_are(sinus: FrameBlock) -> None:
    chain = pipeline(replace(inputs.TEN_SECONDS, every_s=3))
    shown, ages = [], []
    for second in range(16):
        part = cut(sinus, second * CALL_EVERY, (second + 1) * CALL_EVERY)
        (call,) = calls(chain.push(part))
        ages.append(call.scores_age)
        shown.append(chain.tensor)
    assert ages == [0] * 9 + [0, 500, 1000, 0, 500, 1000, 0]
    assert [shown[k] is shown[k - 1] for k in range(10, 16)] == [True, True, False] * 2
    after = replace(cut(sinus, 0, 5000), first_index=20_000)
    restarted = calls(chain.push(after))
    assert [bool(call.scores) for call in restarted] == [False] * 9 + [True]
    assert restarted[-1].scores_age == 0


def test_a_call_between_two_seconds_has_its_own_scores(sinus: FrameBlock) -> None:
    chain = pipeline(inputs.TEN_SECONDS)
    found = calls(chain.push(replace(sinus, first_index=300)))
    assert [call.index + 1 for call in found if call.scores][:2] == [5300, 5500]
    assert {call.scores_age for call in found} == {0}


def test_a_beat_is_read_as_soon_as_there_is_one(sinus: FrameBlock) -> None:
    window = ModelWindow(Network(of_form(replace(inputs.BEAT, every_s=3))))
    usable = np.ones(8, np.bool_)
    counts = sinus.counts[:WINDOW]
    beat = median_beat(counts, list(range(300, WINDOW, 429)), usable, NV_PER_COUNT)
    assert beat is not None
    assert window.scores(NONE_LOST, 5000, lambda: None) == {}
    assert window.unscored is Refusal.UNSURE
    assert window.scores(NONE_LOST, 5500, lambda: beat)
    assert window.unscored is None
    assert window.shown is not None
    assert window.shown.end == 5500


def refused(change: InputContract) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle.from_bytes(form_bundle(change))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_ten_seconds_do_not_hold_is_refused() -> None:
    assert "of a window there are 5000" in refused(inputs.at(500, 5001))
    assert "of a window there are 500" in refused(inputs.at(50, 501))
    beat = replace(inputs.BEAT, samples=R_AT + AFTER + 1)
    assert f"of a median-beat there are {R_AT + AFTER}" in refused(beat)
    slow = replace(inputs.TEN_SECONDS, form=Form.MEDIAN_BEAT, samples=100)
    assert "of a median-beat there are 0" in refused(slow)


@pytest.mark.parametrize("every_s", [0, 11])
def test_a_network_is_run_before_its_window_is_gone(every_s: int) -> None:
    assert f"run every {every_s} s" in refused(replace(inputs.TEN_SECONDS, every_s=every_s))


@pytest.mark.parametrize("key", ["form", "normal"])
def test_a_form_of_later_firmware_is_told(key: str) -> None:
    import json

    from firmware.archive import MANIFEST, pack, unpack

    files = unpack(form_bundle(inputs.TEN_SECONDS))
    manifest = json.loads(files[MANIFEST])
    manifest["input"][key] = "wavelets"
    with pytest.raises(IncompatibleError, match=r"reads 'wavelets', .* update the firmware"):
        Bundle.from_bytes(pack({**files, MANIFEST: json.dumps(manifest).encode()}))


class Planted(Network):
    """Each label is the height of some samples of one lead, as a share of ``most``."""

    def __init__(self, bundle: Bundle, tensor: NDArray[np.int8], at: NDArray[np.int64]) -> None:
        super().__init__(bundle)
        self._at = at
        self._most = self._height(tensor)

    def _height(self, tensor: NDArray[np.int8]) -> int:
        return int(tensor[self._at, V2].sum(dtype=np.int64)) - len(self._at) * int(tensor[0, V2])

    def logits(self, tensor: NDArray[np.int8]) -> NDArray[np.int8]:
        super().logits(tensor)
        level = 200 * self._height(tensor) // self._most - 100
        return np.array([np.clip(level, -128, 127), 0, 0], np.int8)


@pytest.mark.parametrize("name", ["2048-l2", "50-min-max", "5000-min-max"])
def test_a_window_of_any_rate_is_explained_in_cells_of_40_ms(name: str, sinus: FrameBlock) -> None:
    of = FORMS[name]
    bundle = of_form(of)
    tensor = of_counts(sinus.counts, of)
    at = np.rint(beats(tensor, of)).astype(np.int64)
    assert len(at) in (round(70 / 60 * of.samples / of.rate_hz) + k for k in (-1, 0, 1))
    group = bundle.groups[0]
    found = explain(Planted(bundle, tensor, at), tensor, group.name, group.labels[0])
    cell = of.rate_hz // 25
    windows = of.samples // cell
    assert found.relevance.shape == (12, windows)
    assert found.lead_shares["V2"] == 1
    near = np.unique(np.clip(at[:, None] // cell + np.arange(-2, 3), 0, windows - 1))
    assert len(near) < windows / 3
    assert found.window_shares[near].sum() > 0.9


def test_a_median_beat_is_explained_by_its_distance_from_r(sinus: FrameBlock) -> None:
    bundle = of_form(inputs.BEAT)
    tensor = of_counts(sinus.counts, inputs.BEAT)
    qrs = np.arange(R_AT, R_AT + 20)
    group = bundle.groups[0]
    found = explain(Planted(bundle, tensor, qrs), tensor, group.name, group.labels[0])
    assert found.relevance.shape == (12, 20)
    assert found.lead_shares["V2"] == 1
    assert found.window_shares[R_AT // 20 - 1 : R_AT // 20 + 3].sum() == pytest.approx(1)


def test_a_page_is_not_explained_by_leads() -> None:
    bundle = of_form(PAGE)
    tensor = bundle.golden[0].tensor
    with pytest.raises(NetworkError, match="reads a page, on which no lead"):
        explain(Network(bundle), tensor, bundle.groups[0].name, bundle.groups[0].labels[0])


def test_beats_of_the_window_are_rows_at_100_hz_for_any_network() -> None:
    for of in (FORMS["2048-log"], FORMS["50-min-max"], inputs.BEAT):
        window = ModelWindow(Network(of_form(of)))
        window.push(np.zeros((WINDOW, 8), np.int32))
        assert window.leads().shape == (1000, 12)
        assert window.rows([WINDOW - 500], WINDOW) == [914]
    assert BEFORE >= R_AT
