"""An upload to a device, with a bar on a terminal and a line per quarter elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from tools.flash_line import Remote

QUARTERS = 4
LONG_S = 60.0  # is told beforehand
BITS = 10  # of the line a byte; what packing saves, the lines around the chunks take


def upload(device: Remote, data: bytes, baud: int) -> None:
    """Bring ``data`` to the device; Ctrl-C tells how much of it stays there. Raises RemoteError.

    baud : the line's rate; what takes long at it is told before
    """
    done, begun = 0, False

    def note(at: int, total: int) -> None:
        nonlocal done, begun
        if not begun and (takes_s := (total - at) * BITS / baud) >= LONG_S:
            told = f"upload: about {takes_s / 60:.0f} min at {baud} baud"
            print(told, file=sys.stderr, flush=True)
        done, begun = at, True
        show(at, total)

    try:
        with _shown(len(data)) as show:
            device.upload(data, note)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"stopped; the device keeps {done} of {len(data)} bytes, and the same command goes on "
            "from there"
        ) from None


@contextmanager
def _shown(total: int) -> Iterator[Callable[[int, int], None]]:
    """What shows how far it came, on standard error."""
    if not sys.stderr.isatty():
        yield _by_quarters(total)
        return
    columns = (TextColumn("upload"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task("upload", total=total)
        yield lambda at, _total: progress.update(bar, completed=at)


def _by_quarters(total: int) -> Callable[[int, int], None]:
    last = -1

    def say(at: int, _total: int) -> None:
        nonlocal last
        quarter = QUARTERS * at // total
        if quarter > last:
            last = quarter
            print(f"upload: {at} of {total} bytes", file=sys.stderr, flush=True)

    return say
