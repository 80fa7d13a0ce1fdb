"""``python -m tests.fuzz [TARGET ...] --seconds 600``: fuzz, keep what was reached, write the page.

Each target runs under libFuzzer in a process of its own and leaves ``out/fuzz/TARGET``: its
inputs, its log and ``result.json``. ``--update-docs`` makes the committed corpora and the part of
docs/reliability.md out of the results that are there; without a target it does nothing else.
Exit status 1 when something was found, 2 when nothing could be run.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.targets import CORPUS, FINDINGS, MODULES
from tests.fuzz.watch import FOUND, HANG_S
from tools.reliability import Part, Table, save

OUT = Path(__file__).parents[2] / "out" / "fuzz"
PATIENCE_S = 120.0  # after the time is over
CORPUS_BYTES = 7_000  # kept of each target, beside its findings
MOST_INPUTS = 40  # the smallest; the ordinary suite runs them all
_STATUS = re.compile(r"cov: (\d+) ft: (\d+)")
_RUNS = re.compile(r"stat::number_of_executed_units: (\d+)")


def run(name: str, seconds: int, seed: int) -> bool:
    """Fuzz one target and leave its result; whether nothing was found."""
    folder = OUT / name
    inputs, found = folder / "inputs", folder / "found"
    shutil.rmtree(found, ignore_errors=True)
    for path in (inputs, found, folder / "seeds", CORPUS / name):
        path.mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={seconds}", f"-seed={seed}", "-print_final_stats=1",
             f"-artifact_prefix={folder}/"]  # fmt: skip
    log = folder / "log"
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.drive", name, str(folder), *flags,
                 str(inputs), str(folder / "seeds"), str(CORPUS / name)],
                stdout=out, stderr=out, timeout=seconds + PATIENCE_S, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = None
    text = log.read_text(errors="replace")
    runs, status = _RUNS.search(text), _STATUS.findall(text)
    findings = [line for line in text.splitlines() if line.startswith("FOUND ")]
    if code or code is None or runs is None or not status:
        findings.append(f"FOUND the run did not end as it should ({code}); see {log}")
    for path in found.iterdir():
        shutil.copy(path, CORPUS / name)
    edges, features = map(int, status[-1]) if status else (0, 0)
    result = {"seconds": seconds, "executions": int(runs[1]) if runs else 0, "edges": edges,
              "features": features, "findings": findings}  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result, indent=1))
    print(f"{name}: {result['executions']} executions in {seconds} s, {edges} edges", flush=True)
    print(*findings, sep="\n", end="\n" * bool(findings), flush=True)
    return not findings


def keep(name: str) -> None:
    """The committed corpus anew: every finding, and what reaches more than seeds and these do."""
    folder, merged = CORPUS / name, OUT / name / "merged"
    shutil.rmtree(merged, ignore_errors=True)
    shutil.copytree(OUT / name / "seeds", merged)
    for path in folder.glob(f"{FOUND}*"):
        shutil.copy(path, merged)
    known = {path.name for path in merged.iterdir()}
    subprocess.run(
        [sys.executable, "-m", "tests.fuzz.drive", name, str(OUT / name), "-merge=1",
         "-use_counters=0", str(merged), str(OUT / name / "inputs"), str(folder)],
        check=True, capture_output=True,
    )  # fmt: skip
    for path in folder.iterdir():
        if not path.name.startswith(FOUND):
            path.unlink()
    more = [path for path in merged.iterdir() if path.name not in known]
    more.sort(key=lambda path: (path.stat().st_size, path.name))
    left = CORPUS_BYTES
    for path in more[:MOST_INPUTS]:
        left -= path.stat().st_size
        if left >= 0:
            shutil.copy(path, folder / path.name[:12])


def write_page() -> None:
    """The part of the reliability page, of the results that are there."""
    mended = tomllib.loads(FINDINGS.read_text())["finding"]
    rows, total = [], 0
    for name in MODULES:
        path = OUT / name / "result.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        inputs = [one for one in (CORPUS / name).iterdir() if not one.name.startswith(FOUND)]
        total += result["executions"]
        rows.append([
            name, f"{result['seconds']} s", f"{result['executions']}",
            f"{result['executions'] / result['seconds']:.0f}", f"{result['edges']}",
            f"{result['features']}", f"{len(inputs)}", f"{len(result['findings'])}",
            f"{sum(one['target'] == name for one in mended)}",
        ])  # fmt: skip
    columns = ["Target", "Time", "Executions", "per second", "Edges", "Features", "Inputs kept",
               "Findings now", "Mended before"]  # fmt: skip
    save(
        Part(
            "fuzz",
            "Every byte from outside",
            "make fuzz",
            [
                "libFuzzer, by way of Atheris, searches with the coverage of the product's own "
                "code, instrumented; each target changes its inputs by their structure, and "
                "starts from what the product itself writes for a simulated patient. A finding "
                f"is an exception that nobody expects, more than {HANG_S:g} s of computing, more "
                "than 128 MiB more memory, a message that is not one plain line, a file read or "
                "changed outside the input's own folder, or an invariant of the target that does "
                "not hold. `tests/fuzz/targets.py` names the code behind each target; what was "
                "kept runs again in the ordinary test suite. Mended before is what was found by "
                "the fuzzer or while its target was written.",
            ],
            [
                Table(columns, rows),
                Table(["Target", "What was found and mended"],
                      [[one["target"], one["was"]] for one in mended]),
            ],
            {"executions": total, "findings": sum(int(row[7]) for row in rows)},
        )
    )  # fmt: skip


def main() -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join((*MODULES, "all")))
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--update-docs", action="store_true")
    asked = parser.parse_args()
    names = list(MODULES) if "all" in asked.targets else asked.targets
    for name in names:
        if name not in MODULES:
            parser.error(f"no target {name}; there are {', '.join(MODULES)}")
    if (names or asked.update_docs) and find_spec("atheris") is None:
        print("the fuzzer's engine is not installed (locks/fuzz.txt): make fuzz", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(asked.jobs) as pool:
        well = [*pool.map(lambda name: run(name, asked.seconds, asked.seed), names)]
    if asked.update_docs:
        for name in MODULES:
            if (OUT / name / "inputs").is_dir():
                keep(name)
        write_page()
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
