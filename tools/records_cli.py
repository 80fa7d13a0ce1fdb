"""``lead12 records``: what the monitor has kept, if it is whole, and how it is unsealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.passphrase import Ask, passphrase

if TYPE_CHECKING:
    from device.records.folder import RecordName

app = typer.Typer(help="Records the monitor has kept: list them, check them, unseal them.")
key_app = typer.Typer(help="The key that sealed records are read with, on the hospital's computer.")
app.add_typer(key_app, name="key")

OK, FAILED = 0, 1
KEY = "records.key"
SEALED, CUT = "sealed", "sealed, not closed"

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder of the records; default: where the monitor keeps them."),
]
Settings = Annotated[
    Path | None,
    typer.Option("--config", help="Settings (TOML) of the monitor.", envvar="LEAD12_CONFIG"),
]


@dataclass(frozen=True, slots=True)
class Kept:
    """One record.

    state : "whole", "open" (still grows, or was cut off), "sealed" or "sealed, not closed" (what
        is seen without the key), or what is wrong and what to do
    """

    record: str
    why: str  # "continuous" or what the snapshot was taken for
    utc: str | None
    seconds: float
    beats: int
    last_call: str
    state: str


@app.command("list")
def list_records(folder: Folder = None, config: Settings = None, as_json: Json = False) -> None:
    """Every record in the order of its number: when, how long, why, what was said last."""
    for kept in _all(folder, config):
        if as_json:
            print(json.dumps(asdict(kept)))
        else:
            when = (kept.utc or "time unknown").replace("+00:00", "Z")
            length = f"{kept.seconds:.1f} s"
            mark = "" if kept.state == "whole" else f"  [{kept.state.partition(';')[0]}]"
            print(f"{when:<25} {length:>9}  {kept.why:<10}  {kept.last_call}  {kept.record}{mark}")


@app.command("check")
def check_records(folder: Folder = None, config: Settings = None, as_json: Json = False) -> None:
    """Samples and annotations against their CRC-32; exit code 1 when one is damaged."""
    n = bad = sealed = 0
    for kept in _all(folder, config):
        n += 1
        bad += kept.state not in ("whole", "open", SEALED, CUT)
        sealed += kept.state in (SEALED, CUT)
        if as_json:
            print(json.dumps(asdict(kept)))
        elif kept.state not in ("whole", SEALED):
            act = "; the monitor's next start ends it" if kept.state == "open" else ""
            print(f"{kept.record}: {kept.state}{act}")
    if not as_json:
        told = f", {sealed} sealed: lead12 records unseal checks them" if sealed else ""
        print(f"{n} records, {bad} damaged{told}")
    raise typer.Exit(FAILED if bad else OK)


@app.command()
def unseal(
    folder: Annotated[Path, typer.Argument(help="Sealed records: a folder of them, or one.")],
    key: Annotated[Path, typer.Option("--key", help=f"The private key ({KEY}).")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where WFDB goes.")],
    ask: Ask = False,
) -> None:
    """Sealed records back to WFDB, byte for byte; exit code 1 when one is damaged."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from tools.key_files import read
    from tools.unsealing import unseal as open_all

    private = read(key, passphrase(ask), X25519PrivateKey)
    n = bad = left = 0
    for one in open_all(folder, private, out):
        n += one.record is not None
        bad += one.damaged
        left += one.record is None and not one.damaged
        if one.note:
            print(f"{one.source}: {one.note}")
    print(f"{n} records in {out}, {bad} damaged" + f", {left} not written" * bool(left))
    raise typer.Exit(FAILED if bad or left else OK)


@key_app.command("new")
def new_key(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the private key goes.")],
    ask: Ask = False,
) -> None:
    """Make a key; prints the line for the settings of the devices that are to seal to it."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    from device.records.seal_key import printed
    from tools.key_files import KeysError, create, new_in, public

    private, path = X25519PrivateKey.generate(), folder / KEY
    with new_in(folder):
        if path.exists():
            raise KeysError(
                f"{path} is there already, and records may need it; name another folder"
            )
        create(path, private, passphrase(ask, twice=True))
    print(f"{path} opens the records: keep it off the devices, and a copy of it in a safe place")
    print(f'for the devices, in [records]: seal_to = "{printed(public(private))}"')


def _all(folder: Path | None, config: Path | None) -> Iterator[Kept]:
    from device.records.folder import RecordFolder

    path = folder if folder is not None else _configured(config)
    there = RecordFolder(path)
    records = [*there.segments(), *there.taken(), *there.headless()]
    if not records:
        said = "holds no records; name another folder, or the monitor's settings with --config"
        if path.name in (there.continuous.name, there.snapshots.name):
            said = f"is a part of the records; name {path.parent}"
        raise FileNotFoundError(2, said, path)
    for one in sorted(records, key=lambda one: one.number):
        if one.sealed:
            kind = "continuous" if one.path.parent == there.continuous else "snapshot"
            yield look_sealed(one, one.why or kind)
        else:
            yield look(one.path, one.why or "continuous")


def _configured(config: Path | None) -> Path:
    """The folder of the settings, or the system's place."""
    from device.config import ConfigError, load
    from device.flash.store import state_folder
    from device.records.folder import records_folder

    if config is None:
        return state_folder() / "records"
    if (folder := records_folder(load(config))) is None:
        raise ConfigError(f"{config}: keeps no records; name a place in [records] folder")
    return folder


def look_sealed(one: RecordName, why: str) -> Kept:
    """What is seen of a sealed one: its name, its length, if it was closed."""
    from device.records.sealed import look as look_at
    from hal.errors import RecordingError
    from hal.frontend import SAMPLE_RATE_HZ

    name, utc = str(one.path), one.utc
    try:
        seen = look_at(one.path.with_suffix(f".{SEALED}"))
    except (RecordingError, OSError) as error:
        return Kept(name, why, utc, 0.0, 0, "", f"it cannot be read ({error})")
    seconds = seen.samples / SAMPLE_RATE_HZ
    return Kept(name, why, utc, seconds, 0, "", SEALED if seen.closed else CUT)


def look(record: Path, why: str) -> Kept:
    """Read one record whole."""
    from device.records import wfdb
    from device.records.reading import GIVE_UP, about_record, fault
    from hal.errors import RecordingError
    from hal.frontend import SAMPLE_RATE_HZ
    from hal.patient.wfdb import parse_header, read_samples

    name, path = str(record), record.with_suffix(".hea")
    try:
        if said := fault(path):
            return Kept(name, why, None, 0.0, 0, "", said)
        about, samples = about_record(record)
        header = parse_header(path)
        adc = read_samples(record.with_suffix(".dat"), header, list(header.signals))
        marks = wfdb.read_annotations(record.with_suffix(".atr").read_bytes())
    except RecordingError:  # with CRC-32 as written: the sums beside it are not
        return Kept(name, why, None, 0.0, 0, "", f"its header is damaged; {GIVE_UP}")
    except OSError as error:
        return Kept(name, why, None, 0.0, 0, "", f"it cannot be read ({error.strerror})")
    calls = [m.text for m in marks if m.text.startswith(("call", "no call"))]
    beats = sum(mark.symbol == wfdb.BEAT for mark in marks)
    state = "whole" if samples else "open"
    seconds = len(adc) / SAMPLE_RATE_HZ
    return Kept(name, why, about["utc"], seconds, beats, calls[-1] if calls else "", state)
