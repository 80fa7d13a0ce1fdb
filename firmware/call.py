"""From scores to a call: a label with its evidence, or the reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from firmware.events import LEADS, Call, LeadFault, QualityGrade, Refusal
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask, electrodes_in

WINDOW_S = 10
LIMB = electrode_mask((Electrode.RA, Electrode.LA, Electrode.LL))
RL = electrode_mask([Electrode.RL])
CHEST = electrode_mask(electrode for electrode in Electrode if electrode >= Electrode.V1)
# The network is trained with single leads lost; beyond this its scores are not measured.
MAX_CHEST_OFF = 2


@dataclass(frozen=True, slots=True)
class CallRule:
    """How the bundle in use turns scores into a call.

    group : the score group that makes the call ("mate4")
    texts : label to what the screen says ("AFIB" to "ATRIAL FIBRILLATION")
    thresholds : label to the least calibrated probability at which it is called
    """

    model: str
    group: str
    texts: Mapping[str, str]
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at the end of a window, besides the network's scores.

    index : sample index of the window's last sample
    span : samples since the start, a gap or the last re-attachment; 10 s at most
    electrodes_off : bit per Electrode off at any time in the window
    asystole : flat with electrodes on, and no beat
    restless : the trace does not come to rest between beats, as in VF and VT
    """

    index: int
    span: int
    electrodes_off: int
    grade: QualityGrade
    faults: Mapping[str, LeadFault]
    asystole: bool
    rate_bpm: float | None
    irregularity: float | None
    restless: bool = False


def refusal_before_network(evidence: Evidence) -> tuple[Refusal, str, str] | None:
    """Why the evidence cannot carry a call: (reason, text, act); None when it can."""
    off = evidence.electrodes_off
    # Without RL the body drifts to a rail and all others trip, too: it is the one to press on.
    shown_off = RL if off & RL else off
    names = [electrode.name for electrode in electrodes_in(shown_off)]
    if off & (LIMB | RL) or (off & CHEST).bit_count() > MAX_CHEST_OFF:
        return Refusal.ELECTRODE_OFF, f"{_first(names)} OFF", "press on or replace"
    if evidence.asystole:
        return Refusal.NO_SIGNAL, "ASYSTOLE?", "check patient and cable"
    faults = list(evidence.faults.values())
    if evidence.grade is QualityGrade.BAD and LeadFault.RAILED in faults:
        return Refusal.SATURATED, "SATURATED", "clean skin, new electrodes"
    flat = [lead for lead, fault in evidence.faults.items() if fault is LeadFault.FLAT]
    if evidence.grade is QualityGrade.BAD and len(flat) == len(LEADS):
        return Refusal.NO_SIGNAL, "NO SIGNAL", "check patient and cable"
    if evidence.grade is QualityGrade.BAD and len(flat) > len(faults) // 2:
        return Refusal.LEADS_FLAT, f"{_first(flat)} FLAT", "check these electrodes"
    if evidence.span < WINDOW_S * SAMPLE_RATE_HZ:
        return Refusal.STARTING, f"ANALYSING {evidence.span // SAMPLE_RATE_HZ} s", "hold still"
    if evidence.grade is QualityGrade.BAD:
        mains = faults.count(LeadFault.MAINS) > len(faults) // 2
        act = "move from mains cables" if mains else "hold still"
        return Refusal.NOISE, "MAINS NOISE" if mains else "MOVEMENT", act
    if evidence.restless:
        return Refusal.VENTRICULAR, "VF OR VT?", "check patient now"
    return None


def _first(names: Sequence[str]) -> str:
    """The first name and how many more: "V3", "V3 +2"."""
    return names[0] if len(names) == 1 else f"{names[0]} +{len(names) - 1}"


def decide(evidence: Evidence, scores: dict[str, dict[str, float]], rule: CallRule | None) -> Call:
    """The call for one window; ``scores`` is {} when no network ran."""
    best, probability = "", 0.0
    if rule is not None and rule.group in scores:
        best, probability = max(scores[rule.group].items(), key=lambda item: item[1])
    refused = refusal_before_network(evidence)
    if refused is None and not best:
        refused = Refusal.NO_MODEL, "NO MODEL", "install a model"
    if refused is None and rule is not None and probability < rule.thresholds.get(best, 0.0):
        refused = Refusal.UNSURE, "UNSURE", "read the trace"
    called = rule.texts.get(best, best) if rule is not None else ""
    refusal, text, act = refused or (None, called, "")
    return Call(
        index=evidence.index,
        span=evidence.span,
        label=best if refused is None else None,
        text=text,
        probability=probability if best else None,
        refusal=refusal,
        act=act,
        scores=scores,
        rate_bpm=evidence.rate_bpm,
        irregularity=evidence.irregularity,
        quality=evidence.grade,
        faults=dict(evidence.faults),
        electrodes_off=evidence.electrodes_off,
        model=rule.model if rule is not None else "",
    )


def decide_recording(windows: Sequence[Call], rule: CallRule | None) -> Call:
    """One call for a recording from the calls of its windows, oldest first; one at the least.

    The scores are means over the windows that could be read (over all, if none could). It is
    refused when most windows are, for the reason most of them give.
    """
    last = windows[-1]
    if len(windows) == 1:
        return last
    readable = [call for call in windows if call.refusal in (None, Refusal.UNSURE)]
    if 2 * len(readable) < len(windows):
        refused = [call for call in windows if call not in readable]
        reasons = Counter(call.refusal for call in refused)
        commonest = max(refused, key=lambda call: (reasons[call.refusal], call.index))
        return replace(commonest, scores=_mean_scores(windows))
    rates = [call.rate_bpm for call in readable if call.rate_bpm is not None]
    spreads = [call.irregularity for call in readable if call.irregularity is not None]
    evidence = Evidence(
        index=last.index,
        span=WINDOW_S * SAMPLE_RATE_HZ,
        electrodes_off=readable[-1].electrodes_off,
        grade=readable[-1].quality,
        faults=readable[-1].faults,
        asystole=False,
        rate_bpm=median(rates) if rates else None,
        irregularity=median(spreads) if spreads else None,
    )
    return decide(evidence, _mean_scores(readable), rule)


def _mean_scores(windows: Sequence[Call]) -> dict[str, dict[str, float]]:
    scored = [call.scores for call in windows if call.scores]
    if not scored:
        return {}
    return {
        group: {label: fmean(scores[group][label] for scores in scored) for label in labels}
        for group, labels in scored[0].items()
    }
