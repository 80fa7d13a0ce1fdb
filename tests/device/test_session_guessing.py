"""Who guesses at a key, or floods a keyed line: it takes ever longer, and disturbs nobody."""

from __future__ import annotations

import hmac
import re
from pathlib import Path

import pytest

from device.link.protocol import decode
from device.link.session import LOCK_FIRST_S, LOCK_LONGEST_S, MOST_WRONG, Gate
from tests.device.cable import Line
from tests.device.keyed import KEY, OTHER_KEY, PRESS, KeyedRig, reason
from tests.device.link_kit import SECOND_NS, SHA
from tests.tools.test_flash_line import DATA, remote_of
from tools.line_session import LineSession


@pytest.fixture
def rig() -> KeyedRig:
    return KeyedRig()


def guess(rig: KeyedRig) -> str:
    begun = rig.command({"command": "auth", "action": "begin", "nonce": "00" * 16})
    if begun["type"] == "error":
        return reason(begun)
    return reason(rig.command({"command": "auth", "action": "prove", "proof": SHA}))


def test_who_guesses_waits_longer_each_time_and_never_for_ever(rig: KeyedRig) -> None:
    lock_s = LOCK_FIRST_S
    for _ in range(7):
        assert [guess(rig) for _ in range(MOST_WRONG)] == ["bad_key"] * MOST_WRONG
        fault = rig.gate.fault(rig.now_ns)
        assert fault == (
            f"serial line: 5 wrong keys, so no session for {lock_s} s; see who is on the cable"
        )
        answer = rig.command(LineSession(KEY).begin)
        said = re.fullmatch(r"locked for (\d+) s after 5 wrong keys; wait", answer["message"])
        assert said is not None
        assert lock_s - 3 <= int(said[1]) <= lock_s
        rig.now_ns += (lock_s - 4) * SECOND_NS
        assert guess(rig) == "locked"
        rig.now_ns += 4 * SECOND_NS
        assert rig.gate.fault(rig.now_ns) == ""
        lock_s = min(2 * lock_s, LOCK_LONGEST_S)
    assert lock_s == LOCK_LONGEST_S == 480
    session = rig.begin()
    assert rig.say(session, PRESS)["type"] == "reply"
    assert rig.gate.wrong == 7 * MOST_WRONG
    for _ in range(MOST_WRONG):
        guess(rig)
    assert f"for {LOCK_FIRST_S} s" in rig.gate.fault(rig.now_ns)  # the right key clears the slate


def test_a_session_and_all_reading_go_on_while_the_line_is_locked(rig: KeyedRig) -> None:
    session = rig.begin()
    for _ in range(MOST_WRONG):
        guess(rig)
    assert guess(rig) == "locked"
    assert rig.say(session, PRESS)["type"] == "reply"
    assert rig.command({"command": "start"})["type"] == "reply"


def test_wrong_codes_count_as_wrong_keys(rig: KeyedRig) -> None:
    session = rig.begin()
    foreign = LineSession(OTHER_KEY)
    answers = [reason(rig.say(foreign, PRESS)) for _ in range(MOST_WRONG)]
    assert answers == ["bad_key"] * MOST_WRONG
    assert guess(rig) == "locked"
    assert rig.say(session, PRESS)["type"] == "reply"


def test_a_cut_cable_does_not_end_a_lock(rig: KeyedRig) -> None:
    for _ in range(MOST_WRONG):
        guess(rig)
    rig.gate.disconnect()
    assert guess(rig) == "locked"


@pytest.mark.parametrize("kind", ["press", "chunk"])
def test_a_flood_of_signed_lines_is_held_down_before_any_code_is_computed(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = KeyedRig()
    rig.begin()
    computed = []
    real = hmac.digest
    monkeypatch.setattr(hmac, "digest", lambda *of: computed.append(len(of[1])) or real(*of))
    chunk = {"command": "model", "action": "chunk", "offset": 0, "bytes": 1, "data": "0" * 9000}
    line = LineSession(OTHER_KEY).encode(1, chunk if kind == "chunk" else PRESS)
    computed.clear()
    for _ in range(200):  # two seconds
        rig.host.write(line)
        rig.poll(4, 2_500_000)
    most = 200 + 2 * 50 if kind == "chunk" else 20 + 2 * 10
    assert 0 < len(computed) <= most + 1
    assert rig.stub.applied == []


def test_an_upload_has_a_code_on_every_line(tmp_path: Path) -> None:
    line = Line(tmp_path, gate=Gate(KEY))
    with remote_of(line, key=KEY) as remote:
        remote.upload(DATA)
    said = [decode(text[:-1], crc_required=True) for text in line.sent if text != b"\n"]
    signed = [message["counter"] for message in said if message["command"] == "model"]
    assert signed == list(range(1, len(signed) + 1))
    assert tmp_path.joinpath("upload.part").read_bytes() == DATA
