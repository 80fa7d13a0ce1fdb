"""``lead12 report`` as it is typed."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tools import patient_options as whom

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


def _pdf(path: Path) -> Path:
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder: name a PDF; it gets a page per recording")
    if path.suffix.lower() != ".pdf":
        raise typer.BadParameter(f"{path} is no name of a PDF: let it end in .pdf")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}: make it first")
    return path


def report(
    files: Annotated[list[Path], typer.Argument(help="WFDB (.hea/.dat/.mat) or CSV; a page each.")],
    out: Annotated[Path, typer.Option("-o", "--out", callback=_pdf, help="The PDF to write.")],
    paper: Annotated[Paper, typer.Option(help="Landscape; a5 without colours.")] = Paper.A4,
    mains: Annotated[Mains, typer.Option(help="Notch in Hz, 0 for none.")] = Mains.HZ_50,
    model: Annotated[
        str, typer.Option(help="Model bundle (.l12); default: the embedded one.")
    ] = "",
    patient_id: whom.Id = "",
    patient_name: whom.Name = "",
    patient_born: whom.Born = "",
    patient_sex: whom.Sex = "",
) -> None:
    """One page per recording, 25 mm/s and 10 mm/mV: leads, measurements, the call and its why."""
    from tools.report import report as print_pages

    pages = print_pages(
        files,
        out,
        paper=paper.value,
        model=model,
        mains_hz=int(mains.value) or None,
        patient=whom.patient(patient_id, patient_name, patient_born, patient_sex),
        complain=lambda error: print(f"lead12: {error}", file=sys.stderr),
    )
    if pages:
        print(f"{out}: {pages} page{'s' * (pages > 1)}")
    raise typer.Exit(OK if pages == len(files) else FAILED)
