"""The self-test's process: right results pass, everything else is one sentence, nothing is left."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import psutil
import pytest

from device.flash.selftest import Budget, Flaw, Measured, SelfTestError, examine, judge
from firmware.archive import MANIFEST, pack, unpack
from firmware.bundle import Bundle
from tests.device.waiting import wait_for

EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
GENEROUS = Budget(latency_ms=5_000, memory_mb=500)  # a test machine may be busy


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def changed(member: str, at: int, by: int) -> bytes:
    """The embedded bundle with one byte of one member changed and all hashes right."""
    files = unpack(EMBEDDED)
    content = bytearray(files[member])
    content[at] = (content[at] + by) % 256
    return pack({**files, member: bytes(content)})


def failure(run: Callable[[], object]) -> SelfTestError:
    with pytest.raises(SelfTestError) as caught:
        run()
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_embedded_network_passes_from_a_file_and_from_memory(tmp_path: Path) -> None:
    file = tmp_path / "incoming.l12"
    file.write_bytes(EMBEDDED)
    for source in (file, EMBEDDED):
        found = examine(source, digest(EMBEDDED), GENEROUS)
        assert found.golden == len(Bundle.from_bytes(EMBEDDED).golden)
        assert found.sha256 == digest(EMBEDDED)
        assert 0 < found.latency_ms < GENEROUS.latency_ms
        assert 1 < found.memory_mb < Budget().memory_mb
        assert found.runtime in ("ai_edge_litert", "tflite_runtime")


def test_wrong_golden_outputs_fail() -> None:
    bundle = Bundle.from_bytes(EMBEDDED)
    name = bundle.golden[0].name
    bad = changed(f"golden/{name}.logits", 0, bundle.tolerance + 30)
    error = failure(lambda: examine(bad, digest(bad), GENEROUS))
    assert error.flaw is Flaw.SELF_TEST
    assert name in str(error)


def test_a_golden_tensor_that_is_off_by_one_step_fails() -> None:
    name = Bundle.from_bytes(EMBEDDED).golden[-1].name
    bad = changed(f"golden/{name}.tensor", 6_000, 1)
    error = failure(lambda: examine(bad, digest(bad), GENEROUS))
    assert error.flaw is Flaw.SELF_TEST
    assert "filters" in str(error)


def test_a_file_that_is_not_what_was_verified_fails(tmp_path: Path) -> None:
    file = tmp_path / "incoming.l12"
    file.write_bytes(EMBEDDED)
    assert "otherwise than it was written" in str(
        failure(lambda: examine(file, digest(b"other"), GENEROUS))
    )
    file.write_bytes(EMBEDDED[:-1])
    assert "copy it again" in str(failure(lambda: examine(file, digest(EMBEDDED), GENEROUS)))
    file.unlink()
    assert "No such file" in str(failure(lambda: examine(file, digest(EMBEDDED), GENEROUS)))


@pytest.mark.parametrize(
    ("budget", "flaw", "says"),
    [
        (Budget(latency_ms=0.001, memory_mb=500), Flaw.SLOW, "0.001 ms are allowed"),
        (Budget(latency_ms=5_000, memory_mb=0.5), Flaw.MEMORY, "0.5 MB are allowed"),
        (Budget(seconds=0.02), Flaw.SELF_TEST, "did not finish its self-test within 0.02 s"),
    ],
)
def test_a_budget_that_is_exceeded_fails_with_both_figures(
    budget: Budget, flaw: Flaw, says: str
) -> None:
    error = failure(lambda: examine(EMBEDDED, digest(EMBEDDED), budget))
    assert error.flaw is flaw
    assert says in str(error)


def read(path: Path) -> str:
    return path.read_text()


def children() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "device.flash.selftest" in child.cmdline()
    ]


@pytest.mark.parametrize(
    ("number", "flaw", "says"),
    [
        (signal.SIGSEGV, Flaw.SELF_TEST, "crashed in its self-test (SIGSEGV"),
        (signal.SIGKILL, Flaw.MEMORY, "ran out of memory in its self-test (SIGKILL)"),
    ],
)
def test_a_death_by_signal_is_named(number: signal.Signals, flaw: Flaw, says: str) -> None:
    """A stopped child is one that hangs, until it is killed."""
    caught: list[SelfTestError] = []

    def run() -> None:
        caught.append(failure(lambda: examine(EMBEDDED, digest(EMBEDDED), GENEROUS)))

    thread = threading.Thread(target=run)
    thread.start()
    child = wait_for("the self-test's process", children)[0]
    os.kill(child.pid, signal.SIGSTOP)
    os.kill(child.pid, number)
    os.kill(child.pid, signal.SIGCONT)
    thread.join()
    assert caught[0].flaw is flaw
    assert says in str(caught[0])


def test_a_hang_is_ended_and_leaves_no_process() -> None:
    caught: list[SelfTestError] = []
    budget = Budget(latency_ms=5_000, memory_mb=500, seconds=1.0)

    def run() -> None:
        caught.append(failure(lambda: examine(EMBEDDED, digest(EMBEDDED), budget)))

    thread = threading.Thread(target=run)
    thread.start()
    child = wait_for("the self-test's process", children)[0]
    os.kill(child.pid, signal.SIGSTOP)
    thread.join()
    assert "did not finish its self-test within 1 s" in str(caught[0])
    assert not psutil.pid_exists(child.pid)


@pytest.mark.parametrize(("activation", "divisor"), [("softmax", 1e-320), ("sigmoid", 1e-3)])
def test_scores_that_are_no_numbers_fail(activation: str, divisor: float) -> None:
    files = unpack(EMBEDDED)
    manifest = json.loads(files[MANIFEST])
    group = next(group for group in manifest["groups"] if group["activation"] == activation)
    group["temperature"] = divisor
    bad = pack({**files, MANIFEST: json.dumps(manifest).encode()})
    error = failure(lambda: examine(bad, digest(bad), GENEROUS))
    assert "scores that are no numbers" in str(error)


@pytest.mark.native("a limit of memory: emulators keep that from their guests")
def test_the_process_prints_one_object_and_takes_the_last_place() -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "device.flash.selftest", "/dev/stdin", "500", "20"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_for("its low priority", lambda: os.getpriority(os.PRIO_PROCESS, child.pid) >= 10)
    proc = Path(f"/proc/{child.pid}")
    wait_for("its first place when memory runs out", lambda: "1000" in read(proc / "oom_score_adj"))
    wait_for(
        "its limit of memory", lambda: not re.search(r"space +unlimited", read(proc / "limits"))
    )
    out, _ = child.communicate(EMBEDDED)
    assert child.returncode == 0
    assert Measured(**json.loads(out)).sha256 == digest(EMBEDDED)


def test_a_process_nobody_waits_for_ends_itself() -> None:
    """The installer may be killed while its self-test hangs: here, on bytes that never come."""
    child = subprocess.Popen(
        [sys.executable, "-m", "device.flash.selftest", "/dev/stdin", "500", "0.1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert child.wait(30) == -signal.SIGALRM
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()


GOOD = {"sha256": "aa", "golden": 3, "latency_ms": 1.0, "memory_mb": 10.0, "runtime": "x"}


@pytest.mark.parametrize(
    ("out", "err", "code", "flaw", "says"),
    [
        (b"", b"INFO: a\nb\n", 1, Flaw.SELF_TEST, "in its self-test (exit code 1: b)"),
        (b"no json", b"", 0, Flaw.SELF_TEST, "no result in its self-test (exit code 0)"),
        (b"[1]", b"", 0, Flaw.SELF_TEST, "no result"),
        (b"{}", b"", 0, Flaw.SELF_TEST, "no result"),
        (b'{"error": "x"}', b"", 1, Flaw.SELF_TEST, "no result"),
        (b'{"flaw": "odd", "error": "x"}', b"", 1, Flaw.SELF_TEST, "no result"),
        (b'{"flaw": "slow", "error": "x"}', b"", 1, Flaw.SLOW, "x"),
        (b"", b"terminate called\n what(): std::bad_alloc\n", -6, Flaw.MEMORY, "(SIGABRT)"),
        (b"", b"\xff\n", -6, Flaw.SELF_TEST, "(SIGABRT: \ufffd)"),
        (b"", b"", -63, Flaw.SELF_TEST, "(signal 63)"),
        (json.dumps(GOOD).encode(), b"", 0, Flaw.SELF_TEST, "otherwise than it was written"),
    ],
)  # fmt: skip
def test_whatever_comes_back_is_one_sentence(
    out: bytes, err: bytes, code: int, flaw: Flaw, says: str
) -> None:
    error = failure(lambda: judge(out, err, code, "bb", Budget()))
    assert error.flaw is flaw
    assert says in str(error)
