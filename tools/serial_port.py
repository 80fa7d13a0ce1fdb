"""A serial port of this computer, for one program alone, and in words why it cannot be had."""

from __future__ import annotations

import errno
import re
from typing import Any

import serial

_TAKEN = "another program is using it (lead12 listen, or an install?); end that one first"
_WHY = {
    errno.ENOENT: "it is not there; plug the cable in, or check the name",
    errno.ENODEV: "it is not there; plug the cable in, or check the name",
    errno.ENXIO: "it is not there; plug the cable in, or check the name",
    errno.EACCES: "you may not use it; join the group dialout and log in again",
    errno.EPERM: "you may not use it; join the group dialout and log in again",
    errno.EAGAIN: _TAKEN,
    errno.EBUSY: _TAKEN,
}


def open_serial(
    port: str, baud: int, timeout_s: float, write_timeout_s: float | None = None
) -> Any:
    """A pyserial port or URL. Raises OSError, whose text is one sentence of why and what to do."""
    if not port:
        raise OSError(errno.EINVAL, "no port was named; is the variable that holds it set?")
    try:
        return serial.serial_for_url(
            port, baudrate=baud, timeout=timeout_s, write_timeout=write_timeout_s, exclusive=True
        )
    except (OSError, ValueError) as error:  # ValueError: no such line rate or URL
        number = getattr(error, "errno", None) or errno.EINVAL
        raise OSError(number, _sentence(port, number, str(error))) from None


def _sentence(port: str, number: int, said: str) -> str:
    """What pyserial says, of which it hides much in its text."""
    if "://" in port:
        if system := re.search(r"\[Errno -?\d+\] (.+)$", said):
            return f"{port} cannot be opened: {system[1]}; is there a program that serves it?"
        return f"{port} is not a serial port; one on the network looks like socket://HOST:PORT"
    if number == errno.EISDIR or "Inappropriate ioctl" in said:
        return f"{port} is not a serial port; lead12 doctor shows the ones that are here"
    if "exclusively lock" in said:
        number = errno.EAGAIN
    return f"{port} cannot be opened: {_WHY.get(number) or said}"
