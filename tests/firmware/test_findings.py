"""The short list: when a finding is present, in which order, and what it does to the call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware.call import CallRule, Evidence, decide, decide_recording, plain_sinus
from firmware.events import LeadFault, QualityGrade, Refusal
from firmware.findings import MOST, Finding, FindingRule, Priority, by_priority, find

MI = FindingRule("mi", "POSSIBLE MI", "call", Priority.HIGH, (("sup", "MI", 0.5),))
MAYBE_MI = FindingRule("mi", "SIGNS OF MI?", "", Priority.MEDIUM, (("sup", "MI", 0.1),))
LBBB = FindingRule(
    "lbbb", "LBBB", "", Priority.MEDIUM, (("st", "CLBBB", 0.4), ("st", "ILBBB", 0.3))
)
AXIS = FindingRule("left_axis", "LEFT AXIS", "", Priority.LOW, (("te", "LAD", 0.5),))
PACED = FindingRule(
    "paced", "PACED RHYTHM", "look", Priority.MEDIUM, (("st", "PACE", 0.2),), instead=True
)
RULE = CallRule(
    "net-1", "mate4", {"SR": "SINUS RHYTHM"}, {"SR": 0.6}, (MI, PACED, MAYBE_MI, LBBB, AXIS)
)
GOOD = Evidence(4999, 5000, 0, QualityGrade.GOOD, {}, False, 70.0, 0.01)
ST = Finding("st_elevation", "ST ELEVATION?", "look at II III", Priority.HIGH, None)


def scores(sr: float = 0.97, **others: float) -> dict[str, dict[str, float]]:
    found = {"CLBBB": 0.0, "ILBBB": 0.0, "PACE": 0.0, "MI": 0.0, "LAD": 0.0, **others}
    return {
        "mate4": {"AFIB": round((1 - sr) / 2, 6), "SB": round((1 - sr) / 2, 6), "SR": sr},
        "sup": {"MI": found["MI"]},
        "st": {code: found[code] for code in ("CLBBB", "ILBBB", "PACE")},
        "te": {"LAD": found["LAD"]},
    }


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.code for finding in findings]


def test_any_score_at_its_threshold_makes_the_finding() -> None:
    assert find(scores(CLBBB=0.399, ILBBB=0.299), [LBBB]) == []
    ((found, rule),) = find(scores(CLBBB=0.4), [LBBB])
    assert (found.code, found.probability, rule) == ("lbbb", 0.4, LBBB)
    ((found, _),) = find(scores(CLBBB=0.45, ILBBB=0.9), [LBBB])
    assert found.probability == 0.9  # the one that speaks loudest for it
    assert find({}, [LBBB]) == []


def test_of_rules_with_one_code_the_first_that_fits_speaks() -> None:
    assert [f.text for f, _ in find(scores(MI=0.7), RULE.findings)] == ["POSSIBLE MI"]
    assert [f.text for f, _ in find(scores(MI=0.2), RULE.findings)] == ["SIGNS OF MI?"]


def test_the_gravest_comes_first_and_what_was_measured_before_what_was_scored() -> None:
    call = decide(replace(GOOD, measured=(ST,)), scores(LAD=0.9, ILBBB=0.0, MI=0.8), RULE)
    assert codes(call.findings) == ["st_elevation", "mi", "left_axis"]
    assert by_priority(reversed(call.findings))[-1].code == "left_axis"


def test_the_list_is_short() -> None:
    many = [replace(ST, code=str(k), priority=Priority.LOW) for k in range(20)]
    assert len(by_priority([*many, ST])) == MOST
    assert by_priority([*many, ST])[0] is ST


def test_a_call_with_a_high_finding_says_it_first() -> None:
    call = decide(GOOD, scores(MI=0.8, CLBBB=0.9), RULE)
    assert (call.label, call.text) == ("SR", "SINUS RHYTHM")
    assert call.headline == "POSSIBLE MI + SINUS RHYTHM"
    assert not plain_sinus(call)


def test_a_medium_finding_is_said_behind_and_a_low_one_not() -> None:
    call = decide(GOOD, scores(CLBBB=0.9, LAD=0.9), RULE)
    assert call.headline == "SINUS RHYTHM + LBBB"
    assert not plain_sinus(call)
    call = decide(GOOD, scores(LAD=0.9), RULE)
    assert call.headline == "SINUS RHYTHM"
    assert codes(call.findings) == ["left_axis"]
    assert plain_sinus(call)


def test_a_paced_rhythm_is_no_group_of_the_call() -> None:
    call = decide(GOOD, scores(PACE=0.9, LAD=0.9), RULE)
    assert (call.label, call.refusal) == (None, Refusal.OTHER_RHYTHM)
    assert call.text == call.headline == "PACED RHYTHM"
    assert call.act == "look"
    assert call.probability is None  # the best of four groups says nothing of a fifth
    assert codes(call.findings) == ["paced", "left_axis"]


def test_an_unsure_call_keeps_its_findings() -> None:
    call = decide(GOOD, scores(sr=0.5, MI=0.8), RULE)
    assert call.refusal is Refusal.UNSURE
    assert call.headline == "POSSIBLE MI + UNSURE"


@pytest.mark.parametrize(
    "evidence",
    [
        replace(GOOD, span=2000),
        replace(GOOD, electrodes_off=1),
        replace(GOOD, grade=QualityGrade.BAD, faults={"II": LeadFault.NOISY}),
    ],
)
def test_what_cannot_be_read_has_no_findings(evidence: Evidence) -> None:
    evidence = replace(evidence, measured=(ST,))
    assert decide(evidence, scores(MI=0.9), RULE).findings == ()


@pytest.mark.parametrize(
    ("evidence", "code"),
    [(replace(GOOD, restless=True), "vf_vt"), (replace(GOOD, asystole=True), "asystole")],
)
def test_vf_and_asystole_head_the_list(evidence: Evidence, code: str) -> None:
    call = decide(evidence, scores(MI=0.9), RULE)
    assert codes(call.findings) == [code]
    assert call.findings[0].priority is Priority.HIGH
    assert call.headline == call.text == call.findings[0].text
    assert not plain_sinus(call)


def test_measured_findings_need_no_network() -> None:
    call = decide(replace(GOOD, measured=(ST,)), {}, None)
    assert call.refusal is Refusal.NO_MODEL
    assert call.headline == "ST ELEVATION? + NO MODEL"


@pytest.mark.parametrize("code", ["CLBBB", "PACE"])
def test_st_says_nothing_beside_a_bundle_branch_block_or_a_pacemaker(code: str) -> None:
    call = decide(replace(GOOD, measured=(ST,)), scores(**{code: 0.9}), RULE)
    assert "st_elevation" not in codes(call.findings)


def test_a_recording_has_the_findings_of_its_mean_scores_and_of_half_its_windows() -> None:
    with_st = decide(replace(GOOD, measured=(ST,)), scores(MI=0.9), RULE)
    without = decide(GOOD, scores(MI=0.3), RULE)
    call = decide_recording([with_st, without], RULE)
    assert codes(call.findings) == ["st_elevation", "mi"]
    assert call.findings[1].probability == pytest.approx(0.6)
    call = decide_recording([with_st, without, without], RULE)
    assert [f.text for f in call.findings] == ["POSSIBLE MI"]  # mean 0.5; ST in one of three


def test_recordings_of_paced_windows_are_paced() -> None:
    paced = decide(GOOD, scores(PACE=0.9), RULE)
    call = decide_recording([paced, paced, decide(GOOD, scores(), RULE)], RULE)
    assert call.refusal is Refusal.OTHER_RHYTHM


@pytest.mark.parametrize(("label", "plain"), [("SR", True), ("SB", True), ("AFIB", False)])
def test_plain_sinus_is_any_sinus_group_without_a_warning(label: str, plain: bool) -> None:
    call = replace(decide(GOOD, scores(), RULE), label=label)
    assert plain_sinus(call) is plain
