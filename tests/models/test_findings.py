"""The table of findings fits the screen, the network and the bundle; its thresholds are honest."""

from __future__ import annotations

import numpy as np
import pytest

from device.display.faces import TEXT
from device.display.words import MARKS
from firmware.bundle import OutputGroup, _finding
from firmware.findings import Priority
from models import findings as table
from models.findings import ENTRIES, findings
from models.groups import GROUPS, OUTPUTS

NARROW = 128 - 2  # pixels of the call row


def column(group: str, label: str) -> int:
    of = next(g for g in GROUPS if g.name == group)
    return of.first + of.labels.index(label)


def everything_told(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Validation records on which every label has a tenth of positives, perfectly scored."""
    rng = np.random.default_rng(1)
    y = np.zeros((n, OUTPUTS))
    for k in range(OUTPUTS):
        y[rng.permutation(n)[: n // 10], k] = 1
    return 0.2 + 0.6 * y + rng.uniform(-0.1, 0.1, y.shape), y


def test_every_text_fits_the_narrow_screen_with_its_mark() -> None:
    for entry in ENTRIES:
        assert len(entry.text) <= 21
        shown = MARKS[Priority(entry.priority)] + entry.text
        assert TEXT.width(shown) <= NARROW, f"{shown}: {TEXT.width(shown)} pixels"
        assert entry.text == entry.text.upper()
        assert entry.source


def test_the_list_is_in_the_order_of_its_priorities() -> None:
    order = [list(Priority).index(Priority(entry.priority)) for entry in ENTRIES]
    assert order == sorted(order)


def test_the_manifest_form_is_what_the_firmware_reads() -> None:
    groups = tuple(
        OutputGroup(g.name, g.labels, {}, g.activation, g.first, 1.0, {}) for g in GROUPS
    )
    entries = findings(*everything_told())
    assert len(entries) == len(ENTRIES)
    rules = [_finding(entry, groups) for entry in entries]
    instead = {rule.code for rule in rules if rule.instead}
    assert instead == {"paced", "avb3"}
    assert all(0.3 < least < 0.8 for rule in rules for *_, least in rule.any)


def test_best_f1_and_a_wanted_sensitivity_set_the_thresholds() -> None:
    p, y = everything_told()
    mi = column("superclasses", "MI")
    y[:, mi] = p[:, mi] = 0
    y[:100, mi] = 1
    p[:100, mi] = np.linspace(0.99, 0.20, 100)
    p[100:120, mi] = 0.5
    by_text = {entry["text"]: entry["any"][0][2] for entry in findings(p, y)}
    sensitive = by_text["SIGNS OF MI?"]
    assert (p[:100, mi] >= sensitive).mean() == pytest.approx(0.90, abs=0.005)
    strict = by_text["POSSIBLE MI"]
    scores = [
        2 * (y[:, mi] * (p[:, mi] >= t)).sum() / ((p[:, mi] >= t).sum() + 100)
        for t in (strict, strict - 0.05, strict + 0.05)
    ]
    assert scores[0] == max(scores)


def test_rare_labels_need_better_odds_than_not() -> None:
    p, y = everything_told()
    block = column("statements", "3AVB")
    y[:, block], p[:, block] = 0, 0.2
    y[:4, block], p[:4, block] = 1, 0.8
    (entry,) = (entry for entry in findings(p, y) if entry["code"] == "avb3")
    assert entry["any"] == [["statements", "3AVB", 0.5]]
    p[:6, block] = 0.8  # said of more than can be told to be right
    assert "avb3" not in {entry["code"] for entry in findings(p, y)}


def test_what_would_mostly_be_wrong_is_left_out() -> None:
    p, y = everything_told()
    lost = column("statements", "LNGQT")
    p[:, lost] = np.random.default_rng(2).uniform(0, 1, len(p))
    assert "long_qt" not in {entry["code"] for entry in findings(p, y)}
    assert table.LEAST_PPV == 0.25


def test_a_threshold_is_reached_by_the_record_that_set_it() -> None:
    p, y = everything_told()
    p = np.round(p, 6)
    for entry in findings(p, y):
        for group, label, least in entry["any"]:
            k = column(group, label)
            assert (p[y[:, k] > 0, k] >= least).mean() >= 0.9


def test_what_is_unlikely_is_not_said_whatever_a_few_positives_would_set() -> None:
    p, y = everything_told()
    wpw = column("statements", "WPW")
    y[:, wpw] = p[:, wpw] = 0
    y[:7, wpw], p[:7, wpw] = 1, np.linspace(0.05, 0.30, 7)
    (entry,) = (entry for entry in findings(p, y) if entry["code"] == "wpw")
    assert entry["any"] == [["statements", "WPW", table.LEAST_P]]


def test_a_label_of_many_must_be_told_better_than_by_guessing() -> None:
    p, y = everything_told()
    mi = column("superclasses", "MI")
    y[:, mi], p[:, mi] = 0, 0.3
    y[:120, mi] = 1  # three in ten: whoever always says it has the least PPV
    assert "mi" not in {entry["code"] for entry in findings(p, y)}
    p[:110, mi] = 0.6
    assert "mi" in {entry["code"] for entry in findings(p, y)}
