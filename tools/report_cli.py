"""``lead12 report`` as it is typed."""

from __future__ import annotations

import sys
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

OK, FAILED = 0, 1


class Paper(StrEnum):
    """What may be printed on."""

    A4 = "a4"
    A5 = "a5"


class Mains(StrEnum):
    """What the notch takes out."""

    HZ_50 = "50"
    HZ_60 = "60"
    NONE = "0"


class Sex(StrEnum):
    """As DICOM writes it."""

    MALE = "M"
    FEMALE = "F"


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise typer.BadParameter("a day is written as 1950-12-31") from None


def _pdf(path: Path) -> Path:
    if path.is_dir():
        raise typer.BadParameter(
            f"{path} is a folder: name a PDF file; it takes a page per recording"
        )
    if path.suffix.lower() != ".pdf":
        raise typer.BadParameter(f"{path} is no name of a PDF: let it end in .pdf")
    return path


PatientId = Annotated[str, typer.Option(help="Printed and exported, never logged.")]
PatientName = Annotated[str, typer.Option(help='"Family, Given".')]
Born = Annotated[str, typer.Option(callback=_day, help="YYYY-MM-DD.")]
PatientSex = Annotated[Sex | None, typer.Option(help="As recorded.")]


def report(
    files: Annotated[list[Path], typer.Argument(help="WFDB (.hea/.dat/.mat) or CSV; a page each.")],
    out: Annotated[Path, typer.Option("-o", "--out", callback=_pdf, help="The PDF to write.")],
    paper: Annotated[Paper, typer.Option(help="Landscape; a5 without colours.")] = Paper.A4,
    mains: Annotated[Mains, typer.Option(help="Notch in Hz, 0 for none.")] = Mains.HZ_50,
    model: Annotated[
        str, typer.Option(help="Model bundle (.l12); default: the embedded one.")
    ] = "",
    patient_id: PatientId = "",
    patient_name: PatientName = "",
    patient_born: Born = "",
    patient_sex: PatientSex = None,
) -> None:
    """One page per recording, at 25 mm/s and 10 mm/mV: leads, measurements, call and its reasons."""
    from tools.report import report as print_pages
    from tools.study import Patient

    pages = print_pages(
        files,
        out,
        paper=paper.value,
        model=model,
        mains_hz=int(mains.value) or None,
        patient=Patient(patient_id, patient_name, patient_born, patient_sex or ""),
        complain=lambda error: print(f"lead12: {error}", file=sys.stderr),
    )
    if pages:
        print(f"{out}: {pages} page{'s' * (pages > 1)}")
    raise typer.Exit(OK if pages == len(files) else FAILED)
