"""One table from the sources' codes to our labels: ``label_table.csv``, beside this file.

A row per code of a ``system`` ("SCP", "SNOMED-CT", "Zheng 2020", "LUDB"): the SCP statement of
the same meaning, and the superclass, CNN-TE label and MATE rhythm group it stands for; empty where
there is none. ``source`` says where the code and its text were read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from models.data.dataset import LABELS_OF, DataError, multi_hot

SYSTEMS = ("SCP", "SNOMED-CT", "Zheng 2020", "LUDB")


@dataclass(frozen=True)
class Meaning:
    """What a code, or all codes of a record together, say in our labels."""

    statements: frozenset[str]
    superclasses: frozenset[str]
    cnn_te: frozenset[str]
    mate4: frozenset[str]  # of a record: one group or none


@cache
def _table() -> dict[str, dict[str, dict[str, str]]]:
    text = resources.files("models.data").joinpath("label_table.csv").read_text("utf-8")
    table: dict[str, dict[str, dict[str, str]]] = {system: {} for system in SYSTEMS}
    for row in csv.DictReader(text.splitlines()):
        table[row["system"]][row["code"]] = row
    return table


def meaning(record_id: str, system: str, codes: Iterable[str]) -> Meaning:
    """Our labels for all the codes of one record.

    mate4 is one group or none (``one_group``). Raises DataError naming codes the table lacks.
    """
    table = _table()[system]
    codes = set(codes)
    if unknown := sorted(codes - table.keys()):
        raise DataError(
            f"{record_id}: {system} code {', '.join(unknown)} is not in"
            " models/data/label_table.csv; add a row for it"
        )
    rows = [table[code] for code in codes]

    def said(column: str) -> frozenset[str]:
        return frozenset(row[column] for row in rows) - {""}

    return Meaning(said("statement"), said("superclass"), said("cnn_te"), one_group(said("mate4")))


def labels_of(means: Iterable[Meaning]) -> dict[str, NDArray[np.uint8]]:
    """The four multi-hot label arrays of a set."""
    means = list(means)
    return {
        group: multi_hot([getattr(each, group) for each in means], labels)
        for group, labels in LABELS_OF.items()
    }


def one_group(groups: Iterable[str]) -> frozenset[str]:
    """The one rhythm group that fits, else none.

    Sinus rhythm or arrhythmia beside sinus bradycardia or a tachycardia of GSVT only says where
    that rhythm comes from, and gives way to it; any other two groups contradict each other.
    """
    fits = frozenset(groups)
    if fits in ({"SR", "SB"}, {"SR", "GSVT"}):
        fits -= {"SR"}
    return fits if len(fits) == 1 else frozenset()
