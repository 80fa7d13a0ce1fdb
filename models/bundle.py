"""Write a bundle: the same inputs give the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from firmware.archive import CARD, MANIFEST, MODEL, pack
from firmware.bundle import (
    FORMAT,
    HARDWARE,
    Bundle,
    OutputGroup,
    check_schema,
)
from firmware.call import ABSTENTION
from firmware.events import LEADS
from firmware.inputs import Form, InputContract, Normal
from firmware.network import Network
from hal.frontend import CHANNELS
from models import golden
from models.card import card
from models.config import TrainError
from models.data import ptbxl
from models.data.labels import MATE4_MEANS
from models.groups import GROUPS

MINIMUM_FIRMWARE = "0.3.0"
# Steps between kernels of two kinds or processors. The firmware's own network is off by 1 on
# x86-64, other CNNs by up to 3 between x86-64 and aarch64, deep ones by 5 here alone; a broken
# kernel by tens. Taken is the least that is twice what a network's kernels differ by here.
TOLERANCES = (4, 8, 16)
CURVES = ("bins", "risk_coverage")  # a third of the manifest, over a slow line


@dataclass(frozen=True)
class Calibration:
    """What is fitted to an int8 network.

    groups : with temperatures and thresholds
    fusion : group -> label -> weights of the measured rate (firmware.fusion)
    findings : the short list as the manifest has it (models.findings)
    """

    groups: tuple[OutputGroup, ...]
    fusion: Mapping[str, Mapping[str, tuple[float, ...]]]
    findings: Sequence[dict[str, Any]]


def draft(model: bytes, name: str, contract: InputContract, version: str) -> Bundle:
    """A bundle in memory around a network, not yet calibrated and without golden vectors.

    Its security counter is 0; who releases it raises it (``lead12 model sign --counter``).
    """
    return Bundle(
        name=name,
        version=version,
        id=f"{name}-{version}",
        input=contract,
        groups=tuple(
            OutputGroup(
                name=group.name,
                labels=group.labels,
                texts=group.text,
                activation=group.activation,
                first=group.first,
                temperature=1.0,
                thresholds={},
            )
            for group in GROUPS
        ),
        call_group=GROUPS[0].name,
        tolerance=TOLERANCES[0],
        model=model,
        golden=(),
        card="",
        manifest={},
        digest="",
        content="",
        counter=0,
        hardware=(HARDWARE,),
    )


def finish(
    unfinished: Bundle, calibration: Calibration, metrics: dict[str, Any], run: dict[str, Any]
) -> bytes:
    """The bundle's bytes: golden vectors made with the reference kernels, card and manifest.

    metrics : as from ``models.evaluate.quick.measure``; run : the run's config.json
    """
    files, names, off = _golden_files(unfinished)
    wide = [steps for steps in TOLERANCES if steps >= 2 * off]
    if not wide:
        raise TrainError(f"optimised kernels are off by {off} steps here; reinstall ai_edge_litert")
    unfinished = replace(unfinished, tolerance=wide[0])
    manifest = _manifest(unfinished, calibration, metrics, run, names)
    check_schema(manifest)
    files[MODEL] = unfinished.model
    files[MANIFEST] = (json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode()
    files[CARD] = card(manifest).encode()
    data = pack(files)
    Network(Bundle.from_bytes(data)).self_test()
    return data


def _golden_files(bundle: Bundle) -> tuple[dict[str, bytes], list[str], int]:
    """Files, names of the signals, and by how many steps optimised kernels differ on them."""
    network, optimised = Network(bundle, reference=True), Network(bundle)
    files: dict[str, bytes] = {}
    off = 0
    signals = golden.signals()
    for name, deltas in signals.items():
        counts = np.cumsum(deltas, axis=0, dtype=np.int32) * np.int32(golden.STEP)
        tensor = network.tensor(counts.reshape(-1, CHANNELS))
        files[f"golden/{name}.counts"] = deltas.tobytes()
        files[f"golden/{name}.tensor"] = tensor.tobytes()
        logits = network.logits(tensor)
        files[f"golden/{name}.logits"] = logits.tobytes()
        off = max(off, int(np.abs(optimised.logits(tensor).astype(int) - logits).max()))
    return files, list(signals), off


def _manifest(
    bundle: Bundle,
    calibration: Calibration,
    metrics: dict[str, Any],
    run: dict[str, Any],
    golden_names: list[str],
) -> dict[str, Any]:
    contract = bundle.input
    return {
        "format": FORMAT,
        "name": bundle.name,
        "version": bundle.version,
        "id": bundle.id,
        "model_sha256": hashlib.sha256(bundle.model).hexdigest(),
        "model_bytes": len(bundle.model),
        "minimum_firmware": MINIMUM_FIRMWARE,
        "hardware": list(bundle.hardware),
        "security_counter": bundle.counter,
        "abstention": dict(zip(("rule", "version"), ABSTENTION, strict=True)),
        "input": {
            "rate_hz": contract.rate_hz,
            "samples": contract.samples,
            "leads": list(LEADS),
            "filter": {"profile": contract.profile, "version": contract.profile_version},
            "scale": {"num": contract.scale_num, "den": contract.scale_den},
            "step_uv": contract.step_uv,
            **_beyond_the_rule(contract),
        },
        "call_group": bundle.call_group,
        "groups": [
            {
                "name": group.name,
                "labels": list(group.labels),
                "text": dict(group.texts),
                "means": MATE4_MEANS if group.name == bundle.call_group else {},
                "activation": group.activation,
                "first": group.first,
                "temperature": group.temperature,
                "thresholds": dict(group.thresholds),
            }
            for group in calibration.groups
        ],
        "fusion": {
            group: {label: list(weights) for label, weights in labels.items()}
            for group, labels in calibration.fusion.items()
        },
        "findings": list(calibration.findings),
        "golden": golden_names,
        "golden_step": golden.STEP,
        "tolerance": bundle.tolerance,
        "training": {
            "run": run,
            "data": [
                {
                    "name": ptbxl.NAME,
                    "licence": ptbxl.LICENCE,
                    "citation": ptbxl.CITATION,
                    "sha256": run["data_digest"],
                    "train_folds": list(ptbxl.TRAIN_FOLDS),
                    "validation_fold": ptbxl.VALIDATION_FOLD,
                }
            ],
        },
        "measured": _told(metrics),
    }


def _beyond_the_rule(contract: InputContract) -> dict[str, Any]:
    """What is written only where it is not as for most."""
    told: dict[str, Any] = {}
    if contract.form is not Form.WINDOW:
        told["form"] = contract.form.value
    if contract.normal is not Normal.FIXED:
        told["normal"] = contract.normal.value
    if contract.height:
        told["height"] = contract.height
    if contract.every_s != 1:
        told["every_s"] = contract.every_s
    return told


def _told(metrics: Mapping[str, Any]) -> Any:
    """What a technician asks for, to four digits; curves are for ``lead12 evaluate``."""

    def short(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: short(of) for key, of in value.items() if key not in CURVES}
        if isinstance(value, list | tuple):
            return [short(of) for of in value]
        return round(value, 4) if isinstance(value, float) else value

    return short(metrics)
