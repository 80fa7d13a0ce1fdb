"""From scores to a call: a label with its evidence, or the reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from firmware.events import LEADS, Call, LeadFault, QualityGrade, Refusal
from firmware.findings import SWAP, Finding, FindingRule, Priority, by_priority, find
from firmware.fusion import Fusion
from firmware.plausible import Implausible, disagrees
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask, electrodes_in

WINDOW_S = 10
LIMB = electrode_mask((Electrode.RA, Electrode.LA, Electrode.LL))
RL = electrode_mask([Electrode.RL])
CHEST = electrode_mask(electrode for electrode in Electrode if electrode >= Electrode.V1)
# The network is trained with single leads lost; beyond this its scores are not measured.
MAX_CHEST_OFF = 2
# Refusals of the scores, not of the evidence: with others they make the call of a recording.
READABLE = (None, Refusal.UNSURE, Refusal.DISAGREES, Refusal.OTHER_RHYTHM)
ST_UNREADABLE = ("lbbb", "paced")  # findings beside which measured ST elevation means nothing
# Findings that read where the electrodes are: with some exchanged these wait, alarms stand back
READS_PLACES = ("mi", "ischaemia", "lafb", "lpfb", "left_axis")
PACED = Finding("paced", "PACED RHYTHM", "read the trace", Priority.MEDIUM, None)
# How a call below its threshold is refused; a bundle names the rule its thresholds were fitted for
ABSTENTION = ("below_threshold", 1)
SINUS = ("GSVT", "SB", "SR")  # MATE groups whose words say "sinus"


@dataclass(frozen=True, slots=True)
class CallRule:
    """How the bundle in use turns scores into a call.

    group : the score group that makes the call ("mate4")
    texts : label to what the screen says ("AFIB" to "ATRIAL FIBRILLATION")
    thresholds : label to the least calibrated probability at which it is called
    findings : the rules of the short list; fusion : how the measured rate corrects the scores
    """

    model: str
    group: str
    texts: Mapping[str, str]
    thresholds: Mapping[str, float]
    findings: tuple[FindingRule, ...] = ()
    fusion: Fusion | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at the end of a window, besides the network's scores.

    index : sample index of the window's last sample
    span : samples since the start, a gap or the last re-attachment; 10 s at most
    electrodes_off : bit per Electrode off at any time in the window
    asystole : flat with electrodes on, and no beat
    restless : the trace does not come to rest between beats, as in VF and VT
    implausible : why the window is no ECG; None where it may be one
    measured : findings that were measured and not scored
    paced : spikes of a pacemaker go with the beats
    swap : what is said of exchanged electrodes
    doubtful : leads that a reader should not rely on
    unscored : STARTING while a network is at work on its first window, UNSURE where it found no
        beat to read; None where there are scores, or no network
    scores_age : samples since the window that the scores are of
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
    implausible: Implausible | None = None
    measured: tuple[Finding, ...] = ()
    paced: bool = False
    swap: Finding | None = None
    doubtful: tuple[str, ...] = ()
    unscored: Refusal | None = None
    scores_age: int = 0


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
    # Noise beyond the band of a QRS never rests, and is no fibrillation: that has 3-9 Hz.
    if evidence.restless and evidence.implausible is not Implausible.ROUGH:
        return Refusal.VENTRICULAR, "VF OR VT?", "check patient now"
    if evidence.implausible is not None:
        return Refusal.NOT_ECG, "NO ECG SEEN", "check the electrodes"
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
    found = find(scores, rule.findings) if rule is not None and refused is None else []
    if evidence.paced:  # said once: what was measured needs no score
        found = [(finding, of) for finding, of in found if finding.code != PACED.code]
    if evidence.swap:
        found = _beside_a_swap(found)
    measured = _measured(evidence, refused, found)
    if refused is None and not best:
        refused = _without_scores(evidence)
    if refused is None and evidence.paced:
        refused = Refusal.OTHER_RHYTHM, PACED.text, PACED.act
    if refused is None and (other := next((f for f, of in found if of.instead), None)):
        refused = Refusal.OTHER_RHYTHM, other.text, other.act
    if refused is None and disagrees(best, evidence.rate_bpm, evidence.irregularity):
        refused = Refusal.DISAGREES, "UNSURE", "rate and rhythm disagree"
    if refused is None and rule is not None and probability < rule.thresholds.get(best, 0.0):
        refused = Refusal.UNSURE, "UNSURE", "read the trace"
    called = rule.texts.get(best, best) if rule is not None else ""
    refusal, text, act = refused or (None, called, "")
    return Call(
        index=evidence.index,
        span=evidence.span,
        label=best if refused is None else None,
        text=text,
        # The best of four groups says nothing of a rhythm outside them
        probability=probability if best and refusal is not Refusal.OTHER_RHYTHM else None,
        refusal=refusal,
        act=act,
        scores=scores,
        rate_bpm=evidence.rate_bpm,
        irregularity=evidence.irregularity,
        quality=evidence.grade,
        faults=dict(evidence.faults),
        electrodes_off=evidence.electrodes_off,
        model=rule.model if rule is not None else "",
        findings=by_priority([*measured, *(finding for finding, _ in found)]),
        doubtful=evidence.doubtful,
        scores_age=evidence.scores_age,
    )


def _without_scores(evidence: Evidence) -> tuple[Refusal, str, str]:
    """Why nothing can be called though the evidence would carry it."""
    match evidence.unscored:
        case Refusal.STARTING:
            return Refusal.STARTING, f"ANALYSING {evidence.span // SAMPLE_RATE_HZ} s", "hold still"
        case Refusal.UNSURE:
            return Refusal.UNSURE, "UNSURE", "read the trace"
    return Refusal.NO_MODEL, "NO MODEL", "install a model"


def _measured(
    evidence: Evidence,
    refused: tuple[Refusal, str, str] | None,
    found: Sequence[tuple[Finding, FindingRule]],
) -> tuple[Finding, ...]:
    """Findings that need no score: swaps, pacing, ST if readable, refusals that are alarms."""
    swap = (evidence.swap,) if evidence.swap else ()
    if refused is None and evidence.paced:
        return (*swap, PACED)
    if refused is None:
        codes = {finding.code for finding, _ in found}
        return (*swap, *evidence.measured) if codes.isdisjoint(ST_UNREADABLE) else swap
    reason, text, act = refused
    if reason is Refusal.VENTRICULAR or (reason is Refusal.NO_SIGNAL and evidence.asystole):
        code = "asystole" if reason is Refusal.NO_SIGNAL else "vf_vt"
        return (Finding(code, text, act, Priority.HIGH, None),)
    return ()


def _beside_a_swap(
    found: Sequence[tuple[Finding, FindingRule]],
) -> list[tuple[Finding, FindingRule]]:
    """``found`` without what reads places; an alarm among it is kept, behind the swap."""
    beside = []
    for finding, of in found:
        if finding.code not in READS_PLACES:
            beside.append((finding, of))
        elif finding.priority is Priority.HIGH:
            beside.append((replace(finding, priority=Priority.MEDIUM), of))
    return beside


def decide_recording(windows: Sequence[Call], rule: CallRule | None) -> Call:
    """One call for a recording from the calls of its windows, oldest first; one at the least.

    The scores are means over the windows that could be read (over all, if none could); what was
    measured must show in half of these. It is refused when most windows are, for the reason most
    of them give. Windows that were not ten seconds yet count where there are no others.
    """
    windows = [call for call in windows if call.refusal is not Refusal.STARTING] or windows
    last = windows[-1]
    if len(windows) == 1:
        return last
    readable = [call for call in windows if call.refusal in READABLE]
    if 2 * len(readable) < len(windows):
        refused = [call for call in windows if call not in readable]
        reasons = Counter(call.refusal for call in refused)
        commonest = max(refused, key=lambda call: (reasons[call.refusal], call.index))
        return replace(commonest, scores=_mean_scores(windows))
    rates = [call.rate_bpm for call in readable if call.rate_bpm is not None]
    measured = _mostly_measured(readable)
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
        measured=tuple(f for f in measured if f.code not in (PACED.code, SWAP)),
        paced=PACED in measured,
        swap=next((finding for finding in measured if finding.code == SWAP), None),
        doubtful=readable[-1].doubtful,
        unscored=Refusal.UNSURE,  # where none of them has scores
    )
    return decide(evidence, _mean_scores(readable), rule)


def _mostly_measured(windows: Sequence[Call]) -> tuple[Finding, ...]:
    """Measured findings of half the windows or more, each as it was last said."""
    measured = [f for call in windows for f in call.findings if f.probability is None]
    times = Counter(finding.code for finding in measured)
    last = {finding.code: finding for finding in measured}
    return tuple(last[code] for code, n in times.items() if 2 * n >= len(windows))


def _mean_scores(windows: Sequence[Call]) -> dict[str, dict[str, float]]:
    scored = [call.scores for call in windows if call.scores]
    if not scored:
        return {}
    return {
        group: {label: fmean(scores[group][label] for scores in scored) for label in labels}
        for group, labels in scored[0].items()
    }


def plain_sinus(call: Call) -> bool:
    """Whether it would be read as sinus rhythm and nothing else: called, and with no warning.

    VF, asystole, paced rhythms and acute infarctions must never come out like this. The groups
    of slow and fast sinus rhythm count, too.
    """
    return call.label in SINUS and not call.warnings
