"""WFDB records: the ``.hea`` header and its ``.dat`` or ``.mat`` signal files.

Written after the PhysioNet manual pages header(5) and signal(5). Single-segment records, one
sample per frame, formats 16, 24, 32, 61, 80 and 212; the ``.mat`` of the CinC Challenges is format
16 behind a 24-byte MATLAB level 4 header, as their headers say ("16+24").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hal.errors import RecordingError
from hal.patient.record import Recording, check_rate, lead_name, read_text
from hal.plain_file import open_plain

_BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 212: 12}  # per sample
_MV_PER_UNIT = {"mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "v": 1e3, "nv": 1e-6}
_RECORD = re.compile(
    r"(?P<name>[^\s/]+)(?P<segments>/\d+)?\s+(?P<signals>\d+)"
    r"(?:\s+(?P<rate>[-+.\deE]+)(?:/\S*)?(?:\s+(?P<samples>\d+)(?P<began>.*))?)?$"
)
_BEGAN = re.compile(r"(\d+):(\d+):(\d+)(?:\.(\d+))?\s+(\d+)/(\d+)/(\d+)$")
_SIGNAL = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:\s+(?P<gain>[-+.\deE]+)(?:\((?P<baseline>-?\d+)\))?(?:/(?P<units>\S+))?"
    r"(?:\s+(?P<bits>-?\d+)(?:\s+(?P<zero>-?\d+)(?:\s+(?P<initial>-?\d+)(?:\s+(?P<checksum>-?\d+)"
    r"(?:\s+(?P<block>-?\d+)(?:\s+(?P<text>.*))?)?)?)?)?)?)?$"
)
_MOST_DIGITS = 18
_LONGEST_NAME = 255  # bytes
MOST_HEADER = 1 << 20  # bytes
_LABELS = re.compile(r"(?:Dx|labels)\s*:\s*(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal line of a header."""

    file: str
    format: int
    offset: int  # bytes before the first sample
    gain: float  # ADC units per physical unit
    baseline: int  # ADC units at 0 physical
    units: str
    checksum: int | None  # 16-bit sum of all samples
    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed ``.hea`` file; ``samples`` is 0 where the header leaves it open.

    began : base time and date, without a zone as headers are; None unless both are there
    """

    name: str
    rate_hz: float
    samples: int
    signals: tuple[Signal, ...]
    comments: tuple[str, ...]
    began: datetime | None = None


def read_wfdb(header_path: Path, lost: Sequence[tuple[int, int]] | None = None) -> Recording:
    """Read the record of ``header_path`` (a ``.hea`` file) with checksums verified.

    lost : rows (start, stop) of which its writer says that they were never sampled; None where
        nothing says so: then a missing sample is a reason to refuse the record

    signal(5) writes a missing sample as the format's lowest value, which in format 24 is also what
    a converter gives at its lower rail. Where the losses are known it is that everywhere else.
    Raises RecordingError.
    """
    header = parse_header(header_path)
    check_rate(header.name, header.rate_hz)
    leads: dict[str, NDArray[np.float64]] = {}
    gone: NDArray[np.bool_] | None = None
    for file, group in groupby(header.signals, key=lambda signal: signal.file):
        signals = list(group)
        adc = read_samples(header_path.parent / file, header, signals)
        if lost is not None:
            gone = np.zeros(len(adc), np.bool_)
            for start, stop in lost:
                gone[start:stop] = True
        for column, signal in enumerate(signals):
            if lead_name(signal.name) is None:
                continue
            if signal.name in leads:
                raise RecordingError(
                    f"{header.name}: lead {signal.name} appears twice", act="keep one of them"
                )
            leads[signal.name] = _millivolts(header.name, signal, adc[:, column], gone)
    labels = [
        label.strip()
        for comment in header.comments
        if (match := _LABELS.match(comment))
        for label in re.split(r"[|,]", match[1])
    ]
    return Recording.from_leads(
        header.name,
        header.rate_hz,
        leads,
        labels=tuple(labels),
        comments=header.comments,
        began=header.began,
        lost=gone,
    )


def parse_header(path: Path) -> Header:
    """Parse a ``.hea`` file. Raises RecordingError naming what is not as header(5) says."""
    text = read_text(path, MOST_HEADER)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    lines = [line for line in lines if not line.startswith("#")]
    match = _RECORD.match(lines[0]) if lines else None
    if match is None:
        raise RecordingError(f"{path}: no WFDB record line", act="give the .hea of a WFDB record")
    if match["segments"]:
        raise RecordingError(f"{path}: has several segments", act="give one segment by its name")
    count = _whole(path, match["signals"])
    if count == 0 or len(lines) - 1 < count:
        raise RecordingError(
            f"{path}: announces {count} signals and describes {len(lines) - 1}",
            act="restore the header from its source",
        )
    return Header(
        name=match["name"],
        rate_hz=_number(path, match["rate"] or "250"),
        samples=_whole(path, match["samples"] or "0"),
        signals=tuple(_parse_signal(path, line) for line in lines[1 : count + 1]),
        comments=comments,
        began=_began(match["began"] or ""),
    )


def _began(text: str) -> datetime | None:
    """Base time and date, "HH:MM:SS[.fraction] DD/MM/YYYY"; None for what is not written so."""
    if (match := _BEGAN.match(text.strip())) is None:
        return None
    try:
        hour, minute, second, _, day, month, year = (int(part or 0) for part in match.groups())
        us = int((match[4] or "").ljust(6, "0")[:6])
        return datetime(year, month, day, hour, minute, second, us)
    except (ValueError, OverflowError):
        return None


def _parse_signal(path: Path, line: str) -> Signal:
    match = _SIGNAL.match(line)
    if match is None:
        raise RecordingError(
            f"{path}: cannot read the signal line '{line}'", act="restore the header"
        )
    file = match["file"]
    if Path(file).name != file or not file.isprintable() or len(file.encode()) > _LONGEST_NAME:
        raise RecordingError(
            f"{path}: signal file {file} is not in the folder of its header",
            act="put it there and correct the header",
        )
    form = _whole(path, match["format"])
    if form not in _BITS:
        raise RecordingError(
            f"{path}: signal format {match['format']} is not one of {', '.join(map(str, _BITS))}",
            act="convert the record with xform",
        )
    if _whole(path, match["per_frame"] or "1") != 1 or _whole(path, match["skew"] or "0"):
        raise RecordingError(
            f"{path}: signals with several samples per frame or skew",
            act="convert the record with xform",
        )
    zero, checksum = match["zero"] or "0", match["checksum"]
    return Signal(
        file=file,
        format=form,
        offset=_whole(path, match["offset"] or "0"),
        gain=_number(path, match["gain"] or "0"),
        baseline=_whole(path, match["baseline"] or zero),
        units=match["units"] or "mV",
        checksum=_whole(path, checksum) if checksum else None,
        name=match["text"] or "",
    )


def _whole(path: Path, text: str) -> int:
    """A number that a field of 64 bits holds: no file has more samples, no converter more bits."""
    if len(text) > _MOST_DIGITS:
        raise RecordingError(f"{path}: {text[:10]}... is no number", act="correct the header")
    return int(text)


def _number(path: Path, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RecordingError(f"{path}: '{text}' is no number", act="correct the header") from None


def _millivolts(
    record: str, signal: Signal, adc: NDArray[np.int32], gone: NDArray[np.bool_] | None
) -> NDArray[np.float64]:
    if not signal.gain > 0:
        raise RecordingError(
            f"{record}: lead {signal.name} has gain {signal.gain:g}, so no known amplitude",
            act="write its gain (ADC units per mV) into the header",
        )
    if (scale := _MV_PER_UNIT.get(signal.units.lower())) is None:
        raise RecordingError(
            f"{record}: lead {signal.name} is in '{signal.units}'", act="use mV or uV"
        )
    mv: NDArray[np.float64] = (adc.astype(np.float64) - signal.baseline) * (scale / signal.gain)
    missing = adc == -(1 << (_BITS[signal.format] - 1))
    if gone is not None and signal.format == 24:
        missing &= gone
    mv[missing] = np.nan
    return mv


def read_samples(path: Path, header: Header, signals: list[Signal]) -> NDArray[np.int32]:
    """ADC units of the signals that share one file: int32 [samples, signals], sums verified.

    Raises RecordingError.
    """
    form, offset = signals[0].format, signals[0].offset
    if any((signal.format, signal.offset) != (form, offset) for signal in signals):
        raise RecordingError(
            f"{header.name}: {path.name} mixes formats", act="convert the record with xform"
        )
    try:
        with open_plain(path) as file:
            raw = np.fromfile(file, dtype=np.uint8)[offset:]
    except OSError as error:
        raise RecordingError(
            f"{header.name}: signal file {path} cannot be read ({error.strerror})",
            act="put it beside its header",
        ) from None
    held = len(raw) * 8 // _BITS[form] // len(signals)
    samples = header.samples or held
    if held < samples:
        raise RecordingError(
            f"{header.name}: {path.name} is truncated, {held} of {samples} samples",
            act="copy it again from its source",
        )
    adc = _decode(raw, form, samples * len(signals)).reshape(samples, len(signals))
    adc = np.asfortranarray(adc)  # it is read signal by signal
    if not header.samples:
        return adc  # it still grows, or was cut off: the sums are not known yet
    sums = adc.sum(axis=0, dtype=np.int64)
    for signal, total in zip(signals, sums, strict=True):
        if signal.checksum is not None and (int(total) - signal.checksum) & 0xFFFF:
            raise RecordingError(
                f"{header.name}: checksum of signal {signal.name} does not match its samples",
                act="copy the record again from its source",
            )
    return adc


def _decode(raw: NDArray[np.uint8], form: int, count: int) -> NDArray[np.int32]:
    """``count`` samples of a signal(5) format, sign-extended."""
    if form in (16, 61, 32):
        dtype = {16: "<i2", 61: ">i2", 32: "<i4"}[form]
        return raw[: count * _BITS[form] // 8].view(dtype).astype(np.int32)
    if form == 80:  # offset binary
        return raw[:count].astype(np.int32) - 128
    if form == 24:
        low, middle, high = raw[: 3 * count].astype(np.int32).reshape(-1, 3).T
        return np.asarray(low | middle << 8 | (high ^ 0x80) - 0x80 << 16)
    pairs = np.zeros((count + 1) // 2 * 3, dtype=np.int32)  # 212: two samples in three bytes
    pairs[: min(len(raw), len(pairs))] = raw[: len(pairs)]
    first, shared, second = pairs.reshape(-1, 3).T
    both = np.stack([first | (shared & 0x0F) << 8, second | (shared & 0xF0) << 4], axis=1)
    return np.asarray((both.reshape(-1)[:count] ^ 0x800) - 0x800)
