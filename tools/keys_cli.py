"""``lead12 model keys`` and ``lead12 model sign``: who may sign models, and signing them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tools.passphrase import Ask, passphrase

DAYS = 365

keys_app = typer.Typer(help="Keys: who may sign models, and which of them a device trusts.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the private keys.")]
Days = Annotated[int, typer.Option(min=1, help="The signing key is valid for so long.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]


@keys_app.command()
def new(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Who signs, as refusals and lists say it.")] = "",
    days: Days = DAYS,
    development: Annotated[
        bool, typer.Option("--development", help="Devices in production refuse this key.")
    ] = False,
    ask: Ask = False,
) -> None:
    """Make a root key, a signing key and the keyring that devices are given."""
    from tools.flash import somebody
    from tools.keys import new as make

    keyring = make(
        folder,
        name=name or somebody(),
        development=development,
        days=days,
        passphrase=passphrase(ask, twice=True),
        now=_now(),
    )
    print(f"{keyring} is the keyring, for the devices; keep the *.key files to yourself")
    _show(folder)


@keys_app.command()
def rotate(
    folder: Folder,
    root: Annotated[bool, typer.Option("--root", help="A new root key instead.")] = False,
    days: Days = DAYS,
    ask: Ask = False,
) -> None:
    """Make a new signing key, or a new root key; devices learn it with the next bundle."""
    from tools.keys import rotate as make
    from tools.keys import rotate_root

    unlock = passphrase(ask)
    if root:
        made = rotate_root(folder, passphrase=unlock, now=_now())
    else:
        made = make(folder, days=days, passphrase=unlock, now=_now())
    print(f"{made} is the new {'root' if root else 'signing'} key")
    _show(folder)


@keys_app.command()
def revoke(
    folder: Folder,
    key: Annotated[str, typer.Argument(metavar="KEYID", help="As lead12 model keys show has it.")],
    reason: Annotated[str, typer.Option(help="Why; every refusal will say it.")],
    ask: Ask = False,
) -> None:
    """Make a signing key worthless on every device that sees the new keyring."""
    from tools.keys import revoke as take_back

    take_back(folder, key, reason=reason, passphrase=passphrase(ask), now=_now())
    print(f"{key} is revoked; the next bundle tells the devices, or: lead12 model keys trust FILE")
    _show(folder)


@keys_app.command()
def show(
    path: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="Folder, or a keyring file.")],
    as_json: Json = False,
) -> None:
    """The keys of a keyring: id, what for, whose, until when."""
    _show(path, as_json=as_json)


@keys_app.command()
def trust(
    file: Annotated[Path, typer.Argument(help="keyring.json of who looks after this device.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings (TOML) of the device.", envvar="LEAD12_CONFIG"),
    ] = None,
    who: Annotated[str, typer.Option("--as", help="Who does it, for the log.")] = "",
) -> None:
    """On the device: take models of this keyring from now on."""
    from device.config import Config, load
    from tools.flash import Local, read_keyring, somebody

    local = Local(load(config) if config else Config())
    local.trust(read_keyring(file), somebody(who))
    print(f"{local.where} takes models of this keyring now:")
    _show(file)


def sign(
    bundle: Annotated[Path, typer.Argument(help="Bundle (.l12).")],
    keys: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the private keys.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the signed bundle goes.")],
    release: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Release it as this version.")
    ] = None,
    counter: Annotated[
        int | None, typer.Option(min=0, help="With this security counter, see docs/flashing.md.")
    ] = None,
    ask: Ask = False,
) -> None:
    """Sign a bundle; the keyring travels inside it."""
    from device.bundles import read_file
    from tools.keys import sign as put_signature
    from tools.model import summary
    from tools.whole_file import PUBLIC, write_whole

    signed = put_signature(
        read_file(bundle),
        keys,
        now=_now(),
        passphrase=passphrase(ask),
        version=release,
        counter=counter,
    )
    write_whole(out, signed, PUBLIC)
    about = summary(str(out))
    print(f"{out}: {about['model']}, security counter {about['counter']}, {len(signed)} bytes")


def _show(path: Path, *, as_json: bool = False) -> None:
    from tools.keys import show as entries

    for key in entries(path, now=_now()):
        if as_json:
            print(json.dumps(key))
            continue
        until = f" until {key['expires'][:10]}" if key["expires"] else ""
        state = f"valid{until}" if key["state"] == "valid" else key["state"]
        print(f"{key['id']}  {key['role']:<11}  {key['name']}, {state}")


def _now() -> datetime:
    return datetime.now(UTC)
