"""Sentences: the grammar, where it is wrong, and what they make of a monitor's messages."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device.traces import NO_SAMPLE
from firmware.events import LEADS
from tools.hil.judge import Judge
from tools.hil.outcome import Status, Verdict
from tools.hil.scenario import Expectation
from tools.hil.sentences import Form, SentenceError, read


def result(t_s: float, **changed: Any) -> dict[str, Any]:
    """A result as the monitor sends it, once a second."""
    return {
        "type": "result",
        "t_s": t_s,
        "call": "SR",
        "refusal": None,
        "text": "SINUS RHYTHM",
        "rate_bpm": 70.0,
        "quality": "good",
        "probability": 0.98,
        "findings": [],
        "faults": {},
        "electrodes_off": [],
        "model": "rhythm-2.1",
        **changed,
    }


def event(t_s: float, name: str, **members: Any) -> dict[str, Any]:
    return {"type": "event", "event": name, "t_s": t_s, **members}


HELLO = {
    "type": "hello",
    "t_s": -0.2,
    "faults": {},
    "alarms": {},
    "audio": "quiet",
    "model": "rhythm-2.1",
    "model_state": "embedded",
}
MINUTE = [HELLO, *(result(float(t)) for t in range(1, 61))]
ACCOUNT = {"written": 30_000, "lost": 0}


def judged(
    sentence: str,
    messages: list[dict[str, Any]],
    *,
    known: str = "",
    account: dict[str, int] | None = None,
    end_s: float = 60.0,
) -> Verdict:
    judge = Judge([Expectation(read(sentence), ("P-01",), known, 1)])
    for message in sorted(messages, key=lambda message: message["t_s"]):
        judge.hear(message)
    (verdict,) = judge.close(end_s, ACCOUNT if account is None else account)
    return verdict


@pytest.mark.parametrize(
    ("text", "form", "start_s", "end_s"),
    [
        ("within 5 s: electrodes_off == [V3]", Form.WITHIN, 0, 5),
        ("within 5 s of 15.5 s: call", Form.WITHIN, 15.5, 20.5),
        ("always from 12 s to 20 s: rate 70±2", Form.ALWAYS, 12, 20),
        ("always: rate 70 +- 2 and quality >= fair", Form.ALWAYS, float("-inf"), float("inf")),
        ("call == AFIB for 90% of windows from 12 s", Form.SHARE, 12, float("inf")),
        ("never call while quality == bad to 30 s", Form.NEVER, float("-inf"), 30),
        ("no samples lost", Form.LOST, float("-inf"), float("inf")),
        ("samples lost 3..10", Form.LOST, float("-inf"), float("inf")),
    ],
)
def test_forms(text: str, form: Form, start_s: float, end_s: float) -> None:
    sentence = read(text)
    assert (sentence.form, sentence.start_s, sentence.end_s) == (form, start_s, end_s)


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("witin 5 s: call", 0, "'witin' is no beginning; did you mean within?"),
        ("within s: call", 7, "a number of seconds expected behind 'within', not 's'"),
        ("within 5: call", 8, "'s' expected behind '5', not ':'"),
        ("within 5 s call", 11, "':' expected behind 's', not 'call'"),
        ("within 5 s: cal == SR", 12, "'cal' is no field; did you mean call?"),
        ("within 5 s: call = SR", 17, "'=' cannot be read"),
        ("within 5 s: call == SRR", 20, "'SRR' is never said here; did you mean SR?"),
        ("within 5 s: rate == fast", 20, "a number expected behind '==', not 'fast'"),
        ("within 5 s: text == 5", 20, "a word expected behind '==', not '5'"),
        ("within 5 s: text > SINUS", 17, "== or != or contains behind text expected, not '>'"),
        ("within 5 s: call in SR", 20, "'in' wants a list, as [SR, AFIB]"),
        ("within 5 s: call == [SR]", 20, "call == wants one value, not a list"),
        ("within 5 s: faults contains V7", 28, "'V7' is never said here; known: I, II"),
        ("within 5 s: quality > none", 22, "'none' has no order; use == or != behind quality"),
        ("within 5 s: electrodes_off == [V3 V4]", 34, "',' expected behind 'V3', not 'V4'"),
        ("always: rate 70 2", 16, "'±' and how far the rate may be off expected"),
        ("always from 9 s to 3 s: call", 0, "the numbers exclude each other"),
        ("samples lost 9..3", 0, "the numbers exclude each other"),
        ("call for 120 % of windows", 0, "the numbers exclude each other"),
        ("call == SR", 10, "'for' expected behind 'SR', not the end"),
        ("call == SR for 90 % of window", 23, "'windows' expected behind 'of', not 'window'"),
        ("no samples lost at all", 16, "nothing more expected behind 'lost', not 'at'"),
        ("always: call and", 16, "the end is no field; known: call, refusal"),
        ("", 0, "the end is no beginning; known: within"),
    ],
)
def test_what_is_wrong_and_where(text: str, column: int, said: str) -> None:
    with pytest.raises(SentenceError) as caught:
        read(text)
    assert str(caught.value).startswith(said)
    assert caught.value.column == column


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    ["within", "5", "s", "of", ":", "call", "==", "SR", "never", "while", "rate", "±", "2", "and",
     "for", "%", "windows", "[", "]", "from", "to", "always", "lost", "none", "in", ",", "quality"]
)).map(" ".join))  # fmt: skip
def test_any_text_is_a_sentence_or_an_error(text: str) -> None:
    try:
        sentence = read(text)
    except SentenceError as error:
        column = error.column
    else:
        column, text = 0, sentence.text
    assert 0 <= column <= len(text)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("call", True),
        ("call == SR", True),
        ("call != SR", False),
        ("call in [AFIB, SR]", True),
        ("call == none", False),
        ("refusal == none", True),
        ("rate 72 ± 2", True),
        ("rate 72.1 ± 2", False),
        ("rate > 70", False),
        ("rate >= 70 and rate <= 70", True),
        ("rate == none", False),
        ("quality == good", True),
        ("quality > fair", True),
        ("quality < fair", False),
        ("electrodes_off == [V4, V3]", True),
        ("electrodes_off == [V3]", False),
        ("electrodes_off != [V3]", True),
        ("electrodes_off contains V3", True),
        ("faults contains V5 or call == AFIB", True),
        ("faults == V5", True),
        ("findings == []", False),
        ("findings contains st_elevation", True),
        ('text contains "SINUS R"', True),
        ("call == AFIB and rate > 0 or quality == good", True),
        ("call == AFIB and (x)", None),
        ("probability >= 0.98", True),
        ("model == rhythm-2.1", True),
        ("model_state == embedded", True),
        ("fault == none", True),
        ("fault contains serial", False),
        ("lost == 0", True),
    ],
)
def test_conditions(condition: str, holds: bool | None) -> None:
    message = result(
        1.0,
        electrodes_off=["V3", "V4"],
        faults={"V5": "noisy"},
        findings=[{"code": "st_elevation"}],
    )
    if holds is None:
        with pytest.raises(SentenceError):
            read(f"always: {condition}")
        return
    assert judged(f"within 5 s: {condition}", [HELLO, message]).ok is holds


def test_what_is_blank_is_neither_more_nor_less() -> None:
    blank = [HELLO, result(1.0, rate_bpm=None, call=None, refusal="starting", probability=None)]
    for condition in ("rate > 0", "rate < 300", "rate 70 ± 300", "call", "probability <= 1"):
        assert not judged(f"within 5 s: {condition}", blank).ok, condition
    assert judged("within 5 s: rate == none and call == none", blank).ok


class TestWithin:
    OFF = (event(15.2, "electrodes", off=["V3"]), event(25.4, "electrodes", off=[]))

    def test_in_time_with_what_is_left_of_it(self) -> None:
        verdict = judged("within 5 s of 15 s: electrodes_off == [V3]", [*MINUTE, *self.OFF])
        assert verdict.ok
        assert verdict.evidence == "electrodes_off was [V3] at 15.2 s, 4.8 s to spare"
        assert verdict.at_s is None

    def test_too_late(self) -> None:
        verdict = judged("within 0.1 s of 15 s: electrodes_off == [V3]", [*MINUTE, *self.OFF])
        assert not verdict.ok
        assert verdict.evidence == "electrodes_off was [] at 15.0 s, the last look"
        assert verdict.at_s == 15.1

    def test_the_limit_itself_is_in_time(self) -> None:
        assert judged("within 0.2 s of 15 s: electrodes_off == [V3]", [*MINUTE, *self.OFF]).ok

    def test_what_holds_already_holds(self) -> None:
        quiet = [HELLO, event(3.0, "electrodes", off=["RA"])]
        assert judged("within 2 s of 20 s: electrodes_off == [RA]", quiet).ok
        assert not judged("within 2 s of 20 s: electrodes_off == []", quiet).ok

    def test_what_a_result_said_before_is_not_taken_over(self) -> None:
        early = [HELLO, *(result(float(t)) for t in range(1, 11))]
        verdict = judged("within 5 s of 20 s: call == SR", early)
        assert not verdict.ok
        assert verdict.evidence == "nothing was said of call from 20 s to 25 s"

    def test_an_answer_is_true_when_it_is_given_only(self) -> None:
        said = [HELLO, {"type": "error", "reason": "bad_value", "t_s": 5.0}, *MINUTE[1:]]
        assert judged("within 1 s of 5 s: error == bad_value", said).ok
        assert not judged("within 1 s of 7 s: error == bad_value", said).ok

    def test_models(self) -> None:
        said = [
            *MINUTE,
            event(11.0, "flash", stage="check", text="whole"),
            event(11.2, "flash", outcome="installed", reason="", text="."),
            event(11.4, "model", model="rhythm-9", state="trial"),
            event(20.0, "flash", outcome="refused", reason="unsigned", text="."),
        ]
        assert judged("within 1 s of 11 s: flash == installed and reason == none", said).ok
        assert judged("within 1 s of 11 s: model == rhythm-9 and model_state == trial", said).ok
        assert judged("within 1 s of 20 s: reason == unsigned", said).ok
        assert not judged("never flash == refused", said).ok


class TestAlways:
    def test_with_the_extremes_of_its_numbers(self) -> None:
        said = [result(float(t), rate_bpm=70 + t % 3) for t in range(1, 61)]
        verdict = judged("always from 12 s to 20 s: rate 71 ± 1", said)
        assert verdict.ok
        assert verdict.evidence == "9 windows, rate 70 to 72"

    def test_the_first_time_it_did_not_hold(self) -> None:
        said = [result(float(t), rate_bpm=73.4 if t in (18, 19) else 70.0) for t in range(1, 61)]
        verdict = judged("always from 12 s: rate 70 ± 2", said)
        assert not verdict.ok
        assert verdict.evidence == "rate was 73.4 at 18.0 s; it held in 47 of 49 windows"
        assert verdict.at_s == 18.0
        assert judged("always from 20 s: rate 70 ± 2", said).ok

    def test_silence_is_no_proof(self) -> None:
        verdict = judged("always from 12 s: call == SR", [HELLO, result(5.0)])
        assert not verdict.ok
        assert verdict.evidence == "nothing was said of call from 12 s"

    def test_events_between_the_results_are_looked_at(self) -> None:
        said = [*MINUTE, event(30.3, "fault", part="serial", text="gone")]
        said += [event(30.5, "fault", part="serial", text="")]
        assert not judged("always: fault == []", said).ok
        assert judged("always from 30.5 s: fault == []", said).ok
        assert judged("within 1 s of 30 s: fault == [serial]", said).ok

    def test_what_was_said_before_lasts(self) -> None:
        """A monitor without a front end says so once."""
        silent = [HELLO, event(3.0, "fault", part="frontend", text="gone")]
        assert judged("always from 10 s: fault == frontend", silent).ok
        verdict = judged("always from 10 s: fault == []", silent)
        assert verdict.evidence.startswith("fault was [frontend] at 10.0 s")
        assert not judged("never fault == frontend from 10 s", silent).ok


class TestNever:
    def test_with_while(self) -> None:
        said = [result(float(t), quality="bad" if t > 30 else "good") for t in range(1, 61)]
        verdict = judged("never call while quality == bad", said)
        assert not verdict.ok
        assert verdict.evidence == "call was SR, quality was bad at 31.0 s"
        assert judged("never call while quality == bad to 30 s", said).evidence == (
            "0 of 30 windows were such a case: it was not put to the test"
        )
        refused = [result(float(t), call=None, quality="bad") for t in range(1, 61)]
        assert judged("never call while quality == bad", refused).evidence == (
            "60 of 60 windows were such a case"
        )

    def test_a_monitor_that_is_dead_proves_nothing(self) -> None:
        verdict = judged("never call", [])
        assert (verdict.ok, verdict.evidence) == (False, "nothing was heard of the monitor at all")
        assert judged("never call", [HELLO]).ok


class TestShare:
    SAID = tuple(result(float(t), call="AFIB" if t <= 18 else None) for t in range(1, 21))

    def test_exactly_enough(self) -> None:
        verdict = judged("call == AFIB for 90 % of windows", list(self.SAID))
        assert (verdict.ok, verdict.evidence) == (True, "90 % of 20 windows")

    def test_one_too_few(self) -> None:
        verdict = judged("call == AFIB for 91 % of windows from 1 s to 20 s", list(self.SAID))
        assert not verdict.ok
        assert verdict.evidence == "90 % of 20 windows; call was none at 19.0 s"

    def test_events_are_no_windows(self) -> None:
        said = [*self.SAID, *(event(18.5, "electrodes", off=["V1"]) for _ in range(20))]
        assert judged("electrodes_off == [] for 100 % of windows", said).ok

    def test_no_windows(self) -> None:
        assert not judged("call == AFIB for 1 % of windows", [HELLO]).ok


class TestLost:
    def test_by_the_account(self) -> None:
        assert judged("no samples lost", MINUTE).evidence == "0 of 30000 samples lost"
        lossy = judged("no samples lost", MINUTE, account={"written": 29_983, "lost": 17})
        assert (lossy.ok, lossy.evidence) == (False, "17 of 30000 samples lost")

    @pytest.mark.parametrize(("lost", "ok"), [(2, False), (3, True), (10, True), (11, False)])
    def test_a_range(self, lost: int, ok: bool) -> None:
        account = {"written": 1000, "lost": lost}
        assert judged("samples lost 3..10", MINUTE, account=account).ok is ok

    def test_without_samples_none_were_kept(self) -> None:
        assert not judged("no samples lost", [], account={"written": 0, "lost": 0}).ok
        assert not judged("no samples lost", [], account={}).ok

    def test_gaps_are_counted_as_they_are_told(self) -> None:
        said = [*MINUTE, event(10.4, "gap", lost=3), event(20.4, "gap", lost=4)]
        assert judged("within 1 s of 10 s: lost == 3", said).ok
        assert judged("always from 21 s: lost == 7", said).ok


def test_a_known_gap_that_holds_after_all_fails() -> None:
    gap = judged("never call == SR", MINUTE, known="swaps go unnoticed (issue E)")
    assert (gap.ok, gap.status) == (False, Status.KNOWN)
    held = judged("always: call == SR", MINUTE, known="swaps go unnoticed (issue E)")
    assert (held.ok, held.status) == (True, Status.FAILED)


def test_what_fails_is_told_once_when_it_is_clear() -> None:
    sentences = ("always: call == SR", "within 5 s: call == AFIB", "never call == GSVT")
    judge = Judge([Expectation(read(text), ("P-01",), "", 1) for text in sentences])
    told = {}
    for t in range(1, 11):
        judge.hear(result(float(t), call="SR" if t < 8 else None))
        told[t] = judge.failed_since()
    assert {t: said for t, said in told.items() if said} == {
        6: ["within 5 s: call == AFIB"],
        8: ["always: call == SR"],
    }


def snapshot(t_s: float, part: int, of: int, *lead_ii: int) -> dict[str, Any]:
    """One line of a snapshot; NO_SAMPLE and other leads are as they may be."""
    uv = np.full((len(lead_ii), len(LEADS)), 30_000, "<i2")
    uv[:, LEADS.index("II")] = lead_ii
    text = base64.b64encode(uv.tobytes()).decode()
    reply = {"type": "reply", "command": "snapshot", "part": part, "parts": of, "uv": text}
    return {**reply, "t_s": t_s}


class TestHeight:
    WHOLE = (
        HELLO,
        snapshot(5.0, 0, 3, 0, -200, NO_SAMPLE),
        snapshot(5.2, 1, 3, NO_SAMPLE),
        snapshot(5.4, 2, 3, 1100, 40),
    )

    def test_of_lead_ii_from_all_parts(self) -> None:
        verdict = judged("within 1 s of 5 s: height == 1300", list(self.WHOLE))
        assert verdict.evidence == "height was 1300 at 5.4 s, 0.6 s to spare"

    def test_half_a_snapshot_says_nothing(self) -> None:
        verdict = judged("within 9 s: height > 0", list(self.WHOLE[:-1]))
        assert verdict.evidence == "nothing was said of height from 0 s to 9 s"

    def test_the_next_one_begins_anew(self) -> None:
        said = [*self.WHOLE, snapshot(8.0, 0, 1, 7, 9)]
        assert judged("always from 9 s: height == 2", [*said, event(9.5, "gap", lost=1)]).ok

    def test_without_a_sample_it_says_nothing(self) -> None:
        assert not judged("within 9 s: height < 9", [HELLO, snapshot(5.0, 0, 1, NO_SAMPLE)]).ok
