"""What is an alarm: the conditions of one patient, looked at once a second with each call.

A trace that cannot be read gives no physiological condition: it is itself a technical one. Extreme
rates are taken from single beats, which know within a few of them what the eight seconds behind the
number on the screen know later; the others from that number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from firmware.call import LIMB, RL
from firmware.events import Beat, Call, ElectrodeChange, Event, Gap, QualityGrade, Refusal, Rest
from firmware.findings import SWAP, Finding, Priority
from firmware.unrest import UNREST_BELOW
from hal.frontend import SAMPLE_RATE_HZ, Electrode


@dataclass(frozen=True, slots=True)
class Limits:
    """Of the heart rate, beats per minute; outside ``brady`` .. ``tachy`` is medium.

    50 and 150 are the LIFEPAK 15's (Operating Instructions, table A-3, default limits). 35 is the
    ZOLL R Series' low preset of 30 and the 5 bpm by which a rate may be wrong; 170 is 20 beyond
    the high limit; Philips IntelliVue monitors place extreme limits by such a distance, 20 is ours.
    """

    extreme_brady_bpm: int = 35
    brady_bpm: int = 50
    tachy_bpm: int = 150
    extreme_tachy_bpm: int = 170


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that may become an alarm.

    delay_s : must be seen for so long; release_s : must be gone for so long to be over
    """

    code: str
    text: str
    act: str
    priority: Priority
    technical: bool = False
    delay_s: int = 0
    release_s: int = 3


# A graver condition stands for the other: said once.
YIELDS_TO = {
    "tachy": ("extreme_tachy", "vf_vt"),
    "extreme_tachy": ("vf_vt",),
    "brady": ("extreme_brady", "asystole", "vf_vt", "avb3"),
    "extreme_brady": ("asystole", "vf_vt"),
    "af": ("asystole", "vf_vt"),
    "injury": ("st_elevation",),
    "chest_off": ("electrode_off",),
}
# Alarms among the high findings of a call. "mi" is none: it means old infarctions, too.
GRAVE_FINDINGS = ("asystole", "vf_vt", "st_elevation", "injury", "avb3")
AT_ONCE = ("asystole", "vf_vt")  # of these: they have waited in the pipeline

ASYSTOLE = Condition("asystole", "ASYSTOLE?", "check patient and cable", Priority.HIGH, release_s=5)
VF_VT = Condition("vf_vt", "VF OR VT?", "check patient now", Priority.HIGH, release_s=5)

UNREADABLE = (Refusal.NOISE, Refusal.SATURATED, Refusal.LEADS_FLAT, Refusal.NOT_ECG)
NOT_READ = (
    *(Refusal.NOISE, Refusal.SATURATED, Refusal.LEADS_FLAT, Refusal.NO_SIGNAL),
    *(Refusal.ELECTRODE_OFF, Refusal.VENTRICULAR),
)
NO_RATE = (*UNREADABLE, Refusal.ELECTRODE_OFF, Refusal.NO_SIGNAL)

FAST_INTERVALS = 8  # 2.8 s at 170 bpm
SLOW_INTERVALS = 3  # 6 s at 30 bpm
SILENT = 2 * SAMPLE_RATE_HZ  # without a beat: no fast rhythm
PAUSE = 5 * SAMPLE_RATE_HZ
STOPPED = 4 * SAMPLE_RATE_HZ  # no rhythm at all: asystole, VF, or a beat that was missed
HYSTERESIS_BPM = 3  # a rate that is an alarm must come back so far

AF = "AFIB"  # MATE group
AF_WINDOWS = 10  # the last ones that were called
AF_AT_LEAST = 8  # of them
AF_OVER_BELOW = 4
ARMED_S = 5  # an electrode must have been on for so long before it can come off


class Conditions:
    """Fed with the pipeline's events; ``present`` says what is there at a call."""

    def __init__(self) -> None:
        self._beats: deque[int] = deque(maxlen=FAST_INTERVALS + 1)
        self._off = 0
        self._on_s = dict.fromkeys(Electrode, 0)  # all limbs on, and this one, at so many calls
        self._armed = 0
        self._rest: float | None = None
        self._labels: deque[str] = deque(maxlen=AF_WINDOWS)
        self._af = False
        self._af_known = False  # of this patient, and over
        self._was: frozenset[str] = frozenset()

    def state(self) -> dict[str, Any]:
        """What is known of this patient beyond the last seconds."""
        return {"af": self._af, "af_known": self._af_known, "armed": self._armed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Know it again: a fibrillation that was there has been there in all calls."""
        self._af, self._af_known = bool(state["af"]), bool(state["af_known"])
        self._labels.extend([AF] * AF_WINDOWS * self._af)
        self._armed |= int(state["armed"])

    def push(self, event: Event) -> None:
        """Take in an event; calls go to ``present``."""
        match event:
            case Beat():
                self._beats.append(event.index)
            case Rest():
                self._rest = event.share
            case Gap() if event.restarted:
                self._beats.clear()
            case ElectrodeChange():
                if event.off & (LIMB | RL):
                    self._beats.clear()  # silence without electrodes is no pause
                self._off = event.off

    def present(self, call: Call, limits: Limits) -> list[Condition]:
        """What is there."""
        found = [*self._electrodes(), *_unreadable(call), *self._unrest(call), *self._pause(call)]
        found += [*_findings(call.findings), *self._rate(call, limits), *self._atria(call)]
        self._was = frozenset(condition.code for condition in found)
        return found

    def _electrodes(self) -> Iterable[Condition]:
        """Those that came off; one that was never on is the matter of the screen."""
        limbs_on = not self._off & (LIMB | RL)
        for electrode in Electrode:
            on = limbs_on and not self._off >> electrode & 1
            self._on_s[electrode] = self._on_s[electrode] + 1 if on else 0
            if self._on_s[electrode] >= ARMED_S:
                self._armed |= 1 << electrode
        off = self._off & self._armed
        act = "press on or replace"
        if off & (LIMB | RL):
            text = "LIMB ELECTRODE OFF"
            yield Condition("electrode_off", text, act, Priority.MEDIUM, technical=True, delay_s=2)
        elif off:
            text = "CHEST ELECTRODE OFF"
            yield Condition("chest_off", text, act, Priority.LOW, technical=True, delay_s=2)

    def _rate(self, call: Call, limits: Limits) -> Iterable[Condition]:
        """The rate of the last beats beyond the limits."""
        unknown = call.refusal is Refusal.VENTRICULAR and call.rate_bpm is None
        if call.refusal in NO_RATE or unknown or call.quality is QualityGrade.BAD:
            return
        fast, slow, mean = self._fast_bpm(call.index), self._slow_bpm(call.index), call.rate_bpm
        if fast is not None and fast > limits.extreme_tachy_bpm - self._back("extreme_tachy"):
            act = "pulse? check patient"
            yield Condition("extreme_tachy", "EXTREME TACHYCARDIA", act, Priority.HIGH, delay_s=2)
        elif slow is not None and slow < limits.extreme_brady_bpm + self._back("extreme_brady"):
            act = "pulse? ready to pace"
            yield Condition("extreme_brady", "EXTREME BRADYCARDIA", act, Priority.HIGH)
        elif mean is not None and mean > limits.tachy_bpm - self._back("tachy"):
            yield Condition("tachy", "TACHYCARDIA", "check patient", Priority.MEDIUM, delay_s=3)
        elif mean is not None and mean < limits.brady_bpm + self._back("brady"):
            yield Condition("brady", "BRADYCARDIA", "check patient", Priority.MEDIUM, delay_s=3)

    def _back(self, code: str) -> int:
        return HYSTERESIS_BPM if code in self._was else 0

    def _fast_bpm(self, index: int) -> float | None:
        """Mean of the last eight intervals; None without them, or when the beats have stopped."""
        beats = self._beats
        if len(beats) <= FAST_INTERVALS or index - beats[-1] > SILENT:
            return None
        return 60 * SAMPLE_RATE_HZ * FAST_INTERVALS / (beats[-1] - beats[-1 - FAST_INTERVALS])

    def _slow_bpm(self, index: int) -> float | None:
        """Mean of the last three intervals; None when no beat ends the fourth: that is no rate."""
        beats = self._beats
        if len(beats) <= SLOW_INTERVALS or index - beats[-1] > STOPPED:
            return None
        return 60 * SAMPLE_RATE_HZ * SLOW_INTERVALS / (beats[-1] - beats[-1 - SLOW_INTERVALS])

    def _unrest(self, call: Call) -> Iterable[Condition]:
        """Fibrillation or tachycardia of the ventricles, before a whole window is full of it."""
        readable = call.refusal not in NO_RATE and call.quality is not QualityGrade.BAD
        if readable and self._rest is not None and self._rest < UNREST_BELOW:
            yield replace(VF_VT, delay_s=1)

    def _pause(self, call: Call) -> Iterable[Condition]:
        """Beats that have stopped, in a trace that moves and can be read: no asystole of a call."""
        known = self._beats and call.index - self._beats[-1] > PAUSE
        fit = call.refusal not in NOT_READ and call.quality is not QualityGrade.BAD
        resting = self._rest is None or self._rest >= UNREST_BELOW
        if known and fit and resting:
            yield ASYSTOLE

    def _atria(self, call: Call) -> Iterable[Condition]:
        """Their fibrillation, where this patient had none before."""
        if call.label is not None:
            self._labels.append(call.label)
        af = list(self._labels).count(AF)
        if self._af and af < AF_OVER_BELOW:
            self._af, self._af_known = False, True
        elif not self._af and not self._af_known and af >= AF_AT_LEAST:
            self._af = True
        if self._af:
            yield Condition("af", "ATRIAL FIBRILLATION", "new? record 12 leads", Priority.MEDIUM)


def _unreadable(call: Call) -> Iterable[Condition]:
    """No physiological alarm can come of it: that is one."""
    silent = call.refusal is Refusal.NO_SIGNAL and not call.findings
    if call.refusal in UNREADABLE or silent:
        yield Condition(
            "unreadable",
            "CANNOT ANALYSE",
            call.act,
            Priority.MEDIUM,
            technical=True,
            delay_s=10,
        )


def _findings(findings: Iterable[Finding]) -> Iterable[Condition]:
    for finding in findings:
        if finding.code in GRAVE_FINDINGS:
            delay_s = 0 if finding.code in AT_ONCE else 2
            yield Condition(
                finding.code,
                finding.text,
                finding.act,
                Priority.HIGH,
                delay_s=delay_s,
                release_s=5,
            )
        elif finding.code == SWAP:
            yield Condition(
                SWAP, finding.text, finding.act, finding.priority, technical=True, delay_s=2
            )
