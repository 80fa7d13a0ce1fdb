"""Where ``lead12`` begins: ready for Ctrl-C before anything that takes time is imported."""

from __future__ import annotations

import sys

STOPPED = 130  # exit code after Ctrl-C: 128 and the number of the signal, as shells have it


def main() -> None:
    """Run the command line."""
    try:
        from tools.cli import main as run

        run()
    except KeyboardInterrupt:
        print("lead12: stopped", file=sys.stderr)
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()
