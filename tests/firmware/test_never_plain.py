"""VF, asystole, paced rhythms and acute infarctions never come out as plain sinus rhythm."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from firmware.archive import MANIFEST, SUMS, pack, unpack
from firmware.bundle import Bundle
from firmware.call import plain_sinus
from firmware.events import Call, Refusal
from firmware.network import Network
from firmware.pipeline import Pipeline
from hal.patient.presets import preset
from tests.firmware.test_pipeline import NV_PER_COUNT, frames

EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
PACED = {
    "code": "paced", "text": "PACED RHYTHM", "act": "read the trace", "priority": "medium",
    "any": [["statements", "PACE", 0.2]], "instead": True,
}  # fmt: skip
GRAVE = ("vf", "vt-160", "asystole", "paced-60", "stemi-anterior", "stemi-inferior")


@pytest.fixture(scope="module")
def network() -> Network:
    """The network of the firmware; with a finding for pacing if its bundle has none."""
    files = unpack(EMBEDDED)
    del files[SUMS]
    manifest = json.loads(files[MANIFEST])
    manifest["findings"] = manifest.get("findings") or [PACED]
    return Network(Bundle.from_bytes(pack({**files, MANIFEST: json.dumps(manifest).encode()})))


def calls(name: str, network: Network, seed: int = 0, seconds: float = 15) -> list[Call]:
    chain = Pipeline(NV_PER_COUNT, network=network, profile=None)
    events = chain.push(frames(preset(name, seed), seconds))
    return [e for e in events if isinstance(e, Call) and e.refusal is not Refusal.STARTING]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", GRAVE)
def test_none_of_the_grave_presets_is_plain_sinus(name: str, seed: int, network: Network) -> None:
    found = calls(name, network, seed)
    assert len(found) >= 6
    assert sum(map(plain_sinus, found)) == 0


def test_a_paced_rhythm_is_named(network: Network) -> None:
    call = calls("paced-60", network)[-1]
    assert (call.label, call.refusal, call.text) == (None, Refusal.OTHER_RHYTHM, "PACED RHYTHM")
    assert call.rate_bpm == pytest.approx(60, abs=2)


@pytest.mark.parametrize(
    ("name", "leads"),
    [("stemi-anterior", {"V2", "V3", "V4"}), ("stemi-inferior", {"II", "III", "aVF"})],
)
def test_st_elevation_is_warned_of_where_it_is(name: str, leads: set[str], network) -> None:
    for call in calls(name, network):
        assert call.headline.startswith("ST ELEVATION? + ")
        assert leads <= set(call.findings[0].act.split())


@pytest.mark.parametrize(
    "name",
    ["sinus-70", "sinus-120", "noisy-70", "offset-300mv", "mains-50", "lbbb-70", "rbbb-70",
     "tall-t", "st-depression", "pvc-70", "af-90", "flutter-2to1", "svt-180", "v1-v2-swap"],
)  # fmt: skip
def test_others_have_no_st_elevation(name: str, network: Network) -> None:
    codes = {finding.code for call in calls(name, network, seconds=12) for finding in call.findings}
    assert "st_elevation" not in codes


def test_mains_does_not_hide_an_infarction(network: Network) -> None:
    block = frames(preset("stemi-anterior"), 12)
    t = np.arange(len(block))[:, None]
    mains = 250_000 / NV_PER_COUNT * np.sin(2 * np.pi * 50 * t / 500)  # 0.25 mV
    block.counts[:] += np.rint(mains).astype(np.int32)
    chain = Pipeline(NV_PER_COUNT, network=network, profile=None)
    found = [e for e in chain.push(block) if isinstance(e, Call)][-1]
    assert found.findings[0].code == "st_elevation"
