"""The evaluation's figures against values worked out by hand or by brute force."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.archive import BundleError
from firmware.bundle import Bundle
from firmware.call import SINUS
from hal.frontend import Electrode
from models.data.dataset import Metadata
from models.data.labels import MATE4, STATEMENTS, SUBCLASS_OF, SUBCLASSES
from models.data.stress import Stress
from models.evaluate import danger, targets
from models.evaluate.bootstrap import (
    accuracy_and_macro_f1,
    interval,
    patient_weights,
    resampled_auc,
    resampled_confusion,
    resampled_macro_auc,
)
from models.evaluate.bradycardia import curve, split_at
from models.evaluate.outputs import from_results, probabilities
from models.evaluate.per_label import calibration_errors, per_label
from models.evaluate.refusal import answers, risk_coverage
from models.evaluate.robust import _no_call
from models.evaluate.slices import parts
from models.evaluate.speed import parameters, speed
from models.evaluate.system import difference, headline, measured
from models.evaluate.tasks import tasks
from models.metrics import auc, macro_auc


def statements(*records: str) -> np.ndarray:
    """Multi-hot [n, 71] of records such as "SR NORM"."""
    out = np.zeros((len(records), len(STATEMENTS)))
    for row, codes in enumerate(records):
        for code in codes.split():
            out[row, STATEMENTS.index(code)] = 1
    return out


def test_the_tasks_have_the_sizes_of_the_benchmark() -> None:
    truth = {"statements": np.ones((1, 71)), "superclasses": np.ones((1, 5))}
    sizes = {task.name: len(task.labels) for task in tasks(truth, truth)}
    assert sizes == {
        "all": 71,
        "diagnostic": 44,
        "subdiagnostic": 23,
        "superdiagnostic": 5,
        "form": 19,
        "rhythm": 12,
    }


def test_a_task_counts_the_records_that_carry_one_of_its_labels() -> None:
    """The form task counts NST_, a diagnostic statement that describes form as well."""
    truth = {"statements": statements("SR NORM", "AFIB", "NST_", "PVC", "")}
    found = {task.name: task.rows.tolist() for task in tasks(truth, truth)}
    assert found["all"] == [True, True, True, True, False]
    assert found["diagnostic"] == [True, False, True, False, False]
    assert found["form"] == [False, False, True, True, False]
    assert found["rhythm"] == [True, True, False, False, False]


def test_a_subclass_scores_as_the_highest_of_its_statements() -> None:
    assert len(SUBCLASSES) == 23
    assert SUBCLASS_OF["INJLA"] == "AMI"
    assert SUBCLASS_OF["3AVB"] == "_AVB"
    score = np.zeros((2, 71))
    score[0, STATEMENTS.index("1AVB")], score[0, STATEMENTS.index("3AVB")] = 0.2, 0.7
    truth = {"statements": statements("2AVB", "NORM")}
    task = next(t for t in tasks(truth, {"statements": score}) if t.name == "subdiagnostic")
    column = SUBCLASSES.index("_AVB")
    assert task.score[:, column].tolist() == [0.7, 0]
    assert task.truth[:, column].tolist() == [True, False]


def test_labels_that_no_record_carries_do_not_count() -> None:
    truth = {"statements": statements("SR", "AFIB", "SR")}
    score = {"statements": statements("SR", "AFIB", "AFIB")}
    figures = measured(truth, score).figures["tasks"]["rhythm"]
    assert figures["labels"] == 2
    assert figures["of_labels"] == 12
    assert figures["auc"] == pytest.approx(0.75)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25
    )
)
@settings(max_examples=60, deadline=None)
def test_a_resampled_auc_is_the_auc_of_the_repeated_records(
    rows: list[tuple[bool, int, int]],
) -> None:
    truth, score, times = (np.array(column) for column in zip(*rows, strict=True))
    found = resampled_auc(truth, score.astype(float), times[None].astype(np.float32))[0]
    wanted = auc(np.repeat(truth, times), np.repeat(score, times)) if times.any() else np.nan
    assert found == pytest.approx(wanted, nan_ok=True)


def test_resampled_figures_with_every_record_once_are_the_figures() -> None:
    rng = np.random.default_rng(0)
    truth, score = rng.random((80, 3)) < 0.3, rng.random((80, 3))
    once = np.ones((1, 80), np.float32)
    assert resampled_macro_auc(truth, score, once)[0] == pytest.approx(macro_auc(truth, score))
    right, said = rng.integers(0, 4, 80), rng.integers(0, 4, 80)
    matrices = resampled_confusion(right, said, 4, once)
    accuracy, macro_f1 = accuracy_and_macro_f1(matrices)
    assert accuracy[0] == pytest.approx((right == said).mean())
    f1 = [
        2 * ((right == i) & (said == i)).sum() / ((right == i).sum() + (said == i).sum())
        for i in range(4)
    ]
    assert macro_f1[0] == pytest.approx(np.mean(f1))
    assert accuracy_and_macro_f1(np.diag([3.0, 5.0, 0, 0])[None])[1][0] == 1


def test_a_patient_is_drawn_with_all_records_and_always_the_same_way() -> None:
    patients = np.array(["a", "b", "a", "c", "b"])
    weights = patient_weights(patients, 500, seed=1)
    assert np.array_equal(weights[:, 0], weights[:, 2])
    assert np.array_equal(weights[:, 1], weights[:, 4])
    assert (weights[:, [0, 1, 3]].sum(1) == 3).all()
    assert np.array_equal(weights, patient_weights(patients, 500, seed=1))
    assert not np.array_equal(weights, patient_weights(patients, 500, seed=2))


def test_the_interval_holds_the_true_auc_as_often_as_it_says() -> None:
    """Scores of two normals one apart: AUC = Phi(1/sqrt(2)) = 0.7602."""
    rng = np.random.default_rng(3)
    truth = np.arange(120) < 40
    patients = np.arange(120).astype(str)
    held = 0
    for trial in range(60):
        score = rng.normal(truth.astype(float), 1)
        low, high = interval(resampled_auc(truth, score, patient_weights(patients, 200, trial)))
        held += low <= 0.7602 <= high
    assert held >= 52


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(5)
    truth = {"statements": statements(*["SR", "AFIB"] * 100)}
    score = {"statements": truth["statements"] + rng.normal(0, 1, (200, 71))}
    weights = patient_weights(np.arange(200).astype(str), 100)
    one, other = measured(truth, score, weights), measured(truth, score, weights)
    same = difference(one, other)["all"]
    assert same["difference"] == 0
    assert same["interval"] == [0, 0]
    low, high = one.figures["tasks"]["all"]["interval"]
    assert low < headline(one.figures, "all") < high


def test_risk_falls_when_the_least_certain_are_refused_first() -> None:
    truth = np.eye(4)[[0, 1, 2, 3]]
    p = np.array([[0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0, 0, 0.7, 0.3], [0.6, 0, 0, 0.4]])
    points = {point["coverage"]: point for point in risk_coverage(truth, p)}
    assert points[1.0]["error"] == 0.25
    assert points[0.75]["error"] == 0
    assert points[0.75]["least_probability"] == pytest.approx(0.7)


def test_answers_count_calls_refusals_and_records_without_a_group() -> None:
    truth = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    results = [
        {"call": "AFIB"},
        {"call": "SR"},
        {"call": None, "reason": "unsure"},
        {"call": "SR"},
        {"call": None, "reason": "noise"},
    ]
    found = answers(truth, results)
    assert found["refused"] == 2
    one = found["with_one_group"]
    assert (one["records"], one["refused"], one["reasons"]) == (3, 1, {"unsure": 1})
    assert one["coverage"] == pytest.approx(2 / 3)
    assert one["error"] == 0
    assert one["accuracy_if_refusals_are_wrong"] == pytest.approx(2 / 3)
    assert found["no_group_fits"] == {"records": 2, "refused": 1, "called": {"SR": 1}}


def test_sinus_is_split_at_the_measured_rate_and_by_the_network_where_there_is_none() -> None:
    p = np.array([[0, 0, 0.2, 0.8], [0, 0, 0.2, 0.8], [0, 0, 0.6, 0.4], [0.9, 0, 0, 0.1]])
    rate = np.array([55, 65, np.nan, 50])
    said = [MATE4[i] for i in split_at(p, rate, 60)]
    assert said == ["SB", "SR", "SB", "AFIB"]
    truth = np.eye(4)[[MATE4.index(label) for label in said]]
    found = curve(truth, p, rate)
    at = {point["limit_bpm"]: point for point in found["points"]}
    assert at[60]["accuracy"] == 1
    assert at[50]["accuracy"] == 0.75
    assert found["sr_below_60"] == 0
    assert found["labelled_sb_rate_bpm"] == [55, 55, 55]


def test_dangers_are_read_from_statements_and_from_foreign_codes() -> None:
    rows = danger.by_statements(statements("PACE", "IMI", "IMI STE_", "INJAS SR", "3AVB"))
    assert rows["paced"].tolist() == [True, False, False, False, False]
    assert rows["acute infarction"].tolist() == [False, False, True, True, False]
    assert rows["complete AV block"].tolist() == [False, False, False, False, True]
    foreign = danger.by_codes(
        [{"164896001"}, {"stemi: lateral wall"}, {"1648960011"}, {"unipolar ventricular pacing"}]
    )
    assert foreign["VF or VT"].tolist() == [True, False, False, False]
    assert foreign["acute infarction"].tolist() == [False, True, False, False]
    assert foreign["paced"].tolist() == [False, False, False, True]


@pytest.mark.parametrize("group", SINUS)
def test_sinus_is_plain_without_a_warning(group: str) -> None:
    low, high = {"priority": "low"}, {"priority": "high"}
    assert danger.is_plain({"call": group, "findings": []})
    assert danger.is_plain({"call": group, "findings": [low]})
    assert not danger.is_plain({"call": group, "findings": [low, high]})
    assert not danger.is_plain({"call": None, "findings": []})
    assert not danger.is_plain({"call": "AFIB", "findings": []})


def test_the_dangerous_ones_that_came_out_plain_are_named() -> None:
    results = [{"call": "SR"}, {"call": None}, {"call": "SB", "findings": [{"priority": "high"}]}]
    rows = {"paced": np.array([True, True, True]), "asystole": np.zeros(3, bool)}
    found = danger.counted(rows, ["x", "y", "z"], results)
    assert found == {
        "paced": {"records": 3, "no_call": 1, "sinus_with_warning": 1, "plain_sinus": ["x"]}
    }


def test_per_label_figures_leave_out_records_without_a_rhythm_group(embedded: Bundle) -> None:
    group = next(g for g in embedded.groups if g.name == "mate4")
    truth = {"mate4": np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]])}
    p = {"mate4": np.array([[0.9, 0, 0, 0.1], [0.2, 0, 0, 0.8], [0.9, 0, 0, 0.1]])}
    table = per_label([group], truth, p)
    assert table["mate4"].keys() == {"AFIB", "SR"}
    assert table["mate4"]["AFIB"]["records"] == 2
    assert table["mate4"]["AFIB"]["calibration"]["ece"] == pytest.approx(0.15)
    assert calibration_errors(table)["mate4"]["SR"] == pytest.approx(0.15)


def test_parts_by_sex_and_age_hold_the_right_records() -> None:
    n = 160
    meta = Metadata(
        record_ids=tuple(map(str, range(n))),
        patient_id=np.arange(n).astype(str),
        age=np.where(np.arange(n) < 80, 39.9, 80.0),
        sex=np.array(["F", "M"] * (n // 2)),
        source=np.array(["PTB-XL"] * n),
        site=np.array([""] * n),
        device=np.array([""] * n),
    )
    found = parts(meta)
    assert found.keys() == {"sex", "age"}  # one source; sites and devices are not known
    assert found["age"].keys() == {"<40", "80+"}
    assert found["age"]["80+"].sum() == 80
    assert found["sex"]["F"][0]


def test_scores_are_taken_from_what_classify_says_and_zero_without(embedded: Bundle) -> None:
    said = {"scores": {group.name: dict.fromkeys(group.labels, 0.25) for group in embedded.groups}}
    found = from_results(embedded.groups, [said, {"error": "unreadable"}])
    assert found["mate4"].tolist() == [[0.25] * 4, [0] * 4]
    p = probabilities(embedded.groups, np.zeros((1, 80)))
    assert p["mate4"].tolist() == [[0.25] * 4]
    assert (p["statements"] == 0.5).all()


def test_the_monitor_makes_no_call_with_limb_electrodes_or_all_chest_ones_off() -> None:
    def refused(*off: Electrode) -> bool:
        return _no_call(sum(1 << electrode for electrode in Stress(off=off).off))

    assert refused(Electrode.LA)
    assert refused(Electrode.RL)
    assert not refused(Electrode.V1, Electrode.V2)
    assert refused(*(e for e in Electrode if e >= Electrode.V1))


def test_what_is_evaluated_and_what_is_said_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nowhere is missing; give a bundle"):
        targets.find(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"rhythm\.l12 is missing; run lead12 quantize"):
        targets.find(tmp_path)
    for seed in (10, 2, 1):
        run = tmp_path / f"student-{seed}"
        run.mkdir()
        (run / "final.weights.h5").touch()
    with pytest.raises(BundleError, match=r"no student .* has a bundle"):
        targets.find(tmp_path)
    for seed in (10, 2):
        (tmp_path / f"student-{seed}" / "rhythm.l12").touch()
    found = targets.find(tmp_path)
    assert found.run == tmp_path / "student-2"
    assert list(found.seeds) == [1, 2, 10]
    assert targets.find(tmp_path / "student-10").run == tmp_path / "student-10"
    assert list(targets.find(tmp_path / "student-10").seeds) == [1, 2, 10]
    assert targets.find(tmp_path / "student-2" / "rhythm.l12").seeds == {}


def test_parameters_and_memory_are_those_of_the_network(embedded: Bundle, tmp_path: Path) -> None:
    assert 0.8 < parameters(embedded) / len(embedded.model) < 1  # a byte each, and some shapes
    path = tmp_path / "bundle.l12"
    path.write_bytes(b"no bundle")
    errors = {runtime: figures.keys() for runtime, figures in speed(path).items()}
    assert errors
    assert all(keys == {"error"} for keys in errors.values())


def test_the_interpreter_s_memory_is_its_own_and_not_of_who_started_it() -> None:
    ballast = np.ones(40_000_000)  # 305 MiB here
    with resources.as_file(resources.files("firmware").joinpath("embedded.l12")) as path:
        found = speed(path)
    assert found
    assert all(30 < of["peak_rss_mib"] < 200 for of in found.values())
    assert ballast.size
