"""Where ``lead12`` begins: ready to be stopped before anything that takes time is imported."""

from __future__ import annotations

import signal
import sys

_by = signal.SIGINT


def stopped() -> int:
    """The exit code then: 128 and the number of the signal, as shells have it."""
    return 128 + _by


def _terminated(*_: object) -> None:
    """SIGTERM ends a command as Ctrl-C does, so that no process of its own outlives it."""
    global _by
    _by = signal.SIGTERM
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        from tools.cli import main as run

        run()
    except KeyboardInterrupt:
        print("lead12: stopped", file=sys.stderr)
        sys.exit(stopped())


if __name__ == "__main__":
    main()
