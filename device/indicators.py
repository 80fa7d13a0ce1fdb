"""Lights and buzzer of the alarms, as on and off by time.

Rates, numbers of pulses and pauses lie within tables 2 and 3 of IEC 60601-1-8 (2006); pitch,
harmonics and rise of a pulse are the buzzer's own, so this is not a sound of that standard.

==========  ==========================  =====================================================
priority    light                       sound
==========  ==========================  =====================================================
high        red, 2 Hz                   ten pulses of 0.15 s, 3 + 2, 3 + 2, again after 3 s
medium      yellow, 0.5 Hz              three pulses of 0.2 s, again after 5 s
low         yellow, steady              one pulse of 0.2 s, not again
==========  ==========================  =====================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from firmware.findings import Priority

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Shown:
    """What is on now."""

    red: bool = False
    yellow: bool = False
    buzzer: bool = False


@dataclass(frozen=True, slots=True)
class _Burst:
    """Pulses of ``pulse_ms``, and the silence behind each; the last one's is before the next burst.

    again : whether there is a next one
    """

    pulse_ms: int
    silences_ms: tuple[int, ...]
    again: bool = True

    def on(self, since_ns: int) -> bool:
        """Whether it sounds so long after its beginning."""
        starts = list(accumulate((self.pulse_ms + s for s in self.silences_ms), initial=0))
        at_ms = since_ns // _MS
        if self.again:
            at_ms %= starts[-1]
        return any(start <= at_ms < start + self.pulse_ms for start in starts[:-1])


_X, _PULSE = 100, 150  # ms
_THREE_AND_TWO = (_X, _X, 2 * _X + _PULSE, _X)  # as if the fourth of six were left out
_BURSTS: Mapping[Priority, _Burst] = {
    Priority.HIGH: _Burst(_PULSE, (*_THREE_AND_TWO, 600, *_THREE_AND_TWO, 3000)),
    Priority.MEDIUM: _Burst(200, (200, 200, 5000)),
    Priority.LOW: _Burst(200, (0,), again=False),
}
_HALF_MS: Mapping[Priority, int] = {Priority.HIGH: 250, Priority.MEDIUM: 1000}  # of a blink


class Indicators:
    """The lights of the gravest alarm that is there, and the sound of the gravest that is heard."""

    def __init__(self) -> None:
        self._lit: Priority | None = None
        self._lit_ns = 0
        self._heard: Priority | None = None
        self._heard_ns = 0

    def at(self, now_ns: int, *, lit: Priority | None, heard: Priority | None) -> Shown:
        """What is on at ``now_ns``; each pattern begins when its priority does."""
        if lit is not self._lit:
            self._lit, self._lit_ns = lit, now_ns
        if heard is not self._heard:
            self._heard, self._heard_ns = heard, now_ns
        on = lit is not None
        if lit is not None and lit in _HALF_MS:
            on = (now_ns - self._lit_ns) // _MS // _HALF_MS[lit] % 2 == 0
        return Shown(
            red=on and lit is Priority.HIGH,
            yellow=on and lit is not Priority.HIGH,
            buzzer=heard is not None and _BURSTS[heard].on(now_ns - self._heard_ns),
        )
