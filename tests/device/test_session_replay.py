"""Lines of a session that are recorded, changed, cut or sent twice do nothing."""

from __future__ import annotations

import itertools
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.controls import Button
from device.link.commands import MAX_COUNTER, parse
from device.link.protocol import ProtocolError, decode, encode, pack
from device.link.session import Role, code, derive
from tests.device.host import VALIDATOR
from tests.device.keyed import KEY, PRESS, KeyedRig, reason
from tests.device.test_link import SECOND_NS


@pytest.fixture
def rig() -> KeyedRig:
    return KeyedRig()


PRESSED = [(Button.OK, False)]


def recorded() -> KeyedRig:
    """A rig at which a whole session was overheard."""
    rig = KeyedRig()
    session = rig.begin()
    for lead in ("V1", "V2", "V3"):
        rig.say(session, {"command": "set", "setting": "lead", "value": lead})
    rig.say(session, {"command": "auth", "action": "end"})
    assert [value for _, value in rig.stub.applied] == ["V1", "V2", "V3"]
    return rig


@pytest.mark.parametrize("monitor", ["the same", "restarted"])
def test_a_recorded_session_sent_again_does_nothing(monitor: str) -> None:
    old = recorded()
    lines = list(old.sent)
    rig = old if monitor == "the same" else KeyedRig(nonce=7 << 90)
    rig.stub.applied.clear()
    answers = [reason(rig.tell(line)) for line in lines]
    assert answers == ["reply", "bad_key", *["no_session"] * 4]
    assert rig.stub.applied == []


def test_recorded_lines_do_nothing_in_another_session() -> None:
    rig = KeyedRig(nonce=7 << 90)
    lines = [line for line in recorded().sent if b'"set"' in line]
    session = rig.begin()
    assert {reason(rig.tell(line)) for line in lines} == {"bad_key"}
    assert rig.stub.applied == []
    assert rig.say(session, PRESS)["type"] == "reply"  # it goes on, although somebody talks into it


def test_a_line_is_taken_once_and_in_order(rig: KeyedRig) -> None:
    session = rig.begin()
    first, second, third = (session.encode(n, PRESS) for n in (1, 2, 3))
    assert [reason(rig.tell(line)) for line in (second, second, first, third)] == [
        "reply", "bad_key", "bad_key", "reply"
    ]  # fmt: skip
    assert rig.stub.applied == PRESSED * 2
    assert rig.gate.wrong == 0  # whoever sends them again locks nobody out


@pytest.mark.parametrize(
    "counter", [0, -1, MAX_COUNTER + 1, 1 << 80, 1.0, True, None, "1"], ids=str
)
def test_a_counter_that_is_none_is_refused(rig: KeyedRig, counter: object) -> None:
    session = rig.begin()
    members = pack({**PRESS, "counter": counter})
    line = encode(1, "command", members, lambda text: code(session._session_key, text))
    assert not VALIDATOR.is_valid(decode(line[:-1], crc_required=True)) or counter == 1
    assert reason(rig.tell(line)) == "bad_command"
    assert rig.stub.applied == []


def test_the_counter_ends_and_another_session_begins_anew(rig: KeyedRig) -> None:
    session = rig.begin()
    session._counter = MAX_COUNTER - 1
    assert rig.say(session, PRESS)["type"] == "reply"
    assert reason(rig.say(session, PRESS)) == "bad_command"
    assert rig.say(rig.begin(), PRESS)["type"] == "reply"


LINE = encode(
    1, "command", pack({**PRESS, "counter": 1}),
    lambda text: code(derive(KEY, Role.SESSION, bytes(16), (1 << 100).to_bytes(16, "big")), text),
)  # fmt: skip


def with_crc(line: bytes) -> bytes:
    """Whoever changes a line can make its CRC right again."""
    return line[:-18] + b',"crc":"%08x"}' % zlib.crc32(line[:-18])


def test_no_changed_bit_of_a_line_is_taken(rig: KeyedRig) -> None:
    """Whoever changes it makes its CRC right again."""
    rig.begin()
    for at, bit in itertools.product(range(len(LINE) - 19), range(8)):
        line = bytearray(LINE[:-1])
        line[at] ^= 1 << bit
        with pytest.raises(ProtocolError):
            rig.gate.check(parse(with_crc(bytes(line))), rig.now_ns)
    assert rig.tell(with_crc(LINE[:-1]))["type"] == "reply"


@given(st.binary(max_size=300), st.integers(0, len(LINE) - 19), st.integers(0, 40))
def test_no_line_made_of_a_taken_one_is_taken(put: bytes, at: int, cut: int) -> None:
    rig = KeyedRig()
    rig.begin()
    line = with_crc(LINE[:at] + put + LINE[at + cut : -1])
    if line == LINE[:-1]:
        return
    with pytest.raises(ProtocolError):
        rig.gate.check(parse(line), rig.now_ns)


@pytest.mark.parametrize("cut", range(1, 70, 7))
def test_a_cut_line_is_not_taken(rig: KeyedRig, cut: int) -> None:
    rig.begin()
    for line in (LINE[:-1][:-cut], with_crc(LINE[:-1][: -18 - cut] + LINE[-19:-1])):
        rig.host.write(line + b"\n")
        rig.poll(3, SECOND_NS)
    assert rig.stub.applied == []


@pytest.mark.parametrize(
    "line",
    [
        LINE[:-1].replace(b',"counter":1', b""),
        re.sub(rb',"mac":"[0-9a-f]{32}"', b"", LINE[:-1]),
        LINE[:-19] + b"}",  # no CRC
        LINE[:-19].replace(b',"mac":"', b',"mac":"00","mac":"') + LINE[-19:-1],
        LINE[:-19] + b',"button":"page"' + LINE[-19:-1],  # something behind the mac
        re.sub(rb'("mac":")([0-9a-f]{32})', lambda m: m[1] + m[2].upper(), LINE[:-1]),
        re.sub(rb'("mac":")[0-9a-f]{32}', rb'\1' + b"0" * 31, LINE[:-1]),
        re.sub(rb'("mac":")[0-9a-f]{32}', rb'\1' + b"\xc3\xa9" * 16, LINE[:-1]),
        re.sub(rb'"mac":"[0-9a-f]{32}"', b'"mac":null', LINE[:-1]),
    ],
)  # fmt: skip
def test_a_line_without_all_that_ends_it_is_not_taken(rig: KeyedRig, line: bytes) -> None:
    rig.begin()
    for again in (line, with_crc(line)):
        rig.host.write(again + b"\n")
        rig.poll(3, SECOND_NS)
    assert rig.stub.applied == []
    assert rig.host.of("error")


@pytest.mark.parametrize("session_of", ["another host", "another device"])
def test_a_counter_of_another_session_does_not_help(rig: KeyedRig, session_of: str) -> None:
    mine = rig.begin()
    other = KeyedRig(nonce=3 << 90) if session_of == "another device" else rig
    theirs = other.begin(nonce=bytes([9] * 16))
    stale = mine if other is rig else theirs
    stale._counter = 1000
    assert reason(rig.say(stale, PRESS)) == "bad_key"
    assert rig.stub.applied == []
