"""The soak on minutes of virtual time: green on the instrument, red on what is planted in it."""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from device.instrument import Instrument
from device.link.link import Link
from device.ring import RingWriter
from firmware.pipeline import Pipeline
from hal.ads1298.driver import Ads1298
from hal.frontend import SAMPLE_RATE_HZ, Electrode, FrameBlock
from tools import soak_cli
from tools.cli import app
from tools.soak import bench, verdict
from tools.soak.bench import Hour
from tools.soak.children import Child
from tools.soak.disk import Disk
from tools.soak.growth import Reading, slope
from tools.soak.plan import KILLS, KINDS, Act, Course, Kind, Where
from tools.soak.virtual import Soak, hour_from, ranges, run

AT = 50 * SAMPLE_RATE_HZ  # sample at which something is planted


class Planned(Course):
    """A soak with these faults and no others."""

    def __init__(self, *acts: Act) -> None:
        super().__init__(1)
        self.acts = lambda hour: acts if hour == 0 else ()


def act(name: str, at_s: float, seconds: float, value: Any = None, **kind: Any) -> Act:
    """With little time to settle, so that a test need not wait for it."""
    known = KINDS[name]
    given = {"settle_s": 12.0, "loses": known.loses} | kind
    return Act(name, at_s, seconds, value, kind=Kind(known.where, known.lasts_s, **given))


def soaked(seconds: float, *acts: Act) -> Hour:
    """What came of one run."""
    soak = Soak(1, seconds / 3600)
    run(soak, make=lambda seed: Planned(*acts))
    return soak.done[0]


def fds(hour: Hour, process: str = "monitor") -> tuple[str, bool | None]:
    rows, _ = verdict.growth_rows(hour.readings, 0.01)
    return next((row.value, row.ok) for row in rows if row.what == f"{process}: descriptors")


def kb_per_h(hour: Hour, process: str = "monitor") -> float:
    of = [r for r in hour.readings if r.process == process and r.hour > 0.01]
    return slope((r.life, r.hour, r.memory_kb) for r in of).per_h


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and descriptors are read every five seconds."""
    monkeypatch.setattr(bench, "LOOK_S", 5.0)


def test_minutes_with_faults_of_every_place_are_accounted_for(often: None) -> None:
    hour = soaked(
        200,
        act("electrode_off", 45, 5, Electrode.V3),
        act("acquire_killed", 60, 1),
        act("missed_edge", 75, 0, 7),
        act("monitor_killed", 80, 2),
        act("serial_gone", 95, 6),
        act("flood", 110, 3),
        act("clock_jumps", 115, 0, -3600),
        act("disk_hangs", 120, 4),
    )
    assert hour.problems == []
    assert sum(hour.acts.values()) == 8
    assert hour.lost > 7
    assert hour.estimated == hour.lost - 7
    assert hour.samples + hour.lost == pytest.approx(200 * SAMPLE_RATE_HZ, abs=600)
    assert hour.sane > 20
    assert fds(hour)[1] is not False
    assert kb_per_h(hour) < 1e6


def test_a_monitor_that_stands_still_longer_than_the_ring_is_counted() -> None:
    hour = soaked(185, act("monitor_laps", 20, 140))
    assert hour.problems == []
    assert hour.overrun > 8 * SAMPLE_RATE_HZ
    assert hour.lost == 0


def planted(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, instead: Callable[..., Any]
) -> None:
    """``instead`` gets the real method first."""
    real = getattr(of, name)
    monkeypatch.setattr(of, name, lambda *given, **more: instead(real, *given, **more))


def test_a_descriptor_that_is_never_closed_is_seen(
    often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process(real: Any, self: Instrument, block: FrameBlock) -> None:
        os.dup(0)
        real(self, block)

    planted(monkeypatch, Instrument, "process", process)
    said, ok = fds(soaked(70))
    assert ok is False, said


def test_a_list_that_grows_is_seen(often: None, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []

    def process(real: Any, self: Instrument, block: FrameBlock) -> None:
        more = mmap.mmap(-1, 2_000_000)  # the heap may have room left by earlier tests
        more.write(bytes(len(more)))
        kept.append(more)
        real(self, block)

    planted(monkeypatch, Instrument, "process", process)
    assert kb_per_h(soaked(70)) > 1.5e6


def test_a_swallowed_sample_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(real: Any, self: Ads1298, *given: Any) -> FrameBlock:
        block: FrameBlock = real(self, *given)
        n = len(block) - (block.first_index <= AT < block.first_index + len(block))
        return replace(
            block,
            first_index=block.first_index - (block.first_index > AT),  # as if it had never been
            t_ns=block.t_ns[:n],
            counts=block.counts[:n],
            status=block.status[:n],
            electrodes_off=block.electrodes_off[:n],
        )

    planted(monkeypatch, Ads1298, "read", read)
    (problem,) = soaked(55).problems
    assert "2.00 samples have passed, 0 lost" in problem


def test_a_defect_in_the_analysis_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def push(real: Any, self: Pipeline, block: FrameBlock) -> Any:
        if block.first_index <= AT < block.first_index + len(block):
            raise ZeroDivisionError("planted")
        return real(self, block)

    planted(monkeypatch, Pipeline, "push", push)
    problems = soaked(64).problems
    assert "52.0 s: analysis: the analysis failed" in problems[0]
    assert any("wrote a traceback" in said and "Error: planted" in said for said in problems)
    assert any("a fault stands" in problem for problem in problems)


def test_an_acquire_that_dies_is_seen_and_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(real: Any, self: RingWriter, block: FrameBlock, **more: Any) -> None:
        if block.first_index <= AT < block.first_index + len(block):
            raise ZeroDivisionError("planted")
        real(self, block, **more)

    planted(monkeypatch, RingWriter, "write", write)
    problems = soaked(55).problems
    assert "acquire ended by itself (exit code 70)" in problems[0]
    assert "no fault explains it" in problems[1]


def test_nobody_is_born_before_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    def kill(real: Any, self: Child) -> None:
        if self.alive:
            self.wait()  # until it has used up the second that it was given
        real(self)

    planted(monkeypatch, Child, "kill", kill)
    hour = soaked(60, act("acquire_killed", 20, 0), act("monitor_killed", 40, 0))
    assert hour.problems == []
    assert hour.acts == {"acquire_killed": 1, "monitor_killed": 1}
    assert hour.samples + hour.lost == pytest.approx(60 * SAMPLE_RATE_HZ, abs=600)


def test_a_ring_that_is_made_anew_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, RingWriter, "__init__", _forgets)
    problems = soaked(40, act("acquire_killed", 20, 1)).problems
    assert "made anew, and nothing planted does that" in problems[0]


def _forgets(real: Any, self: RingWriter, path: Path, now_ns: int) -> None:
    path.unlink(missing_ok=True)
    real(self, path, now_ns)


def test_a_fault_that_stands_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(real: Any, self: Instrument, part: str, text: str) -> None:
        if part != "serial" or text:
            real(self, part, text)

    planted(monkeypatch, Instrument, "fault", fault)
    problems = soaked(110, act("serial_gone", 42, 4)).problems
    assert any("a fault stands" in problem and "serial" in problem for problem in problems)


def test_the_same_seed_gives_the_same_hours_and_each_hour_is_its_own() -> None:
    one, other = Course(7), Course(7)
    assert one.acts(3) == other.acts(3)
    assert [a.name for a in one.acts(3)] != [a.name for a in one.acts(4)]
    for hour in range(40):
        for planned in one.acts(hour):
            assert hour * 3600 + 60 < planned.at_s <= planned.over_s < (hour + 1) * 3600
    names = {planned.name for hour in range(400) for planned in one.acts(hour)}
    assert names == set(KINDS)
    killed = {hour for hour in range(400) for planned in one.acts(hour) if planned.name in KILLS}
    assert {hour // 100 for hour in killed} == {0, 2}
    assert {kind.where for kind in KINDS.values()} == set(Where)


def test_what_is_left_of_a_soak_is_shared_and_resumed(tmp_path: Path) -> None:
    soak = Soak(3, 6.5, {0: Hour(0, seconds=3600.0), 3: Hour(3, seconds=3600.0)})
    soak.done[0].readings.append(Reading("monitor", "a", 0.5, 80_000, 17, 5, 3.0))
    soak.save(tmp_path / "soak.json")
    found = Soak.load(tmp_path / "soak.json")
    assert found == soak
    assert found.hours_done == 2
    assert ranges(found, 2) == [(1, 2.0), (4, 2.5)]
    found.done[3].seconds = 600.0  # a part was asked for, and now all of it
    assert ranges(found, 2) == [(1, 3.0), (4, 2.5)]
    found.done[3].problems.append("it broke")
    assert ranges(found, 2) == [(1, 2.0), (4, 2.5)]
    (tmp_path / "soak.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is not the checkpoint of a soak .*begin without"):
        Soak.load(tmp_path / "soak.json")


def test_a_packed_checkpoint_is_the_same_bytes_and_says_what_code_was_run(tmp_path: Path) -> None:
    hours = {n: Hour(n, code="abc" if n else "", seconds=3600.0) for n in range(3)}
    one, other = tmp_path / "1.json.gz", tmp_path / "2.json.gz"
    Soak(3, 3.0, hours).save(one)
    again = Soak.load(one)
    again.save(other)
    assert again.done == hours
    assert one.read_bytes() == other.read_bytes()
    assert one.read_bytes()[4:8] == bytes(4)  # RFC 1952, MTIME: not when it was written
    (row,) = (row for row in verdict.virtual([*hours.values()], 3).rows if "revision" in row.what)
    assert row.value == "abc 2, unknown 1"
    again.done[1].readings.append(Reading("monitor", "monitor 0 1", 1.5, 40_000, 20, 5, 3.2))
    older = asdict(again.done[1])
    older["readings"].append({"process": "monitor", "life": "monitor 0 1", "rss_kb": 90_000})
    assert hour_from(older) == again.done[1]
    for data in (b"{}", one.read_bytes()[:40], b""):
        other.write_bytes(data)
        with pytest.raises(ValueError, match=r"is not the checkpoint of a soak"):
            Soak.load(other)


def test_a_soak_goes_on_only_with_its_own_checkpoint(tmp_path: Path) -> None:
    checkpoint = tmp_path / "soak.json"
    Soak(3, 2.0, {0: Hour(0, seconds=3600.0), 1: Hour(1, seconds=3600.0)}).save(checkpoint)
    given = ["soak", "--resume", str(checkpoint), "--hours"]
    wrong = CliRunner().invoke(app, [*given, "2"])
    assert wrong.exit_code == 2
    assert "is a soak of seed 3, not 1; say --seed" in wrong.stderr
    nowhere = [*given[:2], str(tmp_path / "no" / "soak.json"), "--hours", "1"]
    unkept = CliRunner().invoke(app, nowhere)
    assert unkept.exit_code == 2
    assert unkept.stderr.count("\n") == 1
    assert "soak.json cannot be written (No such file or directory); name another" in unkept.stderr
    table = CliRunner().invoke(app, [*given, "0", "--seed", "3", "--json"])
    assert table.exit_code == 0
    assert json.loads(table.stdout)["hours"] == 2.0


def test_a_log_has_a_line_for_each_hundredth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_hours() -> str:
        with soak_cli._bar(8.0, 6.0) as advance:
            for _ in range(2 * 60):
                advance(1 / 64)
        return capsys.readouterr().err

    lines = two_hours().splitlines()
    assert len(lines) == 23
    assert lines[0] == "soak: 6.09 of 8 h"
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # to rich, a terminal: there is the bar
    assert "soak: " not in two_hours()


@pytest.mark.parametrize("other", [["--resume", "none.gz"], ["--real"], []])
def test_no_hours_need_a_checkpoint(other: list[str]) -> None:
    outcome = CliRunner().invoke(app, ["soak", "--hours", "0", *other])
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        "lead12: --hours 0 prints what is done; name its checkpoint with --resume\n"
    )


def test_a_fault_of_which_nothing_is_said_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(real: Any, self: Link, kind: str, body: Any) -> None:
        if body.get("event") != "electrodes":
            real(self, kind, body)

    planted(monkeypatch, Link, "send", send)
    (problem,) = soaked(42, act("electrode_off", 15, 11, Electrode.V3)).problems
    assert "nothing was said of electrode_off" in problem


def test_a_full_disk_on_which_the_recorder_made_room_need_not_be_told(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "state")
    if not disk.real:
        pytest.skip("this process may not mount")
    try:
        old = disk.folder / "oldest"
        old.write_bytes(bytes(6 << 20))
        disk.fill()
        assert not disk.empty()
        disk.fill()
        old.unlink()  # as the recorder does to go on
        assert disk.empty()
    finally:
        disk.close()


def test_a_bench_that_begins_later_plants_nothing_of_the_hours_before(tmp_path: Path) -> None:
    (hour,) = bench.Bench(Course(1), tmp_path, 100).run(20 / 3600)
    assert (hour.acts, hour.skipped, hour.problems) == ({}, {}, [])
