"""The buttons' actions over the line, and what the instrument makes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import ValidationError

from device.bundles import Model
from device.choices import CHOICES, following, listed
from device.config import Config, from_tree
from device.controls import Button, Page
from device.instrument import Instrument
from device.link.commands import SETTINGS
from device.patient import Patient
from device.records.interface import Why
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.host import VALIDATOR, Wire
from tests.device.link_kit import Rig

ADA = {"id": "4711", "name": "Lovelace, Ada", "born": "1815-12-10", "sex": "F"}


def ask(rig: Rig, command: str, **members: object) -> dict[str, Any]:
    """The one answer."""
    body = {"type": "command", "seq": 9, "command": command, **members}
    VALIDATOR.validate(body)
    (answer,) = rig.ask(body)
    assert answer["re"] == 9
    return answer


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.poll()
    return rig


@pytest.mark.parametrize(
    ("command", "members", "done"),
    [
        ("press", {"button": "page"}, (Button.PAGE, False)),
        ("press", {"button": "ok", "held": False}, (Button.OK, False)),
        ("press", {"button": "ok", "held": True}, (Button.OK, True)),
        ("alarm", {"action": "silence"}, ("alarm", "silence")),
        ("alarm", {"action": "pause"}, ("alarm", "pause")),
        ("record", {}, ("record", Why.COMMAND)),
        ("patient", ADA, ("patient", Patient(**ADA))),
        ("patient", {"id": "7"}, ("patient", Patient(id="7"))),
        ("patient", {"name": "Ærøskøbing, Åse"}, ("patient", Patient(name="Ærøskøbing, Åse"))),
        ("patient", {}, ("patient", Patient())),
    ],
)
def test_commands_are_carried_out_once_and_answered(
    rig: Rig, command: str, members: dict[str, object], done: tuple[object, object]
) -> None:
    reply = ask(rig, command, **members)
    assert (reply["type"], reply["command"]) == ("reply", command)
    assert rig.stub.applied == [done]


@pytest.mark.parametrize(
    ("command", "members", "reason"),
    [
        ("press", {}, "bad_command"),
        ("press", {"button": "left"}, "bad_value"),
        ("press", {"button": ["ok"]}, "bad_value"),
        ("press", {"button": "ok", "held": 1}, "bad_value"),
        ("press", {"button": "ok", "twice": True}, "bad_command"),
        ("alarm", {}, "bad_command"),
        ("alarm", {"action": "off"}, "bad_value"),
        ("record", {"why": "button"}, "bad_command"),
        ("patient", {"sex": "f"}, "bad_value"),
        ("patient", {"born": "10.12.1815"}, "bad_value"),
        ("patient", {"born": "1900-02-29"}, "bad_value"),
        ("patient", {"born": 18151210}, "bad_value"),
        ("patient", {"name": "x" * 65}, "bad_value"),
        ("patient", {"name": "a\nb"}, "bad_value"),
        ("patient", {"id": None}, "bad_value"),
        ("patient", {"weight": 60}, "bad_command"),
        ("set", {"setting": "night", "value": True, "keep": "yes"}, "bad_value"),
        ("set", {"setting": "night", "keep": True}, "bad_command"),
    ],
)
def test_what_fits_nothing_does_nothing(
    rig: Rig, command: str, members: dict[str, object], reason: str
) -> None:
    body = {"type": "command", "command": command, **members}
    (error,) = rig.ask(body)
    assert (error["type"], error["reason"]) == ("error", reason)
    assert rig.stub.applied == []
    if members != {"born": "1900-02-29"} and members != {"name": "a\nb"}:  # beyond a schema
        with pytest.raises(ValidationError):
            VALIDATOR.validate(body)


def test_a_record_that_cannot_be_kept_is_an_error_that_says_why(rig: Rig) -> None:
    rig.stub.storage = "disk full: records are not kept"
    error = ask(rig, "record")
    assert (error["reason"], error["message"]) == ("failed", rig.stub.storage)


def test_set_is_kept_unless_the_host_says_otherwise(rig: Rig) -> None:
    assert ask(rig, "set", setting="night", value=True)["value"] is True
    assert rig.stub.kept
    ask(rig, "set", setting="night", value=False, keep=False)
    assert not rig.stub.kept


# -- the instrument


class Notes:
    """A recorder that keeps nothing but what it was asked for."""

    failure = ""
    recording = False
    saved_at = None

    def __init__(self) -> None:
        self.snapshots: list[tuple[Why, int]] = []
        self.patients: list[Patient] = []

    def source(self, info: FrontendInfo, model: str) -> None:
        pass

    def block(self, block: FrameBlock) -> None:
        pass

    def event(self, event: object) -> None:
        pass

    def snapshot(self, why: Why, index: int) -> None:
        self.snapshots.append((why, index))

    def close(self) -> None:
        pass

    def set_patient(self, patient: Patient) -> None:
        self.patients.append(patient)


class Bed:
    """An instrument on a wire, ten seconds in."""

    def __init__(
        self, info: FrontendInfo, block: FrameBlock, recorder: Notes | None = None
    ) -> None:
        self.wire = Wire()
        self.kept: list[tuple[str, Any]] = []
        self.log: list[str] = []
        self.instrument = Instrument(
            Config().override({"serial.port": "wire"}),
            model=Model(None, "none"),
            port=self.wire.port,
            recorder=recorder,
            save=lambda setting, value: self.kept.append((setting, value)),
            journal=lambda part, text: self.log.append(text),
        )
        self.instrument.connect(info)
        self.instrument.process(block)
        self._now_ns = 0
        while self.poll():
            pass

    def poll(self) -> list[dict[str, Any]]:
        heard = []
        for _ in range(3):  # what comes in, what that leads to, and the rest of it
            self._now_ns += 1_000_000_000
            self.instrument.link.poll(self._now_ns)
            heard += self.wire.host.read()
        return heard

    def ask(self, **body: object) -> list[dict[str, Any]]:
        self.wire.host.write(json.dumps({"type": "command", **body}).encode() + b"\n")
        return self.poll()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def bed(signal_20s: tuple[FrontendInfo, FrameBlock], notes: Notes) -> Bed:
    return Bed(*signal_20s, notes)


def pages(messages: list[dict[str, Any]]) -> list[str]:
    return [m["page"] for m in messages if m.get("event") == "page"]


def test_presses_turn_the_pages_and_the_host_hears_of_it(bed: Bed) -> None:
    said = []
    for _ in Page:
        said += bed.ask(command="press", button="page")
    assert pages(said) == [*list(Page)[1:], "live"]
    assert pages(bed.ask(command="press", button="ok")) == []
    assert bed.instrument.screen.view == 1


def test_page_held_takes_a_snapshot_of_the_sample_of_now(bed: Bed, notes: Notes) -> None:
    before = list(notes.snapshots)  # a call that changed took one already
    said = bed.ask(command="press", button="page", held=True)
    assert pages(said) == ["leads"]
    assert notes.snapshots == [*before, (Why.BUTTON, bed.instrument.index)]
    bed.ask(command="record")
    assert notes.snapshots[-1] == (Why.COMMAND, bed.instrument.index)


def test_without_a_recorder_record_says_so(signal_20s: tuple[FrontendInfo, FrameBlock]) -> None:
    (error,) = Bed(*signal_20s).ask(command="record")
    assert (error["reason"], error["message"]) == ("failed", "this monitor keeps no records")


def test_held_ok_on_the_settings_page_changes_the_marked_one_and_keeps_it(bed: Bed) -> None:
    while bed.instrument.screen.controls.page is not Page.SETTINGS:
        bed.instrument.press(Button.PAGE, held=False)
    offered = list(CHOICES)
    for setting in offered:
        before = bed.instrument.config.get(SETTINGS[setting])
        bed.instrument.press(Button.OK, held=True)
        after = bed.instrument.config.get(SETTINGS[setting])
        assert after != before
        assert bed.kept[-1] == (setting, after)
        assert bed.instrument.screen.settings == listed(bed.instrument.config)
        bed.instrument.press(Button.OK, held=False)
    assert [setting for setting, _ in bed.kept] == offered
    assert bed.instrument.screen.night
    bed.instrument.press(Button.OK, held=True)  # round again: the first one, back
    assert bed.kept[-1] == ("night", False)


def test_every_value_of_every_setting_can_be_chosen_and_is_accepted() -> None:
    assert set(CHOICES) == set(SETTINGS)
    for step, (setting, (name, words)) in enumerate(CHOICES.items()):
        config, seen = Config(), set()
        for _ in words:
            chosen, value = following(config, step + len(CHOICES))
            assert chosen == setting
            config = config.override({SETTINGS[setting]: value})
            assert (name, words[value]) in listed(config)
            seen.add(value)
        assert seen == set(words)
        assert config == Config()


def test_set_without_keep_is_not_kept(bed: Bed) -> None:
    bed.ask(command="set", setting="naming", value="IEC", keep=False)
    assert bed.instrument.config.electrodes.naming == "IEC"
    assert bed.kept == []
    bed.ask(command="set", setting="naming", value="AHA")
    assert bed.kept == [("naming", "AHA")]


def test_the_patient_goes_to_the_records_and_nowhere_else(bed: Bed, notes: Notes) -> None:
    said = bed.ask(command="patient", **ADA)
    assert notes.patients == [Patient(**ADA)]
    said += bed.ask(command="info")
    said += bed.ask(command="press", button="page")
    bed.instrument.fault("storage", "disk full")
    said += bed.poll()
    bad = bed.ask(command="patient", **{**ADA, "sex": "x"})
    everything = json.dumps(said + bad) + "".join(bed.log) + repr(notes.patients)
    everything += f"{notes.patients[0]!s}" + json.dumps(bed.instrument.hello())
    for secret in ("4711", "Lovelace", "Ada", "1815"):
        assert secret not in everything
    bed.ask(command="patient")
    assert notes.patients[1:] == [Patient()]
    assert not notes.patients[1]


def test_settings_of_the_file_reach_the_screen() -> None:
    config = from_tree({"display": {"night": True, "language": "de"}}, "test")
    screen = Instrument(config, model=Model(None, "none")).screen
    assert screen.night
    assert ("LANGUAGE", "DEUTSCH") in screen.settings
