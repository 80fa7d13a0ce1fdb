"""``lead12 model``: what is installed and how it changes, here or at the end of a serial line."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.keys_cli import keys_app, sign
from tools.line_options import Baud, Key, given_key

if TYPE_CHECKING:
    from tools.flash import Local
    from tools.flash_line import Remote

app = typer.Typer(help="Models: what is installed, whether it is sound; install, confirm, go back.")
app.add_typer(keys_app, name="keys", no_args_is_help=True)
app.command()(sign)

OK, FAILED = 0, 1

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


def _named(port: str | None) -> str | None:
    if port == "":  # not this machine: the shell's variable was empty
        raise typer.BadParameter("no port was named; is the variable that holds it set?")
    return port


def _hash(noted: str | None) -> str | None:
    if noted is not None and not re.fullmatch("[0-9a-f]{16,64}", noted):
        raise typer.BadParameter("a hash is 16 to 64 digits, 0 to 9 and a to f")
    return noted


Port = Annotated[
    str | None,
    typer.Option(callback=_named, help="Serial port of the device; default: this machine."),
]
Settings = Annotated[
    Path | None, typer.Option("--config", help="Settings (TOML).", envvar="LEAD12_CONFIG")
]
Who = Annotated[str, typer.Option("--as", help="Who does it, for the log; default: user@host.")]

BAUD = 115_200
MOST_ENTRIES = 1000  # of the log that come over the line


@app.command("list")
def list_models(
    port: Port = None, baud: Baud = BAUD, config: Settings = None, as_json: Json = False
) -> None:
    """What is installed: which model is in use, on trial, to go back to, and who signed it."""
    from tools.installed import table

    with _device(port, baud, config) as device:
        listed = device.list()
    if as_json:
        print(json.dumps({**listed, "head": listed["log"]["hash"]}))
    else:
        print("\n".join(table(listed)))


@app.command()
def info(
    bundle: Annotated[str, typer.Argument(help="Bundle; default: what is in use.")] = "",
    port: Port = None,
    baud: Baud = BAUD,
    config: Settings = None,
    as_json: Json = False,
) -> None:
    """What a network was made from and what it can do: its card; over the line its figures."""
    from tools.model import card, readable, summary

    if bundle:
        print(json.dumps(summary(bundle)) if as_json else card(bundle))
        return
    with _device(port, baud, config) as device:
        about = device.info()
    if port is None and not as_json:
        print(_local(config).card())
        return
    print(json.dumps(about) if as_json else "\n".join(readable(about)))


@app.command()
def verify(
    bundle: Annotated[Path | None, typer.Argument(help="Bundle; default: what is there.")] = None,
    port: Port = None,
    baud: Baud = BAUD,
    key: Key = None,
    config: Settings = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Every check an install makes, self-test included; nothing is changed."""
    if bundle is None:
        raise typer.Exit(_examine(port, baud, config, as_json))
    raise typer.Exit(_flash(bundle, port, baud, key, config, who, as_json, switch=False))


@app.command()
def install(
    bundle: Annotated[Path, typer.Argument(help="Signed bundle (.l12).")],
    port: Port = None,
    baud: Baud = BAUD,
    key: Key = None,
    config: Settings = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Check a model and put it on trial; what is refused changes nothing."""
    raise typer.Exit(_flash(bundle, port, baud, key, config, who, as_json, switch=True))


@app.command()
def confirm(
    port: Port = None,
    baud: Baud = BAUD,
    key: Key = None,
    config: Settings = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Keep the model on trial now, without waiting for the device to be content."""
    from tools.flash import somebody

    with _device(port, baud, config, key) as device:
        model = device.confirm(somebody(who))
    print(json.dumps({"confirmed": model}) if as_json else f"{model} is confirmed")


@app.command()
def rollback(
    port: Port = None,
    baud: Baud = BAUD,
    key: Key = None,
    config: Settings = None,
    who: Who = "",
    as_json: Json = False,
) -> None:
    """Go back to the model before; ends a trial."""
    from tools.flash import somebody

    with _device(port, baud, config, key) as device:
        model = device.rollback(somebody(who))
    print(json.dumps({"active": model}) if as_json else f"back to {model}")


@app.command()
def log(
    check: Annotated[bool, typer.Option("--verify", help="Find every edit and cut.")] = False,
    noted: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="HASH",
            callback=_hash,
            help="--verify, and find the entry whose hash was noted before.",
        ),
    ] = None,
    last: Annotated[int, typer.Option(min=1, max=MOST_ENTRIES, help="So many entries.")] = 20,
    port: Port = None,
    baud: Baud = BAUD,
    config: Settings = None,
    as_json: Json = False,
) -> None:
    """Installs, refusals, confirmations, ways back: who, what, when."""
    from tools.installed import chain, entry, extent, missing

    check = check or noted is not None
    most = MOST_ENTRIES if port else sys.maxsize
    with _device(port, baud, config) as device:
        head = device.list()["log"]  # first: what is logged meanwhile comes after it
        entries = device.log(most if check else last)
    findings: Sequence[str] = ()
    if check:
        findings = chain(entries, head) if port else _local(config).log_findings()
        findings = [*findings, *(missing(noted, entries) if noted else ())]
    for one in entries[-last:]:
        print(json.dumps(one) if as_json else entry(one))
    if check and as_json:
        end = entries[-1] if entries else {"n": 0, "hash": ""}
        print(json.dumps({"entries": end["n"], "head": end["hash"], "findings": findings}))
    elif check:
        print("\n".join(findings) or f"the log is whole: {extent(entries)}")
    raise typer.Exit(FAILED if findings else OK)


def _flash(
    file: Path,
    port: str | None,
    baud: int,
    key: Path | None,
    config: Path | None,
    who: str,
    as_json: bool,
    *,
    switch: bool,
) -> int:
    """Install or verify a file; steps as they come, the outcome last."""
    from device.bundles import read_file
    from device.flash.install import damaged
    from tools.flash import somebody
    from tools.installed import advertised

    data = read_file(file)
    if not as_json and (about := advertised(data)):
        print(about, flush=True)

    def tell(stage: str, text: str) -> None:
        said = json.dumps({"stage": stage, "text": text}) if as_json else f"{stage}: {text}"
        print(said, flush=True)

    if port and (refusal := damaged(data)):  # not after half an hour on the line
        outcome = refusal
    elif port:
        from tools.flash_line import Remote
        from tools.upload import upload

        with Remote(port, baud, key=given_key(key), notice=_notice) as remote:
            upload(remote, data, baud)
            work = remote.install if switch else remote.verify
            try:
                outcome = work(data, somebody(who), tell)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    "stopped listening; the device goes on, see lead12 model list and log"
                ) from None
    else:
        local = _local(config)
        if switch and not as_json:
            print(f"into {local.where}", flush=True)
        before = local.installed
        work = local.install if switch else local.verify
        try:
            outcome = work(data, somebody(who), tell)
        except KeyboardInterrupt:
            if local.installed == before:
                raise KeyboardInterrupt("stopped; nothing was changed") from None
            raise KeyboardInterrupt("stopped after the switch; see lead12 model list") from None
    said = asdict(outcome)
    passed = "installed" if switch else "verified"
    said = {"outcome": passed if said.pop("ok") else "refused", **said}
    if as_json:
        print(json.dumps(said))
    elif outcome.ok:
        print(outcome.text)
    else:
        print(f"lead12: refused: {outcome.text}", file=sys.stderr)
    return OK if outcome.ok else FAILED


def _examine(port: str | None, baud: int, config: Path | None, as_json: bool) -> int:
    """What is installed, checked."""
    if port:
        from tools.flash_line import Remote
        from tools.installed import examine

        with Remote(port, baud, notice=_notice) as remote:
            found = examine(remote.list(), remote.log(MOST_ENTRIES))
    else:
        found = list(_local(config).examine())
    for what, wrong in found:
        if as_json:
            print(json.dumps({"what": what, "ok": not wrong, "text": wrong}))
        else:
            print(f"FAIL  {what}: {wrong}" if wrong else f"ok    {what}")
    return FAILED if any(wrong for _, wrong in found) else OK


def _device(
    port: str | None, baud: int, config: Path | None, key: Path | None = None
) -> AbstractContextManager[Local | Remote]:
    """The models of this machine, or of the device at ``port``."""
    if port is None:
        return nullcontext(_local(config))
    from tools.flash_line import Remote

    return Remote(port, baud, key=given_key(key), notice=_notice)


def _local(config: Path | None) -> Local:
    from device.config import Config, load
    from tools.flash import Local

    return Local(load(config) if config else Config())


def _notice(line: str) -> None:
    print(f"lead12: {line}", file=sys.stderr, flush=True)
