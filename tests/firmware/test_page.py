"""The page that image networks see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware.events import LEADS
from firmware.page import INK, PAPER, draw
from models.inputs import page

PAPERS_OWN = page(1600, 512, 60)
REPORT = page(530, 290, 2)
NONE = np.zeros(12, np.bool_)
PER_MV = 8_388_607 / 400  # counts of a millivolt at gain 6


def square(lead: str, mv: float = 1.0) -> NDArray[np.int32]:
    """A step up of one lead for a tenth of a second at 1.0, 3.5, 6.0 and 8.5 s; others flat."""
    leads = np.zeros((1000, 12), np.int32)
    for start in (100, 350, 600, 850):
        leads[start : start + 10, LEADS.index(lead)] = round(mv * PER_MV)
    return leads


def ink(image: NDArray[np.int8], rows: slice, columns: slice) -> NDArray[np.intp]:
    """Row and column of what is drawn there, [n, 2]."""
    return np.argwhere(image[rows, columns, 0] == INK)


def test_black_on_white_of_the_contracts_shape():
    image = draw(square("I"), NONE, REPORT)
    assert image.dtype == np.int8
    assert image.shape == REPORT.shape == (290, 530, 1)
    assert set(np.unique(image)) == {PAPER, INK}


def test_the_papers_page_has_six_rows_of_two_whole_strips():
    """V2 is the second row of the right half: 80 pixels a second, 512 / 18 pixels a millivolt."""
    image = draw(square("V2"), NONE, PAPERS_OWN)
    high = ink(image, slice(86, 120), slice(800, 1600))
    assert np.unique(high[:, 1] // 80).tolist() == [1, 3, 6, 8]
    assert 128 - (86 + high[:, 0].min()) == pytest.approx(512 / 18, abs=1)
    assert not len(ink(image, slice(86, 120), slice(0, 800)))
    for number in range(12):
        column, row = divmod(number, 6)
        baseline = image[512 * (2 * row + 1) // 12, 800 * column : 800 * (column + 1), 0]
        assert (baseline == INK).mean() > 0.9


def test_the_reports_page_shows_each_lead_in_its_own_quarter():
    """V2 is drawn from 5 to 7.5 s in the second row: 2 pixels a millimetre."""
    image = draw(square("V2"), NONE, REPORT)
    found = np.argwhere(image[60:84, :, 0] == INK)
    left = 20 + 2 * 125
    assert found[:, 1].min() == left + 50
    assert found[:, 1].max() == left + 55
    assert 87 - (60 + found[:, 0].min()) == 20


@pytest.mark.parametrize(("lead", "row"), [("II", 3), ("V1", 4)])
def test_the_rhythm_strips_are_whole(lead, row):
    image = draw(square(lead), NONE, REPORT)
    above = slice(58 * row + 5, 58 * row + 24)
    assert np.unique((ink(image, above, slice(20, 520))[:, 1]) // 50).tolist() == [1, 3, 6, 8]


def test_a_lost_lead_is_not_drawn_and_an_offset_does_not_show():
    leads = square("V2") + 5000 * np.arange(12, dtype=np.int32)
    lost = np.isin(LEADS, ["V2"])
    for contract in (REPORT, PAPERS_OWN):
        assert np.array_equal(draw(leads, NONE, contract), draw(square("V2"), NONE, contract))
    image = draw(leads, lost, REPORT)
    assert not len(ink(image, slice(58, 116), slice(270, 394)))
    assert len(ink(image, slice(58, 116), slice(20, 144)))


def test_the_line_has_no_holes():
    steps = np.random.default_rng(0).integers(-20_000, 20_000, (1000, 12))
    image = draw(np.cumsum(steps, axis=0).astype(np.int32) // 10, NONE, PAPERS_OWN)
    assert (image[:, :, 0] == INK).any(axis=0).all()


def test_what_leaves_the_page_stays_on_its_edge():
    image = draw(square("I", 300.0), NONE, REPORT)
    assert len(ink(image, slice(0, 1), slice(20, 145)))


def test_more_pixels_than_samples_are_refused():
    with pytest.raises(ValueError, match="too many for 1000 samples"):
        draw(square("I"), NONE, page(2400, 512, 60))
