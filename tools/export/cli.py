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
from tools.report_cli import Mains


def export_files(
    files: Annotated[list[Path], typer.Argument(help="WFDB records or CSV files.")],
    kind: Annotated[Format, typer.Option("--format", "-f", help="What to write.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A file; of several recordings, a folder.")
    ],
    began: Annotated[
        str, typer.Option(help="When it was recorded, where the file does not say.")
    ] = "",
    mains: Annotated[Mains, typer.Option(help="Notch in Hz, 0 for none.")] = Mains.HZ_50,
    model: Annotated[str, typer.Option(help="A model bundle, or none.")] = "",
    patient_id: whom.Id = "",
    patient_name: whom.Name = "",
    patient_born: whom.Born = "",
    patient_sex: whom.Sex = "",
) -> None:
    """Write the last ten seconds of recordings, with call and measurements, for a hospital."""
    if len(files) > 1 and not output.is_dir():
        said = f"{output} is no folder: for several recordings make one first"
        raise typer.BadParameter(said, param_hint="-o")
    from tools.export.formats import export  # the whole chain: not for every command's start
    from tools.study import read_study

    try:
        time = datetime.fromisoformat(began) if began else None
    except ValueError:
        said = "a time is written 2026-05-17T14:03:00, or with its zone 2026-05-17T14:03:00+02:00"
        raise typer.BadParameter(said, param_hint="--began") from None
    patient = whom.patient(patient_id, patient_name, patient_born, patient_sex)
    failed = False
    for file in files:
        try:
            study = read_study(file, model=model, mains_hz=int(mains) or None, patient=patient)
            if time is not None:
                study = replace(study, began=time)
            path = output / f"{study.name}{SUFFIX[kind]}" if output.is_dir() else output
            export(study, kind, path)
        except (HalError, ExportError) as error:
            print(f"lead12: {error}", file=sys.stderr)
            failed = True
        except OSError as error:
            print(
                f"lead12: {error.filename}: cannot be written ({error.strerror})", file=sys.stderr
            )
            failed = True
        else:
            print(path)
    raise typer.Exit(int(failed))
