"""A keyed line: who has no key changes nothing, and nothing that was recorded can be used again."""

from __future__ import annotations

import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import pytest

from device.controls import Button
from device.link.commands import Name, parse
from device.link.protocol import ProtocolError, Wrong, decode, encode, pack
from device.link.session import IDLE_S, MOST_PENDING, PENDING_S, Gate, Role, derive
from tests.device.host import VALIDATOR
from tests.device.keyed import KEY, OTHER_KEY, PRESS, KeyedRig, plain, reason
from tests.device.link_kit import SECOND_NS, SHA
from tools.line_session import LineSession, WrongDeviceError

PRESSED = [(Button.OK, False)]
DOCS = Path(__file__).parents[2] / "docs" / "serial-protocol.md"


@pytest.fixture
def rig() -> KeyedRig:
    return KeyedRig()


# -- what needs a session

CHANGING = [
    {"command": "stop"},
    {"command": "set", "setting": "lead", "value": "V1"},
    {"command": "set", "setting": "lead", "value": "V1", "keep": False},
    PRESS,
    {"command": "alarm", "action": "silence"},
    {"command": "alarm", "action": "pause"},
    {"command": "record"},
    {"command": "patient"},
    {"command": "model", "action": "begin", "bytes": 9, "sha256": SHA, "keep": True},
    {"command": "model", "action": "chunk", "offset": 0, "bytes": 1, "data": "00"},
    {"command": "model", "action": "verify", "sha256": SHA, "who": "x"},
    {"command": "model", "action": "install", "sha256": SHA, "who": "x"},
    {"command": "model", "action": "confirm", "who": "x"},
    {"command": "model", "action": "rollback", "who": "x"},
    {"command": "inject", "action": "begin", "gain": 6, "rate_hz": 500},
    {"command": "inject", "action": "frames", "index": 0, "n": 1, "data": "00"},
    {"command": "inject", "action": "end", "index": 0},
    {"command": "auth", "action": "end"},
]
READING = [
    {"command": "info"},
    {"command": "start"},
    {"command": "snapshot"},
    {"command": "model", "action": "list"},
    {"command": "model", "action": "info"},
    {"command": "model", "action": "log", "last": 1},
]


def named(body: dict[str, Any]) -> str:
    return " ".join(str(body[key]) for key in ("command", "action") if key in body)


@pytest.mark.parametrize("body", CHANGING, ids=named)
def test_whoever_has_no_session_changes_nothing(rig: KeyedRig, body: dict[str, Any]) -> None:
    assert reason(rig.command(body)) == "no_session"
    assert rig.stub.applied == []
    assert rig.link._streaming
    assert rig.gate.wrong == 0  # who does not know of keys is not guessing at them


@pytest.mark.parametrize("body", READING, ids=named)
def test_reading_needs_no_key(rig: KeyedRig, body: dict[str, Any]) -> None:
    rig.link._models._flasher = None
    rig.host.write(encode(1, "command", pack(body)))
    answer = rig.poll(3)[0]
    assert reason(answer) in ("reply", "failed")  # no store: as on a line that is open


def test_every_command_is_either_for_reading_or_needs_a_session() -> None:
    """A command that is added later is on one of the two lists, or this fails."""
    listed = {body["command"] for body in (*CHANGING, *READING)}
    assert listed == set(Name)
    for body in CHANGING[:-1]:
        assert parse(encode(1, "command", pack(body))[:-1]).changes
    for body in READING:
        assert not parse(encode(1, "command", pack(body))[:-1]).changes


def test_a_person_without_a_key_is_refused_in_words(rig: KeyedRig) -> None:
    answer = rig.tell(plain(PRESS))
    assert answer["message"] == "this line takes changes only from a session with the key"


@pytest.mark.parametrize("body", CHANGING[:8], ids=named)
def test_in_a_session_it_is_done(rig: KeyedRig, body: dict[str, Any]) -> None:
    session = rig.begin()
    line = session.encode(9, body)
    VALIDATOR.validate(decode(line[:-1], crc_required=True))
    assert rig.tell(line)["type"] == "reply"
    assert rig.stub.applied or not rig.link._streaming
    assert (rig.gate.sessions, rig.gate.wrong) == (1, 0)


def test_reading_may_be_a_line_of_the_session_too(rig: KeyedRig) -> None:
    session = rig.begin()
    assert rig.say(session, {"command": "start"})["type"] == "reply"


def test_a_read_only_line_says_why_and_changes_nothing() -> None:
    rig = KeyedRig(fault="serial line is read-only: no key")
    session = LineSession(KEY)
    assert reason(rig.command(session.begin)) == "read_only"
    for line in (plain(PRESS), session.encode(1, PRESS)):
        answer = rig.tell(line)
        assert (reason(answer), answer["message"]) == ("read_only", rig.gate.fault(0))
    assert rig.command({"command": "start"})["type"] == "reply"
    assert rig.stub.applied == []


def test_an_open_line_knows_no_sessions() -> None:
    rig = KeyedRig(b"")
    session = LineSession(KEY)
    answer = rig.command(session.begin)
    assert "open and knows no sessions; leave the key away" in answer["message"]
    assert reason(rig.tell(session.encode(1, PRESS))) == "no_session"
    assert rig.tell(plain(PRESS))["type"] == "reply"


# -- who proves what


def test_a_host_that_does_not_have_the_key_gets_no_session(rig: KeyedRig) -> None:
    honest = LineSession(KEY, lambda: bytes(16))
    reply = rig.command(honest.begin)
    with pytest.raises(WrongDeviceError):  # and an honest one with another key says nothing
        LineSession(OTHER_KEY, lambda: bytes(16)).prove(reply)
    nonces = bytes(16), bytes.fromhex(reply["nonce"])
    proof = derive(OTHER_KEY, Role.HOST, *nonces).hex()
    assert reason(rig.command({"command": "auth", "action": "prove", "proof": proof})) == "bad_key"
    assert (rig.gate.sessions, rig.gate.wrong) == (0, 1)


@pytest.mark.parametrize("value", ['"x"', '"00000000"', "null"])
def test_a_crc_that_nobody_checked_is_none(rig: KeyedRig, value: str) -> None:
    begin = plain(LineSession(KEY).begin)[:-1].decode()
    for name in (r"\u0063rc", r"c\u0072c"):
        assert reason(rig.tell(f'{begin},"{name}":{value}}}'.encode())) == "bad_crc"
    assert reason(rig.tell(f"{begin}}}".encode())) == "bad_crc"


@pytest.mark.parametrize("wrong", [False, True])
def test_a_stranger_who_begins_does_not_make_the_owners_key_wrong(
    rig: KeyedRig, wrong: bool
) -> None:
    owner = LineSession(KEY)
    proof = owner.prove(rig.command(owner.begin))
    for _ in range(MOST_PENDING - 1):
        assert rig.command(LineSession(OTHER_KEY).begin)["type"] == "reply"
    if wrong:
        guessed = {"command": "auth", "action": "prove", "proof": SHA}
        assert reason(rig.command(guessed)) == "bad_key"
    assert rig.command(proof)["type"] == "reply"
    assert rig.gate.wrong == 0 + wrong
    assert rig.say(owner, PRESS)["type"] == "reply"


def test_a_proof_is_taken_once_and_few_are_waited_for(rig: KeyedRig) -> None:
    owner = LineSession(KEY)
    proof = owner.prove(rig.command(owner.begin))
    rig.command(LineSession(KEY).begin)  # so that something is pending throughout
    assert [reason(rig.command(proof)) for _ in range(2)] == ["reply", "bad_key"]
    assert (rig.gate.sessions, rig.gate.wrong) == (1, 1)
    owner = LineSession(KEY)
    proof = owner.prove(rig.command(owner.begin))
    for _ in range(MOST_PENDING):
        rig.command(LineSession(OTHER_KEY).begin)
    assert reason(rig.command(proof)) == "bad_key"


@pytest.mark.parametrize("what", ["reflected", "nonces swapped", "role of the session"])
def test_what_the_device_said_is_no_proof_of_the_host(rig: KeyedRig, what: str) -> None:
    """Also when host and device choose the same nonce, so that swapping changes nothing."""
    for nonce in (bytes(16), ((1 << 100) + 1).to_bytes(16, "big")):
        reply = rig.command({"command": "auth", "action": "begin", "nonce": nonce.hex()})
        device = bytes.fromhex(reply["nonce"])
        proof = {
            "reflected": bytes.fromhex(reply["proof"]),
            "nonces swapped": derive(KEY, Role.DEVICE, device, nonce),
            "role of the session": derive(KEY, Role.SESSION, nonce, device),
        }[what]
        said = rig.command({"command": "auth", "action": "prove", "proof": proof.hex()})
        assert reason(said) == "bad_key"
    assert rig.gate.sessions == 0


def test_swapped_nonces_are_another_proof() -> None:
    one, two = bytes(16), bytes([1] * 16)
    made = {derive(KEY, role, a, b) for role in Role for a, b in ((one, two), (two, one))}
    assert len(made) == 6


def test_a_device_that_does_not_have_the_key_is_told_nothing(rig: KeyedRig) -> None:
    session = LineSession(KEY, lambda: bytes(16))
    reply = rig.command(session.begin)
    forged = {
        "of another key": derive(OTHER_KEY, Role.DEVICE, bytes(16), bytes(16)).hex(),
        "of an earlier session": reply["proof"],
    }
    for proof in forged.values():
        with pytest.raises(WrongDeviceError, match="has another key"):
            LineSession(KEY, lambda: bytes([1] * 16)).prove({**reply, "proof": proof})


def test_proving_takes_its_time_at_most(rig: KeyedRig) -> None:
    session = LineSession(KEY)
    proof = session.prove(rig.command(session.begin))
    rig.now_ns += PENDING_S * SECOND_NS
    assert reason(rig.command(proof)) == "no_session"
    assert rig.gate.wrong == 0


# -- how it ends


def test_it_ends_by_its_host_only(rig: KeyedRig) -> None:
    session = rig.begin()
    assert reason(rig.command({"command": "auth", "action": "end"})) == "no_session"
    assert rig.say(session, PRESS)["type"] == "reply"
    assert rig.say(session, {"command": "auth", "action": "end"})["type"] == "reply"
    assert reason(rig.say(session, PRESS)) == "no_session"


def test_it_ends_when_nobody_uses_it(rig: KeyedRig) -> None:
    session = rig.begin()
    for pause_s, answer in ((IDLE_S - 2, "reply"), (IDLE_S - 2, "reply"), (IDLE_S, "no_session")):
        rig.now_ns += pause_s * SECOND_NS
        assert reason(rig.say(session, PRESS)) == answer


def test_wrong_lines_do_not_keep_it_alive(rig: KeyedRig) -> None:
    rig.begin()
    foreign = LineSession(OTHER_KEY)
    for _ in range(3):
        rig.now_ns += (IDLE_S // 2) * SECOND_NS
        answer = rig.say(foreign, PRESS)
    assert reason(answer) == "no_session"


def test_it_ends_with_the_connection(rig: KeyedRig) -> None:
    session = rig.begin()
    proof = LineSession(KEY)
    late = proof.prove(rig.command(proof.begin))
    line = session.encode(50, PRESS)
    rig.wire.hang_up()
    rig.poll(2)
    assert not rig.link.connected
    again = KeyedRig()
    rig.link._given, rig.wire, rig.host = again.wire.port, again.wire, again.wire.host
    rig.poll(2, 10 * SECOND_NS)
    assert rig.link.connected
    assert reason(rig.tell(line)) == "no_session"
    assert reason(rig.command(late)) == "no_session"


def test_somebody_who_only_begins_ends_no_session(rig: KeyedRig) -> None:
    session = rig.begin()
    begin = {"command": "auth", "action": "begin", "nonce": "00" * 16}
    for _ in range(10):
        assert rig.command(begin)["type"] == "reply"
    assert reason(rig.command({"command": "auth", "action": "prove", "proof": SHA})) == "bad_key"
    assert rig.say(session, PRESS)["type"] == "reply"
    rig.begin(nonce=bytes([1] * 16))  # who has the key, too, takes over
    assert reason(rig.say(session, PRESS)) == "bad_key"


# -- the vectors of the documentation, computed here with nothing of ours


def test_the_vectors_in_the_docs_are_right() -> None:
    text = DOCS.read_text()
    found = dict(
        re.findall(
            r"^(key|host nonce|device nonce|device proof|host proof|session key) +([0-9a-f]+)$",
            text,
            re.M,
        )
    )
    key, host, device = (bytes.fromhex(found[n]) for n in ("key", "host nonce", "device nonce"))

    def of(role: str) -> str:
        return hmac.new(key, role.encode() + host + device, hashlib.sha256).hexdigest()

    assert found["device proof"] == of("lead12 serial 1 device")
    assert found["host proof"] == of("lead12 serial 1 host")
    assert found["session key"] == of("lead12 serial 1 session")
    (line,) = re.findall(r'^> (.*"mac":.*)$', text, re.M)
    signed, _, rest = line.partition(',"mac":"')
    mac = hmac.new(bytes.fromhex(found["session key"]), signed.encode(), hashlib.sha256)
    assert rest[:32] == mac.hexdigest()[:32]
    # and a device takes exactly these lines
    rig = KeyedRig(key, nonce=int.from_bytes(device, "big"))
    for sent, answered in re.findall(r'^> (.*"auth".*)\n< (.*)$', text, re.M):
        answer = rig.tell(sent.encode())
        expected = decode(answered.encode(), crc_required=True)
        assert {**expected, "seq": 0, "crc": ""} == {**answer, "seq": 0, "crc": ""}
    assert rig.tell(line.encode())["type"] == "reply"


def test_reasons_are_the_schemas() -> None:
    with pytest.raises(ProtocolError) as caught:
        Gate(KEY).check(parse(plain(PRESS)), 0)
    assert caught.value.wrong is Wrong.NO_SESSION
