"""From contacts that bounce to presses: short ones at the release, long ones while still held.

A contact counts once it has been closed or open for 20 ms without a bounce, from when that began.
Two buttons down at once mean neither, until both are up. Times are arguments, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from device.controls import Button

SETTLE_NS = 20_000_000
LONG_NS = 800_000_000
STUCK_NS = 10_000_000_000  # nobody holds a button so long: something lies on it, or it is shorted


@dataclass(frozen=True, slots=True)
class Press:
    """One press; ``held``: a long one."""

    button: Button
    held: bool


class _Key:
    """One button: its contact, and what has become of the press that it is in."""

    def __init__(self) -> None:
        self.closed = False
        self.since_ns = 0  # the contact's last change
        self.down = False  # settled
        self.down_ns = 0
        self.spent = False  # nothing more comes of this press
        self.stuck = False

    @property
    def due_ns(self) -> int | None:
        """When something will have happened if the contact stays as it is."""
        if self.closed is not self.down:
            return self.since_ns + SETTLE_NS
        if not self.down or self.stuck:
            return None
        return self.down_ns + (STUCK_NS if self.spent else LONG_NS)


class Buttons:
    """The two buttons of the instrument."""

    def __init__(self) -> None:
        self._keys = {button: _Key() for button in Button}

    @property
    def stuck(self) -> tuple[Button, ...]:
        """Those that have been down for 10 s; they mean nothing until they are released."""
        return tuple(button for button, key in self._keys.items() if key.stuck)

    def found_down(self, buttons: Iterable[Button], now_ns: int) -> None:
        """``buttons`` were down before anybody looked: no press, and stuck if they stay so."""
        for button in buttons:
            key = self._keys[button]
            key.closed = key.down = key.spent = True
            key.since_ns = key.down_ns = now_ns

    def push(self, button: Button, closed: bool, t_ns: int) -> list[Press]:
        """The contact of ``button`` changed at ``t_ns``: the presses until then."""
        presses = self.pass_time(t_ns)
        key = self._keys[button]
        if key.closed is not closed:
            key.closed, key.since_ns = closed, t_ns
        return presses

    def pass_time(self, now_ns: int) -> list[Press]:
        """It is ``now_ns``, and no contact has changed meanwhile: the presses until now."""
        presses: list[Press] = []
        while True:
            due = ((key.due_ns, button) for button, key in self._keys.items())
            first = min(((at, button) for at, button in due if at is not None), default=None)
            if first is None or first[0] > now_ns:
                return presses
            presses += self._happen(first[1])

    def _happen(self, button: Button) -> list[Press]:
        key = self._keys[button]
        if key.closed and not key.down:
            key.down, key.down_ns = True, key.since_ns
            together = [k for k in self._keys.values() if k.down and not k.stuck]
            if len(together) > 1:
                for k in together:
                    k.spent = True
            return []
        if not key.closed:
            presses = [] if key.spent else [Press(button, held=False)]
            key.down = key.spent = key.stuck = False
            return presses
        if key.spent:
            key.stuck = True
            return []
        key.spent = True
        return [Press(button, held=True)]
