"""Every network of the papers beside our own: ``lead12 bench networks [RUNS] --data FOLDER``.

Same records, same split, same chain. Each bundle is also run by the monitor itself, in virtual
time, as ``lead12 run --model BUNDLE`` does it.
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from device.bundles import read_bundle
from firmware.inputs import InputContract
from models import cross, transfer
from models.architectures import ARCHITECTURES
from models.architectures.layers import unroll
from models.data import forms, ptbxl
from models.data.dataset import VALIDATION_FOLD, DataError, Dataset
from models.evaluate.compare import OURS, Subject, macro_aucs, measured, subjects, training
from models.evaluate.cost import cost
from models.evaluate.fold import Fold, only, watched
from models.evaluate.op_types import op_types
from models.evaluate.outputs import ByGroup
from models.evaluate.speed import speed
from models.groups import OUTPUTS
from models.report.goals import Goal
from models.report.networks import JSON, goals, page, picture
from models.train import Progress, quiet_keras
from tools.bench.figures import DOCS, Figure
from tools.evaluate import DeviceChain
from tools.models_cli import EMBEDDED, ROOT

PICTURES = DOCS / "pictures"
SECONDS = 30  # that the monitor runs each bundle
CODE = ("hal", "firmware", "tools/chain.py", "tools/classify.py")  # what makes the device's answers
REFUSES = ("tflite_file.py", "flatbuffer.py")  # and no more: no answer depends on them


def measure(
    runs: Path | None,
    data: Path,
    records: int | None,
    jobs: int,
    say: Progress,
    before: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every row, as JSON.

    runs : folder of trainings, searched to any depth; None: our own network alone is measured
    records : how many of fold 9; None takes all of them, fewer for heavy networks
    before : what an earlier call gave; its rows of networks that are not in ``runs`` are kept,
        if they are of the same data
    Raises BundleError, DataError or TrainError in one line. Needs the [train] extra.
    """
    if runs is not None and not runs.is_dir():
        raise DataError(f"{runs} is no folder of trainings; give what lead12 train --out was given")
    quiet_keras()
    dataset = ptbxl.load(data)
    earlier: Mapping[str, Any] = {"rows": []}
    if before is not None and before["data"]["sha256"] == dataset.digest:
        earlier = before
    known = {row["name"]: row for row in earlier["rows"] if row.get("systems")}
    bench = Bench(dataset, records, DeviceChain(jobs), _digest(), known, say)
    return {
        "format": 1,
        "data": {"name": ptbxl.NAME, "sha256": dataset.digest, "fold": VALIDATION_FOLD},
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "code": bench.code,
        "rows": [bench.row(subject) for subject in subjects(runs, EMBEDDED)],
        "folds": (cross.found(runs) if runs else []) or earlier.get("folds", []),
        "transfer": (transfer.found(runs, dataset) if runs else []) or earlier.get("transfer", []),
    }


@dataclass
class Bench:
    """What all rows share.

    known : rows that were measured before, by name
    ours : where the device's scores with our own network are, by record
    """

    dataset: Dataset
    records: int | None
    chain: DeviceChain
    code: str
    known: Mapping[str, dict[str, Any]]
    say: Progress
    ours: dict[str, int] = field(default_factory=dict)
    our_scores: ByGroup = field(default_factory=dict)
    our_macs: int = 0

    def row(self, subject: Subject) -> dict[str, Any]:
        """One network; our own comes first."""
        self.say(subject.name, 0, 1)
        known = self.known.get(subject.name, {})
        if subject.bundle is None and known:
            return known
        architecture = ARCHITECTURES[subject.architecture]
        row: dict[str, Any] = {
            "name": subject.name,
            "architecture": subject.architecture,
            "paper": architecture.paper,
            "input": _input(architecture.input),
            "training": training(subject),
        }
        network = architecture.build(OUTPUTS, architecture.input.samples)
        unroll(network)
        row["parameters"], row["macs"] = cost(network)
        if subject.bundle is None:
            return row
        bundle = read_bundle(str(subject.bundle))
        of = op_types(bundle.model)
        row |= {
            "id": bundle.id,
            "sha256": bundle.digest,
            "input": _input(bundle.input),
            "macs": of.macs,
            "bytes": of.bytes,
            "not_int8": of.not_int8 | of.unknown,
        }
        rows = watched(self.dataset, of.macs, self.records)
        tensors = forms.tensors(self.dataset, bundle.input, rows, self.say)
        on = Fold(only(self.dataset, rows), tensors)
        found = measured(subject, subject.bundle, on, self.chain, self.code, self.say)
        if subject.name == OURS:
            self.ours = {name: at for at, name in enumerate(on.dataset.record_ids)}
            self.our_scores, self.our_macs = found.device, of.macs
        same = [self.ours[name] for name in on.dataset.record_ids]
        ours = {group: scores[same] for group, scores in self.our_scores.items()}
        row |= {
            "code": self.code,
            "records": len(rows),
            "of_records": int((self.dataset.fold == VALIDATION_FOLD).sum()),
            "systems": found.systems,
            "ours": {"macs": self.our_macs, "auc": macro_aucs(on, ours)},
        }
        if subject.run is None and bundle.digest == known.get("sha256"):  # as our own may be
            add_training(row, known)
        self.say(f"{subject.name}: speed", 0, 1)
        row["speed"] = speed(subject.bundle)
        row["device_run"] = tried(subject.bundle)
        return row


def add_training(row: dict[str, Any], known: Mapping[str, Any]) -> None:
    """What only the run of its training tells, of the same bundle on the same records."""
    if row["records"] == known["records"] and "float" in known["systems"]:
        row["systems"] = {"float": known["systems"]["float"], **row["systems"]}
        row["systems"]["int8"]["less_float"] = known["systems"]["int8"]["less_float"]
    row["training"] = known["training"]


def tried(bundle: Path) -> dict[str, Any]:
    """SECONDS of the monitor with this bundle, in virtual time: exit code and what it sent.

    results : lines; scored : those of them with scores of this very network; said : the last call
    """
    command = (
        *("run", "--preset", "sinus-70", "--speed", "max", "--duration", str(SECONDS)),
        *("--display", "none", "--serial", "-", "--model", str(bundle)),
    )
    done = subprocess.run(
        [sys.executable, "-m", "tools.entry", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    results = [line for line in _messages(done.stdout) if line.get("type") == "result"]
    scored = [line for line in results if line.get("scores")]
    return {
        "exit": done.returncode,
        "results": len(results),
        "scored": len(scored),
        "said": scored[-1].get("text") if scored else None,
        "error": (done.stderr.strip().splitlines() or [""])[-1] if done.returncode else "",
    }


def _messages(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        if isinstance(message, dict):
            yield message


def _input(contract: InputContract) -> str:
    shape = " × ".join(map(str, contract.shape))
    every = f", every {contract.every_s} s" if contract.every_s > 1 else ""
    return f"{contract.form.value} {shape}, {contract.rate_hz} Hz, {contract.normal.value}{every}"


def _digest() -> str:
    """Of the sources that the device's answers depend on."""
    digest = hashlib.sha256()
    for name in CODE:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.name not in REFUSES:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def measured_before() -> dict[str, Any] | None:
    """docs/networks.json, where there is one."""
    path = DOCS / f"{JSON}.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
    return found


def figures(found: Mapping[str, Any]) -> list[Figure]:
    """What was wanted, from the JSON of ``measure``; what was not measured is left out."""
    return [
        Figure("networks", one.text, one.value, "", *_limits(one))
        for one in goals(found)
        if one.value is not None
    ]


def _limits(goal: Goal) -> tuple[float | None, float | None]:
    return (goal.limit, None) if goal.at_least else (None, goal.limit)


def write_docs(found: Mapping[str, Any]) -> list[Path]:
    """docs/networks.md, docs/networks.json and its picture."""
    PICTURES.mkdir(exist_ok=True)
    written = [DOCS / f"{JSON}.json", DOCS / f"{JSON}.md", PICTURES / f"{JSON}.png"]
    written[0].write_text(json.dumps(found, indent=1) + "\n")
    written[1].write_text(page(found))
    written[2].write_bytes(picture(found))
    return written
