"""A bundle: everything a device needs to run one network, in one file of known bytes.

Members of the archive (``firmware.archive``):

``SHA256SUMS`` : of every member but itself and the next
``SIGNATURES`` : who vouches for it; may be absent
``manifest.json`` : names, labels, input contract, calibration, thresholds, origin, accuracy, as in
    ``schema/manifest-v2.json``
``model.tflite`` : the int8 network, one input, one output of logits
``card.md`` : the model card
``golden/NAME.counts`` : int8 [5000, 8], first differences of raw counts in steps of ``golden_step``
``golden/NAME.tensor`` : int8, as the input contract says, the chain must make of them, bit for bit
``golden/NAME.logits`` : int8 [outputs] the network must make of that, within ``tolerance``
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from firmware.archive import (
    CARD,
    GOLDEN_PARTS,
    MANIFEST,
    MODEL,
    SIGNATURES,
    SUMS,
    BundleError,
    IncompatibleError,
    sha256,
    unpack,
)
from firmware.call import ABSTENTION
from firmware.events import LEADS
from firmware.findings import FindingRule, Priority
from firmware.fusion import FEATURES, Fusion
from firmware.inputs import Form, InputContract, Normal
from firmware.median_beat import AFTER
from firmware.profiles import PROFILES
from firmware.tensor import R_AT, of_leads
from firmware.tflite_file import check
from hal.frontend import CHANNELS, SAMPLE_RATE_HZ

FORMAT = 2
FIRMWARE = (0, 3, 0)  # what a manifest's ``minimum_firmware`` is held against
SCHEMA = f"manifest-v{FORMAT}.json"
HARDWARE = "lead12-ads1298"  # what its ``hardware`` must name
ACTIVATIONS = ("softmax", "sigmoid")
MAX_WORD = 65  # characters of an id, by the schema the longest of its words
MAX_EVERY_S = 10  # then nothing of the window is left

_Kind = TypeVar("_Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class OutputGroup:
    """Columns first .. first + len(labels) - 1 of the output; temperature divides the logits."""

    name: str
    labels: tuple[str, ...]
    texts: Mapping[str, str]
    activation: str
    first: int
    temperature: float
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Golden:
    """A synthetic signal and what must come of it: counts [5000, 8] -> tensor -> logits [n]."""

    name: str
    counts: NDArray[np.int32]
    tensor: NDArray[np.int8]
    logits: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle.

    call_group : the group that makes the call
    counter : rises when an older bundle must not come back (a defect, a stolen key)
    hardware : boards it was made for
    digest : SHA-256 of the whole file; content : of its SHA256SUMS, which is what is signed
    signatures : the SIGNATURES member, b"" for none
    fusion : weights of the measured rate, None without; findings : the short list's rules
    """

    name: str
    version: str
    id: str
    input: InputContract
    groups: tuple[OutputGroup, ...]
    call_group: str
    tolerance: int
    model: bytes
    golden: tuple[Golden, ...]
    card: str
    manifest: Mapping[str, Any]
    digest: str
    content: str
    counter: int
    hardware: tuple[str, ...]
    signatures: bytes = b""
    fusion: Fusion | None = None
    findings: tuple[FindingRule, ...] = ()

    @classmethod
    def from_bytes(cls, data: bytes) -> Bundle:
        """Check and read. Raises BundleError for anything but a whole, fitting bundle."""
        files = unpack(data)
        for name in (MANIFEST, MODEL, CARD):
            if name not in files:
                raise BundleError(f"the bundle has no {name}; write it anew with lead12 quantize")
        manifest = _manifest(files[MANIFEST])
        try:
            return _build(cls, manifest, files, data)
        except BundleError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            detail = f"{type(error).__name__}: {error}"
            raise BundleError(f"manifest.json does not fit its format ({detail})") from None


def _manifest(data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"manifest.json is not JSON ({error})") from None
    if not isinstance(manifest, dict):
        raise BundleError("manifest.json is no JSON object")
    if not all(map(str.isprintable, _texts(manifest))):
        raise BundleError("manifest.json holds control characters, which a screen might obey")
    if (form := manifest.get("format")) != FORMAT:
        older = type(form) is int and form < FORMAT
        raise IncompatibleError(
            f"the bundle is of format {form!r:.20}, this firmware reads format {FORMAT}; "
            f"{'have it made anew' if older else 'update the firmware'}"
        )
    try:
        needs = tuple(map(int, str(manifest.get("minimum_firmware")).split(".")))
    except ValueError:
        raise BundleError("manifest.json does not say the firmware it needs as 1.2.3") from None
    if needs > FIRMWARE:
        have = ".".join(map(str, FIRMWARE))
        raise IncompatibleError(
            f"the bundle needs firmware {manifest['minimum_firmware']}, this is {have}; update it"
        )
    return manifest


def _texts(value: Any) -> Iterator[str]:
    """Every name and text in a JSON value, however deep."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one


def _word(manifest: Mapping[str, Any], key: str) -> str:
    """What stands in sentences about the bundle, on screens and in logs."""
    word = manifest[key]
    if not isinstance(word, str) or not 0 < len(word) <= MAX_WORD:
        raise BundleError(f"manifest.json gives no {key} of at most {MAX_WORD} characters")
    return word


def check_schema(manifest: Mapping[str, Any]) -> None:
    """Hold a manifest against the published schema. Raises BundleError naming the place."""
    from jsonschema import Draft202012Validator  # 0.1 s: for who installs, not for who runs

    text = resources.files("firmware").joinpath("schema", SCHEMA).read_text()
    flaws = Draft202012Validator(json.loads(text)).iter_errors(manifest)
    flaw = min(flaws, key=lambda one: (len(one.path), str(one.json_path)), default=None)
    if flaw is not None:
        what = flaw.message if len(flaw.message) < 160 else f"{flaw.message[:157]}..."
        raise BundleError(f"manifest.json does not fit its schema at {flaw.json_path}: {what}")


def _build(
    cls: type[Bundle], manifest: dict[str, Any], files: dict[str, bytes], data: bytes
) -> Bundle:
    hardware = _hardware(manifest["hardware"])
    contract = _contract(manifest["input"])
    _abstention(manifest["abstention"])
    groups = tuple(_group(entry) for entry in manifest["groups"])
    outputs = sum(len(group.labels) for group in groups)
    columns = [group.first + i for group in groups for i in range(len(group.labels))]
    if sorted(columns) != list(range(outputs)):
        raise BundleError("the manifest's groups do not cover the network's outputs once each")
    check(files[MODEL], contract.shape, outputs)
    _can_be_made(contract)
    if manifest["call_group"] not in {group.name for group in groups}:
        raise BundleError(f"the manifest has no group {manifest['call_group']} to call from")
    golden = tuple(
        _golden(name, manifest["golden_step"], files, contract.shape, outputs)
        for name in manifest["golden"]
    )
    if not golden:
        raise BundleError("the bundle has no golden vectors, so it cannot be self-tested")
    return cls(
        name=_word(manifest, "name"),
        version=_word(manifest, "version"),
        id=_word(manifest, "id"),
        input=contract,
        groups=groups,
        call_group=manifest["call_group"],
        tolerance=int(manifest["tolerance"]),
        model=files[MODEL],
        golden=golden,
        card=files[CARD].decode(),
        manifest=manifest,
        digest=sha256(data),
        content=sha256(files[SUMS]),
        counter=_counter(manifest["security_counter"]),
        hardware=hardware,
        signatures=files.get(SIGNATURES, b""),
        fusion=_fusion(manifest.get("fusion"), groups),
        findings=tuple(_finding(entry, groups) for entry in manifest.get("findings", ())),
    )


def _counter(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise BundleError("the manifest's security counter is not a whole number from 0")
    return value


def _hardware(value: Any) -> tuple[str, ...]:
    boards = tuple(map(str, value))
    if HARDWARE not in boards:
        made = ", ".join(boards) or "no board"
        raise IncompatibleError(
            f"the bundle was made for {made} and this is a {HARDWARE}; use a bundle made for it"
        )
    return boards


def _abstention(entry: Mapping[str, Any]) -> None:
    if (entry["rule"], entry["version"]) != ABSTENTION:
        have = " version ".join(map(str, ABSTENTION))
        raise IncompatibleError(
            f"the bundle abstains by rule {entry['rule']} version {entry['version']}, this "
            f"firmware by {have}; use a bundle made for it"
        )


def _contract(entry: dict[str, Any]) -> InputContract:
    if tuple(entry["leads"]) != LEADS:
        raise IncompatibleError(
            f"the bundle wants leads {' '.join(entry['leads'])} and this firmware gives "
            f"{' '.join(LEADS)}; use a bundle made for it"
        )
    contract = InputContract(
        rate_hz=int(entry["rate_hz"]),
        samples=int(entry["samples"]),
        profile=str(entry["filter"]["profile"]),
        profile_version=int(entry["filter"]["version"]),
        scale_num=int(entry["scale"]["num"]),
        scale_den=int(entry["scale"]["den"]),
        step_uv=float(entry["step_uv"]),
        form=_one_of(Form, entry.get("form", Form.WINDOW)),
        normal=_one_of(Normal, entry.get("normal", Normal.FIXED)),
        height=int(entry.get("height", 0)),
        every_s=int(entry.get("every_s", 1)),
    )
    profile = PROFILES.get(contract.profile)
    if profile is None or profile.version != contract.profile_version:
        have = f"version {profile.version}" if profile else "none"
        raise IncompatibleError(
            f"the bundle was trained behind filter {contract.profile} version "
            f"{contract.profile_version}, this firmware has {have}; use a bundle made for it"
        )
    if contract.rate_hz * profile.decimation != 500 or contract.samples < 1:
        raise BundleError(f"filter {profile.name} does not give {contract.rate_hz} Hz")
    if contract.scale_num < 1 or contract.scale_den < 1:
        raise BundleError("the manifest's input scale is not a positive rational")
    if not 1 <= contract.every_s <= MAX_EVERY_S:
        raise BundleError(f"the manifest wants to be run every {contract.every_s} s")
    return contract


def _one_of(known: type[_Kind], value: Any) -> _Kind:
    try:
        return known(value)
    except ValueError:
        raise IncompatibleError(
            f"the bundle's network reads {value!r:.40}, which this firmware does not make; "
            "update the firmware"
        ) from None


def _can_be_made(contract: InputContract) -> None:
    """Of ten seconds and a beat there is no more than there is."""
    match contract.form:
        case Form.WINDOW:
            most = 10 * contract.rate_hz
        case Form.MEDIAN_BEAT:
            most = R_AT + AFTER if contract.rate_hz == SAMPLE_RATE_HZ else 0
        case Form.PAGE:
            try:
                of_leads(
                    np.zeros((contract.rows, len(LEADS)), np.int32),
                    np.zeros(len(LEADS), np.bool_),
                    contract,
                )
            except ValueError as error:
                raise BundleError(f"the manifest's page cannot be drawn: {error}") from None
            return
    if contract.samples > most:
        raise BundleError(
            f"the network reads {contract.samples} samples at {contract.rate_hz} Hz; "
            f"of a {contract.form} there are {most}"
        )


def _group(entry: dict[str, Any]) -> OutputGroup:
    labels = tuple(str(label) for label in entry["labels"])
    group = OutputGroup(
        name=str(entry["name"]),
        labels=labels,
        texts={label: str(entry["text"].get(label, label)) for label in labels},
        activation=str(entry["activation"]),
        first=int(entry["first"]),
        temperature=float(entry["temperature"]),
        thresholds={label: float(entry["thresholds"].get(label, 0.0)) for label in labels},
    )
    if group.activation not in ACTIVATIONS:
        raise BundleError(f"group {group.name} has activation {group.activation}")
    if not labels or len(set(labels)) != len(labels):
        raise BundleError(f"group {group.name} has no labels, or one twice")
    if not group.temperature > 0 or not all(0 <= t <= 1 for t in group.thresholds.values()):
        raise BundleError(f"group {group.name} has a calibration out of range")
    return group


def _fusion(entry: dict[str, Any] | None, groups: tuple[OutputGroup, ...]) -> Fusion | None:
    """``{group: {label: [weights]}}``; None and {} mean none."""
    if not entry:
        return None
    weights = {
        str(group): {str(label): tuple(map(float, w)) for label, w in labels.items()}
        for group, labels in entry.items()
    }
    for group, labels in weights.items():
        for label, of in labels.items():
            _known(group, label, groups, "fusion")
            if len(of) != FEATURES or not all(map(math.isfinite, of)):
                raise BundleError(f"fusion of {group} {label} needs {FEATURES} finite weights")
    return Fusion(weights, frozenset(g.name for g in groups if g.activation == "softmax"))


def _finding(entry: dict[str, Any], groups: tuple[OutputGroup, ...]) -> FindingRule:
    rule = FindingRule(
        code=str(entry["code"]),
        text=str(entry["text"]),
        act=str(entry["act"]),
        priority=Priority(entry["priority"]),
        any=tuple((str(group), str(label), float(least)) for group, label, least in entry["any"]),
        instead=bool(entry.get("instead", False)),
    )
    for group, label, least in rule.any:
        _known(group, label, groups, f"finding {rule.code}")
        if not 0 < least <= 1:  # 0 would be present in every record
            raise BundleError(f"finding {rule.code} has threshold {least} for {group} {label}")
    if not (rule.code and rule.text and rule.any):
        raise BundleError(f"finding {rule.code!r} has no code, no text or no scores to go by")
    return rule


def _known(group: str, label: str, groups: tuple[OutputGroup, ...], what: str) -> None:
    if not any(group == has.name and label in has.labels for has in groups):
        raise BundleError(f"{what} names {group} {label}, which the network does not give")


def _golden(
    name: str, step: int, files: dict[str, bytes], shape: tuple[int, ...], outputs: int
) -> Golden:
    parts = [f"golden/{name}.{part}" for part in GOLDEN_PARTS]
    missing = [part for part in parts if part not in files]
    if missing:
        raise BundleError(f"the bundle has no {missing[0]}")
    deltas, tensor, logits = (np.frombuffer(files[part], np.int8) for part in parts)
    counts = np.cumsum(deltas.reshape(-1, CHANNELS), axis=0, dtype=np.int32) * np.int32(step)
    if logits.shape != (outputs,):
        raise BundleError(f"golden vector {name} has {len(logits)} outputs, not {outputs}")
    return Golden(name, counts, tensor.reshape(shape), logits)
