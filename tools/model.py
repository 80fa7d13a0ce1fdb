"""``lead12 model``: what is installed, what is in a bundle, and whether it is sound here."""

from __future__ import annotations

from typing import Any

from device.bundles import read_bundle
from firmware.bundle import Bundle
from firmware.network import Network


def summary(path: str = "") -> dict[str, Any]:
    """What a bundle says of itself. Raises BundleError."""
    bundle = read_bundle(path)
    return {
        "model": bundle.id,
        "file": path or "embedded",
        "sha256": bundle.digest,
        "bytes": len(bundle.model),
        "groups": {group.name: len(group.labels) for group in bundle.groups},
        "input": {
            "rate_hz": bundle.input.rate_hz,
            "samples": bundle.input.samples,
            "profile": f"{bundle.input.profile} v{bundle.input.profile_version}",
            "step_uv": bundle.input.step_uv,
        },
        "accuracy": bundle.manifest.get("accuracy", {}),
    }


def card(path: str = "") -> str:
    """The model card, as Markdown. Raises BundleError."""
    return read_bundle(path).card


def verify(path: str = "") -> list[str]:
    """Hashes, manifest, filters and network: one line per thing shown to be right.

    Raises BundleError or NetworkError at the first that is not.
    """
    bundle: Bundle = read_bundle(path)
    network = Network(bundle)
    network.self_test()
    return [
        f"{bundle.id}: SHA-256 {bundle.digest}",
        "hashes of all members agree, manifest fits",
        f"runs on {network.runtime}; {len(bundle.golden)} golden vectors agree "
        f"(filters to the bit, outputs within {bundle.tolerance} steps)",
    ]
