"""Whether the machine itself stood still."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.device.waiting import wait_for
from tools.stalls import AROUND_S, Stalls


@pytest.fixture
def stalls() -> Iterator[Stalls]:
    with closing(Stalls()) as found:
        yield found


def test_a_probe_that_does_not_run_is_a_stall(stalls: Stalls) -> None:
    probe = stalls.probes[0]

    def seen() -> bool:
        if (code := probe.poll()) is not None:
            assert code == 0
            pytest.skip("this process may not have real-time priority")
        os.kill(probe.pid, signal.SIGSTOP)
        from_s = time.monotonic()
        time.sleep(0.02)
        to_s = time.monotonic()
        os.kill(probe.pid, signal.SIGCONT)
        time.sleep(0.01)
        return any(a <= from_s + 0.01 and to_s <= b for a, b in stalls.seen)

    wait_for("the stall", seen)  # the first ones may come before the probe is at work


def test_what_a_stall_delayed_is_within_it_or_just_behind(stalls: Stalls) -> None:
    stalls.seen[:] = [(10.0, 10.004)]
    assert stalls.at(10.002, 10.006)
    assert stalls.at(10.004 + AROUND_S / 2, 10.1)
    assert not stalls.at(9.990, 9.999)
    assert not stalls.at(10.005 + AROUND_S, 10.1)
