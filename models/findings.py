"""The paramedic's short list: which scores deserve a word, which words, and how urgent they are.

Priority is what the crew must do differently now (high), before the drive (medium) or not at all
(low: told for the record). The network knows statements of cardiologists about resting ECGs, so
its infarctions are of any age; ST elevation is measured in firmware/st_level.py instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.groups import GROUPS

ENOUGH = 5  # positives for a threshold of its own
MORE_LIKELY_THAN_NOT = 0.5  # the threshold with fewer
LEAST_PPV = 0.25  # a warning wrong more than three times in four is none
LEAST_GAIN = 1.5  # times the share of those who have it: less is hardly better than guessing
LEAST_P = 0.15  # less likely than that is not said, whatever threshold a few positives would set

MI_SOURCE = "Thygesen et al., Fourth Universal Definition of MI, Circulation 2018;138:e618"
ISCHAEMIA_SOURCE = "Wagner et al., AHA/ACCF/HRS part VI, Circulation 2009;119:e262"
CONDUCTION_SOURCE = "Surawicz et al., AHA/ACCF/HRS part III, Circulation 2009;119:e235"
ST_QT_SOURCE = "Rautaharju et al., AHA/ACCF/HRS part IV, Circulation 2009;119:e241"
HYPERTROPHY_SOURCE = "Hancock et al., AHA/ACCF/HRS part V, Circulation 2009;119:e251"
BRADYCARDIA_SOURCE = "Kusumoto et al., ACC/AHA/HRS bradycardia guideline, Circulation 2019;140:e382"
SVT_SOURCE = "Page et al., ACC/AHA/HRS guideline on SVT, Circulation 2016;133:e506"
LIST_SOURCE = "Mason et al., AHA/ACC/HRS part II, Circulation 2007;115:1325"


@dataclass(frozen=True)
class Entry:
    """One line of the list; of those with the same code the first that is present is told.

    labels : "group label", any of which makes it present
    sensitivity : of each label's threshold on the validation records; None: that of the best F1
    instead : a rhythm that no MATE group fits; no call is made beside it
    """

    code: str
    text: str  # at most 21 characters: one line of a 128-pixel screen
    act: str
    priority: str
    labels: tuple[str, ...]
    source: str
    sensitivity: float | None = None
    instead: bool = False


def _statements(codes: str) -> tuple[str, ...]:
    return tuple(f"statements {code}" for code in codes.split())


# fmt: off
ENTRIES = (
    Entry("mi", "POSSIBLE MI", "symptoms? call ahead", "high",
          ("superclasses MI",), MI_SOURCE),
    Entry("injury", "ACUTE INJURY?", "symptoms? call ahead", "high",
          _statements("INJAS INJAL INJIN INJLA INJIL"), ISCHAEMIA_SOURCE),
    Entry("avb3", "COMPLETE AV BLOCK", "ready to pace", "high",
          _statements("3AVB"), BRADYCARDIA_SOURCE, instead=True),
    Entry("paced", "PACED RHYTHM", "read the trace", "medium",
          _statements("PACE"), LIST_SOURCE, instead=True),
    Entry("paced", "PACED?", "ask for a pacemaker", "medium",
          _statements("PACE"), LIST_SOURCE, sensitivity=0.90),
    Entry("mi", "SIGNS OF MI?", "symptoms? compare ECG", "medium",
          ("superclasses MI",), MI_SOURCE, sensitivity=0.90),
    Entry("avb2", "2ND DEG. AV BLOCK", "watch the rate", "medium",
          _statements("2AVB"), BRADYCARDIA_SOURCE),
    Entry("flutter", "ATRIAL FLUTTER?", "", "medium",
          _statements("AFLT"), SVT_SOURCE),
    Entry("svt", "SVT?", "", "medium",
          _statements("PSVT SVTAC"), SVT_SOURCE),
    Entry("wpw", "WPW?", "no AV blockers in AF", "medium",
          _statements("WPW"), SVT_SOURCE),
    Entry("lbbb", "LBBB", "new? ST not readable", "medium",
          _statements("CLBBB"), CONDUCTION_SOURCE),
    Entry("ischaemia", "ISCHAEMIA?", "symptoms? repeat ECG", "medium",
          _statements("ISC_ ISCAL ISCIN ISCIL ISCAS ISCLA ISCAN"), ISCHAEMIA_SOURCE),
    Entry("long_qt", "LONG QT?", "", "medium",
          _statements("LNGQT"), ST_QT_SOURCE),
    Entry("electrolytes", "ELECTROLYTES?", "potassium?", "medium",
          _statements("EL"), ST_QT_SOURCE),
    Entry("bigeminy", "BIGEMINY", "feel the pulse", "medium",
          _statements("BIGU"), LIST_SOURCE),
    Entry("trigeminy", "TRIGEMINY", "", "low", _statements("TRIGU"), LIST_SOURCE),
    Entry("pvc", "VENTRICULAR ECTOPY", "", "low", _statements("PVC"), LIST_SOURCE),
    Entry("pac", "ATRIAL ECTOPY", "", "low", _statements("PAC"), LIST_SOURCE),
    Entry("avb1", "1ST DEG. AV BLOCK", "", "low", _statements("1AVB"), BRADYCARDIA_SOURCE),
    Entry("rbbb", "RBBB", "", "low", _statements("CRBBB"), CONDUCTION_SOURCE),
    Entry("irbbb", "INCOMPLETE RBBB", "", "low", _statements("IRBBB"), CONDUCTION_SOURCE),
    Entry("lafb", "LEFT ANT. FASC. BLOCK", "", "low", _statements("LAFB"), CONDUCTION_SOURCE),
    Entry("lpfb", "LEFT POST. FASC. BL.", "", "low", _statements("LPFB"), CONDUCTION_SOURCE),
    Entry("left_axis", "LEFT AXIS", "", "low", ("cnn_te LAD",), CONDUCTION_SOURCE),
    Entry("lvh", "LV HYPERTROPHY", "", "low", _statements("LVH"), HYPERTROPHY_SOURCE),
    Entry("rvh", "RV HYPERTROPHY", "", "low", _statements("RVH"), HYPERTROPHY_SOURCE),
    Entry("digitalis", "DIGITALIS EFFECT?", "", "low", _statements("DIG"), ST_QT_SOURCE),
    Entry("low_voltage", "LOW VOLTAGE", "", "low", _statements("LVOLT"), LIST_SOURCE),
)
# fmt: on


def findings(p: NDArray[Any], y: NDArray[Any]) -> list[dict[str, Any]]:
    """The manifest's "findings", thresholds chosen on validation records.

    p : calibrated and fused probabilities, [n, OUTPUTS]; y : targets, as ``models.groups.targets``

    Labels that cannot be told with ``LEAST_PPV`` and ``LEAST_GAIN`` are left out, or, of those with
    too few positives to tell, what is said of more than ``ENOUGH`` records; and entries without any
    label left.
    """
    out = []
    for entry in ENTRIES:
        scores = []
        for name in entry.labels:
            group, label = name.split()
            column = _column(group, label)
            least = _threshold(p[:, column], y[:, column] > 0, entry.sensitivity)
            if least is not None:
                scores.append([group, label, least])
        if scores:
            out.append(
                {
                    "code": entry.code,
                    "text": entry.text,
                    "act": entry.act,
                    "priority": entry.priority,
                    "any": scores,
                    "instead": entry.instead,
                }
            )
    return out


def _column(name: str, label: str) -> int:
    group = next(group for group in GROUPS if group.name == name)
    return group.first + group.labels.index(label)


def _threshold(p: NDArray[Any], y: NDArray[np.bool_], sensitivity: float | None) -> float | None:
    """The least probability to call from; None where none is good enough."""
    positives = int(y.sum())
    if positives < ENOUGH:
        often = int((p >= MORE_LIKELY_THAN_NOT).sum()) > ENOUGH
        return None if often else MORE_LIKELY_THAN_NOT
    order = np.argsort(-p, kind="stable")
    hits, said = np.cumsum(y[order]), np.arange(1, len(y) + 1)
    if sensitivity is None:
        best = int((2 * hits / (said + positives)).argmax())
    else:
        best = int(np.argmax(hits >= sensitivity * positives))
    # rounded down: the record that set it must reach it
    least = max(np.floor(float(p[order[best]]) * 1000) / 1000, LEAST_P)
    said_yes = y[p >= least]
    wanted = max(LEAST_PPV, LEAST_GAIN * positives / len(y))
    return float(least) if len(said_yes) and said_yes.mean() >= min(wanted, 1.0) else None
