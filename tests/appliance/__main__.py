"""``python -m tests.appliance``: boot the installed appliance, and do to it what life does."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.appliance import container as containers
from tests.appliance import faults, package, page, power, root, security, start
from tests.appliance.bench import ACQUIRE, CONFIG, MONITOR, REALTIME, SETTINGS, Bench
from tests.appliance.container import CheckError, Container
from tools.reliability import save

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lead12"
SERVICES = ("acquire", "monitor")
COMMAND = "python -m tests.appliance --update-docs"
UNPLANNED_ONE_IN = 1000  # samples: what tests is no real-time machine; the smoke only tells
SMOKE_PATIENCE = 4.0
PICTURES = root.REPOSITORY / "out" / "appliance"


def main() -> int:
    """0: everything held; 1: something did not; 2: it cannot run here."""
    parser = argparse.ArgumentParser(prog="python -m tests.appliance", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each process, at random times")
    parser.add_argument("--seed", type=int, default=1, help="of those times")
    parser.add_argument("--smoke", action="store_true", help="six kills and the common faults only")
    parser.add_argument("--update-docs", action="store_true", help="write docs/reliability")
    parser.add_argument("--root-cache", type=Path, default=CACHE, help="Debian root and wheels")
    given = parser.parse_args()
    if given.smoke:
        containers.patience = SMOKE_PATIENCE
    began_s = time.monotonic()
    try:
        root.need_machine()
        base = root.bare(given.root_cache, _say)
        wheelhouse = root.wheels(given.root_cache, _say)
    except root.UnavailableError as error:
        print(f"boot test skipped: {error}", file=sys.stderr)
        return 0 if given.smoke else 2
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        try:
            system = stack.enter_context(root.layer(base, scratch))
            data = stack.enter_context(root.data_partition(scratch))
        except root.UnavailableError as error:
            print(f"boot test skipped: {error}", file=sys.stderr)
            return 0 if given.smoke else 2
        _say("installing this checkout with systemd/install.sh")
        try:
            root.install(system, wheelhouse)
        except root.InstallError as error:
            print(error, file=sys.stderr)
            return 1
        root.jumping_clock(system)
        _settings(system)
        PICTURES.mkdir(parents=True, exist_ok=True)
        console = PICTURES / "console.log"
        console.unlink(missing_ok=True)
        container = Container(system, data, console)
        bench = Bench(container, data, PICTURES, Random(given.seed))
        stack.callback(bench.close)
        run(bench, kills=3 if given.smoke else given.kills, smoke=given.smoke)
        if not given.smoke:
            rounds = start.rounds(bench, {n: f"lead12-{n}.service" for n in SERVICES})
            package.steps(bench, wheelhouse, scratch)
            with bench.step("losses that nobody planted", "") as outcome:
                outcome.what = page.losses(bench)
                if sum(bench.unplanned.values()) * UNPLANNED_ONE_IN > page.samples(bench):
                    raise CheckError(outcome.what)
    failed = [outcome for outcome in bench.outcomes if outcome.failures]
    _say(f"losses that nobody planted: {page.losses(bench)}")
    _say(f"{len(bench.outcomes)} steps, {len(failed)} failed, {time.monotonic() - began_s:.0f} s")
    if not given.smoke:
        started = start.part(bench.starts, rounds, COMMAND)
        parts = page.part(bench, COMMAND), started
        for one in parts:
            print("\n".join([f"\n{one.title}", *one.text, *map(str, one.figures.items())]))
            if given.update_docs:
                save(one)
    return 1 if failed else 0


def run(bench: Bench, *, kills: int, smoke: bool) -> None:
    """The scenario, in its order."""
    with bench.step("boot", "monitoring") as outcome:
        on_s = bench.boot()
        outcome.recovery_s.append(bench.monitoring(on_s, timeout_s=60))
        if not smoke:
            bench.starts.append(start.measure(bench, on_s))
            bench.keep_picture("monitoring", on_s)
    with bench.step("security", "") as outcome:
        outcome.what = security.check(bench)
    faults.kills(bench, kills)
    for unit in (MONITOR,) if smoke else (ACQUIRE, MONITOR):
        faults.hang(bench, unit)
    faults.disk_full(bench)
    faults.records(bench)
    faults.settings(bench, smoke=smoke)
    if not smoke:
        faults.ring(bench)
        faults.burst(bench)
        power.restarts(bench)
        power.housekeeping(bench)
        power.clocks(bench)
        power.boots(bench)
        power.state_files(bench)
        power.read_only(bench)


def _settings(system: Path) -> None:
    (system / CONFIG.lstrip("/")).write_text(SETTINGS)  # its owner and mode stay
    given = system / f"etc/systemd/system/{ACQUIRE}.d"
    given.mkdir(parents=True)
    (given / "container.conf").write_text(REALTIME)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
