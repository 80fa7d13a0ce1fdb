"""Who may sign a model: every rule of trust, and documents that are none."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from device.flash.document import MAX_BYTES, parse_stamp, stamp
from device.flash.keyring import (
    MAX_KEYS,
    MAX_SIGNATURES,
    Key,
    Keyring,
    Reason,
    Revoked,
    Role,
    TrustError,
    Verified,
    bundle_message,
    canonical,
    is_signed,
    key_id,
    successor,
    verify,
    verify_stored,
)
from firmware.archive import with_signatures
from firmware.bundle import Bundle

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
DAY = timedelta(days=1)
EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
BUNDLE = Bundle.from_bytes(with_signatures(EMBEDDED, b""))


def private(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name: str) -> bytes:
    return private(name).public_key().public_bytes_raw()


def key(
    name: str, role: Role = Role.PRODUCTION, start: datetime = NOW - DAY, days: int = 90
) -> Key:
    return Key(public(name), name, role, start, start + days * DAY)


def keyring(*keys: Key, version: int = 1, root: str = "root", **changes: Any) -> Keyring:
    """Signed by ``by``, by its own root unless told."""
    by = changes.pop("by", (root,))
    issued = changes.pop("issued", NOW - DAY)
    bare = Keyring(version, issued, public(root), keys or (key("anna"),), **changes)
    pairs = tuple((key_id(public(name)), private(name).sign(bare.message())) for name in by)
    return replace(bare, signatures=pairs)


def entry(
    by: str, *, at: datetime = NOW, content: str = BUNDLE.content, called: str = ""
) -> dict[str, str]:
    return {
        "key": key_id(public(called or by)),
        "at": stamp(at),
        "signature": base64.b64encode(private(by).sign(bundle_message(content, at))).decode(),
    }


def member(ring: Keyring, *entries: dict[str, str]) -> bytes:
    return json.dumps({"keyring": ring.envelope(), "signatures": entries}).encode()


def signed(ring: Keyring, *entries: dict[str, str]) -> Bundle:
    return replace(BUNDLE, signatures=member(ring, *(entries or (entry("anna"),))))


def check(
    bundle: Bundle, trusted: Keyring | None, now: datetime = NOW, *, production: bool = True
) -> Verified:
    return verify(bundle, trusted, now=now, production=production)


def refused(
    reason: Reason, bundle: Bundle, trusted: Keyring | None, now: datetime = NOW, **how: bool
) -> str:
    with pytest.raises(TrustError) as caught:
        check(bundle, trusted, now, **how)
    assert caught.value.reason is reason, caught.value
    return one_line(caught.value)


def one_line(error: TrustError) -> str:
    text = str(error)
    assert text
    assert text.isprintable()
    assert len(text) < 300
    return text


RING = keyring()


def test_a_bundle_signed_with_a_key_of_the_devices_keyring_is_verified() -> None:
    verified = check(signed(RING), RING)
    assert verified == Verified(key("anna"), NOW, RING)
    assert verify_stored(signed(RING), RING) == key("anna")


def test_the_signature_survives_the_file() -> None:
    data = with_signatures(EMBEDDED, member(RING, entry("anna")))
    assert check(Bundle.from_bytes(data), RING).key.name == "anna"


def test_without_a_keyring_nothing_is_trusted() -> None:
    assert "keys trust" in refused(Reason.NO_KEYRING, signed(RING), None)
    with pytest.raises(TrustError):
        verify_stored(signed(RING), None)


def test_unsigned() -> None:
    assert "not signed" in refused(Reason.UNSIGNED, BUNDLE, RING)


def test_a_foreign_root_is_not_trusted_though_its_keyring_is_whole() -> None:
    stranger = keyring(key("eve"), root="other", version=9)
    refused(Reason.UNTRUSTED, signed(stranger, entry("eve")), RING)


def test_a_foreign_root_is_not_trusted_with_a_key_the_device_knows_either() -> None:
    refused(Reason.UNTRUSTED, signed(keyring(root="other", version=9)), RING)


def test_an_older_keyring_of_a_foreign_root_brings_no_key_in() -> None:
    stranger = keyring(key("eve"), root="other", version=1)
    refused(Reason.UNTRUSTED, signed(stranger, entry("eve")), keyring(version=2))


def test_a_key_that_no_keyring_names_is_not_trusted() -> None:
    assert key_id(public("eve")) in refused(Reason.UNTRUSTED, signed(RING, entry("eve")), RING)


def test_a_newer_keyring_is_taken_and_handed_over() -> None:
    newer = keyring(key("anna"), key("ben"), version=2)
    verified = check(signed(newer, entry("ben")), RING)
    assert verified.key == key("ben")
    assert verified.keyring == newer


def test_versions_may_be_skipped() -> None:
    assert check(signed(keyring(version=7)), RING).keyring.version == 7


def test_a_newer_keyring_under_the_wrong_root_is_refused() -> None:
    forged = keyring(key("eve"), version=2, by=("eve",))  # names the right root
    refused(Reason.KEYRING, signed(forged, entry("eve")), RING)


def test_a_signing_key_cannot_make_itself_root() -> None:
    coup = keyring(key("eve"), version=2, root="anna", by=("anna",))
    refused(Reason.UNTRUSTED, signed(coup, entry("eve")), RING)


def test_a_root_is_replaced_only_with_the_signatures_of_both() -> None:
    both = keyring(version=2, root="new root", by=("new root", "root"))
    assert check(signed(both), RING).keyring == both
    alone = keyring(version=2, root="new root")
    refused(Reason.UNTRUSTED, signed(alone), RING)
    unwilling = keyring(version=2, root="new root", by=("root",))
    refused(Reason.KEYRING, signed(unwilling), RING)


def test_after_a_new_root_the_old_one_is_worth_nothing() -> None:
    trusted = keyring(version=2, root="new root", by=("new root", "root"))
    stolen = keyring(key("eve"), version=3)
    refused(Reason.UNTRUSTED, signed(stolen, entry("eve")), trusted)


def test_a_signature_under_the_old_roots_name_must_be_the_old_roots() -> None:
    forged = keyring(version=2, root="new root")
    named = (*forged.signatures, (key_id(public("root")), private("eve").sign(forged.message())))
    refused(Reason.UNTRUSTED, signed(replace(forged, signatures=named)), RING)


def test_an_older_keyring_in_the_bundle_is_passed_over() -> None:
    trusted = keyring(key("anna"), key("ben"), version=3)
    assert check(signed(keyring(version=2)), trusted).keyring == trusted
    assert check(signed(keyring(version=2), entry("ben")), trusted).key == key("ben")


def test_a_bundle_from_before_a_new_root_still_runs() -> None:
    trusted = keyring(version=2, root="new root", by=("new root", "root"))
    assert verify_stored(signed(RING), trusted) == key("anna")


def test_one_version_with_two_contents_is_refused() -> None:
    other = keyring(key("anna"), key("ben"))
    assert "version 1" in refused(Reason.KEYRING, signed(other), RING)


def test_one_version_of_one_content_is_the_same_whoever_else_signed_it() -> None:
    assert successor(RING, keyring(by=("root", "ben"))) is RING


def test_expired_by_the_devices_clock() -> None:
    end = key("anna").expires
    assert check(signed(RING), RING, end - timedelta(seconds=1))
    assert f"{end:%Y-%m-%d}" in refused(Reason.EXPIRED, signed(RING), RING, end)


def test_expired_when_it_signed() -> None:
    late = signed(RING, entry("anna", at=key("anna").expires))
    refused(Reason.EXPIRED, late, RING)


def test_not_yet_valid_by_the_devices_clock_and_when_it_signed() -> None:
    ring = keyring(key("anna", start=NOW + DAY))
    refused(Reason.NOT_YET_VALID, signed(ring, entry("anna", at=NOW + DAY)), ring)
    refused(Reason.NOT_YET_VALID, signed(ring, entry("anna", at=NOW)), ring, NOW + DAY)
    assert check(signed(ring, entry("anna", at=NOW + DAY)), ring, NOW + DAY)


def test_a_clock_at_1970_neither_revives_a_key_nor_locks_the_device_out() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert check(signed(RING), RING, epoch).key == key("anna")
    newer = keyring(key("anna"), key("ben", start=NOW + 200 * DAY), version=2)
    newer = keyring(*newer.keys, version=2, issued=NOW + 200 * DAY)
    refused(Reason.EXPIRED, signed(RING), newer, epoch)
    refused(Reason.EXPIRED, signed(newer), RING, epoch)  # what the bundle itself proves counts
    assert check(signed(newer, entry("ben", at=NOW + 200 * DAY)), RING, epoch).key.name == "ben"


def test_an_installed_model_does_not_die_of_old_age() -> None:
    trusted = keyring(version=2, issued=NOW + 1000 * DAY)
    refused(Reason.EXPIRED, signed(RING), trusted)
    assert verify_stored(signed(RING), trusted) == key("anna")
    apprentice = keyring(key("anna", Role.DEVELOPMENT))
    assert verify_stored(signed(apprentice), apprentice)


GONE = (Revoked(key_id(public("anna")), NOW, "laptop stolen"),)


def test_revoked_wherever_it_says_so_and_whenever_it_signed() -> None:
    trusted = keyring(version=2, revoked=GONE)
    early = entry("anna", at=NOW - DAY)
    for bundle in (signed(trusted), signed(RING), signed(RING, early)):
        assert "laptop stolen" in refused(Reason.REVOKED, bundle, trusted)
        with pytest.raises(TrustError) as caught:
            verify_stored(bundle, trusted)
        assert caught.value.reason is Reason.REVOKED
    refused(Reason.REVOKED, signed(trusted), RING)  # the bundle brings the news itself


def test_revoked_though_the_keyring_does_not_name_the_key_any_more() -> None:
    refused(Reason.REVOKED, signed(RING), keyring(key("ben"), version=2, revoked=GONE))


def test_a_development_key_is_for_development() -> None:
    ring = keyring(key("anna", Role.DEVELOPMENT))
    assert "development" in refused(Reason.DEVELOPMENT, signed(ring), ring)
    assert check(signed(ring), ring, production=False).key.role is Role.DEVELOPMENT
    assert check(signed(RING), RING, production=False).key.role is Role.PRODUCTION


def test_a_signature_of_another_bundle_is_refused() -> None:
    other = entry("anna", content=hashlib.sha256(b"another").hexdigest())
    assert "changed" in refused(Reason.BAD_SIGNATURE, signed(RING, other), RING)
    with pytest.raises(TrustError):
        verify_stored(signed(RING, other), RING)


def test_the_time_of_signing_is_signed() -> None:
    moved = entry("anna") | {"at": stamp(NOW + timedelta(seconds=1))}
    refused(Reason.BAD_SIGNATURE, signed(RING, moved), RING)


def test_a_signature_under_another_keys_name_is_refused() -> None:
    refused(Reason.BAD_SIGNATURE, signed(RING, entry("eve", called="anna")), RING)


def test_one_good_signature_of_several_is_enough() -> None:
    bad = entry("anna", content="0" * 64)
    for entries in ((entry("eve"), entry("anna")), (bad, entry("anna")), (entry("anna"), bad)):
        assert check(signed(RING, *entries), RING).key == key("anna")


def test_of_several_bad_signatures_the_most_telling_is_told() -> None:
    ring = keyring(revoked=GONE)
    refused(Reason.REVOKED, signed(ring, entry("eve"), entry("anna")), ring)
    bad = entry("anna", content="0" * 64)
    refused(Reason.BAD_SIGNATURE, signed(RING, bad, entry("eve")), RING)


def test_a_signature_is_of_one_kind_only() -> None:
    """Whoever gets a root to sign a bundle, or a signer a keyring, gains nothing."""
    as_bundle = {
        "key": key_id(public("anna")),
        "at": stamp(NOW),
        "signature": base64.b64encode(private("anna").sign(RING.message())).decode(),
    }
    refused(Reason.BAD_SIGNATURE, signed(RING, as_bundle), RING)
    plain = canonical(RING.envelope()["signed"])
    for message in (plain, bundle_message(hashlib.sha256(plain).hexdigest(), NOW)):
        pair = (key_id(public("root")), private("root").sign(message))
        refused(Reason.KEYRING, signed(replace(RING, signatures=(pair,))), RING)


def test_the_root_key_signs_no_bundles() -> None:
    refused(Reason.UNTRUSTED, signed(RING, entry("root")), RING)


# Documents


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
