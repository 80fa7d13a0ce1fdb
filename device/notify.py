"""sd_notify(3): a process tells who started it that it is ready, and that it lives."""

from __future__ import annotations

from collections.abc import Callable

import sdnotify


def notifier() -> Callable[[str], None]:
    """Sends to NOTIFY_SOCKET; without one, or while nobody reads there, it does nothing.

    A supervisor that is stopped (Ctrl-Z) must not stop the processes it started.
    """
    notify = sdnotify.SystemdNotifier()
    if notify.socket is not None:
        notify.socket.setblocking(False)
    return notify.notify  # type: ignore[no-any-return]
