"""Pixel faces, drawn for this screen: 5 px capitals, 7 px text, bold made from it, large digits."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

# One glyph per character of the first line, side by side, separated by blanks.
_TEXT_SHEETS = (
    """
    ABCDEFGHIJKLM
    .###. ####. .###. ####. ##### ##### .#### #...# ### ..### #...# #.... #...#
    #...# #...# #...# #...# #.... #.... #.... #...# .#. ...#. #..#. #.... ##.##
    #...# #...# #.... #...# #.... #.... #.... #...# .#. ...#. #.#.. #.... #.#.#
    ##### ####. #.... #...# ####. ####. #.### ##### .#. ...#. ##... #.... #.#.#
    #...# #...# #.... #...# #.... #.... #...# #...# .#. ...#. #.#.. #.... #...#
    #...# #...# #...# #...# #.... #.... #...# #...# .#. #..#. #..#. #.... #...#
    #...# ####. .###. ####. ##### #.... .#### #...# ### .##.. #...# ##### #...#
    ..... ..... ..... ..... ..... ..... ..... ..... ... ..... ..... ..... .....
    """,
    """
    NOPQRSTUVWXYZ
    #...# .###. ####. .###. ####. .#### ##### #...# #...# #...# #...# #...# #####
    ##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....#
    ##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#.
    #.#.# #...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#..
    #..## #...# #.... #.#.# #.#.. ....# ..#.. #...# .#.#. #.#.# .#.#. ..#.. .#...
    #..## #...# #.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...# ..#.. #....
    #...# .###. #.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...# ..#.. #####
    ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .....
    """,
    """
    abcdefghijklm
    .... #... .... ...# .... ..## .... #... # ..# #... #. .....
    .... #... .... ...# .... .#.. .... #... . ... #... #. .....
    .##. #... .### ...# .##. .#.. .### #... # ..# #..# #. ####.
    ...# ###. #... .### #..# #### #..# ###. # ..# #.#. #. #.#.#
    .### #..# #... #..# #### .#.. #..# #..# # ..# ##.. #. #.#.#
    #..# #..# #... #..# #... .#.. .### #..# # ..# #.#. #. #.#.#
    .### ###. .### .### .### .#.. ...# #..# # ..# #..# .# #.#.#
    .... .... .... .... .... .... .##. .... . ##. .... .. .....
    """,
    """
    nopqrstuvwxyz
    .... .... .... .... ... .... .#. .... ..... ..... ..... .... ....
    .... .... .... .... ... .... .#. .... ..... ..... ..... .... ....
    ###. .##. ###. .### #.# .### ### #..# #...# #...# #...# #..# ####
    #..# #..# #..# #..# ##. #... .#. #..# #...# #.#.# .#.#. #..# ...#
    #..# #..# #..# #..# #.. .##. .#. #..# .#.#. #.#.# ..#.. #..# .##.
    #..# #..# ###. .### #.. ...# .#. #..# .#.#. #.#.# .#.#. .### #...
    #..# .##. #... ...# #.. ###. ..# .### ..#.. .#.#. #...# ...# ####
    .... .... #... ...# ... .... ... .... ..... ..... ..... .##. ....
    """,
    """
    0123456789%?!
    ..##. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###. ##..# .###. #
    .#..# .##.. #...# #...# ..##. #.... .#... ....# #...# #...# ##..# #...# #
    .#..# ..#.. ....# ....# .#.#. ####. #.... ....# #...# #...# ...#. ....# #
    .#..# ..#.. ...#. ..##. #..#. ....# ####. ...#. .###. .#### ..#.. ...#. #
    .#..# ..#.. ..#.. ....# ##### ....# #...# ..#.. #...# ....# .#... ..#.. #
    .#..# ..#.. .#... #...# ...#. #...# #...# ..#.. #...# ...#. #..## ..... .
    ..##. .###. ##### .###. ...#. .###. .###. ..#.. .###. .##.. #..## ..#.. #
    ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .
    """,
    """
    .,:;/+-=_()'"&<>*#@
    . .. . .. ....# ..... ... .... .... .# #. # #.# .##.. ..# #.. ..... ..... .###.
    . .. . .. ....# ..... ... .... .... #. .# # #.# #..#. ..# #.. #.#.# .#.#. #...#
    . .. # .# ...#. ..#.. ... #### .... #. .# . ... #.#.. .#. .#. .###. ##### #.###
    . .. . .. ..#.. ..#.. ### .... .... #. .# . ... .#... #.. ..# ##### .#.#. #.#.#
    . .. . .. .#... ##### ... #### .... #. .# . ... #.#.# .#. .#. .###. ##### #.##.
    . .# # .# #.... ..#.. ... .... .... #. .# . ... #..#. ..# #.. #.#.# .#.#. #....
    # .# . .# #.... ..#.. ... .... .... .# #. . ... .##.# ..# #.. ..... ..... .###.
    . #. . #. ..... ..... ... .... #### .. .. . ... ..... ... ... ..... ..... .....
    """,
    """
    ÄÖÜäöüß°
    #...# #...# #...# #..# #..# #..# .##. ###
    ..#.. .###. ..... .... .... .... #..# #.#
    .#.#. #...# #...# .##. .##. #..# #..# ###
    #...# #...# #...# ...# #..# #..# #.#. ...
    ##### #...# #...# .### #..# #..# #..# ...
    #...# #...# #...# #..# #..# #..# #..# ...
    #...# .###. .###. .### .##. .### #.#. ...
    ..... ..... ..... .... .... .... .... ...
    """,
)
_TINY_SHEETS = (
    """
    ABCDEFGHIJKLM
    .#. ##. .## ##. ### ### .## #.# # ..# #.# #.. #...#
    #.# #.# #.. #.# #.. #.. #.. #.# # ..# #.# #.. ##.##
    ### ##. #.. #.# ##. ##. #.# ### # ..# ##. #.. #.#.#
    #.# #.# #.. #.# #.. #.. #.# #.# # #.# #.# #.. #...#
    #.# ##. .## ##. ### #.. .## #.# # .#. #.# ### #...#
    """,
    """
    NOPQRSTUVWXYZ
    #..# .#. ##. .#. ##. .## ### #.# #.# #.#.# #.# #.# ###
    ##.# #.# #.# #.# #.# #.. .#. #.# #.# #.#.# #.# #.# ..#
    #.## #.# ##. #.# ##. .#. .#. #.# #.# #.#.# .#. .#. .#.
    #..# #.# #.. ### #.# ..# .#. #.# #.# ##.## #.# .#. #..
    #..# .#. #.. .## #.# ##. .#. ### .#. #...# #.# .#. ###
    """,
    """
    0123456789.,:;/+-%?!()'ms_
    ### .# ### ### #.# ### ### ### ### ### . .. . .. ..# ... ... #.# ### # .# #. # ..... ... ...
    #.# ## ..# ..# #.# #.. #.. ..# #.# #.# . .. # .# ..# .#. ... ..# ..# # #. .# # ####. .## ...
    #.# .# ### .## ### ### ### .#. ### ### . .. . .. .#. ### ### .#. .#. # #. .# . #.#.# .#. ...
    #.# .# #.. ..# ..# ..# #.# .#. #.# ..# . .# # .# #.. .#. ... #.. ... . #. .# . #.#.# ..# ...
    ### .# ### ### ..# ### ### .#. ### ### # #. . #. #.. ... ... #.# .#. # .# #. . #.#.# ##. ###
    """,
    """
    ÄÖÜß°
    #.# #.# #.# ##. ##
    ... ... ... #.# ##
    .#. .#. #.# ##. ..
    ### #.# #.# #.# ..
    #.# .#. ### ##. ..
    """,
)
# Wider where bold strokes would run together.
_WIDE_SHEET = """
    MNWmwG
    #.....# #....# #.....# ....... ....... .#####
    ##...## ##...# #.....# ....... ....... #.....
    #.#.#.# ##...# #.....# ###.##. #..#..# #.....
    #..#..# #.#..# #..#..# #..#..# #..#..# #..###
    #.....# #..#.# #.#.#.# #..#..# #..#..# #....#
    #.....# #...## ##...## #..#..# #..#..# #....#
    #.....# #....# #.....# #..#..# .##.##. .####.
    ....... ...... ....... ....... ....... ......
    """
_BLANK_COLUMNS = {"text": 3, "tiny": 2, "bold": 4}
# Rows of the 7 px face that bold repeats: top, middle and bottom bars become two pixels thick.
_BOLD_ROWS = (0, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7)


class Face(NamedTuple):
    """A pixel face: ``ascent`` rows above the baseline out of ``height``; glyphs by character."""

    name: str
    height: int
    ascent: int
    glyphs: dict[str, Mask]

    def mask(self, text: str) -> Mask:
        """The pixels of ``text``, bool [height, width]; unknown characters become ``?``."""
        return _mask(self.name, text)

    def width(self, text: str) -> int:
        """Pixels from the first to the last column of ``text``."""
        return self.mask(text).shape[1]


def _read(sheets: tuple[str, ...]) -> dict[str, Mask]:
    glyphs = {}
    for sheet in sheets:
        characters, *rows = (line.strip() for line in sheet.strip().splitlines())
        cells = [row.split() for row in rows]
        for k, character in enumerate(characters):
            glyphs[character] = np.array([[dot == "#" for dot in row[k]] for row in cells])
    return glyphs


def _embolden(glyph: Mask) -> Mask:
    tall = glyph[list(_BOLD_ROWS)]
    bold = np.zeros((tall.shape[0], tall.shape[1] + 1), np.bool_)
    bold[:, :-1] = tall
    bold[:, 1:] |= tall
    return bold


def _with_blank(name: str, height: int, glyphs: dict[str, Mask]) -> dict[str, Mask]:
    return {" ": np.zeros((height, _BLANK_COLUMNS[name]), np.bool_), **glyphs}


_text_glyphs = _read(_TEXT_SHEETS)
_tiny_glyphs = _read(_TINY_SHEETS)
_capitals = {c: _tiny_glyphs[c.upper()] for c in "abcdefghijklnopqrtuvwxyzäöü"}
TINY = Face("tiny", 5, 5, _with_blank("tiny", 5, {**_capitals, **_tiny_glyphs}))
TEXT = Face("text", 8, 7, _with_blank("text", 8, _text_glyphs))
_bold_glyphs = {c: _embolden(g) for c, g in {**_text_glyphs, **_read((_WIDE_SHEET,))}.items()}
BOLD = Face("bold", 11, 10, _with_blank("bold", 11, _bold_glyphs))
_FACES = {face.name: face for face in (TINY, TEXT, BOLD)}


@lru_cache(maxsize=512)
def _mask(name: str, text: str) -> Mask:
    face = _FACES[name]
    gap = np.zeros((face.height, 1), np.bool_)
    parts = [part for c in text for part in (face.glyphs.get(c, face.glyphs["?"]), gap)]
    mask = np.hstack(parts[:-1]) if parts else np.zeros((face.height, 0), np.bool_)
    mask.flags.writeable = False
    return mask


def fit(text: str, width: int, faces: tuple[Face, ...]) -> tuple[Face, str]:
    """The first of ``faces`` in which ``text`` fits ``width``, else the last with it cut short.

    The text comes back as it is to be drawn: in capitals where the face is TINY.
    """
    for face in faces:
        shown = text.upper() if face is TINY else text
        if face.width(shown) <= width:
            return face, shown
    while shown and face.width(shown + "..") > width:
        shown = shown[:-1]
    return face, shown.rstrip() + ".." if shown else ""


def wrap(text: str, width: int, face: Face) -> list[str]:
    """``text`` broken between words into lines that fit ``width``; longer words are cut short."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and face.width(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(fit(word, width, (face,))[1])
    return lines


def wrap_in(text: str, width: int, rows: int, face: Face) -> list[str]:
    """``wrap`` into at most ``rows`` lines; the last one is cut short if there is more."""
    lines = wrap(text, width, face)
    if len(lines) <= rows:
        return lines
    kept = lines[: rows - 1]
    return [*kept, fit(" ".join(lines[len(kept) :]), width, (face,))[1]][:rows]


#   a
# f   b      segments of a digit, in the order of a seven-segment display
#   g
# e   c
#   d
_SEGMENTS = {
    "0": "abcdef",
    "2": "abged",
    "3": "abgcd",
    "4": "fgbc",
    "5": "afgcd",
    "6": "afgedc",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
    "-": "g",
}


def _one(width: int, height: int, stroke: int) -> Mask:
    """A stem with a flag and a foot, in a narrow cell: a full one would tear 121 apart."""
    side = max(width // 5, 2)
    mask = np.zeros((height, 2 * side + stroke), np.bool_)
    mask[:, side : side + stroke] = True
    mask[height - stroke :] = True
    for k in range(side):  # the flag falls away from the top of the stem
        mask[k + 1 : k + 1 + stroke, side - 1 - k] = True
    mask.flags.writeable = False
    return mask


@lru_cache(maxsize=64)
def digit(character: str, width: int, height: int, stroke: int) -> Mask:
    """A large digit or "-", bool [height, width], of strokes ``stroke`` pixels thick."""
    if character == "1":
        return _one(width, height, stroke)
    mask = np.zeros((height, width), np.bool_)
    middle = (height - stroke) // 2
    spans = {
        "a": (0, stroke, 0, width),
        "g": (middle, middle + stroke, 0, width),
        "d": (height - stroke, height, 0, width),
        "f": (0, middle + stroke, 0, stroke),
        "b": (0, middle + stroke, width - stroke, width),
        "e": (middle, height, 0, stroke),
        "c": (middle, height, width - stroke, width),
    }
    for segment in _SEGMENTS[character]:
        top, bottom, left, right = spans[segment]
        mask[top:bottom, left:right] = True
    # Rounded corners where two strokes meet at the outside.
    for row in (0, height - 1):
        for column in (0, width - 1):
            neighbour_row = 1 if row == 0 else height - 2
            neighbour_column = 1 if column == 0 else width - 2
            if mask[neighbour_row, column] and mask[row, neighbour_column]:
                mask[row, column] = character == "4"
    mask.flags.writeable = False
    return mask
