"""The serial link: what it sends is right, what it is sent cannot disturb it."""

from __future__ import annotations

import base64
import itertools
import json
import os
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from device.link.commands import MAX_COMMAND
from device.link.link import COMMAND_BURST, ERROR_BURST, READ_BYTES, Link
from device.link.outbox import MAX_BYTES, Outbox
from device.link.port import open_port
from device.link.protocol import encode, pack
from tests.device.host import VALIDATOR, Host
from tests.device.link_kit import RESULT, SECOND_NS, SHA, Rig, Stub
from tests.device.waiting import wait_for


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.poll()
    return rig


# -- commands


def test_connection_begins_with_hello(rig: Rig) -> None:
    (hello,) = rig.host.messages
    assert (hello["type"], hello["seq"], hello["protocol"]) == ("hello", 0, 1)


def test_info_repeats_the_hello(rig: Rig) -> None:
    reply, hello = rig.ask({"v": 1, "seq": 12, "type": "command", "command": "info"})
    assert (reply["type"], reply["re"], reply["command"]) == ("reply", 12, "info")
    assert hello["type"] == "hello"


def test_command_with_its_own_crc_is_checked(rig: Rig) -> None:
    good = encode(3, "command", pack({"command": "info"}))[:-1]
    assert rig.ask(good)[0]["re"] == 3
    (error,) = rig.ask(good.replace(b'"seq":3', b'"seq":4'))
    assert (error["reason"], error["re"]) == ("bad_crc", None)


def test_stop_holds_back_results_only(rig: Rig) -> None:
    rig.ask({"type": "command", "command": "stop"})
    rig.link.send("result", RESULT)
    rig.link.send("event", {"event": "gap", "index": 1, "lost": 1})
    assert [m["type"] for m in rig.poll()] == ["event"]
    rig.ask({"type": "command", "command": "start"})
    rig.link.send("result", RESULT)
    assert [m["type"] for m in rig.poll()] == ["result"]


def test_set_is_applied_and_answered(rig: Rig) -> None:
    ask = {"seq": 5, "type": "command", "command": "set", "setting": "mains_hz", "value": 60}
    (reply,) = rig.ask(ask)
    assert rig.stub.applied == [("mains_hz", 60)]
    assert (reply["re"], reply["setting"], reply["value"]) == (5, "mains_hz", 60)


def test_snapshot_comes_whole_and_lets_results_pass() -> None:
    rig = Rig()
    rig.ask({"seq": 1, "type": "command", "command": "snapshot"})
    rig.link.send("result", RESULT)
    (busy,) = [
        m
        for m in rig.ask({"seq": 2, "type": "command", "command": "snapshot"})
        if m["type"] == "error"
    ]
    assert (busy["reason"], busy["re"]) == ("busy", 2)
    rig.poll(60)
    parts = rig.host.of("reply", command="snapshot")
    assert [m["part"] for m in parts] == list(range(parts[0]["parts"]))
    assert [m["index"] for m in parts] == list(range(700, 5700, 100))
    uv = np.frombuffer(b"".join(base64.b64decode(m["uv"]) for m in parts), "<i2")
    np.testing.assert_array_equal(uv.reshape(-1, 12), rig.stub.uv)
    kinds = [m["type"] for m in rig.host.messages]
    assert kinds.index("result") < len(kinds) - 20
    assert [m["seq"] for m in rig.host.messages] == list(range(len(kinds)))


def test_snapshot_of_nothing_is_empty() -> None:
    rig = Rig(samples=0)
    (part,) = rig.ask({"type": "command", "command": "snapshot"})[1:]
    assert (part["parts"], part["samples"], part["uv"]) == (1, 0, "")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello?", "not_json"),
        (b"[]", "not_json"),
        (b"[" * 400, "not_json"),
        (b'{"type":"command","command":"info","x":NaN}', "not_json"),
        (b"\xff\x00\x80", "not_json"),
        (b'{"type":"command","command":"info","crc":"00000000"}', "bad_crc"),
        (b'{"type":"command","crc":"00000000","command":"info"}', "bad_crc"),
        (b'{"v":2,"type":"command","command":"info"}', "bad_version"),
        (b'{"type":"result"}', "bad_command"),
        (b'{"type":"command","command":"reboot"}', "bad_command"),
        (b'{"type":"command","command":["info"]}', "bad_command"),
        (b'{"type":"command","command":"info","now":true}', "bad_command"),
        (b'{"type":"command","command":"set","setting":"mains_hz"}', "bad_command"),
        (b'{"type":"command","command":"set","setting":"ring","value":1}', "bad_value"),
        (b'{"type":"command","command":"set","setting":["lead"],"value":1}', "bad_value"),
        (b'{"type":"command","command":"set","setting":"profile","value":"bad"}', "bad_value"),
        (b" " * MAX_COMMAND + b"{}", "too_long"),
    ],
)
def test_what_is_no_command_is_answered_with_its_reason(rig: Rig, line: bytes, reason: str) -> None:
    (error,) = rig.ask(line)
    assert (error["type"], error["reason"]) == ("error", reason)
    assert rig.stub.applied == []
    assert (rig.link.counters.received, rig.link.counters.rejected) == (0, 1)


def test_a_setting_that_is_none_is_called_so(rig: Rig) -> None:
    (error,) = rig.ask(b'{"type":"command","command":"set","setting":"gain","value":6}')
    assert error["message"].startswith("no such setting; settings: mains_hz, ")


@pytest.mark.parametrize(
    ("members", "reason", "said"),
    [
        ({}, "bad_command", "model takes an action: list, info, begin, chunk"),
        ({"action": "erase"}, "bad_command", "model takes an action"),
        ({"action": ["list"]}, "bad_command", "model takes an action"),
        ({"action": "list", "who": "x"}, "bad_command", "model list takes no arguments"),
        ({"action": "confirm"}, "bad_command", "model confirm takes who"),
        ({"action": "confirm", "who": ""}, "bad_value", "who must be 1 to 64 printable"),
        ({"action": "confirm", "who": "a\nb"}, "bad_value", "who must be"),
        ({"action": "confirm", "who": "é"}, "bad_value", "who must be"),
        ({"action": "confirm", "who": "x" * 65}, "bad_value", "who must be"),
        ({"action": "log", "last": 0}, "bad_value", "last must be from 1 to 1000"),
        ({"action": "log", "last": True}, "bad_value", "last must be"),
        ({"action": "install", "sha256": "../../x", "who": "x"}, "bad_value", "64 lower-case"),
        ({"action": "install", "sha256": SHA + "\n", "who": "x"}, "bad_value", "sha256 must be"),
        ({"action": "begin", "bytes": 0, "sha256": SHA, "keep": True}, "bad_value", "from 1 to"),
        ({"action": "begin", "bytes": 9e9, "sha256": SHA, "keep": True}, "bad_value", "bytes must"),
        ({"action": "begin", "bytes": 9, "sha256": SHA, "keep": 1}, "bad_value", "true or false"),
        ({"action": "begin", "bytes": 9, "sha256": SHA}, "bad_command", "bytes, sha256, keep"),
        ({"action": "chunk", "offset": 0, "bytes": 8193, "data": "0"}, "bad_value", "to 8192"),
        ({"action": "chunk", "offset": -1, "bytes": 1, "data": "0"}, "bad_value", "offset must"),
        ({"action": "chunk", "offset": 0, "bytes": 1, "data": ""}, "bad_value", "base 85"),
        ({"action": "list", "x": "chunk" * 200}, "too_long", "at most 512 bytes"),
        ({"x": "chunk", "action": "list", "y": "z" * 600}, "too_long", "at most 512 bytes"),
        ({"action": "list"}, "failed", "this monitor keeps no models"),
    ],
)
def test_a_model_command_that_does_not_fit_is_refused(
    rig: Rig, members: dict[str, Any], reason: str, said: str
) -> None:
    line = encode(8, "command", pack({"command": "model", **members}))[:-1]
    (error,) = rig.ask(line)
    assert (error["type"], error["reason"]) == ("error", reason)
    assert said in error["message"]
    fits = VALIDATOR.is_valid(json.loads(line))
    assert fits == (reason == "failed")  # the schema says the same


def test_a_model_command_needs_a_crc(rig: Rig) -> None:
    (error,) = rig.ask({"seq": 3, "type": "command", "command": "model", "action": "list"})
    assert (error["reason"], error["re"]) == ("bad_crc", 3)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=200) | st.sampled_from(
    [b"\n", b'{"type":"command",', b'"command":"snapshot"}\n', b'{"v":1', b"[" * 300, b"9" * 600]
), max_size=20))  # fmt: skip
@example([b'{"type":"command","command":"set","setting":"lead","value":1e999}\n'])
@example([b'{"seq":' + b"9" * 480 + b"}\n"])
def test_noise_from_the_host_never_disturbs(pieces: list[bytes]) -> None:
    rig = Rig(samples=100)
    for piece in pieces:
        if piece:
            rig.host.write(piece)
        rig.poll()
    rig.host.write(b"\n")
    rig.poll(len(b"".join(pieces)) // READ_BYTES + 3)
    rig.poll(3, 5 * SECOND_NS)  # the allowance of commands is whole again
    rig.link.send("result", RESULT)
    answers = rig.ask({"seq": 99, "type": "command", "command": "info"})
    assert [m["type"] for m in answers if m["type"] == "result"] == ["result"]
    assert any(m.get("re") == 99 and m["type"] == "reply" for m in answers)


def test_flood_of_commands_and_errors_is_held_down(rig: Rig) -> None:
    for _ in range(40):
        rig.host.write(b'{"type":"command","command":"info"}\n' * 10 + b"garbage\n" * 10)
        rig.poll()
    rig.poll(100, step_ns=0)
    assert len(rig.host.of("reply")) <= COMMAND_BURST + 20
    assert len(rig.host.of("error")) <= ERROR_BURST + 6
    assert rig.link.counters.rejected > 700


def test_one_poll_does_a_bounded_amount_of_work(rig: Rig) -> None:
    rig.host.write(b"x\n" * 20_000)
    rig.link.poll(rig.now_ns)
    assert rig.link.counters.rejected <= READ_BYTES // 2


# -- the port


def test_port_that_takes_nothing_costs_results_not_memory(rig: Rig) -> None:
    for k in range(2000):
        rig.link.send("result", {**RESULT, "index": k})
        if k % 100 == 0:
            rig.link.send("event", {"event": "gap", "index": k, "lost": 1})
        rig.now_ns += 10_000_000
        rig.link.poll(rig.now_ns)  # nobody reads: the wire's buffer is soon full
    assert rig.link.dropped > 500
    assert rig.link.waiting * len(pack(RESULT)) < 2 * MAX_BYTES
    rig.poll(100)
    got = rig.host.of("result")
    assert [m["seq"] for m in rig.host.messages] == list(range(len(rig.host.messages)))
    assert got[-1]["index"] == 1999
    assert len(got) + rig.link.dropped == 2000
    assert len(rig.host.of("event")) == 20


def test_outbox_drops_the_oldest_result_first() -> None:
    box = Outbox(max_bytes=30)
    for kind, text in [("event", "a" * 10), ("result", "b" * 10), ("result", "c" * 10)]:
        box.put(kind, text)
    box.put("event", "d" * 10)
    assert [box.pop() for _ in range(3)] == [
        ("event", "a" * 10), ("result", "c" * 10), ("event", "d" * 10)
    ]  # fmt: skip
    assert box.dropped == 1


def test_unplugged_port_comes_back_with_a_hello_and_what_waited(tmp_path: Path) -> None:
    name = tmp_path / "ttyUSB0"
    clock = itertools.count(SECOND_NS, 50_000_000)
    link = Link(str(name), 115_200, Stub())

    def poll_until(what: str, condition: Callable[[], object]) -> None:
        def step() -> object:
            link.poll(next(clock))
            return condition()

        wait_for(what, step)

    poll_until("a failure", lambda: link.failure)
    assert str(name) in link.failure
    seen = []
    for round_ in range(2):
        link.send("result", {**RESULT, "index": round_})
        far, near = os.openpty()
        tty.setraw(near)
        name.symlink_to(os.ttyname(near))
        os.close(near)
        host = Host(far)
        poll_until("a result", lambda host=host: host.read() and host.of("result"))
        seen.append([(m["type"], m.get("index")) for m in host.messages])
        os.close(far)
        name.unlink()
        poll_until("the loss", lambda: link.failure)
    assert seen == [[("hello", 0), ("result", 0)], [("hello", 0), ("result", 1)]]
    assert link.counters.connections == 2


def test_loop_and_unknown_urls() -> None:
    port = open_port("loop://", 115_200)
    assert port.write(b"x" * 5000) == 4096
    assert port.write(b"x") == 0
    assert port.read(10) == b"x" * 10
    port.close()
    for name in ("/dev/none", "nonsense://", "fd:987"):
        with pytest.raises(OSError, match=r".+"):
            open_port(name, 115_200)
    with pytest.raises(OSError, match=r"^\[Errno 2\] it is not there; plug the cable in"):
        open_port("/dev/none", 115_200)
    with pytest.raises(OSError, match="Connection refused; is there a program that serves it"):
        open_port("socket://127.0.0.1:1", 115_200)
    with pytest.raises(OSError, match=r"^\[Errno 25\] it is not a serial port; lead12 doctor"):
        open_port("/dev/null", 115_200)
    with pytest.raises(OSError, match="lead12 run only"):
        open_port("pty", 115_200)


def test_link_without_a_port_does_nothing() -> None:
    link = Link("", 115_200, Stub())
    link.send("result", RESULT)
    link.poll(0)
    assert (link.enabled, link.waiting, link.failure) == (False, 0, "")
