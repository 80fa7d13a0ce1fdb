"""Scenario files: what is read, and the one line for each thing that cannot be used."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.ads1298.faults import FAULTS
from hal.frontend import Electrode
from hal.patient import ANALOG_RATE_HZ
from models.data.noise import leads8, qrs_power
from tools.hil import positions
from tools.hil.fields import FIELDS
from tools.hil.patients import Noise, PatientSpec
from tools.hil.scenario import (
    CommandAction,
    ElectrodeAction,
    FaultAction,
    InstallAction,
    PatientAction,
    PlugAction,
    ScenarioError,
    SwapAction,
    load,
    load_all,
)

GOOD = """\
name: everything
about: One of each.
seconds: 60
patient: {preset: sinus-70, seed: 3, amplitude: 2, noise: {kind: muscle, snr_db: 12}}
settings:
  filters: {mains_hz: 60}
timeline:
  - {at: 40, electrode: {V3: on, V4: noisy}}
  - {at: 15.5, electrode: {V3: off}}
  - {at: 20, swap: [LA, RA]}
  - {at: 21, fault: {miso_stuck: 0xFF}}
  - {at: 22, serial: stalled}
  - {at: 23, display: unplugged}
  - {at: 24, command: {command: set, setting: mains_hz, value: 50}}
  - {at: 25, install: {bundle: embedded, release: 2.1.1, damage: bit-flip}}
  - {at: 30, patient: {preset: af, rate: 120}}
expect:
  - {that: "within 5 s of 15 s: electrodes_off == [V3]", shows: P-07}
  - {that: "no samples lost", shows: [Q-01, T-02], known: "they are (issue E)"}
"""


def written(folder: Path, text: str, name: str = "one.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str) -> str:
    """The one line a technician sees, without the folder."""
    with pytest.raises(ScenarioError) as caught:
        load(written(folder, text))
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"{folder}/")


def changed(before: str, after: str) -> str:
    assert before in GOOD
    return GOOD.replace(before, after)


def test_everything_a_scenario_can_say(tmp_path: Path) -> None:
    scenario = load(written(tmp_path, GOOD))
    assert (scenario.name, scenario.seconds) == ("everything", 60.0)
    assert scenario.patient.preset == "sinus-70"
    assert (scenario.patient.seed, scenario.patient.amplitude) == (3, 2.0)
    assert scenario.patient.noise.snr_db == 12
    assert scenario.config.filters.mains_hz == 60
    assert scenario.timeline == (
        ElectrodeAction(15.5, Electrode.V3, "off"),
        SwapAction(20.0, Electrode.LA, Electrode.RA),
        FaultAction(21.0, "miso_stuck", 255),
        PlugAction(22.0, "serial", "stalled"),
        PlugAction(23.0, "display", "unplugged"),
        CommandAction(24.0, {"command": "set", "setting": "mains_hz", "value": 50}),
        InstallAction(25.0, "embedded", "2.1.1", None, "production", "bit-flip"),
        PatientAction(30.0, PatientSpec(preset="af", rate_bpm=120)),
        ElectrodeAction(40.0, Electrode.V3, "on"),
        ElectrodeAction(40.0, Electrode.V4, "noisy"),
    )
    assert [one.shows for one in scenario.expect] == [("P-07",), ("Q-01", "T-02")]
    assert [one.known for one in scenario.expect] == ["", "they are (issue E)"]
    assert [one.line for one in scenario.expect] == [18, 19]


def test_a_recording_is_found_beside_the_file(tmp_path: Path) -> None:
    rows = ["I,II,V1,V2,V3,V4,V5,V6", *(",".join([str(n % 7 / 10)] * 8) for n in range(1000))]
    written(tmp_path, "\n".join(rows), "ecg.csv")
    text = changed(
        "{preset: sinus-70, seed: 3, amplitude: 2, noise: {kind: muscle, snr_db: 12}}",
        "{record: ecg}",
    )
    with pytest.raises(ScenarioError, match=r"one.yaml:4: patient: .*rate"):
        load(written(tmp_path, text))  # read as far as the sampling rate, which it does not tell


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            changed("seconds: 60", "secnds: 60"),
            "one.yaml:3: unknown key secnds; did you mean seconds?",
        ),
        (
            changed("seconds: 60\n", ""),
            "one.yaml:1: the scenario: seconds missing; docs/hil.md shows",
        ),
        (
            changed("seconds: 60", "seconds: long"),
            'one.yaml:3: seconds: must be a number, not "long"',
        ),
        (changed("seconds: 60", "seconds: 0"), "one.yaml:3: seconds: must be above 0"),
        (
            changed("seconds: 60", "seconds: true"),
            "one.yaml:3: seconds: must be a number, not true",
        ),
        (
            changed("sinus-70", "sinus-7O"),
            "one.yaml:4: patient: no simulated patient 'sinus-7O'; did you mean",
        ),
        (changed("snr_db: 12", "snr: 12"), "one.yaml:4: unknown key snr; did you mean snr_db?"),
        (changed(", snr_db: 12", ""), "one.yaml:4: patient: noise wants kind and snr_db, both"),
        (
            changed("kind: muscle, ", "kind: muscle, muscle_uv: 3, "),
            "one.yaml:4: patient: noise has a ratio and an amplitude",
        ),
        (
            changed("mains_hz: 60}", "mains_hz: 70}"),
            "one.yaml:6: settings: filters.mains_hz must be one of 0, 50, 60",
        ),
        (
            changed("mains_hz: 60}", "mains: 60}"),
            "one.yaml:6: settings: unknown key filters.mains; did you mean mains_hz?",
        ),
        (
            changed("  filters:", "  serial: {baud: 1}\n  filters:"),
            "one.yaml:6: unknown key serial; known: frontend, filters",
        ),
        (
            changed("settings:\n", "settings:\n  display: {device: terminal2}\n"),
            "one.yaml:5: settings: the bench has its own display",
        ),
        (changed("V3: on, V4", "V33: on, V4"), "one.yaml:8: timeline 1, electrode"),
        (
            changed("V3: on", "V3: maybe"),
            'one.yaml:8: timeline 1, electrode.V3: "maybe" is not known',
        ),
        (changed("at: 40", "at: 61"), "one.yaml:8: at 61 s: the scenario ends at 60 s"),
        (
            changed("{at: 20, swap: [LA, RA]}", "{at: 20, swap: [LA]}"),
            "one.yaml:10: timeline 3, swap: must have at least 2 entries",
        ),
        (changed("{at: 20, ", "{"), "one.yaml:10: timeline 3"),
        (
            changed("serial: stalled", "serial: stalled, display: plugged"),
            "one.yaml:12: timeline 5: one thing happens at a time",
        ),
        (
            changed("miso_stuck: 0xFF", "miso_stick: 0xFF"),
            "one.yaml:11: unknown fault miso_stick; did you mean miso_stuck?",
        ),
        (
            changed("miso_stuck: 0xFF", "miso_stuck: 1"),
            "one.yaml:11: miso_stuck is 0x00 or 0xFF, not 1",
        ),
        (
            changed("bundle: embedded", "bundle: absent.l12"),
            "absent.l12 cannot be read (No such file or directory)",
        ),
        (
            changed("release: 2.1.1", "release: 2.2"),
            "one.yaml:15: timeline 8, install.release: must be a word or text, not 2.2; write it "
            'as "2.2"',
        ),
        (
            changed("preset: af, rate", "preset: vf, rate"),
            "one.yaml:16: patient: rate goes with preset sinus or af, not vf",
        ),
        (
            changed("rate: 120", "rate: 250"),
            "one.yaml:16: patient: af-250: the rate of af goes from",
        ),
        (
            changed("== [V3]", "== [V33]"),
            "one.yaml:18: 'within 5 s of 15 s: electrodes_off == [V33]', column 40: 'V33' is "
            "never said here; did you mean V3",
        ),
        (
            changed("of 15 s", "of 75 s"),
            "one.yaml:18: 'within 5 s of 75 s: electrodes_off == [V3]': begins after the ",
        ),
        (changed("P-07", "P7"), 'one.yaml:18: expect 1, shows: "P7" is not of the form'),
        (
            changed("[Q-01, T-02]", "[]"),
            "one.yaml:19: expect 2, shows: must have at least 1 entries",
        ),
        (
            changed("[Q-01, T-02]", "[Q-01, 7]"),
            "one.yaml:19: expect 2, shows 2: must be a word or text, not 7",
        ),
        (GOOD + "name: again\n", "one.yaml:20: name is there twice (line 1); take one away"),
        (changed("seed: 3", "seed: 3, seed: 4"), "one.yaml:4: seed is there twice (line 4)"),
        ("- a\n- b\n", "one.yaml:1: the scenario: must be keys with values"),
        ("", "one.yaml:1: is empty; docs/hil.md shows a scenario"),
        ("name: [x\nabout: y", "one.yaml:2: not YAML: "),
        ("name: x\n\tabout: y", "one.yaml:2: not YAML: "),
        (
            "name: x\nabout: one: two",
            "one.yaml:2: not YAML: mapping values are not allowed here; put a text that has ': '",
        ),
        ("name: x\n---\nname: y", "one.yaml:2: not YAML: but found another document"),
        ("name: \x00", "one.yaml: not YAML: "),
        ("name: !!python/object/apply:os.system [ls]", "one.yaml:1: "),
        ("name: !secret x", "one.yaml:1: the tag !secret is not read"),
        ("? {a: b}\n: c", "one.yaml:1: a key must be a word"),
        ("[" * 40, "one.yaml:1: nested too deeply"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    said = refused(tmp_path, text)
    assert said.removeprefix("./").startswith(line) or (
        line in said and "cannot be read" in line
    ), said


def test_a_few_lines_of_aliases_do_not_become_gigabytes(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
        for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    assert refused(tmp_path, bomb).startswith(
        "one.yaml:1: anchors and aliases (& and *) are not read"
    )


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"absent.yaml: cannot be read \(No such file"):
        load(tmp_path / "absent.yaml")
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"name: x\nabout: caf\xe9\n")
    with pytest.raises(ScenarioError, match=r"latin.yaml:2: not UTF-8"):
        load(path)
    path.write_bytes(b"# \n" * (1 << 19))
    with pytest.raises(ScenarioError, match="this is no scenario"):
        load(path)


def test_without_pyyaml_the_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, GOOD)
    monkeypatch.setattr(positions, "yaml", None)
    with pytest.raises(ScenarioError, match=r"PyYAML is not installed here; run: make dev, or pip"):
        load(path)


def test_folders_are_searched_and_names_are_held_apart(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    written(tmp_path, changed("name: everything", "name: second"), "b.yaml")
    written(tmp_path / "below", GOOD, "a.yaml")
    written(tmp_path, "not: a scenario", "notes.txt")
    assert [s.name for s in load_all([tmp_path])] == ["second", "everything"]
    assert [s.name for s in load_all([tmp_path, tmp_path / "b.yaml"])] == ["second", "everything"]
    written(tmp_path, GOOD, "c.yaml")
    written(tmp_path, "name: 1", "d.yaml")
    with pytest.raises(ScenarioError) as caught:
        load_all([tmp_path])
    first, second = str(caught.value).splitlines()
    assert first.startswith(
        f"{tmp_path}/c.yaml:1: {tmp_path}/below/a.yaml is called everything, too"
    )
    assert second.startswith(f"{tmp_path}/d.yaml:1: ")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScenarioError, match="no scenario in this folder"):
        load_all([tmp_path / "empty"])


@pytest.mark.parametrize("kind", ["wander", "muscle", "motion", "mains"])
def test_noise_has_the_ratio_asked_for(kind: str) -> None:
    """As the noise stress test measures it, in the leads, over the first 20 s."""
    points = 20 * ANALOG_RATE_HZ
    clean = PatientSpec("sinus-70").build().potentials(0, points).volts
    noisy = PatientSpec("sinus-70", noise=Noise(kind, 6.0)).build().potentials(0, points).volts
    noise = leads8(noisy - clean)[::4]
    ratio = qrs_power(leads8(clean)[::20]).mean() / noise.var(axis=0).mean()
    assert 10 * np.log10(ratio) == pytest.approx(6.0, abs=0.01)


def test_every_fault_of_the_chip_may_be_named(tmp_path: Path) -> None:
    values = {
        "wrong_id": "ADS1294", "miso_stuck": 0, "bit_slip": 1, "torn_frame": 1, "missed_edge": 2,
        "late_drdy": {"us": 100, "jitter_us": 50}, "drdy_stops": "forever",
        "stuck_bits": {"lead": "II", "or": 4}, "brown_out": True, "clock_ppm": -10000,
        "spi_noise": 0.001,
    }  # fmt: skip
    assert set(values) == set(FAULTS)
    for name, value in values.items():
        text = changed("{miso_stuck: 0xFF}", json.dumps({name: value}))
        assert FaultAction(21.0, name, value) in load(written(tmp_path, text)).timeline


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_scenario_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_the_page_shows_what_there_is(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hil.md").read_text(encoding="utf-8")
    load(written(tmp_path, page.split("```yaml\n")[1].split("```")[0]))
    for name, kind in FAULTS.items():
        assert f"| `{name}` | {kind.what} | {kind.told} |\n" in page
    for name in FIELDS:
        assert f"`{name}`" in page
    for sentence in ("within N s [of T s]: ", "always [from T s] [to T s]: ", "no samples lost"):
        assert sentence in page


def test_the_schema_describes_what_an_editor_completes() -> None:
    schema = json.loads(
        resources.files("tools.hil").joinpath("schema", "scenario-v1.json").read_text()
    )
    action = schema["$defs"]["action"]["properties"]
    assert {"at", "electrode", "swap", "fault", "serial", "display", "command", "install"} < set(
        action
    )
    for name, of in schema["properties"].items():
        target = schema["$defs"].get(name, of)
        assert "description" in of or "description" in target or of["type"] == "array", name
