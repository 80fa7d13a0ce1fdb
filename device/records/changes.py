"""When a call is another one, so that its seconds are kept."""

from __future__ import annotations

from firmware.events import Call

HELD = 5  # calls in a row: a call that flickers between two is no change


class ChangedCall:
    """Fed with the calls of each second."""

    def __init__(self) -> None:
        self._known: str | None = None
        self._label: str | None = None
        self._held = 0

    def push(self, call: Call) -> bool:
        """Whether the call is another than before, and has held; the first is no change."""
        if call.label is None:
            return False
        self._held = self._held + 1 if call.label == self._label else 1
        self._label = call.label
        if self._held < HELD or call.label == self._known:
            return False
        changed, self._known = self._known is not None, call.label
        return changed
