"""What the screen knows: the pipeline's events, folded into as little as a frame needs."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from device.controls import Controls, Page
from device.current import beatless
from device.display.history import History
from device.display.reasons import Reasons
from device.display.row import (
    MANY_OFF,
    NO_DATA,
    STALE,
    UNREADABLE,
    WINDOW_S,
    Line,
    alarm_row,
    call_row,
    electrode_row,
)
from device.display.trace import SAMPLES_PER_COLUMN, WIDEST, Strip, TraceColumns
from device.display.words import ELECTRODES, LIMBS, Naming
from firmware.alarms import Alarm, Audio, Logged
from firmware.events import (
    Beat,
    Call,
    ElectrodeChange,
    Event,
    Gap,
    LeadFault,
    Quality,
    QualityGrade,
    Rate,
    Trace,
)
from firmware.measurements import Measurements
from hal.frontend import SAMPLE_RATE_HZ, Electrode, electrode_mask, electrodes_in

WINDOW_COLUMNS = WINDOW_S * SAMPLE_RATE_HZ // SAMPLES_PER_COLUMN
SETTLED = 2 * SAMPLE_RATE_HZ  # all on and readable this long: connecting is over
SETTLED_ANYWAY = 5 * SAMPLE_RATE_HZ  # all on this long: a poor trace is still one to look at
PATIENCE = 20 * SAMPLE_RATE_HZ  # with the limbs on, missing chest electrodes block no longer
STARTING = "STARTING"  # title of the message while nothing is wrong
FAILED = "MONITOR FAILED: USE ANOTHER ONE"  # title in place of a monitor that does not stay up
LOSS_SHOWN = 10 * SAMPLE_RATE_HZ  # how long a loss stays on screen; the count stays for good


@dataclass(frozen=True, slots=True)
class Frozen:
    """The window before ``since`` and its measurements; ``whole``: all its samples have come."""

    since: int
    strip: Strip
    measurements: Measurements | None
    whole: bool


@dataclass
class ScreenState:
    """Plain data behind every screen; memory is bounded by what the trace shows.

    on_trial : the model has yet to prove itself here
    lead : the first on the live page; view : how often the button asked for others
    profile : filter profile as shown ("MONITOR", "DIAG")
    message : (title, text) of the start-up, self-test or fault screen; None = show the patient
    notes : kind -> text of what is not well with the instrument ("serial" -> "serial lost")
    controls : which page is shown
    alarms : gravest first; audio, audio_left_s : what is heard of them, and how long a pause lasts
    why : what carried the call that was explained; None: nothing was called, or nobody asked
    saved_at : index of the newest snapshot that went to the recorder
    history : of rate and calls; alarm_log : the last alarms, the newest first
    settings : (name, value) of those the buttons can change; health : part -> "ok" or a sentence
    night : dim, dark on the panel
    tr : from English words to those of the screen's language
    """

    controls: Controls = field(default_factory=Controls)
    alarms: tuple[Alarm, ...] = ()
    audio: Audio = Audio.QUIET
    audio_left_s: int = 0
    measurements: Measurements | None = None
    why: Reasons | None = None
    saved_at: int | None = None
    history: History = field(default_factory=History)
    alarm_log: tuple[Logged, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    health: Mapping[str, str] = field(default_factory=dict)
    night: bool = False
    tr: Callable[[str], str] = str

    model: str = ""
    on_trial: bool = False
    profile: str = "MONITOR"
    naming: Naming = Naming.AHA
    lead: str = "II"
    view: int = 0
    recording: bool = False
    message: tuple[str, str] | None = None
    notes: dict[str, str] = field(default_factory=dict)
    index: int = 0  # the newest sample index heard of: the clock of the screen
    electrodes_off: int = 0
    quality: QualityGrade | None = None
    samples_lost: int = 0
    trace: TraceColumns = field(default_factory=TraceColumns)
    beats: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    _rate: Rate | None = None
    _call: Call | None = None
    _filling_since: int | None = None
    _beat_shown_at: int = 0
    _lost_at: int = 0
    _changed_at: int = 0  # of the last electrode change
    _readable_since: int | None = None  # all on and quality at least fair
    _faults: dict[str, LeadFault] = field(default_factory=dict)
    _doubtful: tuple[str, ...] = ()
    _connected: bool = False  # all ten were on once, or patience ran out
    _frozen: Frozen | None = None

    def note(self, kind: str, text: str) -> None:
        """Set what is wrong with ``kind`` ("serial", "display", ...); an empty text clears it."""
        self.notes.pop(kind, None)
        if text:
            self.notes[kind] = text

    def apply(self, event: Event) -> None:
        """Take in one event of the pipeline."""
        match event:
            case Trace():
                self._advance(event.first_index + len(event.uv))
                if self._filling_since is None:
                    self._filling_since = event.first_index
                self.trace.push(event)
                if self.controls.page is Page.LEADS:
                    self._freeze()
            case Gap():
                self._advance(event.index)
                self.samples_lost += event.lost
                self._filling_since = self._lost_at = event.index
                self.note("samples", f"samples lost {self.samples_lost}")
            case ElectrodeChange():
                self._advance(event.index)
                self.electrodes_off, self._changed_at = event.off, event.index
                self._readable_since = None
            case Beat():
                self._advance(event.index)
                self.beats.append(event.index)
                self._beat_shown_at = self.index  # a detector tells of a beat 0.2 s after it
            case Quality():
                self._advance(event.index)
                self.quality, self._faults = event.grade, event.faults
                self._doubtful = event.doubtful
                self._judge_contact(event)
            case Rate():
                self._advance(event.index)
                self._rate = event
                self.history.rate(event.index, event.bpm if self.beatless_since is None else None)
            case Measurements():
                self._advance(event.index)
                self.measurements = event
            case Call():
                self._advance(event.index)
                self._call = event
                self.history.call(event.index, event.label)

    def _advance(self, index: int) -> None:
        self.index = max(self.index, index)
        self.controls.pass_time(self.index)
        oldest = self.index - WIDEST * SAMPLES_PER_COLUMN
        while self.beats and self.beats[0] < oldest:
            self.beats.popleft()
        if "samples" in self.notes and self.index - self._lost_at > LOSS_SHOWN:
            self.note("samples", "")
        waited = self.index - self._changed_at >= PATIENCE
        if waited and not self.electrodes_off & electrode_mask(LIMBS):
            self._connected = True
        if not self.electrodes_off and self.index - self._changed_at >= SETTLED_ANYWAY:
            self._connected = True

    def _judge_contact(self, quality: Quality) -> None:
        if self.electrodes_off or quality.grade < QualityGrade.FAIR:
            self._readable_since = None
        elif self._readable_since is None:
            self._readable_since = quality.index
        elif quality.index - self._readable_since >= SETTLED:
            self._connected = True

    @property
    def frozen(self) -> Frozen:
        """The ten seconds before the page of the twelve leads was chosen."""
        self._freeze()
        assert self._frozen is not None
        return self._frozen

    def _freeze(self) -> None:
        """Keep them as soon as they are whole: the trace itself forgets."""
        since = self.controls.since
        if self._frozen and self._frozen.since == since and self._frozen.whole:
            return
        end = since // SAMPLES_PER_COLUMN
        strip = self.trace.strip(end - WINDOW_COLUMNS, end - 1)
        kept = self._frozen.measurements if self._frozen and self._frozen.since == since else None
        whole = self.trace.head >= end
        self._frozen = Frozen(since, strip, kept or self.measurements, whole)

    @property
    def call(self) -> Call | None:
        """The newest call; None before the first, and when it says nothing of now."""
        return None if self._call and self.index - self._call.index > STALE else self._call

    @property
    def connecting(self) -> bool:
        """Whether the electrodes are the question now.

        At first until all ten are on and readable for 2 s; later whenever a limb electrode or
        three others are off. Chest electrodes that stay off hold nobody up for more than 20 s.
        """
        off = self.electrodes_off
        if off & electrode_mask(LIMBS):
            return True
        if not self._connected:
            return True
        recent = self.index - self._changed_at < PATIENCE
        return off.bit_count() >= MANY_OFF and recent

    @property
    def tracing(self) -> bool:
        """Whether the live page shows a trace: no message, and nothing to connect."""
        return self.message is None and not self.connecting

    @property
    def beatless_since(self) -> int | None:
        """Index from which on waves are no beats: asystole, VF or VT is there; None: they are."""
        return min((alarm.since for alarm in beatless(self.alarms)), default=None)

    @property
    def trouble(self) -> str:
        """What is wrong at the electrodes in a few letters: "V3 OFF", "V5 NOISY", "MAINS"."""
        if self.electrodes_off:
            return self.tr("{names} OFF").format(names=" ".join(self.off_names))
        # What was off is on again
        faults = {lead: its for lead, its in self._faults.items() if its is not LeadFault.OFF}
        if self.quality is QualityGrade.GOOD or not (faults or self._doubtful):
            return ""
        if faults:
            fault = Counter(faults.values()).most_common(1)[0][0]
            leads = [lead for lead, its in faults.items() if its is fault]
            word = self.tr(fault.upper())
        else:
            leads, word = list(self._doubtful), self.tr("DOUBTFUL")
        named = " ".join(leads) if len(leads) <= MANY_OFF else ""
        return f"{named} {word}".strip()

    @property
    def off_names(self) -> tuple[str, ...]:
        """Names of the electrodes that are off, in their order, in the naming of the cable."""
        return tuple(self.electrode_name(e) for e in self.off)

    @property
    def off(self) -> tuple[Electrode, ...]:
        """Electrodes that are off, the one to see to first in front, limbs before the chest.

        Without the right leg the body floats, and of the others nothing is known.
        """
        return tuple(
            sorted(electrodes_in(self.electrodes_off), key=lambda one: one is not Electrode.RL)
        )

    def electrode_name(self, electrode: Electrode) -> str:
        """Its name on the cable: RA (AHA) or R (IEC)."""
        return ELECTRODES[self.naming][electrode][0]

    @property
    def rate_text(self) -> str:
        """Beats per minute as digits, "--" when unknown, out of date or without beats."""
        rate = self._rate if self.beatless_since is None else None
        if rate is None or rate.bpm is None or self.index - rate.index > STALE:
            return "--"
        return str(round(rate.bpm))

    @property
    def beat_seen(self) -> bool:
        """Whether a beat was reported in the last quarter second: the heart beside the rate."""
        beating = bool(self.beats) and self.beatless_since is None
        return beating and self.index - self._beat_shown_at < SAMPLE_RATE_HZ // 4

    @property
    def elapsed_text(self) -> str:
        """Minutes and seconds of signal, "03:41"; hours in front from the first on."""
        seconds = self.index // SAMPLE_RATE_HZ
        clock = f"{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        return f"{seconds // 3600}:{clock}" if seconds >= 3600 else clock

    @property
    def line(self) -> Line:
        """What the call row says: the call, or why there is none and what to do."""
        since = self._filling_since
        return call_row(self, self._call, 0 if since is None else self.index - since)

    @property
    def foot(self) -> Line | None:
        """The row below a page: alarms, electrodes that are off, a fault; None when all is well."""
        if self.message is not None:
            return alarm_row(self, Line(*self.message, alarm=1), told=NO_DATA)
        if self.controls.page is Page.ALARMS:
            return None  # lists them
        if self.electrodes_off:
            return alarm_row(self, electrode_row(self))
        unread = any(alarm.code == UNREADABLE for alarm in self.alarms)
        return alarm_row(self, *([self.line] if unread else []))

    @property
    def starting(self) -> bool:
        """Whether no sample has come yet: the self-test is shown."""
        return self.message is not None and self.message[0] != FAILED and self.trace.head < 0

    @property
    def selftest(self) -> tuple[tuple[str, str], ...]:
        """Each step with "ok", what is wrong, or "" while nothing is known; a front end is well
        with its first sample, which ends this.
        """
        notes, health = self.notes, self.health
        title, reason = self.message or (STARTING, "")
        reason = "" if title == STARTING else reason
        return (
            ("front end", notes.get("frontend") or notes.get("ring") or reason),
            ("filters", notes.get("analysis") or health.get("filters", "")),
            ("model", notes.get("model") or health.get("model", "")),
            ("storage", notes.get("storage") or health.get("storage", "")),
        )

    @property
    def status_line(self) -> str:
        """The screen in one line of plain text, for a log or a pipe."""
        if self.message is not None:
            return f"{self.elapsed_text}  {': '.join(self.message)}"
        line = self.line
        parts = [self.elapsed_text, f"{self.rate_text}/min", line.head, line.tail]
        parts += [self.trouble] if not line.electrodes else []
        parts += [f"quality {self.quality.name.lower()}"] if self.quality is not None else []
        parts += list(self.notes.values()) + (["REC"] if self.recording else [])
        return "  ".join(part for part in parts if part)
