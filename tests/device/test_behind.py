"""A slow network beside the monitor: nothing waits for it, and what it says is of its window."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from device.behind import Behind, live
from firmware.bundle import Bundle
from firmware.events import Call, Refusal
from firmware.model_window import AtOnce, Shown
from firmware.network import Network, Scores
from firmware.pipeline import CALL_EVERY, Pipeline
from hal.patient.presets import preset
from models import inputs
from tests.device.waiting import wait_for
from tests.firmware.forms import of_form
from tests.firmware.test_pipeline import NV_PER_COUNT, cut, frames

SELDOM = replace(inputs.TEN_SECONDS, every_s=2)
TENSOR = np.zeros(SELDOM.shape, np.int8)


class Held(Network):
    """Answers when it is let go; counts its runs."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.go, self.runs, self.error = threading.Event(), 0, ""

    def run(self, tensor: NDArray[np.int8]) -> Scores:
        self.runs += 1
        assert self.go.wait(20)
        if self.error:
            raise ValueError(self.error)
        return super().run(tensor)


@pytest.fixture
def held() -> Held:
    return Held(of_form(SELDOM))


def result(runner: Behind) -> Shown:
    """When there is one."""
    found = wait_for("the network", runner.newest)
    assert found is not None
    return found


def test_begin_returns_at_once_and_the_result_comes_later(held: Held) -> None:
    runner = Behind(held)
    runner.begin(TENSOR, 5000)
    assert runner.newest() is None
    held.go.set()
    found = result(runner)
    assert (found.tensor is TENSOR, found.end) == (True, 5000)
    assert found.scores == held.run(TENSOR)


def test_what_comes_while_it_is_at_work_is_left_out(held: Held) -> None:
    runner = Behind(held)
    runner.begin(TENSOR, 5000)
    runner.begin(TENSOR, 6000)
    held.go.set()
    assert result(runner).end == 5000
    assert held.runs == 1


def test_what_was_begun_before_a_gap_is_not_said_after_it(held: Held) -> None:
    runner = Behind(held)
    runner.begin(TENSOR, 5000)
    before = runner._busy
    runner.forget()
    held.go.set()
    assert before is not None
    before.join(20)
    assert runner.newest() is None
    runner.begin(TENSOR, 9000)
    assert result(runner).end == 9000


def test_a_defect_reaches_the_analysis(held: Held) -> None:
    runner = Behind(held)
    held.error = "no room"
    held.go.set()
    runner.begin(TENSOR, 5000)
    assert runner._busy is not None
    runner._busy.join(20)
    with pytest.raises(ValueError, match="no room"):
        runner.newest()
    runner.forget()
    assert runner.newest() is None


def test_the_pipeline_goes_on_while_the_network_is_at_work(held: Held) -> None:
    block = frames(preset("sinus-70"), 21)
    runner = Behind(held)
    chain = Pipeline(NV_PER_COUNT, network=held, runner=runner)

    def second(k: int) -> Call:
        part = cut(block, k * CALL_EVERY, (k + 1) * CALL_EVERY)
        (call,) = (event for event in chain.push(part) if isinstance(event, Call))
        return call

    calls = [second(k) for k in range(13)]
    assert [call.text for call in calls[9:]] == ["ANALYSING 10 s"] * 4
    assert {call.refusal for call in calls} == {Refusal.STARTING}
    assert calls[-1].rate_bpm == pytest.approx(70, abs=1)
    held.go.set()
    assert result(runner).end == 10 * CALL_EVERY
    held.go.clear()
    after = second(13)  # begins the next
    assert after.scores
    assert after.scores_age == 4 * CALL_EVERY
    assert held.runs == 2
    late = [second(k) for k in range(14, 21)]
    held.go.set()
    assert [bool(call.scores) for call in late] == [True] * 5 + [False] * 2  # ten seconds old
    assert (late[-1].refusal, late[-1].rate_bpm) == (Refusal.STARTING, pytest.approx(70, abs=1))


def test_only_seldom_networks_run_beside(held: Held) -> None:
    assert isinstance(live(held), Behind)
    assert isinstance(live(Network(of_form(inputs.TEN_SECONDS))), AtOnce)
