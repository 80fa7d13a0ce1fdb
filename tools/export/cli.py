"""``lead12 export``: recordings in the formats that hospitals take."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hal.errors import HalError
from tools import patient_options as whom
from tools.export.kinds import SUFFIX, ExportError, Format

_TIMES = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S"]


def export_files(
    files: Annotated[list[Path], typer.Argument(help="WFDB records or CSV files.")],
    kind: Annotated[Format, typer.Option("--format", "-f", help="What to write.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A file; of several recordings, a folder.")
    ],
    began: Annotated[
        datetime | None,
        typer.Option(formats=_TIMES, help="When it was recorded, where the file does not say."),
    ] = None,
    mains: Annotated[int, typer.Option(min=0, max=60, help="Notch: 50, 60, or 0 for none.")] = 50,
    model: Annotated[str, typer.Option(help="A model bundle, or none.")] = "",
    patient_id: whom.Id = "",
    patient_name: whom.Name = "",
    patient_born: whom.Born = "",
    patient_sex: whom.Sex = "",
) -> None:
    """Write the last ten seconds of recordings, with call and measurements, for a hospital."""
    if mains not in (0, 50, 60):
        raise typer.BadParameter("50, 60, or 0 for none", param_hint="--mains")
    if len(files) > 1 and not output.is_dir():
        raise typer.BadParameter(f"{output} is no folder, for several recordings", param_hint="-o")
    from tools.export.formats import export  # the whole chain: not for every command's start
    from tools.study import read_study

    patient = whom.patient(patient_id, patient_name, patient_born, patient_sex)
    failed = False
    for file in files:
        try:
            study = read_study(file, model=model, mains_hz=mains or None, patient=patient)
            if began is not None:
                study = replace(study, began=began)
            path = output / f"{study.name}{SUFFIX[kind]}" if output.is_dir() else output
            export(study, kind, path)
        except (HalError, ExportError) as error:
            print(f"lead12: {error}", file=sys.stderr)
            failed = True
        else:
            print(path)
    raise typer.Exit(int(failed))
