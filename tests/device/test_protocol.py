"""The lines of the serial protocol: their code, their schema, and results as lines."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.display.example import make_call
from device.link import messages
from device.link.commands import SETTINGS
from device.link.protocol import MAX_LINE, LineSplitter, ProtocolError, Wrong, decode, encode, pack
from firmware.events import Refusal
from firmware.findings import Finding, Priority
from firmware.measurements import Measurements
from tests.device.host import VALIDATOR
from tests.device.link_kit import RESULT, SHA, Stub

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
bodies = st.dictionaries(
    st.text().filter(lambda k: k not in ("v", "seq", "type", "crc")), json_values, max_size=5
)


def test_crc_is_of_the_bytes_before_it() -> None:
    line = encode(7, "event", pack({"event": "gap", "index": 5, "lost": 2}))
    assert line == (
        b'{"v":1,"seq":7,"type":"event","event":"gap","index":5,"lost":2,"crc":"f3d5448e"}\n'
    )


@given(st.integers(0, 2**63), bodies)
def test_what_is_encoded_is_decoded(seq: int, body: dict[str, Any]) -> None:
    line = encode(seq, "event", pack(body))
    assert line.count(b"\n") == 1
    message = decode(line[:-1], crc_required=True)
    del message["crc"]
    assert message == {"v": 1, "seq": seq, "type": "event", **body}


@given(bodies, st.data())
def test_any_changed_byte_is_noticed(body: dict[str, Any], data: st.DataObject) -> None:
    line = bytearray(encode(3, "event", pack(body))[:-1])
    at = data.draw(st.integers(0, len(line) - 1))
    line[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProtocolError):
        decode(bytes(line), crc_required=True)


@given(st.lists(st.binary(max_size=40), max_size=8), st.lists(st.integers(1, 30), min_size=1))
def test_lines_are_the_same_however_they_arrive(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line.replace(b"\n", b"?") + b"\n" for line in lines)
    whole = list(LineSplitter(20).push(stream))
    splitter, parts, sizes = LineSplitter(20), [], itertools.cycle(cuts)
    while stream:
        n = next(sizes)
        parts += splitter.push(stream[:n])
        stream = stream[n:]
    assert parts == whole


def test_not_a_number_is_never_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack({"rate_bpm": float("nan")})


# -- the schema


def test_schema_knows_every_setting_and_refusal() -> None:
    for setting in SETTINGS:
        hello = Stub().hello()
        assert setting in hello["settings"]
    VALIDATOR.check_schema(VALIDATOR.schema)
    reasons = VALIDATOR.schema["$defs"]["error"]["properties"]["reason"]["enum"]
    assert set(reasons) == set(Wrong)


@pytest.mark.parametrize(
    "change",
    [{"index": -1}, {"call": 3}, {"quality": "fine"}, {"refusal": "because"}, {"extra": 1},
     {"probability": 1.1}, {"rate_bpm": 0}, {"electrodes_off": ["V7"]}, {"type": "news"}],
)  # fmt: skip
def test_schema_refuses_what_is_not_a_result(change: dict[str, Any]) -> None:
    message = {"v": 1, "seq": 0, "type": "result", **RESULT, "crc": "00000000"}
    assert VALIDATOR.is_valid(message)
    assert not VALIDATOR.is_valid({**message, **change})


def test_the_lines_in_the_docs_are_lines_of_this_protocol() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "serial-protocol.md").read_text()
    lines = [line[2:] for line in text.splitlines() if line.startswith(('< {"v"', '> {"v"'))]
    whole = [line for line in lines if "…" not in line]
    assert len(whole) > 10
    for line in whole:
        VALIDATOR.validate(decode(line.encode(), crc_required=True))


@pytest.mark.parametrize("text", ["µ" * 9000, "\U0001f9e0" * 9000, "", "it\nis"])
@pytest.mark.parametrize("end", [{}, {"outcome": "refused", "sha256": SHA, "more": 1}])
def test_whatever_the_installer_says_fits_a_line(text: str, end: dict[str, Any]) -> None:
    names = dict.fromkeys(("stage", "reason", "model", "head"), text or "x")
    said = messages.flash_event(10**9, {**names, "text": text or "x", **end})
    line = encode(10**9, "event", pack(said))
    VALIDATOR.validate(decode(line[:-1], crc_required=True))
    assert len(line) <= MAX_LINE


# -- results

FOUND = [
    Finding("st_elevation", "ST ELEVATION?", "look at V2 V3", Priority.HIGH, None),
    *(Finding(f"f{k}", "LEFT ANT. FASC. BLOCK", "x" * 20, Priority.LOW, 0.1234) for k in range(7)),
]


def full_result(p: float, findings: list[Finding]) -> bytes:
    """A result line with as many scores as the networks of models/groups.py give."""
    scores = {"statements": {f"CODE{k}": p for k in range(93)}}
    call = make_call(10**8, scores=scores, findings=tuple(findings))
    measured = Measurements(10**8, 49, 300.0, *[1234.5] * 5, -123.4, (-1234.5,) * 12)
    return encode(10**7, "result", pack(messages.result(call, measured)))


def test_a_result_carries_its_findings_and_fits_the_schema() -> None:
    line = full_result(0.123456, FOUND)
    message = decode(line[:-1], crc_required=True)
    VALIDATOR.validate(message)
    assert message["call"] == "SR"
    assert message["text"] == "ST ELEVATION? + SINUS RHYTHM"
    assert message["findings"][0] == {
        "code": "st_elevation", "text": "ST ELEVATION?", "act": "look at V2 V3",
        "priority": "high", "probability": None,
    }  # fmt: skip
    assert message["findings"][1]["probability"] == 0.123


def test_the_longest_result_fits_a_line_and_a_second_of_the_line() -> None:
    longest = full_result(0.123456, FOUND)
    assert len(longest) <= MAX_LINE - 250  # faults of all leads and electrodes still fit
    assert len(longest) <= 0.3 * 11_520


def test_the_schema_knows_every_refusal_and_priority() -> None:
    result = VALIDATOR.schema["$defs"]["result"]["properties"]
    assert set(result["refusal"]["enum"]) == {None, *Refusal}
    assert result["findings"]["items"]["properties"]["priority"]["enum"] == list(Priority)
