"""Whom the records are of: in memory and in record headers, nowhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patient:
    """As far as somebody said so; never printed, so that no log and no traceback shows it.

    name : "Family, Given" · born : YYYY-MM-DD · sex : "M" or "F"; "" for what is not known
    """

    id: str = ""
    name: str = ""
    born: str = ""
    sex: str = ""

    def __repr__(self) -> str:
        return "Patient(...)" if self else "Patient()"

    def __bool__(self) -> bool:
        """Whether anything is known."""
        return any((self.id, self.name, self.born, self.sex))
