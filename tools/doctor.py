"""``lead12 doctor``: print what device.doctor finds."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from device.config import Config, load
from device.doctor import checks


def doctor(config_file: Path | None = None, *, as_json: bool = False) -> int:
    """Print every check, one line each (JSON: one object each); 0 if all are in order, else 1.

    Raises ConfigError when ``config_file`` cannot be used.
    """
    found = checks(load(config_file) if config_file else Config())
    failed = [check for check in found if not check.ok]
    if as_json:
        for check in found:
            print(json.dumps(asdict(check), ensure_ascii=False))
        return 1 if failed else 0
    width = max(len(check.name) for check in found)
    for check in found:
        print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<{width}}  {check.evidence}")
        if check.act and not check.ok:
            print(f"{'':{width + 6}}  → {check.act}")
    print(
        f"{len(found)} checks, {len(failed)} failed" if failed else f"{len(found)} checks, all ok"
    )
    return 1 if failed else 0
