"""``--patient-id`` and its kin: whom a report or an export is of, where somebody says so."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from device.patient import Patient


def _born(value: str) -> str:
    try:
        day = date.fromisoformat(value) if value else None
    except ValueError:
        raise typer.BadParameter("a day is written 1950-02-28") from None
    if day is not None and day > date.today():
        raise typer.BadParameter(f"{day} is yet to come")
    return day.isoformat() if day else ""


def _sex(value: str) -> str:
    if value not in ("", "M", "F"):
        raise typer.BadParameter("M or F, or leave it out")
    return value


def _printable(value: str) -> str:
    if not value.isprintable() or len(value) > 64:
        raise typer.BadParameter("at most 64 printable characters")
    return value


Id = Annotated[str, typer.Option("--patient-id", callback=_printable, help="The patient's number.")]
Name = Annotated[str, typer.Option("--patient-name", callback=_printable, help='"Family, Given".')]
Born = Annotated[str, typer.Option("--patient-born", callback=_born, help="1950-02-28.")]
Sex = Annotated[str, typer.Option("--patient-sex", callback=_sex, help="M or F.")]


def patient(id_: str, name: str, born: str, sex: str) -> Patient:
    """What was said."""
    return Patient(id_, name, born, sex)
