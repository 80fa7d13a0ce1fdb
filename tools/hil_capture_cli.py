"""``lead12 hil capture``, ``replay`` and ``vcd`` on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path, typer.Argument(help="A capture (.l12cap).")]


def add_to(app: typer.Typer) -> None:
    """Give ``app`` the three commands."""
    for command in (capture, replay, vcd):
        app.command()(command)


def capture(
    file: File,
    frontend: Annotated[
        str | None, typer.Option(help="simulated, ads1298 or ads1298-rpigpio.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Simulated patient.")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (TOML).")] = None,
    duration: Annotated[
        float, typer.Option(min=0.1, max=1e9, help="Seconds, from power-up on.")
    ] = 60.0,
) -> None:
    """Run the front end and record all that passes on its wires."""
    from tools.capture import capture as record

    raise typer.Exit(
        record(file, frontend=frontend, preset=preset, config_file=config, duration_s=duration)
    )


def replay(file: File) -> None:
    """Run the driver over a capture; exit code 1 when it does something else than it did then."""
    from tools.capture import replay as play

    raise typer.Exit(play(file))


def vcd(
    file: File,
    out: Annotated[Path, typer.Option("-o", "--out", help="The dump (.vcd).")],
    begin: Annotated[
        float, typer.Option("--from", min=0, max=1e9, help="Seconds to leave out.")
    ] = 0.0,
    seconds: Annotated[
        float | None, typer.Option(min=0.000001, max=1e9, help="Seconds to write; default: all.")
    ] = None,
) -> None:
    """Write a capture as a value change dump: a logic analyser's view of the wires."""
    from tools.capture import vcd as dump

    raise typer.Exit(dump(file, out, begin_s=begin, seconds=seconds))
