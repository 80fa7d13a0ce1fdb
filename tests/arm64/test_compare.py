"""What the comparison lets pass and what not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.arm64.compare import SAID, Row, compare

RESULT = {
    "v": 1,
    "seq": 7,
    "type": "result",
    "t_s": 12.0,
    "call": "SR",
    "text": "SINUS RHYTHM",
    "scores": {"mate4": {"SR": 0.9, "AFIB": 0.1}},
    "rate_bpm": 70.0,
    "findings": [{"code": "mi", "probability": 0.7}],
    "crc": "00000000",
}


def line(**changed: Any) -> bytes:
    return json.dumps(RESULT | changed).encode() + b"\n"


def results(**changed: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Of a run in which nothing is special."""
    said = np.frombuffer(line() * 3, np.uint8)
    arrays = {
        "filter/monitor/50/drift": np.arange(80, dtype=np.int32).reshape(10, 8),
        "messages/reference/sinus-70": said,
        "messages/optimised/sinus-70": said,
        "logits/litert/reference": np.zeros((3, 93), np.int8),
        "logits/litert/optimised": np.zeros((3, 93), np.int8),
        "tolerance": np.array(4),
    }
    return {**arrays, **{name.replace("__", "/"): value for name, value in changed.items()}}


def failing(**changed: NDArray[Any]) -> list[Row]:
    return [row for row in compare(results(), results(**changed)) if not row.passed]


def off_by(name: str, by: int) -> NDArray[Any]:
    changed = results()[name].copy()
    changed[1, 2] += by
    return changed


def test_the_same_passes() -> None:
    rows = compare(results(), results())
    assert len(rows) == 5
    assert all(row.passed and row.differing == 0 for row in rows)


def test_one_count_of_a_filter_fails_and_is_named() -> None:
    (row,) = failing(filter__monitor__50__drift=off_by("filter/monitor/50/drift", 1))
    assert (row.kind, row.differing, row.most) == ("filters", 1, 1)
    assert "filter/monitor/50/drift" in row.where[0]


@pytest.mark.parametrize(("by", "passes"), [(4, True), (-4, True), (5, False)])
def test_optimised_kernels_may_be_off_by_the_tolerance(by: int, passes: bool) -> None:
    failed = failing(logits__litert__optimised=off_by("logits/litert/optimised", by))
    assert not failed if passes else failed[0].most == 5


def test_reference_kernels_may_not_differ() -> None:
    (row,) = failing(logits__litert__reference=off_by("logits/litert/reference", 1))
    assert row.kind == "int8 outputs, litert, reference kernels"


def test_a_difference_beyond_int8_does_not_wrap() -> None:
    ours = results(logits__litert__optimised=np.full((3, 93), -128, np.int8))
    theirs = results(logits__litert__optimised=np.full((3, 93), 127, np.int8))
    assert [row.most for row in compare(ours, theirs) if not row.passed] == [255]


def said(*lines: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(lines), np.uint8)


def test_numbers_of_the_network_may_differ_in_messages() -> None:
    moved = line(
        scores={"mate4": {"SR": 0.86, "AFIB": 0.1}},
        findings=[{"code": "mi", "probability": 0.71}],
        crc="11111111",
    )
    rows = compare(results(), results(messages__optimised__sinus_70=said()))
    assert any(row.kind == "on one side only" for row in rows)
    changed = {"messages/optimised/sinus-70": said(line(), moved, line())}
    (row,) = [row for row in compare(results(), results() | changed) if row.kind == SAID]
    assert (row.passed, row.things, row.differing) == (True, 3, 1)
    assert row.most == pytest.approx(0.04)


CLOSE = {"scores": {"mate4": {"SR": 0.88, "AFIB": 0.12}}, "crc": "22222222"}


def one_changed(**changed: Any) -> Row:
    """Of three messages of the optimised kernels."""
    there = {"messages/optimised/sinus-70": said(line(), line(**changed), line())}
    return next(row for row in compare(results(), results() | there) if row.kind == SAID)


@pytest.mark.parametrize(
    "changed",
    [{"call": "AFIB"}, {"findings": []}, {"findings": [{"code": "af", "probability": 0.7}]}],
)
def test_a_decision_may_turn_over_only_with_the_numbers_it_follows_from(
    changed: dict[str, Any],
) -> None:
    assert not one_changed(**changed).passed
    row = one_changed(**changed, **CLOSE)
    assert row.passed
    assert row.decided == [["sinus-70", "12 s", "SINUS RHYTHM", "SINUS RHYTHM"]]


@pytest.mark.parametrize(
    "changed",
    [
        {"rate_bpm": 70.1},
        {"type": "event"},
        {"scores": {"mate4": {"SR": 0.9}}},
        {"scores": {"mate4": {"SR": None, "AFIB": 0.1}}},
    ],
)
def test_what_does_not_follow_from_them_may_not_differ(changed: dict[str, Any]) -> None:
    for row in (one_changed(**changed), one_changed(**CLOSE | changed)):
        assert not row.passed
        assert "message 7" in row.where[0]


def test_a_message_too_few_fails() -> None:
    there = results() | {"messages/optimised/sinus-70": said(line(), line())}
    (row,) = [row for row in compare(results(), there) if not row.passed]
    assert row.where


def test_what_one_side_has_not_computed_fails() -> None:
    there = results()
    del there["logits/litert/optimised"]
    (row,) = [row for row in compare(results(), there) if not row.passed]
    assert row.where == ["logits/litert/optimised"]
