"""What the page says of a run is what the run left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.arm64.boards import BOARDS
from tests.arm64.compare import Row
from tests.arm64.page import part
from tests.arm64.suite import read

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" tests="5" time="3725.5">
<testcase classname="tests.hal.test_a" name="test_one" time="1" />
<testcase classname="tests.hal.test_a" name="test_two" time="1"><failure message="no" /></testcase>
<testcase classname="tests.hal.test_a" name="test_three" time="1"><error message="no" /></testcase>
<testcase classname="tests.hal.test_b" name="test_four"><skipped message="in /src/a b" /></testcase>
<testcase classname="tests.hal.test_b" name="test_five"><skipped message="in /src/a b" /></testcase>
</testsuite></testsuites>
"""
EQUALITY: dict[str, Any] = {
    "qemu": "qemu-aarch64 version 7.2",
    "python": "3.11",
    "revision": "abc1234",
    "tolerance": 4,
    "rows": [
        {"kind": "filters", "things": 9, "differing": 0, "most": 0, "allowed": 0, "where": []},
        {
            "kind": "int8 outputs, litert, optimised kernels",
            "things": 93,
            "differing": 20,
            "most": 2,
            "allowed": 4,
            "where": [],
        },
    ],
}


def test_junit_is_read_as_pytest_means_it(tmp_path: Path) -> None:
    (tmp_path / "suite.xml").write_text(JUNIT)
    outcome = read(tmp_path / "suite.xml")
    assert (outcome.passed, outcome.skipped, outcome.seconds) == (1, 2, 3725.5)
    assert outcome.failed == ("tests.hal.test_a::test_two", "tests.hal.test_a::test_three")
    assert outcome.reasons == (("in /src/a b", 2),)


def test_the_page_tells_failures_and_the_reasons_of_skips(tmp_path: Path) -> None:
    (tmp_path / "suite.xml").write_text(JUNIT)
    made = part(EQUALITY, read(tmp_path / "suite.xml"))
    assert made.figures["equal"] is True
    assert made.figures["worst_steps"] == 2
    assert made.figures["failed"] == 2
    assert "abc1234" in made.text[0]
    assert "The whole suite there: 1 tests passed, 2 failed, 2 were skipped" in made.text[-1]
    assert [table.columns[0] for table in made.tables] == ["compared", "skipped because", "failed"]


def test_the_page_says_what_was_not_run(tmp_path: Path) -> None:
    (tmp_path / "suite.xml").write_text(JUNIT)
    made = part(EQUALITY, read(tmp_path / "suite.xml"), 3)
    assert "The suite but 3 pieces of it there: 1 tests passed" in made.text[-1]


def test_the_page_does_not_hide_what_did_not_hold() -> None:
    wrong = {**EQUALITY["rows"][0], "differing": 1, "most": 1}
    made = part(EQUALITY | {"rows": [wrong]}, None)
    assert made.figures["equal"] is False
    assert "**Not all of this held**" in made.text[1]
    assert made.tables[0].rows[0][-1] == "**no**"


def test_a_row_that_compared_nothing_does_not_pass() -> None:
    assert not Row("filters").passed


def test_cpuinfo_names_an_arm_core_that_the_emulator_can_be() -> None:
    for board in BOARDS.values():
        assert board.cpuinfo.count("CPU implementer\t: 0x41\n") == 4
        assert f"CPU part\t: {board.part}\n" in board.cpuinfo
