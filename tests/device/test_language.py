"""The screen in another language: nothing missing, nothing that the faces cannot draw."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from device.controls import Page
from device.display.canvas import Canvas
from device.display.example import patient
from device.display.faces import BOLD, TEXT, TINY
from device.display.gallery import SIZES, states
from device.display.language import DOMAIN, ENGLISH, LOCALE, Language
from device.display.screens import render
from firmware.events import LEADS

catalogue = pytest.importorskip("tools.catalogue", reason="babel is not installed")
FOLDERS = sorted(LOCALE.glob("*/LC_MESSAGES"))
_VALUE = re.compile(r"[\d:.,/+%-]*(s|min|mm|Hz|ms)?")


def test_there_is_another_language():
    assert [folder.parent.name for folder in FOLDERS] == ["de"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_catalogues_are_complete_and_compiled(folder):
    po, mo, left = catalogue.update(folder)
    assert left == []
    assert (folder / f"{DOMAIN}.po").read_bytes() == po, "run python -m tools.catalogue"
    assert (folder / f"{DOMAIN}.mo").read_bytes() == mo, "run python -m tools.catalogue"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_placeholders_stay_and_every_letter_can_be_drawn(folder):
    language = Language(folder.parent.name)
    for text in catalogue.messages():
        said = language(text)
        assert re.findall(r"{\w+}", said) == re.findall(r"{\w+}", text), text
        letters = re.sub(r"{\w+}| ", "", said)
        for face, shown in ((TEXT, letters), (TINY, letters.upper()), (BOLD, letters)):
            unknown = {c for c in shown if c not in face.glyphs}
            assert not unknown or face is not TEXT, (said, unknown)


@pytest.mark.parametrize("size", SIZES)
def test_every_screen_asks_only_for_words_that_are_there(size):
    german = Language("de")
    missing: set[str] = set()
    log: set[str] = set()  # sentences of faults are the same in the log and on the line

    def tr(text: str) -> str:
        if german.find(text) is None and text not in LEADS and not _VALUE.fullmatch(text):
            missing.add(text)
        return german(text)

    pixels, grey = SIZES[size]
    for _, state in states():
        state.tr = tr
        log |= {*state.health.values(), *state.notes.values()}
        log |= set(state.message[1:]) if state.message else set()
        render(state, pixels, grey=grey)
    assert missing - log == set()


def test_what_matters_of_the_leads_page_is_not_cut(monkeypatch):
    """Whether it is saved, in the longest words, an hour and more after the start."""
    shown = []
    inner = Canvas.text

    def spy(self, x, y, text, *more, **others):
        shown.append(text.lower())
        return inner(self, x, y, text, *more, **others)

    monkeypatch.setattr(Canvas, "text", spy)
    for size in ((256, 64), (128, 64)):
        state = patient()
        state.tr = Language("de")
        state.index = state.controls.since = 3700 * 500
        state.controls.page = Page.LEADS
        state.profile = "MONITOR"
        shown.clear()
        render(state, size, grey=False)
        assert any(text.endswith("1:01:40 nicht gespeichert") for text in shown), shown


def test_sentences_with_electrodes_and_numbers_in_them():
    german = Language("de")
    assert german("V3 +1 OFF") == "V3 +1 AB"
    assert german("LA/RA SWAPPED?") == "LA/RA VERTAUSCHT?"
    assert german("CHEST WIRES SWAPPED?") == "BRUSTKABEL VERTAUSCHT?"
    assert german("ARMS/LEGS SWAPPED?") == "ARME/BEINE VERTAUSCHT?"
    assert german("ANALYSING 4 s") == "ANALYSE 4 s"
    assert german("ATRIAL FIBRILLATION") == "VORHOFFLIMMERN"
    assert german.find("not a word of ours") is None
    assert german("not a word of ours") == "not a word of ours"


def test_english_needs_no_catalogue(tmp_path: Path):
    english = Language(ENGLISH)
    assert english("V3 OFF") == "V3 OFF"
    with pytest.raises(OSError, match="No translation file"):
        Language("tlh")
