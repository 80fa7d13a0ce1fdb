"""What can go wrong between the electrodes and a frame, as data a program can act on."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a front end failed; the value is what logs and the serial line carry."""

    NOT_FOUND = "not_found"  # no device node, no GPIO line, no driver
    PERMISSION = "permission"
    WRONG_CHIP = "wrong_chip"  # the ID register names another part
    NO_RESPONSE = "no_response"  # MISO stuck: every byte 0x00 or 0xFF
    BUS_SHIFTED = "bus_shifted"  # bytes arrive one bit late: wrong SPI mode
    REGISTER_MISMATCH = "register_mismatch"  # read back differs from written
    DATA_READY_TIMEOUT = "data_ready_timeout"  # DRDY does not fall
    BAD_STATUS = "bad_status"  # a frame does not begin with 1100
    SELF_TEST = "self_test"
    BAD_CONFIG = "bad_config"
    BAD_RECORDING = "bad_recording"
    UNSUPPORTED = "unsupported"
    BUS = "bus"  # the operating system refused a transfer
    END_OF_SIGNAL = "end_of_signal"  # a finite source has no more samples


MOST = 400  # characters of a message: it may quote a file


def _one_line(text: str) -> str:
    line = "".join(c if c.isprintable() else "?" for c in text)
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"


class HalError(Exception):
    """Base of all front-end errors.

    Attributes
    ----------
    reason : why, as data
    act : what the user can do about it, one short clause
    register, expected, got : the register concerned and its values, where one is
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        act: str = "",
        register: str | None = None,
        expected: int | None = None,
        got: int | None = None,
    ) -> None:
        message = _one_line(message)
        super().__init__(f"{message}; {act}" if act else message)
        self.reason = reason
        self.act = act
        self.register = register
        self.expected = expected
        self.got = got


class FrontendError(HalError):
    """The front end (chip, bus or data-ready line) failed."""


class RecordingError(HalError, ValueError):
    """A recording cannot stand in for a patient."""

    def __init__(self, message: str, *, act: str = "") -> None:
        super().__init__(Reason.BAD_RECORDING, message, act=act)
