"""``python -m tests.fuzz.drive TARGET FOLDER [libFuzzer's flags]``: one target under libFuzzer.

Atheris instruments the modules under test as they are imported, and lets libFuzzer choose what to
keep and change. A finding does not end the run: it is saved in FOLDER/found, once of each kind. The
target's own seeds are put into FOLDER/seeds.
"""

from __future__ import annotations

import random
import re
import shlex
import sys
from pathlib import Path

import atheris

from tests.fuzz.targets import MODULES, load
from tests.fuzz.watch import MAX_INPUT, once, save

OWN_CHANGES = 0.7  # of all; the rest are libFuzzer's
ROOT = Path(__file__).parents[2]
ROOMS = ("hal", "firmware", "device", "models", "tools")


def main(arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    name, folder, *flags = arguments
    packages = {*ROOMS, *(module.split(".")[0] for module in MODULES[name])}
    with atheris.instrument_imports(include=list(packages), exclude=_others(MODULES[name])):
        target = load(name)
    seeds, seen = target.seeds(), set()

    def run(data: bytes) -> None:
        wrong = once(target, data)
        place = re.sub(r"[^A-Za-z ]", "", wrong)[:80]  # one of a kind
        if wrong and place not in seen:
            seen.add(place)
            print(f"FOUND {save(Path(folder) / 'found', data)}: {wrong}", flush=True)

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() > OWN_CHANGES:
            return atheris.Mutate(data, most)
        return target.change(rng, data, rng.choice(seeds))[:most]

    def cross(one: bytes, other: bytes, most: int, seed: int) -> bytes:
        return target.change(random.Random(seed), one, other)[:most]

    start = Path(folder) / "seeds"
    start.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (start / f"{number:03d}").write_bytes(seed)
    again = shlex.join([sys.executable, "-m", "tests.fuzz.drive", name, folder])
    argv = [again, f"-max_len={MAX_INPUT}", "-len_control=0", "-timeout=0", "-rss_limit_mb=0",
            *flags]  # fmt: skip
    atheris.Setup(argv, run, custom_mutator=change, custom_crossover=cross)
    atheris.Fuzz()


def _others(wanted: tuple[str, ...]) -> list[str]:
    """Every module of ours but those: Atheris takes whole packages only."""
    paths = (path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [
        name.removesuffix(".__init__")
        for name in names
        if not any(name == one or name.startswith(f"{one}.") for one in wanted)
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
