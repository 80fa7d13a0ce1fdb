"""Frames on their way from the serial line to acquire: exact, counted, never waited for."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device import acquire, supervisor
from device.config import Config, inject_path
from device.inject_pipe import FrameReceiver, FrameSender, InjectPipeError
from device.link.inject import ACCOUNT_NS, Injection, pack_frames, unpack_frames
from device.link.link import BLOCK_BURST, BLOCKS_PER_S, ERROR_BURST, ERRORS_PER_S, Link
from device.link.protocol import ProtocolError, Wrong, encode, pack
from hal.frontend import SAMPLE_NS, FrameBlock
from hal.injected import MAX_FRAMES, Frames
from tests.device.host import VALIDATOR, Wire
from tests.device.link_kit import Stub

SECOND_NS = 1_000_000_000
FRAME = 27


class Taker:
    """Takes frames until it is full."""

    def __init__(self) -> None:
        self.taken: list[Frames] = []
        self.full = False

    def send(self, frames: Frames) -> bool:
        if not self.full:
            self.taken.append(frames)
        return not self.full


def raw(n: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(0, 256, n * FRAME, np.uint8).tobytes()


def body(action: str, **arguments: Any) -> dict[str, Any]:
    return {"command": "inject", "action": action, **arguments}


def block(index: int, n: int) -> dict[str, Any]:
    return body("frames", index=index, n=n, data=pack_frames(raw(n, index)))


BEGIN = body("begin", gain=6, rate_hz=500)


class Rig:
    """A link whose injection goes to a taker, and a clock that is turned by hand."""

    def __init__(self, *, injected: bool = True) -> None:
        self.taker = Taker()
        self.injection = Injection(self.taker, gain=6)
        self._wire = Wire()
        self.host = self._wire.host
        self.link = Link(
            "wire",
            921_600,
            Stub(),
            port=self._wire.port,
            injection=self.injection if injected else None,
        )
        self.now_ns = SECOND_NS
        self._seq = 0
        self.poll()

    def poll(self, step_ns: int = 10_000_000) -> list[dict[str, Any]]:
        self.now_ns += step_ns
        self.link.poll(self.now_ns)
        return self.host.read()

    def say(self, said: dict[str, Any], step_ns: int = 10_000_000) -> list[dict[str, Any]]:
        line = encode(self._seq, "command", pack(said))
        VALIDATOR.validate(json.loads(line))
        self._seq += 1
        self.host.write(line)
        return self.poll(step_ns)


# -- packing


@settings(max_examples=50, deadline=None)
@given(st.integers(1, MAX_FRAMES), st.data())
def test_any_frames_come_out_as_they_went_in(n: int, data: st.DataObject) -> None:
    frames = data.draw(st.binary(min_size=n * FRAME, max_size=n * FRAME))
    assert unpack_frames(pack_frames(frames), n) == frames


def test_extremes_come_out_as_they_went_in() -> None:
    rows = [b"\x00" * FRAME, b"\xff" * FRAME, b"\x80\x00\x00" * 9, b"\x7f\xff\xff" * 9]
    frames = b"".join(rows * 4)
    assert unpack_frames(pack_frames(frames), 16) == frames


def test_noise_fits_230400_baud() -> None:
    line = encode(99_999, "command", pack(block(10_000_000, 50)))
    assert len(line) * 10 * 10 < 230_400  # ten lines a second, ten bits a byte


@given(st.text("".join(map(chr, range(33, 127))), min_size=1, max_size=200), st.integers(1, 64))
def test_what_is_no_packing_is_refused(data: str, n: int) -> None:
    with pytest.raises(ProtocolError, match="does not unpack"):
        unpack_frames(data, n)


def test_more_or_fewer_frames_than_said_are_refused() -> None:
    for n in (49, 51):
        with pytest.raises(ProtocolError, match="does not unpack to"):
            unpack_frames(pack_frames(raw(50)), n)


# -- commands


def test_frames_reach_the_taker_as_they_were_and_due_from_the_first_block_on() -> None:
    rig = Rig()
    assert [m["action"] for m in rig.say(BEGIN)] == ["begin"]
    assert rig.say(block(0, 50)) == []  # frames get no reply
    first_ns = rig.now_ns
    rig.say(block(50, 50), 130_000_000)
    assert [m["action"] for m in rig.say(body("end", index=100))] == ["end"]
    assert [(f.first_index, f.data) for f in rig.taker.taken] == [(0, raw(50)), (50, raw(50, 50))]
    assert rig.taker.taken[0].due_ns(49) == first_ns
    assert rig.taker.taken[1].due_ns(49) == first_ns + 50 * SAMPLE_NS
    assert rig.injection.health() == {
        "running": False,
        "index0": None,
        "frames": 100,
        "lost_line": 0,
        "lost_acquire": 0,
        "lag_ms": {"p50": 0, "p99": 30, "max": 30},
    }


def test_every_frame_that_does_not_arrive_is_counted() -> None:
    rig = Rig()
    rig.say(BEGIN)
    rig.say(block(10, 50))
    rig.taker.full = True
    rig.say(block(60, 50))
    rig.taker.full = False
    rig.say(block(150, 50))
    rig.say(body("end", index=230))
    health = rig.injection.health()
    assert (health["frames"], health["lost_line"], health["lost_acquire"]) == (150, 80, 50)
    assert [f.first_index for f in rig.taker.taken] == [10, 150]
    rig.say(BEGIN)
    health = rig.injection.health()
    assert (health["frames"], health["lost_line"], health["lag_ms"]) == (0, 0, None)


def test_the_account_is_due_at_once_and_behind_the_last_frames() -> None:
    rig = Rig()
    assert not rig.injection.report_due(rig.now_ns)
    rig.say(BEGIN)
    assert rig.injection.report_due(rig.now_ns)
    assert not rig.injection.report_due(rig.now_ns)
    rig.say(body("end", index=0))
    assert not rig.injection.report_due(rig.now_ns + ACCOUNT_NS - 1)
    assert rig.injection.report_due(rig.now_ns + ACCOUNT_NS)


def test_the_index_of_frame_0_follows_from_the_time_of_a_block_of_the_ring() -> None:
    rig = Rig()
    rig.say(BEGIN)
    rig.say(block(20, 50))
    origin_ns = rig.taker.taken[0].origin_ns

    def seen(index: int, t_ns: int) -> Any:
        some = np.zeros(1)
        rig.injection.seen(FrameBlock(index, np.array([t_ns]), some, some, some))  # type: ignore[arg-type]
        return rig.injection.health()["index0"]

    assert seen(4999, origin_ns - SAMPLE_NS) is None  # of the time before
    assert seen(7020, origin_ns + 20 * SAMPLE_NS) == 7000
    assert seen(7099, origin_ns + 40 * SAMPLE_NS) == 7000


@pytest.mark.parametrize(
    ("said", "reason", "words"),
    [
        (body("begin", gain=4, rate_hz=500), "bad_value", "takes frames of gain 6 at 500 Hz"),
        (body("begin", gain=6, rate_hz=250), "bad_value", "takes frames of gain 6 at 500 Hz"),
        (block(0, 5), "bad_command", "no injection is running; begin one"),
        (body("end", index=0), "bad_command", "no injection is running; begin one"),
    ],
)
def test_what_does_not_fit_is_refused(said: dict[str, Any], reason: str, words: str) -> None:
    rig = Rig()
    (error,) = rig.say(said)
    assert (error["re"], error["reason"]) == (0, reason)
    assert words in error["message"]
    assert not rig.taker.taken


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (body("frames", index=30, n=1, data="x"), "they go forward only"),
        (body("frames", index=50, n=1, data="0000"), "does not unpack"),
        (body("frames", index=50, n=65, data="00000"), "n must be from 1 to 64"),
        (body("frames", index=-1, n=1, data="00000"), "index must be from 0"),
        (body("frames", index=50, n=1, data="00 00"), "data must be base 85"),
        (body("frames", index=50, n=1), "inject frames takes index, n, data"),
        (body("stop"), "inject takes an action: begin, frames, end"),
        (body(["x"]), "inject takes an action: begin, frames, end"),  # type: ignore[arg-type]
    ],
)
def test_a_bad_block_changes_nothing(said: dict[str, Any], words: str) -> None:
    rig = Rig()
    rig.say(BEGIN)
    rig.say(block(0, 50))
    rig.host.write(encode(9, "command", pack(said)))
    (error,) = rig.poll()
    assert words in error["message"]
    assert rig.injection.health()["frames"] == 50
    rig.say(block(50, 50))
    assert rig.injection.health()["lost_line"] == 0


def test_a_line_that_was_damaged_is_a_loss_that_the_next_one_shows() -> None:
    rig = Rig()
    rig.say(BEGIN)
    rig.say(block(0, 50))
    line = bytearray(encode(7, "command", pack(block(50, 50))))
    line[300] ^= 1
    rig.host.write(bytes(line))
    (error,) = rig.poll()
    assert error["reason"] == "bad_crc"
    rig.host.write(line[:500] + b"\n")  # cut off
    rig.poll()
    rig.host.write(json.dumps({"type": "command", **block(100, 50)}).encode() + b"\n")  # no CRC
    rig.poll()
    rig.say(block(150, 50))
    health = rig.injection.health()
    assert (health["frames"], health["lost_line"]) == (100, 100)


def test_a_monitor_with_a_front_end_of_its_own_refuses_in_a_sentence() -> None:
    rig = Rig(injected=False)
    (error,) = rig.say(BEGIN)
    assert error["reason"] == Wrong.FAILED
    assert "start it with --frontend injected" in error["message"]


def test_more_blocks_than_real_time_brings_are_refused() -> None:
    rig = Rig()
    rig.say(BEGIN)
    errors = []
    for number in range(BLOCK_BURST + 20):
        errors += rig.say(block(number, 1), step_ns=0)
    assert len(rig.taker.taken) == BLOCK_BURST
    assert {error["reason"] for error in errors} == {"too_fast"}
    assert f"at most {BLOCKS_PER_S} blocks per second" in errors[0]["message"]
    rig.poll(SECOND_NS)
    rig.say(block(500, 1))
    assert len(rig.taker.taken) == BLOCK_BURST + 1


def test_ten_thousand_lines_of_garbage_cost_little_and_the_next_block_is_taken() -> None:
    rig = Rig()
    rig.say(BEGIN)
    rig.say(block(0, 50))
    rng = np.random.default_rng(3)
    good = encode(5, "command", pack(block(50, 50)))
    heard, t0_ns = 0, rig.now_ns
    for number in range(10_000):
        line = bytearray(good[: int(rng.integers(120, len(good)))])
        line[int(rng.integers(100, len(line)))] = 0
        rig.host.write(bytes(line) + b"\n")
        if number % 4 == 3:  # the line brings them no faster
            heard += len(rig.poll())
            assert rig.link.waiting < 50
    for _ in range(2 * READS):
        heard += len(rig.poll())
    seconds = (rig.now_ns - t0_ns) / SECOND_NS
    assert heard <= ERROR_BURST + ERRORS_PER_S * seconds + 1
    assert rig.injection.health()["frames"] == 50
    rig.poll(int(BLOCK_BURST / BLOCKS_PER_S * SECOND_NS))
    rig.say(block(200, 50))
    assert rig.injection.health()["frames"] == 100


READS = 2000


# -- from process to process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.inject"


def test_frames_pass_whole_and_in_order(path: Path) -> None:
    receiver, sender = FrameReceiver(path), FrameSender(path)
    sent = [Frames(-5, 0, raw(1)), Frames(1 << 60, 1 << 39, raw(MAX_FRAMES))]
    assert not receiver.waiting
    assert all(sender.send(frames) for frames in sent)
    assert receiver.waiting
    assert [receiver.receive(0), receiver.receive(SECOND_NS)] == sent
    assert receiver.receive(0) is None
    sender.close()
    receiver.close()
    assert not path.exists()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o600), (0o077, 0o600), (0o007, 0o660)])
def test_the_socket_is_for_its_owner_and_a_group_that_the_umask_trusts(
    path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        receiver = FrameReceiver(path)
    finally:
        after = os.umask(before)
    assert after == umask
    assert stat.S_IMODE(path.stat().st_mode) == mode
    receiver.close()


def test_the_sender_never_waits_and_knows_what_was_not_taken(path: Path) -> None:
    sender = FrameSender(path)
    assert not sender.send(Frames(0, 0, raw(50)))  # nobody there
    receiver = FrameReceiver(path)
    taken = sum(sender.send(Frames(0, 50 * n, raw(50))) for n in range(5000))
    assert 5 <= taken < 5000
    came = 0
    while receiver.receive(0) is not None:
        came += 1
    assert came == taken
    assert sender.send(Frames(0, 0, raw(50)))
    receiver.close()
    assert not sender.send(Frames(0, 0, raw(50)))
    sender.close()


def test_acquire_that_was_started_again_is_found(path: Path) -> None:
    first = FrameReceiver(path)
    sender = FrameSender(path)
    assert sender.send(Frames(0, 0, raw(1)))
    second = FrameReceiver(path)  # the first was killed and left its socket
    assert sender.send(Frames(0, 1, raw(1)))
    found = second.receive(0)
    assert found is not None
    assert found.first_index == 1
    for end in (sender, second, first):
        end.close()


def test_what_is_no_block_is_passed_over(path: Path) -> None:
    receiver, sender = FrameReceiver(path), FrameSender(path)
    for data in (b"", raw(1)[:-1], raw(MAX_FRAMES + 1)):
        sender.send(Frames(0, 0, data))
        assert receiver.receive(0) is None
    sender.send(Frames(0, 3, raw(2)))
    found = receiver.receive(0)
    assert found is not None
    assert len(found) == 2
    sender.close()
    receiver.close()


def test_a_socket_left_by_a_killed_run_goes_with_the_next(tmp_path: Path) -> None:
    alive, dead = (tmp_path / f"lead12-{pid}.inject" for pid in (os.getpid(), 1 << 30))
    ends = [FrameReceiver(alive), FrameReceiver(dead)]
    supervisor._forget_the_dead(tmp_path)
    assert alive.exists()
    assert not dead.exists()
    for end in ends:
        end.close()


def test_a_place_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    for place in (tmp_path / ("x" * 120), tmp_path / "absent" / "a.inject"):
        with pytest.raises(InjectPipeError, match=r"cannot be made .*; give the ring") as caught:
            FrameReceiver(place)
        assert "\n" not in str(caught.value)


def test_acquire_without_a_serial_line_says_so_and_ends(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = {"frontend.backend": "injected", "ring.path": str(tmp_path / "a.ring")}
    config = Config().override(changes)
    assert acquire.main([config.to_json()]) == acquire.Exit.USAGE
    (line,) = capfd.readouterr().err.splitlines()
    assert "frames come over the serial line; name its port" in line
    assert not inject_path(config).exists()
