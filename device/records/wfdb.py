"""WFDB as the records use it: header(5), signal(5) formats 24 and 32, annot(5)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from hal.frontend import SAMPLE_RATE_HZ

BEAT, NOTE = "N", '"'
CODES = {BEAT: 1, NOTE: 22}
SYMBOLS = {code: symbol for symbol, code in CODES.items()}
END = b"\0\0"  # of an annotation file
MOST_TEXT = 255  # bytes: the length is one
BYTES = {24: 3, 32: 4}  # of a sample, by format
NONE_24, NONE_32 = -(1 << 23), -(1 << 31)  # signal(5): the lowest value is "no sample"
ABOUT = "lead12: "  # begins the comment line that holds what no WFDB field does
_SKIP, _AUX = 59, 63


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One annotation: at ``sample`` of its record; ``text`` of a NOTE in ASCII."""

    sample: int
    symbol: str = BEAT
    text: str = ""

    def within(self, first: int) -> Mark:
        """The same in a record that begins at ``first``.

        A note at sample 0 is put at 1: readers take those at 0 for definitions of the format.
        """
        sample = self.sample - first
        return replace(self, sample=max(sample, 1) if self.symbol == NOTE else sample)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal line. gain : units per millivolt; initial, total : 0 while it grows."""

    name: str
    gain: float
    baseline: int = 0
    initial: int = 0
    total: int = 0  # sum of all samples


def header(
    name: str,
    form: int,
    signals: Sequence[Signal],
    *,
    samples: int | None,
    began: datetime | None,
    about: Mapping[str, Any],
) -> bytes:
    """The ``.hea`` of a record with one signal file.

    samples : None while the record grows; readers then take what the file holds, and the fields
        of the time have no place in the first line
    began : UTC time of sample 0; None where no clock knew it
    about : goes into a comment as JSON
    """
    line = f"{name} {len(signals)} {SAMPLE_RATE_HZ}"
    if samples is not None:
        line += f" {samples}"
        if began is not None:
            began = began.astimezone(UTC)
            line += f" {began:%H:%M:%S}.{began.microsecond // 1000:03d} {began:%d/%m/%Y}"
    lines = [line]
    for signal in signals:
        scale = f"{signal.gain:.10g}({signal.baseline})/mV"
        known = f"{signal.initial} {checksum(signal.total)} 0"  # the name has its place behind them
        lines.append(f"{name}.dat {form} {scale} {form} 0 {known} {signal.name}")
    lines.append(f"# {ABOUT}{json.dumps(about, separators=(',', ':'), sort_keys=True)}")
    return "\n".join([*lines, ""]).encode("ascii", "replace")


def with_sums(about: Mapping[str, Any], dat: int, notes: bytes) -> dict[str, Any]:
    """``about`` of a record to which nothing is added any more, with the CRC-32 of its files."""
    return {**about, "crc32": {"dat": f"{dat:08x}", "atr": f"{crc32(notes):08x}"}}


def samples_as_bytes(adc: NDArray[np.int32], form: int) -> bytes:
    """Samples [n, signals] in format 24 or 32."""
    raw = np.ascontiguousarray(adc, dtype="<i4").view(np.uint8).reshape(-1, 4)
    return raw[:, : BYTES[form]].tobytes()


def samples_from_bytes(data: bytes, signals: int) -> NDArray[np.int32]:
    """Whole frames of format 24 as int32 [n, signals]; what is left of a torn one is left out."""
    frame = BYTES[24] * signals
    raw = np.frombuffer(data, np.uint8, len(data) // frame * frame).reshape(-1, 3)
    wide = np.zeros((len(raw), 4), np.uint8)
    wide[:, 1:] = raw
    return np.asarray(wide.view("<i4") >> 8, dtype=np.int32).reshape(-1, signals)


def sums(adc: NDArray[np.int32]) -> NDArray[np.int64]:
    """Of the samples [n, signals] of each signal, to be added up and kept in ``Signal``."""
    return np.asarray(adc.sum(axis=0, dtype=np.int64))


def checksum(total: int) -> int:
    """A sum in 16 bits with a sign."""
    return (int(total) + 0x8000 & 0xFFFF) - 0x8000


def annotation_bytes(marks: Iterable[Mark], after: int = 0) -> bytes:
    """The marks in annot(5), the first one relative to sample ``after``; without ``END``.

    They may go back in time, as a file does that grows while beats are found late.
    """
    out = bytearray()
    for mark in marks:
        step = mark.sample - after
        if not 0 <= step < 1 << 10:
            high, low = (step >> 16) & 0xFFFF, step & 0xFFFF
            out += _pair(_SKIP, 0) + high.to_bytes(2, "little") + low.to_bytes(2, "little")
            step = 0
        out += _pair(CODES[mark.symbol], step)
        if mark.text:
            text = mark.text.encode("ascii", "replace")[:MOST_TEXT]
            out += _pair(_AUX, len(text)) + text + bytes(len(text) % 2)
        after = mark.sample
    return bytes(out)


def read_annotations(data: bytes) -> list[Mark]:
    """The marks up to the end of the file, or to where it was torn."""
    marks: list[Mark] = []
    at = sample = 0
    while at + 2 <= len(data) and data[at : at + 2] != END:
        code, step = _parts(data, at)
        if code == _SKIP and at + 8 <= len(data):
            high, low = data[at + 2 : at + 4], data[at + 4 : at + 6]
            sample += int.from_bytes(low + high, "little", signed=True)
            at += 6
            code, step = _parts(data, at)
        if code not in SYMBOLS:
            break
        sample += step
        at += 2
        text = b""
        if at + 2 <= len(data) and _parts(data, at)[0] == _AUX:
            length = _parts(data, at)[1]
            text = data[at + 2 : at + 2 + length]
            at += 2 + length + length % 2
            if at > len(data) or b"\0" in text:
                break
        marks.append(Mark(sample, SYMBOLS[code], text.decode("ascii", "replace")))
    return marks


def _pair(code: int, value: int) -> bytes:
    return (code << 10 | value).to_bytes(2, "little")


def _parts(data: bytes, at: int) -> tuple[int, int]:
    pair = int.from_bytes(data[at : at + 2], "little")
    return pair >> 10, pair & 0x3FF
