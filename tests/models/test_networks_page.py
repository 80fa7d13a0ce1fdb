"""The page of networks: what it says of made-up figures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.architectures import ARCHITECTURES
from models.data.labels import CNN_TE
from models.evaluate.compare import (
    OURS,
)
from models.report.networks import ahead, goals, page, picture, shortfalls
from models.report.published import PAPERS, PUBLISHED
from tools.bench.figures import DOCS
from tools.bench.networks import figures as as_figures


def system(auc: float, f1: float = 0.7) -> dict[str, Any]:
    """Figures of one system, the same for both tasks."""
    of = {"records": 20, "labels": 5, "auc": auc, "interval": [auc - 0.01, auc + 0.01]}
    of |= {"map": 0.6, "accuracy": 0.8, "f1": f1, "sensitivity": 0.8, "specificity": 0.9}
    label = {"share": 0.1, "auprc": 0.5, "threshold": 0.4, "precision": 0.5, "recall": 0.5}
    te = {"labels": {name: label | {"f1": 0.5} for name in CNN_TE}, "correlation": -0.5}
    of["g_mean"] = 0.85
    return {
        "superdiagnostic": of,
        "rhythm": dict(of),
        "mate4": {"accuracy": 0.9, "macro_f1": 0.8},
        "cnn_te": te,
        "called": 18,
    }


def row(name: str, auc: float, macs: int, **changed: Any) -> dict[str, Any]:
    """A network that was trained whole, measured whole, and that the monitor ran."""
    int8 = system(auc)
    int8["less_float"] = {
        task: {"difference": -0.001, "interval": [-0.002, 0.0]}
        for task in ("superdiagnostic", "rhythm")
    }
    return {
        "name": name,
        "architecture": name,
        "paper": "A paper",
        "input": "window",
        "training": {
            "epochs": 20, "planned": 20, "ended": "as planned", "chosen": False, "seconds": 7200.0,
            "hardware": "a processor", "finished": True,
        },
        "parameters": 1_234_567,
        "macs": macs,
        "bytes": 400_000,
        "not_int8": {},
        "records": 20,
        "of_records": 20,
        "systems": {"float": system(auc + 0.001), "int8": int8, "device": system(auc)},
        "ours": {"macs": 30_000_000, "auc": {"superdiagnostic": 0.93, "rhythm": 0.93}},
        "speed": {"ai_edge_litert": {"median_ms": 0.7, "peak_rss_mib": 50.0}},
        "device_run": {"exit": 0, "results": 30, "scored": 21, "said": "SINUS", "error": ""},
    } | changed  # fmt: skip


def table(*rows: dict[str, Any]) -> dict[str, Any]:
    """As ``measure`` returns it; our own network comes first."""
    return {
        "format": 1,
        "data": {"name": "PTB-XL", "sha256": "0", "fold": 9},
        "machine": "a machine",
        "rows": [row(OURS, 0.93, 30_000_000), *rows],
    }


UNTRAINED = {
    "name": "cnn-te", "architecture": "cnn-te", "paper": "CNN-TE", "input": "window",
    "training": {}, "parameters": 10_968_413, "macs": 3_008_600_000,
}  # fmt: skip


def test_trainings_on_the_small_set_have_a_table_where_there_are_any() -> None:
    scores = {"superclass_auc": 0.811, "rhythm_auc": 0.722, "statement_auc": 0.733}
    one = {"recipe": "a-small", "architecture": "a", "on": "small", "start": None} | scores
    one |= {"trunk": "free", "records": 1790, "epochs": 20.0, "brief": True}
    other = one | {"recipe": "a-more", "start": "a-rest", "trunk": "frozen", "brief": False}
    said = page(table() | {"transfer": [one, other]})
    figures = "0.811 | 0.722 | 0.733 |"
    assert f"| a-small | small, 1 790 records | scratch | all | 20, brief | {figures}" in said
    assert f"| a-more | small, 1 790 records | a-rest | the last layer | 20 | {figures}" in said
    assert "Transfer" not in page(table())


def test_folds_of_patients_have_a_table_where_there_are_any() -> None:
    spread = {"auc": {"mean": 0.877, "sd": 0.0321}, "f1": {"mean": 0.5, "sd": 0.1}}
    tested = {"recipe": "mayo", "architecture": "mayo-alvd", "epochs": 12.25, "task": "MI"}
    found = table() | {"folds": [tested | {"folds": 10} | spread]}
    assert "| mayo | 10 | 12.2 | 0.877 ± 0.032 | 0.500 ± 0.100 |" in page(found)
    assert "Ten folds" not in page(table())


def test_what_falls_short_is_a_sentence_each() -> None:
    lossy = row("alexnet", 0.93, 100_000_000)
    lossy["systems"]["int8"]["less_float"]["rhythm"]["difference"] = -0.02
    half = row("vgg11-bn", 0.90, 100_000_000, records=5)
    half["training"] |= {"epochs": 3.5, "chosen": True}
    failed = {"exit": 1, "results": 0, "scored": 0, "said": None, "error": "lead12: no"}
    other = row("crnn-gru", 0.93, 100_000_000, not_int8={"TANH float32": 2}, device_run=failed)
    other["speed"] = {"tflite_runtime": {"error": "unknown op"}}
    silent = {"exit": 0, "results": 30, "scored": 0, "said": None, "error": ""}
    better = row("resnet18", 0.94, 100_000_000, device_run=silent)
    better["training"] |= {"epochs": 20.0, "planned": 80, "brief": True}
    unquantised = UNTRAINED | {"name": "mate", "training": half["training"] | {"finished": True}}
    found = shortfalls(table(lossy, half, other, better, UNTRAINED, unquantised))
    assert found == [
        "`alexnet`: int8 loses 0.020 of macro AUC, rhythm.",
        "`vgg11-bn`: trained 3.5 of 20 epochs.",
        "`vgg11-bn`: its epoch was chosen on fold 9 itself, which flatters it a little.",
        "`vgg11-bn`: measured on 5 of 20 records.",
        "`crnn-gru`: not int8: TANH float32 (2).",
        "`crnn-gru`: tflite_runtime did not run it: unknown op.",
        "`crnn-gru`: the monitor did not run it: lead12: no.",
        "`resnet18`: trained 20 of 80 epochs, brief.",
        "`lead12` lies 0.010 of macro AUC behind `resnet18`, super-diagnostic.",
        "`lead12` lies 0.010 of macro AUC behind `resnet18`, rhythm.",
        "`resnet18`: the monitor did not run it: 0 of 30 lines with scores.",
        "`cnn-te`: not trained here; 3.01 GMAC per record, 3.0 h an epoch at the others' pace.",
        "`mate`: trained, but not quantised; 3.01 GMAC per record.",
    ]
    assert shortfalls(table(row("alexnet", 0.92, 100_000_000))) == ["Nothing of what was wanted."]


def test_a_network_at_chance_has_nothing_that_int8_could_lose() -> None:
    coin = row("vgg16-page", 0.5, 250_000_000_000)
    for of in coin["systems"]["int8"]["less_float"].values():
        of["difference"] = -0.04
    found = table(row("mate", 0.92, 1_000_000), coin)
    assert goals(found)[0].value == -0.001
    assert shortfalls(found)[0] == (
        "`vgg16-page`: its float network may be at chance, super-diagnostic (0.501, 0.491-0.511): "
        "int8 less float, -0.040, is not counted above."
    )
    coin["systems"]["float"]["rhythm"]["interval"] = [0.501, 0.511]
    assert goals(found)[0].text == "int8 less float, macro AUC, worst: vgg16-page, rhythm"
    assert "`vgg16-page`: int8 loses 0.040 of macro AUC, rhythm." in shortfalls(found)


def test_rows_of_an_earlier_state_of_the_chain_are_told() -> None:
    found = table(row("new", 0.9, 1, code="b"), row("old", 0.9, 1, code="a")) | {"code": "b"}
    said = [one for one in shortfalls(found) if "earlier state" in one]
    assert said == ["Measured behind an earlier state of firmware and chip: lead12, old."]


def test_goals_are_held_against_the_worst() -> None:
    small = row("mate-shipped", 0.935, 10_000_000)
    good = {goal.text: goal for goal in goals(table(row("alexnet", 0.92, 100_000_000)))}
    assert all(goal.met for goal in good.values())
    values = [goal.value for goal in goals(table(small, UNTRAINED))]
    assert values == pytest.approx([-0.001, -0.005, -0.005, 1, 0, 1])
    assert [goal.met for goal in goals(table(small, UNTRAINED))][3] is False
    assert all(goal.value is None for goal in goals(table(UNTRAINED))[1:4])  # nobody to lead
    texts = [goal.text for goal in goals(table(UNTRAINED))[1:4]]
    assert all(text.endswith(("no other measured", "none measured")) for text in texts)
    assert len(as_figures(table(UNTRAINED))) == 3
    assert [one.ok for one in as_figures(table(small))][-1]


def test_ahead_is_who_needs_less_and_scores_more() -> None:
    rows = [row("a", 0.94, 10), row("b", 0.92, 10), row("c", 0.94, 40_000_000)]
    assert ahead(rows) == ["a"]


def test_the_page_has_a_row_for_every_network_and_the_papers_figures() -> None:
    resnet = row("resnet18", 0.92, 350_000_000)
    text = page(table(resnet, UNTRAINED))
    assert "| lead12 | A paper | window | 1 234 567 | 30.0 | 400 | none | 0.70 | 50 |" in text
    assert "| cnn-te | CNN-TE | window | 10 968 413 | 3008.6 | - | - | - | - | - |" in text
    assert "| resnet18 | 350.0 | 11.67 | 0.9200 | -0.0100 | no |" in text
    assert "| cnn-te | not trained here | - | - |" in text
    begun = UNTRAINED | {"training": resnet["training"] | {"epochs": 0, "finished": False}}
    assert "| cnn-te | not trained here | - | - |" in page(table(begun))
    assert "| lead12 | 20 of 20 epochs | 2.00 h | a processor |" in text
    assert "F1 0.751, MAP 0.789, G-mean 0.839" in text
    assert "F1 0.700, MAP 0.600, G-mean 0.850" in text
    assert "0.920 (0.910-0.930)" in text
    assert picture(table(resnet))[:4] == b"\x89PNG"


def test_the_papers_figures_are_of_networks_that_are_here() -> None:
    assert set(PUBLISHED) <= set(ARCHITECTURES)


def test_every_paper_is_cited_by_the_name_in_its_column() -> None:
    assert {of.paper for of in ARCHITECTURES.values()} == {*PAPERS, "Lead12"}
    assert all(any(of.where.startswith(name) for name in PAPERS) for of in PUBLISHED.values())
    text = page(table())
    assert all(f"- *{name}*: {cited}\n" in text for name, cited in PAPERS.items())


def test_the_page_in_docs_is_that_of_its_figures() -> None:
    found = json.loads((DOCS / "networks.json").read_text())
    assert (DOCS / "networks.md").read_text() == page(found)
