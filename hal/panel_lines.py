"""The lines between a board and its user: push buttons in, lights and a buzzer out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Contact:
    """A button's contact has closed or opened; bounces are told, too.

    line : BCM number · t_ns : CLOCK_MONOTONIC
    """

    line: int
    closed: bool
    t_ns: int


class ButtonLines(Protocol):
    """Buttons to ground on pulled-up inputs."""

    def read(self, now_ns: int) -> list[Contact]:
        """What has changed since the last call, in the order of time; never waits.

        A button that is held when its line is opened is told by the first call. Raises HalError.
        """
        ...

    def close(self) -> None:
        """Release the lines."""
        ...


class OutputLines(Protocol):
    """Lines that are off, until they are set and when they are released."""

    def set(self, line: int, on: bool) -> None:
        """Drive ``line`` high (on) or low. Raises HalError."""
        ...

    def close(self) -> None:
        """All off, and release them."""
        ...
