"""docs/troubleshooting.md has every word the screen may say and every reason of a front end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from device.faults import ALARMS
from hal.errors import Reason
from tools.catalogue import messages

PAGE = (Path(__file__).parents[2] / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = set(re.findall(r"`([^`]+)`", PAGE))
# Titles, names and values of settings, colours and places: they need no explanation.
PLAIN = {
    "12 LEADS", "AHA", "ALARMS", "CONNECT", "DEUTSCH", "DIAGNOSTIC", "ELECTRODES",
    "ENGLISH", "FILTER", "HEALTH", "IEC", "LANGUAGE", "LEAD", "MONITOR", "NIGHT", "NO NOTCH", "OFF",
    "ON", "SETTINGS", "ST mV", "TREND", "WHY",
}  # fmt: skip


def spoken() -> list[str]:
    """Statements of the screen: those in capitals."""
    return sorted(text for text in messages() if re.match(r"[^a-z]*[A-Z]{2}", text))


@pytest.mark.parametrize("text", [text for text in spoken() if text not in PLAIN])
def test_what_the_screen_says_is_explained(text: str) -> None:
    assert text in QUOTED


def test_nothing_is_plain_that_is_never_said() -> None:
    assert set(spoken()) >= PLAIN


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_of_a_front_end_is_explained(reason: Reason) -> None:
    assert str(reason) in QUOTED


@pytest.mark.parametrize("part", sorted({"serial", "display", "settings", *ALARMS}))
def test_each_part_that_can_fail_is_there(part: str) -> None:
    assert re.search(rf"^\| {part.replace('frontend', 'front end')}", PAGE, re.M) or part in (
        "analysis",  # an alarm of its own
    )
