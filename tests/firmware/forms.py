"""Bundles of a tiny network for any input contract: its scores are the first three of its input."""

from __future__ import annotations

from typing import Any

import numpy as np

from firmware.archive import sha256
from firmware.bundle import Bundle
from firmware.inputs import InputContract
from firmware.tensor import of_counts
from hal.frontend import CHANNELS
from models.bundle import _beyond_the_rule
from tests.device.bundle_kit import unsigned_bundle
from tests.firmware.small_network import OUTPUTS, small_network


def form_bundle(contract: InputContract) -> bytes:
    """The embedded bundle with another input, three labels and a network of no use."""

    def change(manifest: dict[str, Any], files: dict[str, bytes]) -> None:
        (name,) = manifest["golden"]
        model = small_network(*contract.shape, step=contract.step, zero=contract.zero)
        group = manifest["groups"][0]
        labels = group["labels"][-OUTPUTS:]
        deltas = np.frombuffer(files[f"golden/{name}.counts"], np.int8).reshape(-1, CHANNELS)
        counts = np.cumsum(deltas, axis=0, dtype=np.int32) * np.int32(manifest["golden_step"])
        tensor = of_counts(counts, contract)
        files["model.tflite"] = model
        files[f"golden/{name}.tensor"] = tensor.tobytes()
        files[f"golden/{name}.logits"] = tensor.ravel()[:OUTPUTS].tobytes()
        manifest.update(
            groups=[group | {"labels": labels, "means": {}, "first": 0, "thresholds": {}}],
            findings=[],
            fusion={},
            model_bytes=len(model),
            model_sha256=sha256(model),
        )
        manifest["input"].update(
            rate_hz=contract.rate_hz,
            samples=contract.samples,
            filter={"profile": contract.profile, "version": contract.profile_version},
            **_beyond_the_rule(contract),
        )

    return unsigned_bundle(change=change)


def of_form(contract: InputContract) -> Bundle:
    """``form_bundle``, read."""
    return Bundle.from_bytes(form_bundle(contract))
