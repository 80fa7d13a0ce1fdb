"""The supervisor's watchdog: what stopped answering is killed, told and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.config import Config
from device.notify import notifier
from device.ring import RingReader
from device.supervisor import Supervisor
from device.watchdog import VARIABLE, Watchdog
from tests.device.waiting import wait_for


class Seconds:
    """A clock that stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def watchdog(seconds: Seconds) -> Iterator[Watchdog]:
    watchdog = Watchdog(["acquire", "monitor"], seconds, start_s=90, silence_s=10)
    for name in ("acquire", "monitor"):
        watchdog.started(name)
    yield watchdog
    watchdog.close()


def say(watchdog: Watchdog, name: str, message: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(message.encode(), watchdog.environment(name)[VARIABLE])


def test_silence_is_measured_from_ready_and_for_each_process(
    watchdog: Watchdog, seconds: Seconds
) -> None:
    seconds.now += 80  # slow to start
    assert watchdog.silent_s("monitor") is None
    say(watchdog, "monitor", "STATUS=loading\nREADY=1")
    assert watchdog.silent_s("monitor") is None
    seconds.now += 10
    assert watchdog.silent_s("monitor") is None
    say(watchdog, "monitor", "WATCHDOG=1")
    assert watchdog.silent_s("monitor") is None
    seconds.now += 10.5
    say(watchdog, "monitor", "WATCHDOG=0")
    assert watchdog.silent_s("monitor") == 10.5
    assert watchdog.silent_s("acquire") == 100.5  # it never became ready


def test_words_of_the_dead_count_no_longer(watchdog: Watchdog, seconds: Seconds) -> None:
    say(watchdog, "monitor", "READY=1")
    watchdog.started("monitor")
    seconds.now += 89
    assert watchdog.silent_s("monitor") is None  # still starting
    say(watchdog, "monitor", "READY=1")
    watchdog.started("monitor")
    seconds.now += 91
    assert watchdog.silent_s("monitor") == 91


def test_sockets_are_private_and_go_with_the_watchdog(watchdog: Watchdog) -> None:
    path = Path(watchdog.environment("monitor")[VARIABLE])
    assert path.parent.stat().st_mode & 0o077 == 0
    watchdog.close()
    assert not path.parent.exists()


def test_sender_does_not_wait_for_a_reader(
    watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, watchdog.environment("monitor")[VARIABLE])
    notify = notifier()
    for _ in range(5000):  # far beyond what the socket holds
        notify("WATCHDOG=1")
    monkeypatch.delenv(VARIABLE)
    notifier()("WATCHDOG=1")  # nobody there at all


def processed(path: Path) -> int:
    """Samples, as the monitor has committed them."""
    with contextlib.closing(RingReader(path)) as ring:
        return ring.account.processed


@pytest.mark.parametrize("name", ["acquire", "monitor"])
def test_stopped_process_is_killed_and_another_goes_on(tmp_path: Path, name: str) -> None:
    path = tmp_path / "live.ring"
    config = Config().override(
        {"ring.path": str(path), "model.path": "none", "display.device": "none"}
    )
    lines: list[str] = []
    supervisor = Supervisor(config, lines.append, watchdog_s=2.0)
    codes: list[int] = []
    run = threading.Thread(target=lambda: codes.append(supervisor.run()))
    run.start()
    try:
        wait_for("the ring", path.exists)
        wait_for("samples", lambda: processed(path) > 100)
        first = supervisor.pids[name]
        os.kill(first, signal.SIGSTOP)
        wait_for("the watchdog", lambda: supervisor.pids.get(name, first) != first)
        assert [line for line in lines if line.startswith(f"{name} has not answered for 2 s")]
        assert f"{name} died (SIGKILL), started again" in lines
        seen = processed(path)
        wait_for("progress", lambda: processed(path) > seen + 100)
    finally:
        supervisor.stop()
        run.join()
    assert codes == [0]
