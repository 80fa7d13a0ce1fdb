"""LUDB as published: twelve leads at 500 Hz, diagnoses in words, waves marked per lead.

Kalyakulina et al., LUDB: a new open-access validation tool for ECG delineation algorithms, IEEE
Access 2020 (PhysioNet, 1.0.1, ODC-BY 1.0). A header holds ``#<age>: 51``, ``#<sex>: F``,
``#<diagnoses>:`` and then a line per diagnosis ("#Rhythm: Sinus bradycardia.").
"""

from __future__ import annotations

from collections.abc import Iterable


def diagnoses(lines: Iterable[str]) -> set[str]:
    """The diagnoses of a record as the label table writes them: lower case, no full stop."""
    parts = (part for line in lines for part in line.split(" ; "))
    said = {part.strip().rstrip(".").lower().removeprefix("rhythm: ") for part in parts}
    return said - {""}
