"""The ``lead12`` command: thin sub-commands over the rooms, each imported only when it is used."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="A portable 12-lead ECG monitor. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
model_app = typer.Typer(help="Model bundles: what is installed, and whether it is sound.")
bench_app = typer.Typer(help="Measure; each prints its figures beside the limits.")
app.add_typer(model_app, name="model", no_args_is_help=True)
app.add_typer(bench_app, name="bench", no_args_is_help=True)

OK, FAILED, USAGE = 0, 1, 2


class Speed(StrEnum):
    """How fast simulated time passes."""

    REALTIME = "realtime"
    MAX = "max"


Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Model = Annotated[str, typer.Option(help="Model bundle (.l12); default: the embedded one.")]
Data = Annotated[Path | None, typer.Option(help="Folder of development recordings.")]


@app.command()
def run(
    frontend: Annotated[str | None, typer.Option(help="simulated, ads1298 or linux-iio.")] = None,
    preset: Annotated[str | None, typer.Option(help="Simulated patient; 'list' lists.")] = None,
    record: Annotated[Path | None, typer.Option(help="A recording as the patient.")] = None,
    speed: Annotated[Speed, typer.Option(help="realtime, or max: a batch run.")] = Speed.REALTIME,
    duration: Annotated[float | None, typer.Option(min=0.1, help="Seconds of signal.")] = None,
    serial: Annotated[str | None, typer.Option(help="Port or URL, 'pty', or - (stdout).")] = None,
    display: Annotated[
        str | None, typer.Option(help="terminal, png:DIR, none, or a type such as ssd1322.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model bundle (.l12).")] = None,
    config: Annotated[Path | None, typer.Option(help="Settings (TOML).")] = None,
) -> None:
    """Monitor: front end, filters, network, screen and serial line."""
    from tools.run import run as run_monitor

    raise typer.Exit(
        run_monitor(
            frontend=frontend,
            preset=preset,
            record=record,
            fast=speed is Speed.MAX,
            duration_s=duration,
            serial=serial,
            display=display,
            model=model,
            config_file=config,
        )
    )


@app.command()
def classify(
    files: Annotated[list[Path], typer.Argument(help="WFDB (.hea/.dat/.mat) or CSV.")],
    as_json: Json = False,
    model: Model = "",
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Put recordings through the whole device chain; one line per file, in input order."""
    from tools.classify import classify as classify_files
    from tools.classify import readable

    failed = False
    for result in classify_files(files, model=model, jobs=jobs):
        failed |= "error" in result
        print(json.dumps(result) if as_json else readable(result), flush=True)
    raise typer.Exit(FAILED if failed else OK)


@app.command()
def listen(
    port: Annotated[str, typer.Argument(help="Serial port or pyserial URL.")],
    baud: Annotated[int, typer.Option(help="Line rate.")] = 115_200,
    as_json: Json = False,
) -> None:
    """Print a monitor's serial line and check every message on it."""
    from tools.listen import listen as listen_to

    raise typer.Exit(listen_to(port, baud=baud, as_json=as_json))


@app.command()
def doctor(
    config: Annotated[Path | None, typer.Option(help="Settings (TOML).")] = None,
    as_json: Json = False,
) -> None:
    """Check everything the monitor needs, with the evidence and what to do."""
    from tools.doctor import doctor as examine

    raise typer.Exit(examine(config, as_json=as_json))


@model_app.command("list")
def model_list(as_json: Json = False) -> None:
    """The networks this instrument holds."""
    from tools.model import summary

    entry = summary()
    print(json.dumps(entry) if as_json else f"{entry['model']}  {entry['file']}")


@model_app.command("info")
def model_info(
    bundle: Annotated[str, typer.Argument(help="Bundle; default: the embedded one.")] = "",
    as_json: Json = False,
) -> None:
    """What a network was made from and what it can do: its card."""
    from tools.model import card, summary

    print(json.dumps(summary(bundle)) if as_json else card(bundle))


@model_app.command("verify")
def model_verify(
    bundle: Annotated[str, typer.Argument(help="Bundle; default: the embedded one.")] = "",
) -> None:
    """Check hashes and manifest, and run the golden vectors here."""
    from tools.model import verify

    print("\n".join(verify(bundle)))


def complain(error: BaseException) -> None:
    """One line on standard error: what is wrong and what to do."""
    print(f"lead12: {error}", file=sys.stderr)


def main() -> None:
    """Run the command line; errors of ours end as one line and exit code 1, never a traceback."""
    from device.config import ConfigError
    from firmware.bundle import BundleError
    from firmware.network import NetworkError
    from hal.errors import HalError

    try:
        app()
    except (HalError, ConfigError, BundleError, NetworkError) as error:
        complain(error)
        sys.exit(FAILED)
    except BrokenPipeError:  # the reader of our output has gone: not an error
        sys.stderr.close()
        sys.exit(OK)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        complain(OSError(f"{named}{error.strerror or error}"))
        sys.exit(FAILED)
