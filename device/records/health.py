"""Whether the monitor can keep what it has to, for ``lead12 doctor``: whose folders, how full."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from device.config import Config
from device.flash.files import nearest
from device.flash.owner import owner_fault
from device.flash.store import state_folder, store_folder
from device.records.folder import records_folder
from hal.frontend import Check

STATE_FREE_MIN = 20_000_000  # bytes: a model beside the one that runs, and the settings


def storage_checks(config: Config) -> list[Check]:
    """Who owns the folders of state, models and records, and the room on their file systems."""
    return [_owner(config), *_disks(config)]


def _folders(config: Config) -> dict[Path, int]:
    """Where the monitor writes, and the bytes that must be free there."""
    folders = {state_folder(): STATE_FREE_MIN}
    if records := records_folder(config):
        folders[records] = config.records.min_free_mb * 1_000_000
    return folders


def _owner(config: Config) -> Check:
    for folder in (*_folders(config), store_folder(config)):
        whose, act = owner_fault(folder)
        if whose:
            return Check("owner", False, f"{whose}: nothing is kept there", act)
    return Check("owner", True, "what is kept may be written by this user")


def _disks(config: Config) -> list[Check]:
    """Once each file system that is written to, with the most that must be free on it."""
    disks: dict[int, tuple[Path, int]] = {}
    for folder, least in _folders(config).items():
        there = nearest(folder)
        if not there.is_dir():
            told = f"{there} is not a folder: nothing is kept in {folder}"
            act = "move it away, or name another folder in the settings, [records] folder"
            return [Check("disk", False, told, act)]
        device = there.stat().st_dev
        if device not in disks or least > disks[device][1]:
            disks[device] = there, least
    return [_disk(*disk) for disk in disks.values()]


def _disk(folder: Path, least: int) -> Check:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        act = "mount it for writing, or name another folder in the settings, [records] folder"
        return Check("disk", False, f"{folder} is on a read-only disk: nothing is kept", act)
    free = shutil.disk_usage(folder).free
    evidence = f"{free / 1e6:.0f} MB free in {folder}, at least {least / 1e6:.0f} wanted"
    if free >= least:
        return Check("disk", True, evidence)
    act = "make room on that disk, or lower [records] continuous_hours and snapshots"
    return Check("disk", False, evidence, act)
