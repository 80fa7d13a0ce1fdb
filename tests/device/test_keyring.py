"""Who may sign a model: every rule of trust."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from device.flash.document import stamp
from device.flash.keyring import (
    Reason,
    Role,
    TrustError,
    Verified,
    bundle_message,
    canonical,
    key_id,
    successor,
    verify_stored,
)
from firmware.archive import with_signatures
from firmware.bundle import Bundle
from tests.device.signing import (
    BUNDLE,
    DAY,
    EMBEDDED,
    GONE,
    NOW,
    RING,
    check,
    entry,
    key,
    keyring,
    member,
    private,
    public,
    refused,
    signed,
)


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
