"""What is no regular file, or far too long, is refused at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from device.config import ConfigError, load
from device.last_good import read as read_device
from device.records.sealed import look
from hal.errors import RecordingError
from hal.patient.recording import read_recording
from hal.plain_file import open_plain, read_first

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
HEADER = "f 8 500 5000\n" + "".join(f"f.dat 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in LEADS)


def by_header(path: Path) -> None:
    path.with_suffix(".hea").write_text(HEADER)
    read_recording(path.with_suffix(".hea"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize(
    ("name", "read", "error"),
    [
        ("f.hea", read_recording, RecordingError),
        ("f.csv", read_recording, RecordingError),
        ("f.dat", by_header, RecordingError),
        ("f.toml", load, ConfigError),
        ("f.toml", lambda path: read_device([str(path)]), ConfigError),
        ("f.sealed", look, OSError),
    ],
)
def test_a_pipe_or_a_folder_is_told_and_not_waited_for(
    name: str,
    read: Callable[[Path], object],
    error: type[Exception],
    make: Callable[[Path], None],
    tmp_path: Path,
) -> None:
    make(tmp_path / name)
    with pytest.raises(error, match=r"not a plain file|is a folder"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "read", "error", "said"),
    [
        ("f.hea", read_recording, RecordingError, "longer than 1 MiB"),
        ("f.csv", read_recording, RecordingError, "longer than 256 MiB"),
        ("f.toml", load, ConfigError, "more than 16384 bytes"),
        ("f.toml", lambda path: read_device([str(path)]), ConfigError, "more than 16384 bytes"),
    ],
)
def test_what_is_too_long_is_not_read(
    name: str,
    read: Callable[[Path], object],
    error: type[Exception],
    said: str,
    tmp_path: Path,
) -> None:
    """More than any memory has: who reads it first fails otherwise."""
    with (tmp_path / name).open("wb") as file:
        file.write(b"#")
        file.truncate(1 << 42)
    with pytest.raises(error, match=said):
        read(tmp_path / name)


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_first(tmp_path / "link", 3) == b"123"
    with open_plain(tmp_path / "link") as file:
        assert file.read() == b"12345"
