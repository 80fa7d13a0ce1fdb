"""Whether the line needs a key, and the file that holds it: 64 hexadecimal digits."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from device.config import Config
from device.config_sections import KEY_FILE, MADE_UP
from device.link.session import Access, Gate

MAKE = "openssl rand -hex 32 | sudo install -m 640 -g lead12 /dev/stdin {path}"
MODE = 0o640  # root writes it, the service's group reads it
_LET_READ = {  # by whether it is the device's own
    True: "sudo chown root:lead12 {path}; sudo chmod 640 {path}",
    False: "give this user's group the right to read it",
}
_MOST = 4096  # bytes
_DIGITS = re.compile(r"[0-9a-fA-F]{64}\s*")


class KeyFileError(ValueError):
    """A key that cannot be used; the message is one line: what is wrong and what to do."""


def read_key(path: Path, act: str = MAKE) -> bytes:
    """The 32 bytes in a file that only its owner writes and its group may read.

    act : what to do when there is no key; on the device a new one may be made, on a host not
    Raises KeyFileError: missing, open to others, of another owner, or not 64 digits.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENOENT:
            act = _LET_READ[path.parent == Path(KEY_FILE).parent]
        what = act.format(path=path)
        raise KeyFileError(f"{path}: {error.strerror}; {what}") from None
    try:
        about = os.fstat(fd)
        if not stat.S_ISREG(about.st_mode):
            raise KeyFileError(f"{path} is not a file; name the key's file")
        if about.st_mode & 0o777 & ~MODE:
            raise KeyFileError(f"{path} is open to others; make a new key, and: chmod 640 {path}")
        if about.st_uid not in (0, os.geteuid()):
            raise KeyFileError(f"{path} belongs to another user; chown root {path}")
        text = os.read(fd, _MOST).decode("ascii", "replace")
    finally:
        os.close(fd)
    if not _DIGITS.fullmatch(text):
        said = f"{path} does not hold 64 digits, 0 to 9 and a to f"
        raise KeyFileError(f"{said}; {act.format(path=path)}")
    return bytes.fromhex(text)


def keyed(config: Config) -> bool:
    """Whether changes need the key: as the settings say, else in front of a patient."""
    if config.serial.access:
        return config.serial.access == Access.KEYED
    return config.frontend.backend not in MADE_UP


def gate(config: Config) -> Gate:
    """The line's, as the settings want it; without a usable key the line is read-only."""
    if not keyed(config):
        return Gate()
    try:
        return Gate(read_key(Path(config.serial.key_file)))
    except KeyFileError as error:
        return Gate(fault=f"serial line is read-only: {error}; then start the monitor again")
