"""``lead12 evaluate``: every figure of a network, as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from firmware.network import Network
from hal.patient.record import Recording
from models.data import packed, ptbxl
from models.data.dataset import VALIDATION_FOLD, DataError, Recordings
from models.data.external import load as load_external
from models.data.forms import Clean, tensors
from models.evaluate import danger
from models.evaluate.bootstrap import RESAMPLES
from models.evaluate.bradycardia import curve, rates
from models.evaluate.external import external
from models.evaluate.fold import Chain, Fold, only
from models.evaluate.outputs import from_results, int8_logits, probabilities
from models.evaluate.per_label import calibration_errors, per_label
from models.evaluate.refusal import answers, risk_coverage
from models.evaluate.robust import SAMPLE, robustness
from models.evaluate.seeds import seeds
from models.evaluate.slices import by_part
from models.evaluate.speed import parameters, speed
from models.evaluate.system import difference, measured
from models.evaluate.targets import Target, find, load
from models.train import Progress, load_network, predict

PEOPLE, SECONDS = 10, 30.0  # simulated persons per dangerous preset; how long each is watched


def evaluate(
    path: Path,
    data: Path,
    chain: Chain,
    progress: Progress | None = None,
    *,
    foreign: Path | None = None,
    robust_records: int = SAMPLE,
    people: int = PEOPLE,
) -> dict[str, Any]:
    """Everything about the bundle, run folder or recipe folder ``path``, on the data in ``data``.

    foreign : folder of other hospitals' records; None takes those in ``data``, if there are any
    robust_records : how many records are spoiled; people : simulated persons per dangerous preset

    Raises BundleError, DataError or TrainError in one line.
    """
    say = progress or (lambda *_: None)
    target = find(path)
    dataset = ptbxl.load(data)
    rows = np.flatnonzero(dataset.fold == VALIDATION_FOLD)
    if not len(rows):
        raise DataError(f"{data} has no records of fold {VALIDATION_FOLD} to evaluate on")
    contract = load(target.bundle).input
    on = Fold(only(dataset, rows), tensors(dataset, contract, rows, say))
    found = _identity(target.bundle, on)
    found |= _fold(target, on, chain, say)
    if not isinstance(on.tensors, Clean):  # records are spoiled for windows at 100 Hz only
        found["robustness"] = robustness(
            load(target.bundle), on.dataset, on.tensors, on.truth, say, size=robust_records
        )
    found["speed"] = {
        "parameters": parameters(load(target.bundle)),
        "model_bytes": len(load(target.bundle).model),
        "bundle_bytes": target.bundle.stat().st_size,
        "runtimes": speed(target.bundle),
    }
    found["danger"] |= _simulated(target.bundle, chain, people, say)
    if foreign is None and (data / f"{packed.EXTERNAL}.csv").is_file():
        foreign = data
    if foreign:
        found |= _external(target.bundle, load_external(foreign), chain, say, found)
    if target.seeds:
        found["seeds"] = seeds(target, on, chain, say, found["systems"])
    plain: dict[str, Any] = _json(found)
    return plain


def _json(value: Any) -> Any:
    """As JSON takes it: NaN, what could not be measured, becomes None."""
    if isinstance(value, dict):
        return {key: _json(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_json(entry) for entry in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _identity(path: Path, on: Fold) -> dict[str, Any]:
    bundle = load(path)
    return {
        "format": 1,
        "bundle": {"id": bundle.id, "name": bundle.name, "sha256": bundle.digest},
        "fold": VALIDATION_FOLD,
        "records": len(on.dataset),
        "patients": len(set(on.dataset.meta.patient_id.tolist())),
        "resamples": RESAMPLES,
        "data": {"name": ptbxl.NAME, "sha256": on.dataset.digest},
    }


def _fold(target: Target, on: Fold, chain: Chain, say: Progress) -> dict[str, Any]:
    bundle = load(target.bundle)
    results = chain.recordings(target.bundle, on.recordings(), len(on.dataset), say)
    scores = from_results(bundle.groups, results)
    say("intervals", 0, 1)
    systems = {"device": measured(on.truth, scores, on.weights)}
    p = probabilities(bundle.groups, int8_logits(Network(bundle), on.tensors, say, "int8"))
    systems["int8"] = measured(on.truth, p, on.weights)
    differences = {"device - int8": difference(systems["device"], systems["int8"])}
    if target.run:
        logits = predict(load_network(target.run), on.tensors, bundle.input)
        systems["float"] = measured(on.truth, probabilities(bundle.groups, logits), on.weights)
        differences["int8 - float"] = difference(systems["int8"], systems["float"])
    labels = per_label(bundle.groups, on.truth, scores, on.weights)
    mate4 = on.truth["mate4"]
    dangers = danger.by_statements(on.truth["statements"])
    return {
        "systems": {name: system.figures for name, system in systems.items()},
        "differences": differences,
        "labels": labels,
        "calibration": calibration_errors(labels),
        "risk_coverage": risk_coverage(mate4[on.known], scores["mate4"][on.known]),
        "answers": answers(mate4, results),
        "parts": by_part(on.dataset.meta, on.truth, scores, on.weights),
        "bradycardia": {"fold 9": curve(mate4, scores["mate4"], rates(results))},
        "danger": {"fold 9": danger.counted(dangers, on.dataset.record_ids, results)},
    }


def _simulated(path: Path, chain: Chain, people: int, say: Progress) -> dict[str, Any]:
    """Dangerous presets: every call of every person is a record."""
    patients = [
        (preset, seed)
        for presets in danger.PRESETS.values()
        for preset in presets
        for seed in range(people)
    ]
    calls = chain.patients(path, patients, SECONDS, say)
    names = [preset for (preset, _), said in zip(patients, calls, strict=True) for _ in said]
    results = [result for said in calls for result in said]
    rows = {name: np.isin(names, kinds) for name, kinds in danger.PRESETS.items()}
    return {"simulated": danger.counted(rows, names, results)}


def _external(
    path: Path, recordings: Recordings, chain: Chain, say: Progress, found: dict[str, Any]
) -> dict[str, Any]:
    bundle = load(path)
    names = recordings.meta.record_ids
    patients = (
        Recording(name, float(recordings.rate_hz[row]), recordings.mv(row))
        for row, name in enumerate(names)
    )
    results = chain.recordings(path, patients, len(recordings), say)
    scores = from_results(bundle.groups, results)
    one_group = np.where(recordings.mate4.sum(1, keepdims=True) == 1, recordings.mate4, 0)
    bradycardia = curve(one_group, scores["mate4"], rates(results))
    dangers = danger.counted(danger.by_codes(recordings.codes), names, results)
    return {
        "external": external(recordings, scores, results),
        "bradycardia": found["bradycardia"] | {"external": bradycardia},
        "danger": found["danger"] | {"external": dangers},
    }
