"""The embedded bundle is whole; anything else is refused in one line."""

from __future__ import annotations

import io
import json
import math
import tomllib
import zipfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.archive import MANIFEST, MODEL, SUMS, BundleError, _zip, pack, unpack, with_signatures
from firmware.bundle import FIRMWARE, Bundle, check_schema
from firmware.findings import FindingRule, Priority
from firmware.fusion import Fusion
from firmware.profiles import PROFILES

EMBEDDED = resources.files("firmware").joinpath("embedded.l12").read_bytes()
NEXT_FIRMWARE = ".".join(map(str, (*FIRMWARE[:-1], FIRMWARE[-1] + 1)))


def rewritten(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The embedded bundle with its manifest changed and its hashes right."""
    files = unpack(EMBEDDED)
    del files[SUMS]
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    return pack({**files, MANIFEST: json.dumps(manifest).encode()})


def test_the_embedded_bundle_is_whole_and_fits_this_firmware() -> None:
    bundle = Bundle.from_bytes(EMBEDDED)
    assert len(bundle.model) <= 500_000
    assert len(EMBEDDED) <= 700_000
    groups = {group.name: len(group.labels) for group in bundle.groups}
    assert groups == {"mate4": 4, "superclasses": 5, "statements": 71, "cnn_te": 13}
    assert bundle.fusion is not None
    assert {"mi", "injury", "paced"} <= {rule.code for rule in bundle.findings}
    assert bundle.groups[0].labels == ("AFIB", "GSVT", "SB", "SR")
    assert bundle.groups[0].texts["AFIB"] == "ATRIAL FIBRILLATION"
    assert bundle.input.profile_version == PROFILES["model"].version
    # steps of 20 uV: full scale of 400 mV in 8388607 counts
    assert bundle.input.scale_num / bundle.input.scale_den == pytest.approx(400_000 / 20 / 8388607)
    assert bundle.golden[0].counts.shape == (5000, 8)
    assert bundle.manifest["training"]["data"][0]["licence"] == "CC BY 4.0"
    assert bundle.card.startswith("# rhythm")


def test_the_same_content_is_the_same_bytes() -> None:
    files = unpack(EMBEDDED)
    del files[SUMS]
    assert pack(files) == EMBEDDED
    assert pack(dict(reversed(files.items()))) == EMBEDDED


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(EMBEDDED) - 1), flip=st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_refused(at: int, flip: int) -> None:
    damaged = bytearray(EMBEDDED)
    damaged[at] ^= flip
    with pytest.raises(BundleError) as caught:
        Bundle.from_bytes(bytes(damaged))
    assert "\n" not in str(caught.value)


def test_every_byte_of_the_zip_structure_counts() -> None:
    """The headers and the directory, which zipfile itself hardly looks at."""
    small = pack({"card.md": b"1", "manifest.json": b"22"})
    unpack(small)
    for at in range(len(small)):
        for bit in range(8):
            damaged = bytearray(small)
            damaged[at] ^= 1 << bit
            with pytest.raises(BundleError):
                unpack(bytes(damaged))


def test_a_member_that_was_exchanged_in_a_sound_zip_is_refused() -> None:
    files = unpack(EMBEDDED)
    model = bytearray(files[MODEL])
    model[len(model) // 2] ^= 1
    with pytest.raises(BundleError, match=r"model.tflite is not what SHA256SUMS says"):
        Bundle.from_bytes(_zip({**files, MODEL: bytes(model)}))
    with pytest.raises(BundleError, match=r"golden/x.counts is not what SHA256SUMS says"):
        Bundle.from_bytes(_zip({**files, "golden/x.counts": b""}))
    with pytest.raises(BundleError, match=r"holds 'extra', which no bundle has"):
        Bundle.from_bytes(_zip({**files, "extra": b""}))


def test_a_compressed_zip_is_refused_unread() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, bytes(1 << 20))
    with pytest.raises(BundleError, match="it is compressed"):
        Bundle.from_bytes(buffer.getvalue())


@pytest.mark.parametrize("size", [0, 1, 4, 100, len(EMBEDDED) // 2, len(EMBEDDED) - 1])
def test_a_truncated_bundle_is_refused(size: int) -> None:
    with pytest.raises(BundleError, match="copy it again"):
        Bundle.from_bytes(EMBEDDED[:size])


def test_bytes_before_or_after_it_are_refused() -> None:
    for data in (EMBEDDED + b"\0", b"\0" + EMBEDDED):
        with pytest.raises(BundleError):
            Bundle.from_bytes(data)


@pytest.mark.parametrize("lost", [MANIFEST, MODEL, "card.md", "golden/sinus-72.tensor"])
def test_a_missing_member_is_named(lost: str) -> None:
    files = unpack(EMBEDDED)
    del files[SUMS], files[lost]
    with pytest.raises(BundleError, match=lost):
        Bundle.from_bytes(pack(files))


def test_a_model_that_is_no_network_is_refused() -> None:
    files = unpack(EMBEDDED)
    del files[SUMS]
    with pytest.raises(BundleError, match="not a TensorFlow Lite network"):
        Bundle.from_bytes(pack({**files, MODEL: b"\x7fELF" + bytes(100)}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(format=3), "format 2; update the firmware"),
        (lambda m: m.update(security_counter=-1), "security counter"),
        (lambda m: m.update(security_counter=True), "security counter"),
        (lambda m: m.pop("security_counter"), "does not fit"),
        (
            lambda m: m.update(hardware=["toaster", "kettle"]),
            "made for toaster, kettle and this is",
        ),
        (lambda m: m["abstention"].update(version=2), "abstains by rule below_threshold version 2"),
        (lambda m: m.update(minimum_firmware="9.0"), "needs firmware 9.0"),
        (lambda m: m.update(minimum_firmware=NEXT_FIRMWARE), "needs firmware "),
        (lambda m: m.update(minimum_firmware="soon"), "does not say the firmware"),
        (lambda m: m["input"]["filter"].update(version=99), "filter model version 99"),
        (lambda m: m["input"]["filter"].update(profile="moon"), "this firmware has none"),
        (lambda m: m["input"]["filter"].update(profile="monitor"), "does not give 100 Hz"),
        (lambda m: m["input"]["leads"].reverse(), "wants leads"),
        (lambda m: m["input"]["scale"].update(den=0), "not a positive rational"),
        (lambda m: m["input"].update(samples="ten"), "does not fit"),
        (lambda m: m["input"].update(samples=math.inf), "does not fit"),
        (lambda m: m["input"].update(step_uv=10**400), "does not fit"),
        (lambda m: m.update(golden_step=1 << 70), "does not fit"),
        (lambda m: m.update(name="x" * 9000, golden=["y" * 999]), "has no golden"),
        (lambda m: m.update(id="\x1b[2J"), "control characters"),
        (lambda m: m["groups"][0]["text"].update(AFIB="SINUS\nRHYTHM"), "control characters"),
        (lambda m: m["training"].update({"\u202e": [[{"a": "b"}]]}), "control characters"),
        (lambda m: m["groups"].pop(), "the network's output is int8"),
        (lambda m: m["groups"][0].update(first=1), "cover the network's outputs"),
        (lambda m: m["groups"][0].update(activation="relu"), "activation relu"),
        (lambda m: m["groups"][0].update(temperature=0), "calibration out of range"),
        (lambda m: m["groups"][0]["thresholds"].update(SR=1.5), "calibration out of range"),
        (lambda m: m["groups"][0]["labels"].__setitem__(0, "SR"), "one twice"),
        (lambda m: m.update(groups=7), "does not fit"),
        (lambda m: m.update(call_group="mood"), "no group mood"),
        (lambda m: m.update(golden=[]), "cannot be self-tested"),
        (lambda m: m.pop("tolerance"), "tolerance"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_in_one_line(
    change: Callable[[dict[str, Any]], object], says: str
) -> None:
    with pytest.raises(BundleError, match=says) as caught:
        Bundle.from_bytes(rewritten(change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda m: m.update(surprise=1), r"\$: .*'surprise' was unexpected"),
        (lambda m: m.pop("measured"), r"\$: 'measured' is a required"),
        (lambda m: m["training"]["data"][0].pop("licence"), r"at \$.training.data\[0\]"),
        (lambda m: m["input"].update(rate_hz=0), r"at \$.input.rate_hz"),
        (lambda m: m.update(version="two"), r"at \$.version"),
        (lambda m: m.update(security_counter=1.5), r"at \$.security_counter"),
        (lambda m: m["groups"][0]["text"].update(AFIB="A" * 1000), r"at \$.groups\[0\].text"),
    ],
)
def test_the_schema_names_the_place(change: Callable[[dict[str, Any]], object], place: str) -> None:
    manifest = json.loads(unpack(EMBEDDED)[MANIFEST])
    check_schema(manifest)
    change(manifest)
    with pytest.raises(BundleError, match=place) as caught:
        check_schema(manifest)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_signatures_change_the_file_and_not_what_is_signed() -> None:
    plain = Bundle.from_bytes(EMBEDDED)
    signed = Bundle.from_bytes(with_signatures(EMBEDDED, b"{}"))
    assert (plain.signatures, signed.signatures) == (b"", b"{}")
    assert plain.content == signed.content
    assert plain.digest != signed.digest
    assert with_signatures(with_signatures(EMBEDDED, b"{}"), b"[]") == with_signatures(
        EMBEDDED, b"[]"
    )


def test_golden_counts_are_what_their_differences_add_up_to() -> None:
    golden = Bundle.from_bytes(EMBEDDED).golden[0]
    stored = np.frombuffer(unpack(EMBEDDED)["golden/sinus-72.counts"], np.int8).reshape(-1, 8)
    assert golden.counts.dtype == np.int32
    np.testing.assert_array_equal(np.diff(golden.counts, axis=0), stored[1:].astype(np.int32) * 64)


def finding(**changes: Any) -> dict[str, Any]:
    entry = {
        "code": "paced",
        "text": "PACED RHYTHM",
        "act": "read the trace",
        "priority": "medium",
        "any": [["statements", "PACE", 0.2]],
    }
    return {**entry, **changes}


def test_without_fusion_and_findings_there_are_none() -> None:
    bundle = Bundle.from_bytes(
        rewritten(lambda m: (m.pop("fusion", None), m.pop("findings", None)))
    )
    assert (bundle.fusion, bundle.findings) == (None, ())


def test_fusion_and_findings_are_read_from_the_manifest() -> None:
    weights = [0.5, 1, 2, 3, 4, -1]
    data = rewritten(
        lambda m: m.update(
            fusion={"mate4": {"SB": weights}, "statements": {"SBRAD": weights}},
            findings=[finding(instead=True), finding(code="sb", priority="low")],
        )
    )
    bundle = Bundle.from_bytes(data)
    assert bundle.fusion == Fusion(
        {"mate4": {"SB": tuple(weights)}, "statements": {"SBRAD": tuple(weights)}},
        frozenset({"mate4"}),
    )
    first, second = bundle.findings
    assert first == FindingRule(
        "paced", "PACED RHYTHM", "read the trace", Priority.MEDIUM,
        (("statements", "PACE", 0.2),), instead=True,
    )  # fmt: skip
    assert (second.priority, second.instead) == (Priority.LOW, False)


@pytest.mark.parametrize(
    ("fusion", "says"),
    [
        ({"mood": {"SB": [0] * 6}}, "fusion names mood SB"),
        ({"mate4": {"PACE": [0] * 6}}, "fusion names mate4 PACE"),
        ({"mate4": {"SB": [0] * 5}}, "fusion of mate4 SB needs 6 finite weights"),
        ({"mate4": {"SB": [0] * 5 + [float("inf")]}}, "needs 6 finite weights"),
        ({"mate4": [1]}, "does not fit"),
    ],
)
def test_a_fusion_that_does_not_fit_is_refused(fusion: dict[str, Any], says: str) -> None:
    with pytest.raises(BundleError, match=says) as caught:
        Bundle.from_bytes(rewritten(lambda m: m.update(fusion=fusion)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        (finding(any=[["statements", "PACER", 0.2]]), "finding paced names statements PACER"),
        (finding(any=[["statements", "PACE", 0]]), "finding paced has threshold 0.0"),
        (finding(any=[["statements", "PACE", 1.1]]), "finding paced has threshold 1.1"),
        (finding(any=[["statements", "PACE", float("nan")]]), "finding paced has threshold nan"),
        (finding(any=[]), "finding 'paced' has no code, no text or no scores"),
        (finding(text=""), "finding 'paced' has no code, no text or no scores"),
        (finding(priority="urgent"), "urgent"),
        (finding(any=[["statements", "PACE"]]), "does not fit"),
        ({"code": "paced"}, "does not fit"),
        (7, "does not fit"),
    ],
)
def test_a_finding_that_does_not_fit_is_refused(entry: Any, says: str) -> None:
    with pytest.raises(BundleError, match=says) as caught:
        Bundle.from_bytes(rewritten(lambda m: m.update(findings=[entry])))
    assert "\n" not in str(caught.value)


def test_the_firmware_has_the_version_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert ".".join(map(str, FIRMWARE)) == project["version"]
