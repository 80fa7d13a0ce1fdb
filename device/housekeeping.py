"""Once a day and after each start: what is kept on the disk is looked through, and mended.

``python -m device.housekeeping CONFIG`` runs beside the monitor, with its rights and without its
devices. It removes what broken-off installs and uploads left, puts aside what neither it nor the
monitor can read, and says what only a person can mend: one line each, and a summary. No record and
no audit log is ever removed or changed. Exit code 0; 1 when a person is needed.

Every step is one rename or one removal, so a power cut leaves it done or not done; what a monitor
writes meanwhile it writes beside and renames, so it is never seen half.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device import last_good, settings_store
from device.alarm_memory import FILE as ALARMS
from device.alarm_memory import MOST as ALARMS_MOST
from device.config import Config, ConfigError
from device.flash import files
from device.flash.contents import Contents
from device.flash.health import store_check
from device.flash.store import state_folder, store_folder
from device.records.folder import EARLIEST, RecordFolder, records_folder
from device.records.reading import fault
from firmware.archive import BundleError
from firmware.bundle import Bundle

DAY_S = 86_400
LOOK_BACK_S = 25 * 3600  # records changed since the last daily round, and some
ASIDE = 3  # put aside of each name; the oldest goes
ASIDE_BYTES = 1 << 20  # of one; larger ones are none of ours and go at once
LOG_BYTES = 16 << 20  # of the audit log, which is read whole at every change
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. mended : nobody needs to do anything."""

    text: str
    mended: bool = False


def look(config: Config, now: datetime) -> Iterator[Finding]:
    """Everything below the state folder. now : by the system's clock."""
    yield from clock(now, state_folder())
    yield from leftovers(config, now)
    yield from damaged(config)
    yield from records(config, now)
    yield from models(config, now)


def clock(now: datetime, folder: Path) -> Iterator[Finding]:
    """A clock that cannot be right: records get no time, and signatures none to be judged by."""
    act = "set the clock, or give the board one that keeps it (docs/install.md)"
    if now < EARLIEST:
        yield Finding(f"the clock says {now:%Y-%m-%d}, before this firmware was made; {act}")
        return
    names = [path for path in _entries(folder) if _changed_s(path) - now.timestamp() > DAY_S]
    if names:
        newest = max(names, key=_changed_s)
        then = datetime.fromtimestamp(_changed_s(newest), UTC)
        yield Finding(
            f"the clock says {now:%Y-%m-%d}, but {newest} was written on {then:%Y-%m-%d}; {act}"
        )


def leftovers(config: Config, now: datetime) -> Iterator[Finding]:
    """Of installs, uploads and files that were being replaced; none that is younger than a day."""
    store = Contents(store_folder(config), Bundle.from_bytes)
    old = [path for path in store.leftovers if _is_old(path, now)]
    if old:
        try:
            with files.lock(store.lock_path):
                yield from _remove(old)
        except BlockingIOError:
            return  # an install runs
        except OSError as error:
            yield Finding(_cannot(store.lock_path, "locked", error))
    fresh = (path for folder in (state_folder(), store.folder) for path in _entries(folder))
    yield from _remove([p for p in fresh if p.name.endswith(".new") and _is_old(p, now)])


def damaged(config: Config) -> Iterator[Finding]:
    """Small files that the monitor would find useless: out of its way, kept for who asks why."""
    folder = state_folder()
    checks: dict[str, Callable[[bytes], object]] = {
        settings_store.FILE: _json_object,
        ALARMS: _json_object,
        last_good.COPY: lambda text: last_good.of_device(text, folder / last_good.COPY),
    }
    most = {settings_store.FILE: settings_store.MOST, ALARMS: ALARMS_MOST}
    for name, check in checks.items():
        path = folder / name
        if why := _wrong(path, check, most.get(name, last_good.MOST)):
            yield from _put_aside(path, why, check)


def records(config: Config, now: datetime) -> Iterator[Finding]:
    """What the recorder does not look at again: records that were finished since yesterday."""
    path = records_folder(config)
    if path is None or not path.exists():
        return
    kept = RecordFolder(path)
    try:
        free = files.free_bytes(path)
        for one in (*kept.segments(), *kept.taken()):
            if one.sealed:  # nobody can look into it here
                continue
            header = one.path.with_suffix(".hea")
            if 0 <= now.timestamp() - _changed_s(header) < LOOK_BACK_S and (why := fault(header)):
                yield Finding(f"record {one.path.name}: {why}")
        least = config.records.min_free_mb * _MB
        if free < least and not kept.segments():
            text = f"{free // _MB} MB are free on the disk of {path}, {least // _MB} are wanted"
            yield Finding(f"{text}, and nothing there may be deleted; make room")
    except OSError as error:
        yield Finding(_cannot(path, "looked through", error))


def models(config: Config, now: datetime) -> Iterator[Finding]:
    """The model store, and the size of its log."""
    try:
        found = store_check(config, now)
    except BundleError as error:
        yield Finding(f"no model: {error}")
        return
    if not found.ok:
        yield Finding(f"{found.name}: {found.evidence}; {found.act}")
    log = Contents(store_folder(config), Bundle.from_bytes).log_path
    size = _size(log)
    if size > LOG_BYTES:
        yield Finding(f"{log} has {size // _MB} MB: find out who fills it (lead12 model log)")


# -- one step each


def _remove(paths: list[Path]) -> Iterator[Finding]:
    for path in paths:
        try:
            size = _size(path)
            if stat.S_ISDIR(path.lstat().st_mode):
                os.rmdir(path)
            else:
                files.remove(path)
            files.sync_folder(path.parent)
        except FileNotFoundError:
            continue  # somebody was faster
        except OSError as error:
            yield Finding(_cannot(path, "removed", error))
        else:
            yield Finding(f"{path}, left over, {size} bytes, removed", mended=True)


def _put_aside(path: Path, why: str, check: Callable[[bytes], object]) -> Iterator[Finding]:
    """``NAME.damaged-1``, the newest, to ``-3``; one that was mended meanwhile goes back."""
    names = [path.with_name(f"{path.name}.damaged-{n}") for n in range(1, ASIDE + 1)]
    try:
        plain = stat.S_ISREG(path.lstat().st_mode)
        if plain and _size(path) > ASIDE_BYTES:
            files.remove(path)
            yield Finding(f"{path}: {why}; removed", mended=True)
            return
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            if files.is_there(newer):
                os.replace(newer, older)
        files.replace(path, names[0])
        if not _wrong(names[0], check, ASIDE_BYTES):  # the monitor had just written it
            if not files.is_there(path):
                files.replace(names[0], path)
            return
    except FileNotFoundError:
        return
    except OSError as error:
        yield Finding(_cannot(path, "put aside", error))
    else:
        yield Finding(f"{path}: {why}; it is now {names[0].name}", mended=True)


def _wrong(path: Path, check: Callable[[bytes], object], most: int) -> str:
    """Why nobody can use the file at ``path``; "" when it is well or not there."""
    try:
        check(files.read(path, most))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except (ValueError, RecursionError):
        return "damaged"
    return ""


def _json_object(text: bytes) -> None:
    if not isinstance(json.loads(text), dict):
        raise ValueError("not an object")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _changed_s(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _is_old(path: Path, now: datetime) -> bool:
    """Whether it is there for more than a day, or was made by a clock that is ahead as far."""
    return files.is_there(path) and abs(now.timestamp() - _changed_s(path)) > DAY_S


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _cannot(path: Path, done: str, error: OSError) -> str:
    return f"{path} cannot be {done} ({error.strerror}); check the disk and who owns it"


def main(arguments: list[str]) -> int:
    """``CONFIG``. Returns 0, 1 when a person is needed, 2 without settings."""

    def log(line: str) -> None:
        print(f"housekeeping: {line}", file=sys.stderr, flush=True)

    try:
        given = last_good.read(arguments, last_good.copy_path())
    except ConfigError as error:
        log(str(error))
        return 2
    found = [Finding(given.fault)] if given.fault else []
    for one in (*found, *look(given.config, datetime.now(UTC))):
        log(one.text)
        found += [one] if one not in found else []
    open_ones = sum(not one.mended for one in found)
    log(f"{len(found) - open_ones} mended, {open_ones} for a person" if found else "all well")
    return int(open_ones > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
