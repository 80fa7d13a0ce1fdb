"""The screen's words in another language, from gettext catalogues (``python -m tools.catalogue``).

English is the language of the code and needs no catalogue. Sentences made in firmware, with an
electrode or a number in them, are recognised by ``TEMPLATES``.
"""

from __future__ import annotations

import gettext
import re
from functools import lru_cache
from pathlib import Path

DOMAIN = "lead12"
LOCALE = Path(__file__).parent.parent / "locale"
ENGLISH = "en"

# What firmware says of electrodes, leads and seconds; what stands for {…} is translated by itself.
TEMPLATES = (
    "{names} OFF",
    "{names} FLAT",
    "{names} SWAPPED?",
    "ANALYSING {seconds} s",
    "look at {leads}",
    "samples lost {n}",
)
_ESCAPED = re.compile(r"\\\{(\w+)\\\}")
_PATTERNS = tuple(
    (re.compile(_ESCAPED.sub(r"(?P<\1>.+)", re.escape(template))), template)
    for template in TEMPLATES
)


class Language:
    """English words to those of the language ``code``; OSError: there is no catalogue of it."""

    def __init__(self, code: str) -> None:
        self.code = code
        found = gettext.translation(DOMAIN, LOCALE, [code]) if code != ENGLISH else None
        self._catalogue = found or gettext.NullTranslations()

    def __call__(self, text: str) -> str:
        """The translation; what has none stays English."""
        found = self.find(text)
        return text if found is None else found

    def find(self, text: str) -> str | None:
        """The translation, None where there is none."""
        if not text or self.code == ENGLISH:
            return text
        found = self._catalogue.gettext(text)
        if found is not text:  # the catalogue's own string, even where the words are equal
            return found
        for pattern, template in _PATTERNS:
            if match := pattern.fullmatch(text):
                parts = {name: self(part) for name, part in match.groupdict().items()}
                return self._catalogue.gettext(template).format(**parts)
        return None


@lru_cache(maxsize=4)
def language(code: str) -> Language:
    """The one for ``code``, read once."""
    return Language(code)
