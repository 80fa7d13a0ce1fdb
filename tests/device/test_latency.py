"""Percentiles of how late samples are."""

from __future__ import annotations

import numpy as np

from device.latency import MOST_MS, Latency


def aged(latency: Latency, *ages_ms: float) -> None:
    now_ns = 5_000_000_000
    latency.push(now_ns - np.array([round(age * 1e6) for age in ages_ms]), now_ns)


def test_percentiles_are_upper_edges_of_a_millisecond_and_begin_anew() -> None:
    latency = Latency()
    aged(latency, *(k + 0.5 for k in range(98)))  # 0.5 to 97.5 ms
    aged(latency, 200.0, 300.2)
    assert latency.take() == {"p50": 50, "p99": 201}
    aged(latency, 7.0)
    assert latency.take() == {"p50": 8, "p99": 8}
    assert latency.take() == {"p50": None, "p99": None}


def test_what_is_older_than_the_last_bin_or_of_the_future_still_counts() -> None:
    latency = Latency()
    aged(latency, 90_000.0)
    assert latency.take() == {"p50": MOST_MS, "p99": MOST_MS}
    aged(latency, -3.0)
    assert latency.take() == {"p50": 1, "p99": 1}
