"""What the papers asked of networks beside accuracy, as parts of docs/networks.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.report.blocks import Block, Heading, Table, Text
from models.report.published import CNN_TE_CORRELATION
from models.report.tables import number, thousands
from models.transfer import SCORES

Row = Mapping[str, Any]


def folds(tested: Sequence[Row]) -> Iterator[Block]:
    """ECG-SMART-NET's tables 4 and 5, of a label that PTB-XL has."""
    if not tested:
        return
    yield Heading("Ten folds of patients")
    yield Text(
        "As ECG-SMART-NET is reported: networks of one recipe, each tested on the tenth of the "
        "patients of folds 1-8 that neither trained nor chose it, float, at the threshold of the "
        "highest F1 on its validation patients. Mean ± standard deviation over the folds. Of "
        f"{tested[0]['task']}, not of the paper's occluded artery, which no public label tells."
    )
    names = [name for name, of in tested[0].items() if isinstance(of, Mapping)]
    lines = [
        [
            one["recipe"],
            str(one["folds"]),
            number(one["epochs"], 1),
            *(f"{one[name]['mean']:.3f} ± {one[name]['sd']:.3f}" for name in names),
        ]
        for one in tested
    ]
    yield Table(["", "folds", "epochs", *names], lines)


def transfer(trainings: Sequence[Row]) -> Iterator[Block]:
    """Table 3 of "Are ECGs enough?", of two sets of the same records."""
    if not trainings:
        return
    yield Heading("Transfer to a small set")
    yield Text(
        "As *Are ECGs enough?* asked: does a network that has few records gain by starting from "
        "the weights of one that had many? The paper's small set, 927 records of pulmonary "
        "embolism, is private; here it is a twentieth of the patients of folds 1-8, and the rest "
        "are the many. The last layer is always new. Float, macro AUC on fold 9. The paper's "
        "other large set, CPSC2018, is evaluation only here."
    )
    lines = [
        [
            one["recipe"],
            f"{one['on']}, {thousands(one['records'])} records",
            one["start"] or "scratch",
            "the last layer" if one["trunk"] == "frozen" else "all",
            f"{one['epochs']:g}{', brief' if one['brief'] else ''}",
            *(number(one[score]) for score in SCORES),
        ]
        for one in trainings
    ]
    head = ["", "trained on", "from", "learns", "epochs", "superclasses", "rhythm", "statements"]
    yield Table(head, lines)


def thresholds(rows: Sequence[Row]) -> Iterator[Block]:
    """CNN-TE's table 3, of our own network, and every network's correlation."""
    having = [row for row in rows if row["systems"]["device"].get("cnn_te")]
    if not having:
        return
    yield Heading("One threshold per label")
    yield Text(
        "Do rare labels need higher thresholds? Pearson's correlation of the thresholds with the "
        f"labels' shares, CNN-TE's thirteen labels, device; the paper found "
        f"{CNN_TE_CORRELATION:.2f}. Behind it: `{having[0]['name']}`, thresholds tuned on half of "
        "the patients and counted on the other half, mean of both ways."
    )
    correlations = [
        [row["name"], number(row["systems"]["device"]["cnn_te"]["correlation"], 2)]
        for row in having
    ]
    yield Table(["", "correlation"], correlations)
    labels = having[0]["systems"]["device"]["cnn_te"]["labels"]
    keys = ("threshold", "auprc", "precision", "recall", "f1")
    lines = [
        [label, f"{of['share']:.1%}", *(number(of[key]) for key in keys)]
        for label, of in labels.items()
    ]
    yield Table(
        [having[0]["name"], "share", "threshold", "AUPRC", "precision", "recall", "F1"], lines
    )
