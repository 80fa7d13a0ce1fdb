"""The recorder that the settings mean."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from device.config import Config
from device.records.folder import EARLIEST, records_folder
from device.records.keeper import Keeper

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def open_keeper(
    config: Config, utc_of: Callable[[int], datetime], *, firmware: str, boot: str = ""
) -> Keeper | None:
    """What keeps records as ``config`` says; None where none are kept.

    utc_of : monotonic time of a sample to the system's UTC, which may never have been set
    """
    folder = records_folder(config)
    if folder is None:
        return None

    def known(t_ns: int) -> datetime | None:
        utc = utc_of(t_ns)
        return utc if utc >= EARLIEST else None

    return Keeper(folder, config.records, known, firmware=firmware, boot=boot)


def boot_id() -> str:
    """Of this start of the system; "" where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""
