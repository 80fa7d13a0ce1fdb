"""Whether the model store is in order, for ``lead12 doctor``: one sentence, and what to do."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from device.config import Config
from device.flash import audit
from device.flash.contents import Contents
from device.flash.files import nearest
from device.flash.keyring import Key, Keyring, Role
from device.flash.store import MAX_STARTS, Choice, Store, store_folder
from firmware.bundle import Bundle
from hal.frontend import Check

NAME = "model store"
SOON = timedelta(days=30)  # before a key expires: time to have another one made
SLACK = timedelta(hours=1)  # by which a signer's clock may be ahead of this one


def store_check(config: Config, now: datetime) -> Check:
    """What runs, who may replace it and until when, and whether the log is whole.

    now : UTC by the system's clock. Raises BundleError when there is no model at all.
    """
    if config.model.path:
        return Check(NAME, True, "put aside by [model] path in the settings")
    store = Store(store_folder(config), confirm_after=config.model.confirm_windows)
    if blocked := _blocked(store.folder):
        return blocked
    choice = store.choose(now, starting=False)
    keyring = store.keyring()
    key = _newest_key(keyring, production=config.model.trust == "production")
    told = f"{_running(store, choice)}; {_signers(keyring, key, now)}"
    wrong, act = _wrong(store, choice, keyring, key, now)
    entries = store.state().log.n
    log = f"log of {entries} {'entry' if entries == 1 else 'entries'}"
    return Check(NAME, not wrong, f"{told}; {wrong or log}", act)


def _blocked(folder: Path) -> Check | None:
    """What stands where the folder should be."""
    there = nearest(folder)
    if there.is_dir():
        return None
    act = f"move {there} away, or name another folder in the settings, [model] store"
    return Check(NAME, False, f"{there} is not a folder, so the store cannot be there", act)


def _running(store: Store, choice: Choice) -> str:
    trial, failed = store.state().trial, store.state().failed
    if trial and choice.slot == trial.slot:
        return f"{choice.bundle.id} is on trial, start {trial.starts} of {MAX_STARTS}"
    told = f"{choice.bundle.id} is in use ({choice.state})"
    return f"{told}, {failed.model} was taken back: {failed.why}" if failed else told


def _signers(keyring: Keyring | None, key: Key | None, now: datetime) -> str:
    if keyring is None:
        return "no keyring, so no model can be installed"
    if key is None:
        return f"keyring version {keyring.version} has no key that is valid here"
    told = f"keyring version {keyring.version}, its key"
    if key.expires <= now:
        return f"{told} expired {_days(now - key.expires)} ago"
    left = f"{told} is valid for {_days(key.expires - now)}"
    if key.expires - now < SOON:
        return f"{left}: have a new one made (lead12 model keys rotate)"
    return left


def _days(span: timedelta) -> str:
    return f"{span.days} day{'' if span.days == 1 else 's'}"


def _newest_key(keyring: Keyring | None, *, production: bool) -> Key | None:
    """The key that is valid longest, of those this device takes."""
    if keyring is None:
        return None
    gone = {one.id for one in keyring.revoked}
    known = [key for key in keyring.keys if key.id not in gone]
    taken = [key for key in known if not production or key.role is Role.PRODUCTION]
    return max(taken, key=lambda key: key.expires, default=None)


def _wrong(
    store: Store, choice: Choice, keyring: Keyring | None, key: Key | None, now: datetime
) -> tuple[str, str]:
    """The gravest thing that is wrong, and what to do; "" for nothing."""
    known = store.now(now)
    if known - now > SLACK:
        return (
            f"the clock says {now:%Y-%m-%d %H:%M} and something was signed on "
            f"{known:%Y-%m-%d %H:%M}",
            "set the clock",
        )
    state = store.state()
    if why := Contents(store.folder, Bundle.from_bytes).keyring_fault():
        return why, "give the device its keyring again (lead12 model keys trust FILE)"
    if choice.notes:
        return "; ".join(choice.notes), "install a model anew (lead12 model install)"
    if findings := audit.verify(store.log_path, state.log):
        return (
            f"the log was tampered with or damaged: {findings[0]}",
            "find out who did it (lead12 model log --verify)",
        )
    if not os.access(nearest(store.folder), os.W_OK | os.X_OK):
        return f"{store.folder} cannot be written", "run as the monitor's user, or mount it rw"
    if keyring and (key is None or key.expires <= now):
        return "nothing signed by it is taken", "give the device a newer one (lead12 model keys)"
    return "", ""
