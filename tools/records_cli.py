"""``lead12 records``: what the monitor has kept, and if it is whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Records the monitor has kept: list them, check them.")

OK, FAILED = 0, 1

Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Folder = Annotated[
    Path | None, typer.Argument(help="Folder of the records; default: the system's place.")
]


@dataclass(frozen=True, slots=True)
class Kept:
    """One record. state : "whole", "open" (still grows, or was cut off), or what is wrong."""

    record: str
    why: str  # "continuous" or what the snapshot was taken for
    utc: str | None
    seconds: float
    beats: int
    last_call: str
    state: str


@app.command("list")
def list_records(folder: Folder = None, as_json: Json = False) -> None:
    """Every record, oldest first: when, how long, why, what was said last."""
    for kept in _all(folder):
        if as_json:
            print(json.dumps(asdict(kept)))
        else:
            when = (kept.utc or "clock not set").replace("+00:00", "Z")
            length = f"{kept.seconds:.1f} s"
            mark = "" if kept.state == "whole" else f"  [{kept.state}]"
            print(f"{when:<25} {length:>9}  {kept.why:<10}  {kept.last_call}  {kept.record}{mark}")


@app.command("check")
def check_records(folder: Folder = None, as_json: Json = False) -> None:
    """Samples against their sums, annotations to their end; exit code 1 when one is damaged."""
    n = bad = 0
    for kept in _all(folder):
        n += 1
        damaged = kept.state not in ("whole", "open")
        bad += damaged
        if as_json:
            print(json.dumps(asdict(kept)))
        elif kept.state != "whole":
            act = "copy it again from its source" if damaged else "the monitor's next start ends it"
            print(f"{kept.record}: {kept.state}; {act}")
    if not as_json:
        print(f"{n} records, {bad} damaged")
    raise typer.Exit(FAILED if bad else OK)


def _all(folder: Path | None) -> Iterator[Kept]:
    from device.flash.store import state_folder
    from device.records.folder import RecordFolder

    path = folder if folder is not None else state_folder() / "records"
    there = RecordFolder(path)
    found = sorted([*there.segments(), *there.taken()], key=lambda one: one.number)
    if not found:
        raise FileNotFoundError(2, "holds no records; name the folder that [records] names", path)
    for one in found:
        yield look(one.path, one.why or "continuous")


def look(record: Path, why: str) -> Kept:
    """Read one record whole."""
    from device.records import wfdb
    from device.records.segment import about_record
    from hal.errors import RecordingError
    from hal.frontend import SAMPLE_RATE_HZ
    from hal.patient.wfdb import parse_header, read_samples

    name = str(record)
    try:
        about, samples = about_record(record)
        header = parse_header(record.with_suffix(".hea"))
        adc = read_samples(record.with_suffix(".dat"), header, list(header.signals))
        data = record.with_suffix(".atr").read_bytes()
    except (RecordingError, OSError) as error:
        return Kept(name, why, None, 0.0, 0, "", str(error))
    marks = wfdb.read_annotations(data)
    calls = [m.text for m in marks if m.text.startswith(("call", "no call"))]
    beats = sum(mark.symbol == wfdb.BEAT for mark in marks)
    state = "whole" if samples else "open"
    if samples and wfdb.annotation_bytes(marks) + wfdb.END != data:
        state = "its annotations are damaged"
    seconds = len(adc) / SAMPLE_RATE_HZ
    return Kept(name, why, about["utc"], seconds, beats, calls[-1] if calls else "", state)
