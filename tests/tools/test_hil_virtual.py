"""Scenarios in virtual time: the same bytes always, the live recovery, every wire unplugged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from device.display import screens
from device.display.screens import Frame
from device.link import messages
from device.link.protocol import encode
from hal.clock import VirtualClock
from hal.frontend import Capability
from tests.tools.hil_scenarios import written
from tools.hil import virtual
from tools.hil.outcome import Outcome, Status
from tools.hil.scenario import Scenario
from tools.hil.virtual import run
from tools.hil.wires import Digest, Line


@pytest.fixture
def scenario(tmp_path: Path) -> Callable[..., Scenario]:
    """Writes and loads one."""
    return partial(written, tmp_path)


def evidence(outcome: Outcome) -> list[str]:
    """What did not pass, and why."""
    return [outcome.error] * bool(outcome.error) + [
        f"{one.sentence}: {one.evidence}"
        for one in outcome.verdicts
        if one.status is not Status.PASSED
    ]


def kinds(outcome: Outcome) -> list[str]:
    return [message["type"] for message in outcome.messages]


# -- the same bytes


BUSY = (
    "at: 3, electrode: {V3: off}",
    "at: 5, serial: unplugged",
    "at: 7, serial: plugged",
    "at: 7.3, command: {command: set, setting: mains_hz, value: 60}",
    "at: 8, install: {bundle: embedded, release: 9.9.9}",
    "at: 9, fault: {brown_out: true}",
    "at: 10, display: unplugged",
)


def test_another_process_gives_the_same_bytes(scenario: Callable[..., Scenario]) -> None:
    """Hash seed, time and process differ; an install and a restart are in it."""
    one = scenario(timeline=BUSY, seconds=12)
    here = run(one)
    script = (
        "import sys; from pathlib import Path; from tools.hil.scenario import load; "
        "from tools.hil.virtual import run; print(run(load(Path(sys.argv[1]))).digest)"
    )
    there = subprocess.run(
        [sys.executable, "-c", script, str(one.path)],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert there == here.digest
    assert len(here.digest) == 64
    assert {"installed"} == {m["outcome"] for m in here.messages if m.get("outcome")}


def test_one_byte_on_the_line_changes_the_digest(
    scenario: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scenario(seconds=4)
    before = run(one).digest
    real = messages.result

    def third_is_off(*given: Any) -> dict[str, Any]:
        body = real(*given)
        return {**body, "span": body["span"] + 1} if body["t_s"] == 2.998 else body

    monkeypatch.setattr(messages, "result", third_is_off)
    assert run(one).digest != before


def test_one_pixel_on_the_screen_changes_the_digest(
    scenario: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = scenario(seconds=4)
    before = run(one).digest
    from device import instrument

    def speck(*given: Any, **how: Any) -> Frame:
        frame = screens.render(*given, **how)
        if frame.index == 1500:
            image = frame.image.copy()
            image.putpixel((200, 3), image.getpixel((200, 3)) ^ 1)
            return replace(frame, image=image)
        return frame

    monkeypatch.setattr(instrument, "render", speck)
    assert run(one).digest != before


def test_one_frame_at_a_time_or_many_is_the_same(scenario: Callable[..., Scenario]) -> None:
    """A fault so late that nothing comes of it makes the bench read edge by edge."""
    actions = ("at: 3, electrode: {V3: off}", "at: 6.7, command: {command: snapshot}")
    bulk = run(scenario(timeline=actions, seconds=8))
    late = scenario(timeline=(*actions, "at: 8, fault: {missed_edge: 1}"), seconds=8)
    assert Capability.BULK not in virtual._front_end(late, VirtualClock(10**10)).capabilities
    assert run(late).digest == bulk.digest


def test_the_seed_is_the_person(scenario: Callable[..., Scenario]) -> None:
    digests = {
        run(scenario(seconds=4, patient=f"{{preset: sinus-70, seed: {seed}}}")).digest
        for seed in (1, 2)
    }
    assert len(digests) == 2


# -- what is seen


def test_electrodes_calls_and_rate(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "within 1 s of 12 s: electrodes_off == [V3]",
            "within 2 s of 15 s: electrodes_off == []",
            "call == SR for 90 % of windows from 10.5 s",
            "always from 8 s: rate 70 ± 3",
            "no samples lost",
            timeline=("at: 12, electrode: {V3: off}", "at: 15, electrode: {V3: on}"),
        )
    )
    assert evidence(outcome) == []
    assert outcome.ok
    assert outcome.account["written"] == 10_000
    assert kinds(outcome).count("result") == 20
    assert [m["t_s"] for m in outcome.messages] == sorted(m["t_s"] for m in outcome.messages)
    assert [moment.why for moment in outcome.moments] == ["12 s: V3 off", "the end"]
    assert outcome.moments[0].t_s == 19.0
    assert outcome.moments[0].uv.shape == (5000, 12)
    assert outcome.moments[0].screen.startswith(b"\x89PNG")


def test_what_fails_says_what_was_seen(scenario: Callable[..., Scenario]) -> None:
    outcome = run(scenario("always from 8 s: rate 90 ± 2", "within 3 s: call == AFIB", seconds=10))
    assert not outcome.ok
    rate, call = outcome.verdicts
    assert rate.evidence.startswith("rate was 6")
    assert "at 8.0 s; it held in 0 of 3 windows" in rate.evidence
    assert call.evidence == "call was none (starting) at 3.0 s, the last look"
    assert [m.why for m in outcome.moments] == [call.sentence, rate.sentence, "the end"]


def test_rhythms_change_and_wires_are_swapped(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "within 8 s: rate 60 ± 3",
            "within 10 s of 10 s: rate 120 ± 3",
            seconds=20,
            patient="{preset: sinus, rate: 60}",
            timeline=("at: 10, patient: {preset: sinus, rate: 120}", "at: 12, swap: [LA, RA]"),
        )
    )
    assert evidence(outcome) == []
    lead_i = outcome.moments[0].uv[:, 0].astype(float)  # 7 s behind the change: 7 s to 17 s
    before, after = lead_i[:2000], lead_i[3000:]  # until 11 s, from 13 s on
    assert before.max() > -before.min()
    assert -after.min() > after.max()


# -- the live recovery


def test_drdy_stops_and_comes_back(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "within 1.2 s of 5 s: fault == frontend",
            "within 2 s of 7 s: fault == []",
            "samples lost 1000..1400",  # 2 s, and the pause before the next attempt
            "within 2 s of 7 s: lost >= 1000",
            seconds=10,
            timeline=("at: 5, fault: {drdy_stops: 2}",),
        )
    )
    assert evidence(outcome) == []
    assert outcome.account["lost_estimated"] == outcome.account["lost"]
    assert abs(outcome.account["written"] + outcome.account["lost"] - 5000) <= 4
    assert any("acquire: no data-ready edge for 0.5 s" in line for line in outcome.log)


def test_a_brown_out_costs_what_the_restart_takes(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "within 1.2 s of 5 s: fault == frontend",
            "within 3 s of 5 s: fault == []",
            "samples lost 250..900",
            "within 8 s of 6 s: rate 70 ± 3",
            seconds=14,
            timeline=("at: 5, fault: {brown_out: true}", "at: 9, electrode: {V2: off}"),
        )
    )
    assert evidence(outcome) == []
    off = next(m for m in outcome.messages if m.get("off"))
    assert 9.0 <= off["t_s"] < 9.5  # the patient's time has gone on over the restart


def test_a_wrong_chip_from_the_beginning_and_the_right_one_later(
    scenario: Callable[..., Scenario],
) -> None:
    outcome = run(
        scenario(
            "within 1 s: fault == frontend",
            "never call to 5 s",
            "within 6 s of 5 s: fault == []",
            seconds=12,
            timeline=("at: 0, fault: {wrong_id: ADS1294}", "at: 5, fault: {wrong_id: off}"),
        )
    )
    assert evidence(outcome) == []
    assert "ADS1294 (ID 0x90); this firmware needs an ADS1298" in outcome.log[0]
    never = run(scenario("never call", seconds=5, timeline=("at: 0, fault: {wrong_id: 0x55}",)))
    assert evidence(never) == []
    assert never.account["written"] == 0


def test_torn_frames_are_lost_to_the_sample(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "samples lost 4..4",
            seconds=4,
            timeline=("at: 2, fault: {torn_frame: 1}", "at: 3, fault: {missed_edge: 3}"),
        )
    )
    assert evidence(outcome) == []
    assert outcome.account["lost_estimated"] == 0


# -- line, screen, host


def test_a_line_pulled_out_and_put_back(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "no samples lost",
            "within 4 s of 8 s: fault == serial",
            "within 4 s of 8 s: fault == []",
            seconds=12,
            timeline=("at: 4.1, serial: unplugged", "at: 8, serial: plugged"),
        )
    )
    assert evidence(outcome) == []
    assert kinds(outcome).count("result") == 12  # those of the meantime waited
    hellos = [m["t_s"] for m in outcome.messages if m["type"] == "hello"]
    assert len(hellos) == 2
    assert 8.0 <= hellos[1] < 12.0
    assert not [m for m in outcome.messages if 4.1 < m["t_s"] < 8.0]
    assert outcome.account["damaged"] == 0


def test_half_a_line_ends_with_the_plug() -> None:
    heard: list[Any] = []
    line = Line(Digest(), heard.append)
    whole = encode(1, "event", '"event":"gap","index":5,"lost":1')
    line.write(whole[:20])
    line.plug("unplugged")
    with pytest.raises(OSError, match="Input/output error"):
        line.write(whole[20:])
    with pytest.raises(OSError, match="No such file"):
        line.poll()
    line.type(b"into the air")
    line.plug("plugged")
    assert line.poll() is line
    assert line.read(100) == b""
    line.write(b"\n" + whole)
    assert [message["lost"] for message in heard] == [1]
    assert line.damaged == 0
    line.write(whole[5:])
    assert line.damaged == 1


def test_a_stalled_line_is_no_fault_and_drops_what_is_oldest(
    scenario: Callable[..., Scenario],
) -> None:
    outcome = run(
        scenario(
            "always: fault == []",
            seconds=80,
            timeline=("at: 1.5, serial: stalled", "at: 74, serial: plugged"),
        )
    )
    assert evidence(outcome) == []
    assert outcome.account["dropped"] > 5
    assert kinds(outcome).count("result") == 80 - outcome.account["dropped"]


def test_a_display_pulled_out_and_put_back(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "within 1 s of 3 s: fault == display",
            "within 6 s of 4 s: fault == []",
            "no samples lost",
            seconds=10,
            timeline=("at: 3, display: unplugged", "at: 4, display: plugged"),
        )
    )
    assert evidence(outcome) == []


def test_commands_are_answered(scenario: Callable[..., Scenario]) -> None:
    outcome = run(
        scenario(
            "within 1 s of 3 s: error == bad_value",
            "never error == too_fast",
            seconds=6,
            timeline=(
                "at: 3, command: {command: set, setting: mains_hz, value: 55}",
                "at: 4, command: {command: set, setting: mains_hz, value: 60}",
                "at: 5, command: {command: info}",
            ),
        )
    )
    assert evidence(outcome) == []
    assert [m["settings"]["mains_hz"] for m in outcome.messages if m["type"] == "hello"] == [50, 60]


@pytest.mark.parametrize(
    ("install", "expected"),
    [
        ("release: 9.9.9", "flash == installed and model_state == trial"),
        ("release: 9.9.9, damage: bit-flip", "reason == not_a_bundle"),
        ("release: 9.9.9, damage: cut", "reason == not_a_bundle"),
        ("release: 9.9.9, signed: none", "reason == unsigned"),
        ("release: 9.9.9, signed: stranger", "reason == untrusted"),
        ("release: 9.9.9, signed: development", "reason == development"),
    ],
)
def test_models(scenario: Callable[..., Scenario], install: str, expected: str) -> None:
    timeline = (f"at: 2, install: {{bundle: embedded, {install}}}",)
    outcome = run(scenario(f"within 1 s of 2 s: {expected}", seconds=4, timeline=timeline))
    said = " ".join(str(m.get("text", "")) for m in outcome.messages if m.get("event") == "flash")
    assert evidence(outcome) == [], said
    assert " ms a window" not in said


def test_a_trial_is_confirmed_and_taken_back_by_the_host(
    scenario: Callable[..., Scenario],
) -> None:
    outcome = run(
        scenario(
            "within 4 s of 11 s: model_state == confirmed",
            "within 1 s of 16 s: model_state == embedded",
            seconds=17,
            settings="{model: {confirm_windows: 2, trust: development}}",
            timeline=(
                "at: 11, install: {bundle: embedded, release: 9.9.9, signed: development}",
                "at: 16, command: {command: model, action: rollback, who: anna}",
            ),
        )
    )
    assert evidence(outcome) == []
