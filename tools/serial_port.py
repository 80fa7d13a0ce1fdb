"""A serial port of this computer, for one program alone, and in words why it cannot be had."""

from __future__ import annotations

import errno
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
    try:
        return serial.serial_for_url(
            port, baudrate=baud, timeout=timeout_s, write_timeout=write_timeout_s, exclusive=True
        )
    except (OSError, ValueError) as error:  # ValueError: no such line rate or URL
        number = getattr(error, "errno", None)
        if number is None and "exclusively lock" in str(error):
            number = errno.EAGAIN  # pyserial hides it in its text
        why = _WHY.get(number or 0) or getattr(error, "strerror", None) or str(error)
        raise OSError(number or errno.EINVAL, f"{port} cannot be opened: {why}") from None
