"""The JUnit file and the page say what was seen, whatever is in it."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from device.traces import NO_SAMPLE
from firmware.events import LEADS
from tools.hil import runner
from tools.hil.ecg_svg import MARGIN, ROW, strip
from tools.hil.junit import junit
from tools.hil.outcome import Moment, Outcome, Verdict
from tools.hil.page import page

GOOD = Verdict("no samples lost", ("Q-01",), True, "0 lost")
BAD = Verdict('rate 70 ± 2 & "more" <b>', ("P-05", "P-06"), False, "rate was 73.4 at 18 s", at_s=18)
GAP = Verdict("call == AFIB", ("P-03",), False, "call was SR", known="flutter is not learnt")
MADE = {"made": "2026-11-21 10:00:00+00:00", "sources": "abc1234"}
MENDED = replace(GAP, ok=True)
UV = np.zeros((5000, 12), np.int16)
UV[2500:2520, 1] = 1000


def outcome(*verdicts: Verdict, **changes: object) -> Outcome:
    made = Outcome(
        name="v3-off",
        about="V3 <falls> off.",
        file="tests/hil/electrodes/v3-off.yaml",
        seconds=40,
        target="virtual",
        account={"written": 20000, "lost": 0},
        digest="ab" * 32,
        verdicts=verdicts,
        moments=tuple(Moment(t, f"{t} s: V3 off", t - 10, UV, LEADS) for t in (15.0, 25.0, 40.0)),
        log=("3.2 s acquire: \x1b[1mfault",),
        took_s=0.5,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_junit_has_a_case_for_each_expectation() -> None:
    root = ElementTree.fromstring(
        junit([outcome(GOOD, BAD, GAP, MENDED), outcome(name="two", error="no such preset")])
    )
    assert {k: root.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": "2", "errors": "1", "skipped": "1",
    }  # fmt: skip
    first, second = root
    cases = {case.get("name"): case for case in first.findall("testcase")}
    failure = cases['rate 70 ± 2 & "more" <b> (P-05, P-06)'].find("failure")
    assert failure is not None
    assert failure.get("message") == "rate was 73.4 at 18 s"
    assert [c.get("classname") for c in cases.values()] == ["electrodes.v3-off"] * 3
    skipped = first.find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "flutter is not learnt; call was SR"
    said = [f.get("message") for f in first.iter("failure")]
    assert said[1] == "holds after all: flutter is not learnt"
    error = second.find("testcase/error")
    assert error is not None
    assert error.get("message") == "no such preset"
    assert {p.get("name"): p.get("value") for p in first.iter("property")}["lost"] == "0"


class Tags(HTMLParser):
    """Counts tags, and finds those that are not closed."""

    VOID = ("meta", "br", "img", "path", "rect")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_shows_more_of_what_failed() -> None:
    text = page([outcome(GOOD), outcome(GOOD, BAD, name="bad")], MADE)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert "2 scenarios, 1 failed, 0 known gaps" in text
    assert "V3 &lt;falls&gt; off." in text
    assert "rate 70 ± 2 &amp; &quot;more&quot; &lt;b&gt;" in text
    assert "http" not in text.replace("http://www.w3.org", "")  # nothing comes from elsewhere
    good, bad = text.split("<details")[1:]
    assert good.count("<figure>") == 2
    assert bad.startswith(" open")
    assert bad.count("<figure>") == 3
    assert [good.count(">aVR</text>"), bad.count(">aVR</text>")] == [0, 3]
    assert "signature" in text


def test_what_was_not_run_is_neither_passed_nor_failed() -> None:
    out = outcome(skipped="serial: nobody is there to do it", verdicts=())
    suite = ElementTree.fromstring(junit([out]))[0]
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["1", "0", "0", "1"]
    text = page([out, outcome(GOOD)], MADE)
    assert "2 scenarios, 0 failed" in text
    assert "not run" in text
    assert runner.readable(out).endswith("not run: serial: nobody is there to do it")
    assert "2 scenarios, 1 passed, 0 failed, 1 not run; 40 s" in runner.summary(
        [out, outcome(GOOD)], 1.0
    )


def test_a_scenario_with_a_known_gap_says_so() -> None:
    text = page([outcome(GOOD, GAP)], MADE)
    assert "1 scenarios, 0 failed, 1 known gaps" in text
    assert "<td>sources</td><td>abc1234</td>" in text
    assert "passed, known gaps" in text
    assert "call was SR (known: flutter is not learnt)" in text


@pytest.mark.parametrize("uv", [0, 100, -300])
def test_a_millivolt_is_ten_millimetres(uv: int) -> None:
    trace = np.full(100, uv, np.int16)
    trace[50:52] += 1000
    path = re.findall(r'd="([^"]*)"', strip({"II": trace}))[-1]
    start, steps = path.split(f"M{MARGIN} ")[1].split("l")
    assert int(start) == ROW // 2  # about its median
    moves = np.array(steps.split(), int).reshape(-1, 2)
    assert (moves[:, 0] == 1).all()
    assert len(moves) == 49  # 200 ms are 5 mm
    assert moves[24].tolist() == [1, -100]


def test_a_hole_stays_a_hole() -> None:
    trace = np.zeros(1000, np.int16)
    trace[400:600] = NO_SAMPLE
    path = re.findall(r'd="([^"]*)"', strip({"II": trace}))[-1]
    runs = re.findall(r"M(\d+) \d+l([^M]*)", path)
    assert [int(first) - MARGIN for first, _ in runs] == [0, 300]
    assert [len(steps.split()) // 2 for _, steps in runs] == [199, 199]
    nothing = strip({"II": np.full(10, NO_SAMPLE, np.int16)})
    assert "l 1" not in nothing
