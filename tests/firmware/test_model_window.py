"""The window of the network holds the newest rows, whatever came before and however it came."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.bundle import Bundle
from firmware.filters import FilterChain
from firmware.leads import twelve_leads
from firmware.model_window import ModelWindow
from firmware.network import Network
from firmware.profiles import MODEL

EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
SAMPLES = 1000


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(Bundle.from_bytes(EMBEDDED))


def counts(n: int) -> NDArray[np.int32]:
    return np.random.default_rng(1).integers(-100_000, 100_000, (n, 8), dtype=np.int32)


@pytest.mark.parametrize("block", [7, 50, 499])
def test_it_holds_the_newest_rows_for_as_long_as_it_runs(network: Network, block: int) -> None:
    x = counts(16_000)  # three times as much as it has room for
    rows = twelve_leads(FilterChain(MODEL, mains_hz=None).push(x))
    window = ModelWindow(network)
    for start in range(0, len(x), block):
        window.push(x[start : start + block])
        seen = min(start + block, len(x)) // MODEL.decimation
        assert window.full is (seen >= SAMPLES)
        if window.full:
            np.testing.assert_array_equal(window.leads(), rows[seen - SAMPLES : seen])


def test_after_a_gap_it_has_to_fill_again(network: Network) -> None:
    x = counts(6000)
    window = ModelWindow(network)
    window.push(x)
    window.reset()
    assert not window.full
    window.push(x[:5000])
    expected = twelve_leads(FilterChain(MODEL, mains_hz=None).push(x[:5000]))
    np.testing.assert_array_equal(window.leads(), expected)


def test_filters_of_some_channels_begin_anew_without_a_gap(network: Network) -> None:
    window = ModelWindow(network)
    window.push(counts(5000))
    window.reset([0, 3])
    assert window.full
