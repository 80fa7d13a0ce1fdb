"""A scenario: who lies on the electrodes, what happens when, and what must come of it.

YAML, checked against ``schema/scenario-v1.json`` and then for what a schema cannot know. Every
error is one line: file, line, what is wrong, what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from device.bundles import read_bundle
from device.config import Config, ConfigError, from_tree
from firmware.archive import BundleError
from hal.ads1298 import faults
from hal.errors import HalError
from hal.frontend import Electrode
from tools.hil import schema_check
from tools.hil.fields import suggestion
from tools.hil.patients import Noise, PatientSpec
from tools.hil.positions import Document, Place, ScenarioError, read_yaml
from tools.hil.sentences import Sentence, SentenceError, read

__all__ = ["Scenario", "ScenarioError", "find", "load", "load_all"]

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class PatientAction:
    """Another patient, or the same in another rhythm, from now on."""

    at_s: float
    patient: PatientSpec

    def __str__(self) -> str:
        return f"patient {self.patient}"


@dataclass(frozen=True, slots=True)
class ElectrodeAction:
    """An electrode falls off, is pressed on, or has poor contact."""

    at_s: float
    electrode: Electrode
    state: Literal["off", "on", "noisy"]

    def __str__(self) -> str:
        return f"{self.electrode.name} {self.state}"


@dataclass(frozen=True, slots=True)
class SwapAction:
    """Two electrodes on each other's place from now on."""

    at_s: float
    one: Electrode
    other: Electrode

    def __str__(self) -> str:
        return f"{self.one.name} and {self.other.name} exchanged"


@dataclass(frozen=True, slots=True)
class FaultAction:
    """A fault of chip or bus, by its name in ``hal.ads1298.faults.FAULTS``."""

    at_s: float
    name: str
    value: Any

    def __str__(self) -> str:
        return f"fault {self.name}: {self.value}"


@dataclass(frozen=True, slots=True)
class PlugAction:
    """The serial line or the display is unplugged, plugged in, or (the line) takes nothing."""

    at_s: float
    part: Literal["serial", "display"]
    state: Literal["unplugged", "plugged", "stalled"]

    def __str__(self) -> str:
        return f"{self.part} {self.state}"


@dataclass(frozen=True, slots=True)
class CommandAction:
    """The host sends a command; ``body`` is what stands beside ``type``."""

    at_s: float
    body: Mapping[str, Any]

    def __str__(self) -> str:
        return f"host: {' '.join(str(value) for value in self.body.values())}"


@dataclass(frozen=True, slots=True)
class InstallAction:
    """A technician installs a model.

    bundle : "embedded" or a file · release, counter : it is given, None: as it has them
    signed : with a "production" or a "development" key the device trusts, with a "stranger"'s, or
        "none" · damage : "bit-flip", "cut" or ""
    """

    at_s: float
    bundle: str
    release: str | None
    counter: int | None
    signed: Literal["production", "development", "stranger", "none"]
    damage: Literal["bit-flip", "cut", ""]

    def __str__(self) -> str:
        damage = f", damaged ({self.damage})" if self.damage else ""
        return f"install {Path(self.bundle).name} {self.release or ''}, key {self.signed}{damage}"


Action = (
    PatientAction
    | ElectrodeAction
    | SwapAction
    | FaultAction
    | PlugAction
    | CommandAction
    | InstallAction
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A sentence that must hold, the requirements it shows, and why it cannot yet ("" : it must).

    line : in the file
    """

    sentence: Sentence
    shows: tuple[str, ...]
    known: str
    line: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario file, read and checked. ``timeline`` is in the order of time."""

    path: Path
    name: str
    about: str
    seconds: float
    patient: PatientSpec
    config: Config
    timeline: tuple[Action, ...]
    expect: tuple[Expectation, ...]


def find(paths: Iterable[Path]) -> list[Path]:
    """The scenario files among ``paths``, folders searched. Raises ScenarioError."""
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
            if not inside:
                raise ScenarioError(f"{path}: no scenario in this folder (*.yaml)")
            found |= dict.fromkeys(inside)
        else:
            found[path] = None
    return list(found)


def load_all(paths: Iterable[Path]) -> list[Scenario]:
    """Every scenario of ``find(paths)``; no two may have one name.

    Raises ScenarioError, with a line for every file that cannot be used.
    """
    scenarios: list[Scenario] = []
    wrong: list[str] = []
    named: dict[str, Path] = {}
    for path in find(paths):
        try:
            scenario = load(path)
        except ScenarioError as error:
            wrong.append(str(error))
            continue
        scenarios.append(scenario)
        if (before := named.setdefault(scenario.name, path)) != path:
            wrong.append(f"{path}:1: {before} is called {scenario.name}, too; rename one of them")
    if wrong:
        raise ScenarioError("\n".join(wrong))
    return scenarios


def load(path: Path) -> Scenario:
    """Read and check one file. Raises ScenarioError."""
    document = read_yaml(path)
    schema_check.check(document)
    data = document.data
    seconds = float(data["seconds"])
    return Scenario(
        path=path,
        name=data["name"],
        about=data["about"],
        seconds=seconds,
        patient=_patient(document, ("patient",), data["patient"]),
        config=_config(document, data.get("settings", {})),
        timeline=_timeline(document, data.get("timeline", []), seconds),
        expect=tuple(_expectation(document, n, seconds) for n in range(len(data["expect"]))),
    )


def _patient(document: Document, place: Place, data: Mapping[str, Any]) -> PatientSpec:
    noise = data.get("noise", {})
    given = PatientSpec(
        preset=data.get("preset", ""),
        record=str(document.path.parent / data["record"]) if "record" in data else "",
        seed=data.get("seed", 1),
        rate_bpm=data.get("rate"),
        amplitude=float(data.get("amplitude", 1.0)),
        noise=Noise(
            kind=noise.get("kind", ""),
            snr_db=noise.get("snr_db"),
            amplitudes={k: v for k, v in noise.items() if k not in ("kind", "snr_db")},
        ),
    )
    try:
        given.check()
    except (ValueError, HalError) as error:
        raise document.error(place, f"patient: {error}") from None
    return given


def _config(document: Document, data: Mapping[str, Any]) -> Config:
    try:
        config = from_tree(data, "settings")
    except ConfigError as error:
        place: Place = ("settings",)
        for section, keys in data.items():  # the line of the key that is named
            for key in keys:
                if f"{section}.{key} " in f"{error} " or f"{section}.{key};" in str(error):
                    place = ("settings", section, key)
        raise document.error(place, str(error)) from None
    if config.display.device != Config().display.device or config.frontend.backend != "simulated":
        raise document.error(
            ("settings",), "settings: the bench has its own display and front end; leave them out"
        )
    return config


def _timeline(document: Document, entries: list[Any], seconds: float) -> tuple[Action, ...]:
    actions: list[Action] = []
    for n, entry in enumerate(entries):
        if entry["at"] > seconds:
            raise document.error(
                ("timeline", n), f"at {entry['at']} s: the scenario ends at {seconds:g} s"
            )
        actions += _actions(document, ("timeline", n), entry)
    return tuple(sorted(actions, key=lambda action: action.at_s))


def _actions(document: Document, place: Place, entry: Mapping[str, Any]) -> list[Action]:
    at_s = float(entry["at"])
    what = next(key for key in entry if key != "at")
    of = entry[what]
    match what:
        case "patient":
            return [PatientAction(at_s, _patient(document, (*place, "patient"), of))]
        case "electrode":
            return [ElectrodeAction(at_s, Electrode[name], state) for name, state in of.items()]
        case "swap":
            return [SwapAction(at_s, Electrode[of[0]], Electrode[of[1]])]
        case "fault":
            name, value = next(iter(of.items()))
            if name not in faults.FAULTS:
                hint = suggestion(name, faults.FAULTS)
                raise document.error((*place, "fault", name), f"unknown fault {name}; {hint}")
            try:
                faults.timeline([(at_s, of)])
            except ValueError as error:
                raise document.error((*place, "fault", name), str(error)) from None
            return [FaultAction(at_s, name, value)]
        case "command":
            return [CommandAction(at_s, of)]
        case "install":
            return [_install(document, (*place, "install"), at_s, of)]
        case _:
            return [PlugAction(at_s, "serial" if what == "serial" else "display", of)]


def _install(document: Document, place: Place, at_s: float, of: Mapping[str, Any]) -> InstallAction:
    bundle = of["bundle"]
    if bundle != "embedded":
        bundle = str(document.path.parent / bundle)
        try:
            read_bundle(bundle)
        except BundleError as error:
            raise document.error((*place, "bundle"), str(error)) from None
    return InstallAction(
        at_s,
        bundle,
        of.get("release"),
        of.get("counter"),
        of.get("signed", "production"),
        of.get("damage", ""),
    )


def _expectation(document: Document, n: int, seconds: float) -> Expectation:
    entry = document.data["expect"][n]
    place = ("expect", n, "that")
    try:
        sentence = read(entry["that"])
    except SentenceError as error:
        raise document.error(
            place, f"{entry['that']!r}, column {error.column + 1}: {error}"
        ) from None
    if sentence.start_s > seconds:
        raise document.error(
            place, f"{entry['that']!r}: begins after the scenario's end at {seconds:g} s"
        )
    shows = entry["shows"]
    return Expectation(
        sentence,
        tuple(shows) if isinstance(shows, list) else (shows,),
        entry.get("known", ""),
        document.lines[place][0],
    )
