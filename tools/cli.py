"""The ``lead12`` command: thin sub-commands over the rooms, each imported only when it is used."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from tools import model_cli, records_cli, report_cli, soak_cli
from tools.entry import stopped
from tools.export import cli as export_cli
from tools.extra import HOW
from tools.hil import cli as hil_cli
from tools.line_options import Baud, Key, given_key


class Commands(TyperGroup):
    """All of them: Ctrl-C ends any with one line, which may say what is left of it."""

    def make_context(self, *given: Any, **more: Any) -> Any:
        """What was typed, understood."""
        with _stopped_in_a_line():
            return super().make_context(*given, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        with _stopped_in_a_line():
            return super().invoke(ctx)


@contextmanager
def _stopped_in_a_line() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as stop:
        complain(str(stop) or "stopped")
        raise typer.Exit(stopped()) from None
    except typer.BadParameter as error:
        if not (closed := _NOT_READABLE.search(error.message)):
            raise
        complain(_denied(closed[1], settings=bool(error.param and error.param.name == "config")))
        raise typer.Exit(FAILED) from None


def _denied(name: str, *, settings: bool) -> Exception:
    """What typer says of a path in a box, in our words."""
    from device.config import unreadable
    from device.flash.owner import owner_fault

    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), name)
    if settings:
        return unreadable(Path(name), error)
    act = "; ".join(filter(None, owner_fault(Path(name)))) or "check who owns it"
    return OSError(f"{name}: {error.strerror}; {act}")


app = typer.Typer(
    cls=Commands,
    help="A portable 12-lead ECG monitor. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(model_cli.app, name="model", no_args_is_help=True)
app.add_typer(hil_cli.app, name="hil", no_args_is_help=True)
app.add_typer(records_cli.app, name="records", no_args_is_help=True)
app.command("export")(export_cli.export_files)
app.command("report")(report_cli.report)
app.command("soak")(soak_cli.soak)

OK, FAILED, USAGE = 0, 1, 2
_ACTS = {
    errno.ENOENT: "check the name",
    errno.ENOTDIR: "check the name",
    errno.EISDIR: "name a file",
    errno.ENOSPC: "make room, and do it again",
    errno.EROFS: "that disk is read-only: name another place",
}
ROOMS = ("hal", "firmware", "device", "tools")  # what is missing of these is a defect
_NOT_READABLE = re.compile(r"'(.+)' is not readable")


class Speed(StrEnum):
    """How fast simulated time passes."""

    REALTIME = "realtime"
    MAX = "max"


class Bench(StrEnum):
    """What ``lead12 bench`` measures."""

    ALL = "all"
    FILTERS = "filters"
    QRS = "qrs"
    QUALITY = "quality"
    REFUSAL = "refusal"
    ST = "st"
    INTERVALS = "intervals"
    SWAPS = "swaps"
    ALARMS = "alarms"
    EXPLAIN = "explain"
    THROUGHPUT = "throughput"
    SCREENS = "screens"
    REPORT = "report"
    FLASH = "flash"
    RECORDS = "records"
    LIVE = "live"
    NETWORKS = "networks"  # hours: not of ALL
    SALIENCY = "saliency"
    PHOTO = "photo"


Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Model = Annotated[str, typer.Option(help="Model bundle (.l12); default: the embedded one.")]
Data = Annotated[Path | None, typer.Option(help="Folder of development recordings.")]


def _tell_version(asked: bool) -> None:
    if asked:
        from device.instrument import firmware_version

        print(f"lead12 {firmware_version()}")
        raise typer.Exit(OK)


@app.callback()
def every(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Its number."),
    ] = False,
) -> None:
    """What all commands have."""


@app.command()
def run(
    frontend: Annotated[
        str | None,
        typer.Option(help="simulated, ads1298[-rpigpio], linux-iio, injected, replay."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Simulated patient; 'list' lists.")] = None,
    record: Annotated[Path | None, typer.Option(help="A recording as the patient.")] = None,
    speed: Annotated[Speed, typer.Option(help="realtime, or max: a batch run.")] = Speed.REALTIME,
    duration: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=1e9, help="Seconds: of signal with --speed max, else of the run."
        ),
    ] = None,
    serial: Annotated[str | None, typer.Option(help="Port or URL, 'pty', or - (stdout).")] = None,
    display: Annotated[
        str | None, typer.Option(help="terminal, png:DIR, none, or a type such as ssd1322.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model bundle (.l12).")] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings (TOML).", envvar="LEAD12_CONFIG")
    ] = None,
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
    files: Annotated[
        list[Path],
        typer.Argument(help="WFDB (.hea/.dat/.mat), CSV, or a photo or PDF of a report page."),
    ],
    as_json: Json = False,
    model: Model = "",
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what spoke for the call.")
    ] = False,
    explain_score: Annotated[
        str, typer.Option(help="Explain this score instead: GROUP/LABEL.")
    ] = "",
    explain_png: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for explanations drawn.")
    ] = None,
) -> None:
    """Put recordings through the whole device chain; one line per file, in input order."""
    from tools.classify import classify as classify_files
    from tools.classify import readable
    from tools.explained import Question

    why = None
    if explain or explain_score or explain_png is not None:
        why = Question(explain_score, explain_png)
    failed = False
    for result in classify_files(files, model=model, jobs=jobs, why=why):
        failed |= "error" in result
        print(json.dumps(result) if as_json else readable(result), flush=True)
        if why and not as_json and "error" not in result and not result["explanation"]:
            complain(f"{result['record']}: nothing was called, so there is nothing to explain")
    raise typer.Exit(FAILED if failed else OK)


@app.command()
def listen(
    port: Annotated[str, typer.Argument(help="Serial port or pyserial URL.")],
    baud: Baud = 115_200,
    as_json: Json = False,
) -> None:
    """Print a monitor's serial line and check every message on it."""
    from tools.listen import listen as listen_to

    raise typer.Exit(listen_to(port, baud=baud, as_json=as_json))


@app.command()
def send(
    port: Annotated[str, typer.Argument(help="Serial port or pyserial URL.")],
    command: Annotated[str, typer.Argument(help='As in docs/serial-protocol.md: {"command":…}.')],
    baud: Baud = 115_200,
    key: Key = None,
) -> None:
    """Give a monitor one command over its serial line, and print the answer."""
    from tools.send import send as send_to

    send_to(port, command, baud=baud, key=given_key(key))


@app.command()
def doctor(
    config: Annotated[
        Path | None, typer.Option(help="Settings (TOML).", envvar="LEAD12_CONFIG")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check everything the monitor needs, with the evidence and what to do."""
    from tools.doctor import doctor as examine

    raise typer.Exit(examine(config, as_json=as_json))


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder of the data set: see docs/data.md.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs; what was interrupted goes on.")],
    recipe: Annotated[str, typer.Option(help="Name in models/recipes, or a file.")] = "rhythm",
    jobs: Annotated[int, typer.Option(min=1, help="Networks trained at the same time.")] = 2,
    hours: Annotated[
        float | None, typer.Option(min=0, help="Of training, after which it stops as it is.")
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="The recipe's brief form: few epochs, without a GPU.")
    ] = False,
) -> None:
    """Train a recipe's networks on PTB-XL folds 1-8, behind the device's own filters."""
    from tools.models_cli import train as run_training

    raise typer.Exit(run_training(data, out, recipe=recipe, jobs=jobs, hours=hours, brief=brief))


@app.command()
def quantize(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished training.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set: see docs/data.md.")],
    version: Annotated[str, typer.Option(help="Version of the bundle, as 2.1.")],
    embed: Annotated[bool, typer.Option("--embed", help="Make it the firmware's own.")] = False,
) -> None:
    """Make an int8 bundle of a trained network: calibrated, measured, with its card."""
    from tools.models_cli import quantize as build

    raise typer.Exit(build(run_folder, data, version=version, embed=embed))


@app.command()
def evaluate(
    target: Annotated[Path, typer.Argument(help="A bundle, a run folder or a recipe's folder.")],
    data: Annotated[Path, typer.Option(help="Folder with PTB-XL.")],
    external: Annotated[
        Path | None, typer.Option(help="Other hospitals' records; default: those in --data.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.json and evaluation.html.")
    ] = None,
    as_json: Json = False,
    docs: Annotated[
        bool, typer.Option("--docs", help="Write docs/accuracy.md and the model card anew.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Every figure of a network: alone, in the device, on foreign and on spoiled records."""
    from tools.models_cli import evaluate as measure

    raise typer.Exit(
        measure(target, data, external=external, out=out, as_json=as_json, docs=docs, jobs=jobs)
    )


@app.command()
def bench(
    what: Annotated[Bench, typer.Argument(help="What to measure.")] = Bench.ALL,
    runs: Annotated[
        Path | None,
        typer.Argument(help="Trainings: of networks all, of saliency one; photo: a page bundle."),
    ] = None,
    as_json: Json = False,
    update_docs: Annotated[
        bool, typer.Option("--update-docs", help="Write the figures to docs/ as well.")
    ] = False,
    data: Data = None,
    seconds: Annotated[float, typer.Option(min=120, help="Length of the live run.")] = 600.0,
    records: Annotated[
        int | None, typer.Option(min=1, help="Records of fold 9: networks, saliency, photo.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes of networks.")] = 1,
) -> None:
    """Measure, and print every figure beside its limit; exit code 1 when one is broken."""
    if what in (Bench.NETWORKS, Bench.SALIENCY, Bench.PHOTO):
        from tools.bench import trained

        raise typer.Exit(
            trained.run(
                what.value,
                runs,
                data,
                records=records,
                jobs=jobs,
                as_json=as_json,
                update_docs=update_docs,
            )
        )
    from tools.bench import run as run_benches

    raise typer.Exit(
        run_benches(
            what.value, as_json=as_json, update_docs=update_docs, data=data, seconds=seconds
        )
    )


def complain(error: object) -> None:
    """One line on standard error: what is wrong and what to do."""
    print(f"lead12: {error}", file=sys.stderr)


def main() -> None:
    """Run the command line; errors of ours end as one line and exit code 1, never a traceback."""
    # Thread pools for small matrices only get in each other's way.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from device.config import ConfigError
    from device.flash.keyring import TrustError
    from device.flash.owner import owner_fault
    from device.flash.store import StoreError
    from device.link.access import KeyFileError
    from firmware.archive import BundleError
    from firmware.network import NetworkError
    from hal.errors import HalError
    from tools.bench.figures import RecordingsAbsentError
    from tools.host_line import RemoteError
    from tools.key_files import KeysError

    ours = (HalError, ConfigError, BundleError, NetworkError, RecordingsAbsentError)
    try:
        app()
    except (*ours, KeysError, KeyFileError, TrustError, StoreError, RemoteError) as error:
        complain(error)
        sys.exit(FAILED)
    except BrokenPipeError:  # the reader of our output has gone: not an error
        sys.stderr.close()
        sys.exit(OK)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ROOMS:
            raise
        complain(f"{error.name} is not installed here; {HOW}")
        sys.exit(FAILED)
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        systems = error.strerror == os.strerror(error.errno or 0)  # not our words
        act = _ACTS.get(error.errno or 0, "") if systems else ""
        if isinstance(error, PermissionError) and isinstance(error.filename, str):
            act = "; ".join(filter(None, owner_fault(Path(error.filename))))
        complain(OSError(f"{named}{error.strerror or error}" + f"; {act}" * bool(act)))
        sys.exit(FAILED)
