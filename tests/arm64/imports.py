"""``python -m tests.arm64.imports``: every module of the product can be imported.

Modules that need an extra which is not installed are counted; any other failure is raised.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter

from tests.arm64.root import ROOMS


def main() -> None:
    """Import all, and say how many there were."""
    imported, lacking = 0, Counter[str]()
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name.endswith(".__main__"):
                continue
            try:
                importlib.import_module(module.name)
                imported += 1
            except ModuleNotFoundError as error:
                needed = (error.name or "").partition(".")[0]
                if needed in ROOMS:
                    raise
                lacking[needed] += 1
    without = ", ".join(f"{count} without {name}" for name, count in lacking.items())
    print(f"{imported} modules imported{f'; not {without}' if without else ''}")


if __name__ == "__main__":
    main()
