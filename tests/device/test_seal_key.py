"""The key to seal to, copied by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.config import ConfigError, from_tree
from device.records.seal_key import SealKeyError, parse, printed

KEYS = st.binary(min_size=32, max_size=32)
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@given(KEYS)
def test_what_is_printed_is_read(key: bytes) -> None:
    assert parse(printed(key)) == key


@given(KEYS, st.data())
def test_a_slip_is_found(key: bytes, data: st.DataObject) -> None:
    text = printed(key)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([one for one in LETTERS + "A0 " if one != text[at]]))
    swapped = text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :]
    for wrong in (text[:at] + other + text[at + 1 :], text[:at] + text[at + 1 :], swapped):
        if wrong != text:
            with pytest.raises(SealKeyError):
                parse(wrong)


@pytest.mark.parametrize(
    "wrong", ["age1qqq", "lead12seal1", "lead12seal1ä", printed(bytes(32))[:-1]]
)
def test_settings_refuse_what_is_no_key(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"x: records\.seal_to (must begin|has a slip)"):
        from_tree({"records": {"seal_to": wrong}}, "x")
