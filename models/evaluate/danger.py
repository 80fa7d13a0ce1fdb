"""Records that must not come out as plain sinus rhythm, and those that did.

Sudden death and infarction first: ventricular fibrillation and tachycardia, asystole, pacing,
acute infarction; and complete AV block, which a paramedic paces. Counted are those that the device
calls sinus rhythm, slow and fast included, without a finding of high or medium priority.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware.call import SINUS
from firmware.findings import Priority
from models.data.labels import STATEMENTS

# PTB-XL has neither VF, VT nor asystole. Its infarctions are mostly old ones; acute are taken to
# be those with an injury statement (INJ..), or with ST elevation (STE_) beside the infarction.
_INJURY = ("INJAS", "INJAL", "INJIN", "INJLA", "INJIL")
_INFARCTION = ("IMI", "ASMI", "ILMI", "AMI", "ALMI", "LMI", "IPLMI", "IPMI", "PMI")

# Codes and words of the other sources (SNOMED CT as in the CinC 2020/21 headers; LUDB's text).
FOREIGN = {
    "VF or VT": (
        "164896001",  # ventricular fibrillation
        "111288001",  # ventricular flutter
        "164895002",  # ventricular tachycardia
        "425856008",  # paroxysmal ventricular tachycardia
        "426525004",  # sustained ventricular tachycardia
    ),
    "asystole": ("397829000",),
    "paced": ("10370003", "251266004", "251268003", "pacemaker presence", "ventricular pacing"),
    "acute infarction": ("57054005", "54329005", "401303003", "stemi:"),
    "complete AV block": ("27885002", "iii degree av-block"),
}
PRESETS = {
    "VF or VT": ("vf", "vt-160"),
    "asystole": ("asystole",),
    "paced": ("paced-60",),
    "acute infarction": ("stemi-anterior", "stemi-inferior"),
    "complete AV block": ("avb3",),
}


def by_statements(statements: NDArray[Any]) -> dict[str, NDArray[np.bool_]]:
    """{danger: rows} of PTB-XL statements [n, 71]."""

    def any_of(codes: Iterable[str]) -> NDArray[np.bool_]:
        return (statements[:, [STATEMENTS.index(code) for code in codes]] > 0).any(1)

    acute = any_of(_INJURY) | (any_of(_INFARCTION) & any_of(["STE_"]))
    return {
        "paced": any_of(["PACE"]),
        "acute infarction": acute,
        "complete AV block": any_of(["3AVB"]),
    }


def by_codes(codes: Sequence[Iterable[str]]) -> dict[str, NDArray[np.bool_]]:
    """{danger: rows} of the labels of other sources; "stemi:" matches every "stemi: ..."."""
    lists = [" ".join(f"|{code.strip().lower()}|" for code in has) for has in codes]
    return {
        danger: np.array(
            [any(f"|{w}|" in text if w.isdigit() else w in text for w in words) for text in lists],
            bool,
        )
        for danger, words in FOREIGN.items()
    }


def counted(
    dangers: Mapping[str, NDArray[np.bool_]],
    names: Sequence[str],
    results: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """What the device said of the dangerous records, and the names of those it got wrong."""
    table = {}
    for danger, rows in dangers.items():
        which = np.flatnonzero(rows)
        if len(which):
            table[danger] = {
                "records": len(which),
                "no_call": sum(results[i].get("call") is None for i in which),
                "sinus_with_warning": sum(
                    results[i].get("call") in SINUS and not is_plain(results[i]) for i in which
                ),
                "plain_sinus": [names[i] for i in which if is_plain(results[i])],
            }
    return table


def is_plain(result: Mapping[str, Any]) -> bool:
    """Read as sinus rhythm and nothing else: called so, without a warning (call.plain_sinus)."""
    findings = result.get("findings") or ()
    return result.get("call") in SINUS and all(f["priority"] == Priority.LOW for f in findings)
