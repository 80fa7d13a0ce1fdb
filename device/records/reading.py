"""A record of ours as it is found: what its header says, and if its files are what was written.

WFDB's own sums are modulo 65536: of a sample's third and fourth byte they tell nothing. So a header
also names the CRC-32 of its samples and of its annotations, once there is nothing to come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from device.records import wfdb
from hal.errors import RecordingError
from hal.patient.wfdb import Header, parse_header

GIVE_UP = "use another copy, or none"


def about_record(record: Path) -> tuple[dict[str, Any], int]:
    """What the header of a record of ours says beside its signals, and its length, 0 while open.

    Raises RecordingError: not ours, or damaged.
    """
    path = record.with_suffix(".hea")
    header = parse_header(path)
    return _about(path, header), header.samples


def fault(path: Path, *, notes: bool = True) -> str:
    """What is wrong with the record whose header is ``path``, and what to do; "" while it is whole.

    notes : whether its annotations must be there. One that grows, or was cut off, names no CRC-32
    yet: of that one only what is missing is told. Raises OSError.
    """
    if not path.is_file():
        return f"its {path.suffix} is missing; put it back, or the monitor's next start deletes it"
    try:
        header = parse_header(path)
        written = _about(path, header).get("crc32")
    except RecordingError:
        return f"its header cannot be read; {GIVE_UP}"
    samples, annotations = path.parent / header.signals[0].file, path.with_suffix(".atr")
    for file in (samples, annotations) if notes else (samples,):
        if not file.is_file():
            return f"its {file.suffix} is missing; put it back"
    if not header.samples:
        return ""
    if not isinstance(written, dict):
        return f"its header names no CRC-32; {GIVE_UP}"
    frame = wfdb.BYTES.get(header.signals[0].format, 0) * len(header.signals)
    data = samples.read_bytes()[: header.samples * frame]
    if len(data) < header.samples * frame:
        return f"its samples end after {len(data) // frame} of {header.samples}; {GIVE_UP}"
    if f"{crc32(data):08x}" != written.get("dat"):
        return f"its samples are damaged; {GIVE_UP}"
    if notes and f"{crc32(annotations.read_bytes()):08x}" != written.get("atr"):
        return f"its annotations are damaged; {GIVE_UP}"
    return ""


def _about(path: Path, header: Header) -> dict[str, Any]:
    for comment in header.comments:
        if comment.startswith(wfdb.ABOUT):
            try:
                about = json.loads(comment.removeprefix(wfdb.ABOUT))
            except (ValueError, RecursionError):
                break
            if isinstance(about, dict) and is_placed(about):
                return about
    raise RecordingError(f"{path} is not of this instrument", act="keep it elsewhere")


def is_placed(about: Mapping[str, Any]) -> bool:
    """Whether it says where in a count of samples, and when, its record begins."""
    counted = all(type(about.get(key)) is int for key in ("first_index", "t_ns"))
    counted = counted and all(abs(about[key]) < 1 << 62 for key in ("first_index", "t_ns"))
    try:
        datetime.fromisoformat(about.get("utc") or "2026-01-01")
    except (TypeError, ValueError):
        return False
    return counted
