"""Keyrings and signatures as documents: one spelling, and one line for what is none."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device.flash.document import MAX_BYTES, parse_stamp, stamp
from device.flash.keyring import (
    MAX_KEYS,
    MAX_SIGNATURES,
    Keyring,
    Reason,
    Role,
    TrustError,
    bundle_message,
    canonical,
    is_signed,
    key_id,
)
from tests.device.signing import (
    BUNDLE,
    GONE,
    NOW,
    RING,
    check,
    entry,
    key,
    keyring,
    member,
    one_line,
    private,
    public,
    refused,
)


def test_what_is_signed_stays_what_it_is_or_devices_in_the_field_refuse_it() -> None:
    assert bundle_message("ab" * 32, NOW) == (
        b"lead12 bundle 1\n" + b"ab" * 32 + b"\n2026-11-21T08:00:00Z"
    )
    anna, root = public("anna").hex(), public("root").hex()
    assert RING.message().decode() == (
        'lead12 keyring 1\n{"format":1,"issued":"2026-11-20T08:00:00Z",'
        f'"keys":[{{"expires":"2027-02-18T08:00:00Z","id":"{key_id(public("anna"))}",'
        '"name":"anna","not_before":"2026-11-20T08:00:00Z",'
        f'"public":"{anna}","role":"production"}}],'
        f'"revoked":[],"root":"{root}","version":1}}'
    )
    # RFC 8032, 7.1, test 3
    rfc = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    value = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert is_signed(rfc, value, b"\xaf\x82")
    assert not is_signed(rfc, value, b"\xaf\x83")
    assert not is_signed(rfc[:-1], value, b"\xaf\x82")
    assert not is_signed(rfc, value[:-1], b"\xaf\x82")
    assert key_id(rfc) == hashlib.sha256(rfc).hexdigest()[:16]


def changed(change: Callable[[dict[str, Any]], object], by: str = "root") -> bytes:
    """The keyring with its signed part changed and signed again."""
    value = RING.envelope()
    change(value["signed"])
    message = b"lead12 keyring 1\n" + canonical(value["signed"])
    signature = base64.b64encode(private(by).sign(message)).decode()
    return json.dumps(value | {"signatures": [{"key": key_id(public(by)), "signature": signature}]},
                      indent=1).encode()  # fmt: skip


def unreadable(data: bytes) -> str:
    with pytest.raises(TrustError) as caught:
        Keyring.from_json(data)
    assert caught.value.reason is Reason.KEYRING
    return one_line(caught.value)


def test_a_keyring_is_read_as_it_was_written_and_written_as_it_was_read() -> None:
    ring = keyring(key("anna"), key("ben", Role.DEVELOPMENT), version=4, revoked=GONE)
    assert Keyring.from_json(ring.to_json()) == ring
    assert Keyring.from_json(changed(lambda _: None)) == RING  # spaces and order do not matter
    assert "é" not in keyring(replace(key("anna"), name="André")).to_json().decode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s.update(format=2), "format 2"),
        (lambda s: s.update(format=True), "whole number"),
        (lambda s: s.update(version=0), "whole number"),
        (lambda s: s.update(version=True), "whole number"),
        (lambda s: s.update(version=1 << 31), "whole number"),
        (lambda s: s.update(version="1"), "whole number"),
        (lambda s: s.update(issued="2026-11-21T08:00:00+00:00"), "not a time"),
        (lambda s: s.update(issued="2026-11-21T8:00:00Z"), "not a time"),
        (lambda s: s.update(issued="2026-02-30T08:00:00Z"), "not a time"),
        (lambda s: s.update(issued=1795000000), "not a time"),
        (lambda s: s.update(root=s["root"].upper()), "public key"),
        (lambda s: s.update(root=s["root"][:-2]), "public key"),
        (lambda s: s.update(root="zz" * 32), "public key"),
        (lambda s: s.update(more=1), "expected"),
        (lambda s: s.pop("revoked"), "expected"),
        (lambda s: s.update(keys={}), "list"),
        (lambda s: s.update(keys=s["keys"] * 2), "twice"),
        (lambda s: s.update(keys=s["keys"] * (MAX_KEYS + 1)), "at most 32"),
        (lambda s: s["keys"][0].update(id="0" * 16), "called"),
        (lambda s: s["keys"][0].update(id="0" * 15), "key id"),
        (lambda s: s["keys"][0].update(id=s["keys"][0]["id"] + "0"), "key id"),
        (lambda s: s["keys"][0].update(role="root"), "Role"),
        (lambda s: s["keys"][0].update(name=""), "printable"),
        (lambda s: s["keys"][0].update(name="a\nb"), "printable"),
        (lambda s: s["keys"][0].update(name="\x1b[2J"), "printable"),
        (lambda s: s["keys"][0].update(name="\ud800"), "printable"),
        (lambda s: s["keys"][0].update(name="a" * 65), "printable"),
        (lambda s: s["keys"][0].update(expires=s["keys"][0]["not_before"]), "expires before"),
        (lambda s: s["keys"][0].update(public=public("root").hex(), id=key_id(public("root"))),
         "twice"),
        (lambda s: s.update(revoked=[{"id": "x", "at": stamp(NOW), "reason": "r"}]), "key id"),
        (lambda s: s.update(revoked=[{"id": "0" * 16, "at": "now", "reason": "r"}]), "not a time"),
        (lambda s: s.update(revoked=[{"id": "0" * 16, "at": stamp(NOW), "reason": ""}]),
         "printable"),
    ],
)  # fmt: skip
def test_a_keyring_that_its_root_signed_must_still_fit(change: Any, says: str) -> None:
    assert says in unreadable(changed(change))


def test_a_keyring_that_its_root_did_not_sign_is_none() -> None:
    assert "not signed by its root" in unreadable(changed(lambda _: None, by="eve"))
    assert "not signed" in unreadable(replace(RING, signatures=()).to_json())
    misnamed = ((key_id(public("eve")), RING.signatures[0][1]),)
    assert "not signed" in unreadable(replace(RING, signatures=misnamed).to_json())
    many = replace(RING, signatures=RING.signatures * (MAX_SIGNATURES + 1))
    assert "at most" in unreadable(many.to_json())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"signed":' * 6000,
        b"9" * 5000,
        RING.to_json()[:-10],
        RING.to_json() + b"{}",
        RING.to_json().replace(b'"version":1', b'"version":1,"version":1'),
        RING.to_json().replace(b'"version":1', b'"version":1.0'),
        RING.to_json().replace(b'"version":1', b'"version":NaN'),
        RING.to_json().replace(b'"version":1', b'"version":1e400'),
        RING.to_json().replace(b'"version":1', b'"version":-Infinity'),
        RING.to_json().replace(b'"version":1', b'"version":' + b"[" * 900 + b"]" * 900),
        RING.to_json().replace(b"==", b"="),
        RING.to_json() + b" " * MAX_BYTES,
    ],
)
def test_what_is_no_keyring_is_told_in_one_line(data: bytes) -> None:
    unreadable(data)


def test_a_signature_has_one_spelling() -> None:
    value = RING.envelope()
    text = value["signatures"][0]["signature"]
    assert text.endswith("==")
    alias = text[:-3] + chr(ord(text[-3]) + 1) + "=="  # only bits that base64 throws away
    assert base64.b64decode(alias) == base64.b64decode(text)
    value["signatures"][0]["signature"] = alias
    assert "not a signature" in unreadable(json.dumps(value).encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff", Reason.BAD_SIGNATURE),
        (b"[" * 60_000, Reason.BAD_SIGNATURE),
        (b"{}", Reason.BAD_SIGNATURE),
        (member(RING), Reason.BAD_SIGNATURE),
        (member(RING, *[entry("anna")] * (MAX_SIGNATURES + 1)), Reason.BAD_SIGNATURE),
        (member(RING, entry("anna") | {"at": "today"}), Reason.BAD_SIGNATURE),
        (member(RING, entry("anna") | {"signature": "AAAA"}), Reason.BAD_SIGNATURE),
        (member(RING, entry("anna")) + b" " * MAX_BYTES, Reason.BAD_SIGNATURE),
        (member(replace(RING, version=2), entry("anna")), Reason.KEYRING),
    ],
)
def test_what_is_no_signature_is_told_in_one_line(data: bytes, reason: Reason) -> None:
    refused(reason, replace(BUNDLE, signatures=data), RING)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.text(), of, max_size=3),
    max_leaves=5,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    if isinstance(value, dict):
        inner = list(value.items())
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
    return [(value, at) for at, _ in inner] + [p for _, of in inner for p in places(of)]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_in_one_line(data: bytes) -> None:
    unreadable(data)
    if data:
        refused(Reason.BAD_SIGNATURE, replace(BUNDLE, signatures=data), RING)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_any_place_is_refused_in_one_line(data: st.DataObject) -> None:
    value = json.loads(member(keyring(revoked=GONE), entry("ben")))
    trusted = keyring(key("ben"))
    container, at = data.draw(st.sampled_from(places(value)))
    if data.draw(st.booleans()):
        del container[at]
    else:
        container[at] = data.draw(JSON)
    with pytest.raises(TrustError) as caught:
        check(replace(BUNDLE, signatures=json.dumps(value).encode()), trusted)
    one_line(caught.value)
    try:
        Keyring.from_json(json.dumps(value.get("keyring")).encode())
    except TrustError as error:
        one_line(error)


@settings(max_examples=100, deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_times_have_one_spelling(moment: datetime) -> None:
    text = stamp(moment)
    assert parse_stamp(text) == moment.replace(microsecond=0)
    for other in (text[:-1], text.lower(), f" {text}", text.replace("T", " "), f"{text}Z"):
        with pytest.raises(ValueError, match="is not a time"):
            parse_stamp(other)
