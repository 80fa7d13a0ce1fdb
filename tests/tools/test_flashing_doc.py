"""docs/flashing.md, typed word for word into two shells beside a real monitor."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from device.flash.install import Refused
from tests.device.waiting import wait_for
from tests.tools.walkthrough import Shell, blocks, follow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "flashing.md").read_text(encoding="utf-8")
OF_THE_MONITOR = {"died"}  # said in place of an installer that cannot


@pytest.mark.native("a self-test within 20 s")
def test_the_walkthrough_works_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "lead12").symlink_to(ROOT)
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    setup, *rest = blocks(PAGE)
    assert "make setup" in setup.commands  # done already, where tests run
    shells = {name: Shell(environment, tmp_path) for name in ("Laptop", "Device")}
    laptop, device = shells["Laptop"], shells["Device"]
    port = ""
    try:
        for block in rest:
            # A page's half a minute is too long for a test
            block.commands = block.commands.replace("confirm_windows = 30", "confirm_windows = 3")
            if "lead12 run" in block.commands:
                device.type(block.commands)
                port = wait_for("the serial line's name", lambda: _port(device))
                continue
            block.commands = re.sub("PORT=.*", f"PORT={port}", block.commands)
            if block.terminal == "Device" and not device.ended:
                device.interrupt()
                wait_for("the monitor's end", lambda: device.ended)
            follow(shells[block.terminal], block)
    finally:
        laptop.close()
        device.close()


def _port(shell: Shell) -> str:
    found = re.search(r"serial line on (\S+)", "\n".join(shell.lines))
    return found[1] if found else ""


def test_every_refusal_is_explained() -> None:
    table = PAGE.partition("## Refusals")[2].partition("|---|---|---|")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) == {*Refused} | OF_THE_MONITOR
