"""The instrument between samples and people: pipeline, screen state and serial messages.

It knows no process, no ring and no clock: the live monitor and the batch run are both this, fed
differently. Times come in as arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device import defects
from device.alarm_memory import AlarmMemory
from device.bundles import Model, load_model
from device.choices import following, listed
from device.config import Config, ConfigError
from device.controls import Action, Button, Page
from device.current import beatless, current
from device.display.language import language
from device.display.screens import Frame, render
from device.display.state import ScreenState
from device.display.words import Naming
from device.explaining import AtOnce, Explainer, Explaining
from device.faults import fault_alarm
from device.link import messages
from device.link.access import gate
from device.link.commands import SETTINGS
from device.link.flashing import Flasher
from device.link.inject import Injection
from device.link.link import Link
from device.link.port import Opener, Opening, Port
from device.parts import Board, Facts, parts
from device.patient import Patient
from device.records.changes import ChangedCall
from device.records.desk import RecordDesk
from device.records.interface import Recorder, Why
from device.traces import LastTraces, joined
from firmware import model_window
from firmware.alarms import AlarmEvent, Alarms
from firmware.bundle import FIRMWARE
from firmware.call import READABLE
from firmware.events import Call, ElectrodeChange, Event, Gap, Trace
from firmware.findings import Priority
from firmware.measurements import Measurements
from firmware.model_window import Runner
from firmware.network import Network
from firmware.pipeline import Pipeline
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock, FrontendInfo

SETTLED = 10 * SAMPLE_RATE_HZ  # without failing: the analysis is well again


class Instrument:
    """Takes blocks, keeps the screen state and the link up to date.

    config : settings; some may be changed at run time by ``set``
    model : makes the calls; None for the one the settings name
    instead : asked, with the reason, when the analysis failed; another model, or None to go on
    port : an open port for the link instead of the configured one
    opener : opens the configured port, when that is lost
    flasher, injection : what ``model`` and ``inject`` commands of the host act on
    recorder : keeps samples and events on disk; None: nobody does
    memory : keeps the alarms over a restart; None: they are forgotten
    save : takes a setting that was changed, and its value, to keep them over a restart
    explainer : works out why a call was made; None: while the monitor waits
    runner : how the network is run
    history : gives the latest blocks processed, to settle new filters on
    journal : takes a part and what is wrong with it, "" when it is well again
    """

    def __init__(
        self,
        config: Config,
        *,
        model: Model | None = None,
        instead: Callable[[str], Model | None] = lambda why: None,
        port: Port | None = None,
        opener: Callable[[str, int], Opening] = Opener,
        flasher: Flasher | None = None,
        injection: Injection | None = None,
        recorder: Recorder | None = None,
        memory: AlarmMemory | None = None,
        save: Callable[[str, Any], None] = lambda setting, value: None,
        explainer: Explainer | None = None,
        runner: Callable[[Network], Runner] = model_window.AtOnce,
        history: Callable[[], Iterable[FrameBlock]] = tuple,
        journal: Callable[[str, str], None] = lambda part, text: None,
    ) -> None:
        self._journal = journal
        self._records = RecordDesk(recorder)
        self._memory = memory
        self._save = save
        self.alarms = Alarms()
        self._audio = self.alarms.audio  # as the host knows it
        self._changed_call = ChangedCall()
        self.config = config
        self.info: FrontendInfo | None = None
        self._history = history
        self._runner = runner
        self.index = 0  # of the next sample
        self.utc: str | None = None  # wall-clock time of ``index``; the edge that has one sets it
        self.screen = ScreenState()
        self.board = Board()  # the edge that can read it sets it
        self._explaining = Explaining(self.screen, explainer or AtOnce())
        self._page = self.screen.controls.page  # as the host knows it
        self._faults: dict[str, str] = {}
        self._instead = instead
        self.judged = 0  # windows of which a network has said something
        self.failures = 0  # of the analysis, since the start
        self._failed_at = 0  # index behind the block at which the analysis failed
        self._measured: Measurements | None = None  # of the window whose call comes next
        self._traces = LastTraces()
        self._undrawn: list[Trace] = []
        serial = config.serial
        self.link = Link(
            serial.port,
            serial.baud,
            self,
            port=port,
            opener=opener,
            flasher=flasher,
            injection=injection,
            gate=gate(config),
        )
        self._pipeline: Pipeline | None = None
        self._adopt_settings(config)
        self.model = Model(None, "none")
        self.adopt(model or load_model(config.model.path))

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong now: part -> sentence."""
        return self._faults

    def adopt(self, model: Model) -> None:
        """From here on ``model`` makes the calls, of the window that is there already."""
        changed = model.network is not self.model.network
        self.model = model
        self.screen.model, self.screen.on_trial = model.id, model.state == "trial"
        self.fault("model", model.fault)
        self._records.source(self.info, model.id)
        self.link.send("event", messages.model_event(self.index, model))
        if changed and self._pipeline is not None:
            self._restart_analysis(lambda event: None)  # the screen has these seconds already

    def connect(self, info: FrontendInfo) -> None:
        """A front end was found: filters for it, and the screen as the last seconds left it."""
        recall = self._tell_screen if self.info is not None else self._recall
        self.info = info
        self._records.source(info, self.model.id)
        for block in self._history():  # what a killed monitor had not brought to the disk
            self._records.block(block)
        self._restart_analysis(recall)
        if self._memory is not None and (before := list(self._history())):
            self._tell_alarms(self._memory.recall(self.alarms, before[-1]))
        if self.link.connected:  # otherwise the hello of the connection says it
            self.link.send("hello", self.hello())

    def _adopt_settings(self, config: Config) -> None:
        self.config = config
        self.alarms.limits = config.alarms.limits()
        self.alarms.pause_s = config.alarms.pause_s
        self.screen.profile = "DIAG" if config.filters.profile == "diagnostic" else "MONITOR"
        if self.screen.lead != config.display.lead:
            self.screen.lead, self.screen.view = config.display.lead, 0
        self.screen.naming = Naming(config.electrodes.naming)
        self.screen.tr = language(config.display.language)
        self.screen.night = config.display.night
        self.screen.settings = listed(config)

    def _restart_analysis(self, tell: Callable[[Event], None]) -> None:
        """A new pipeline, settled on the latest seconds; the host has heard of them already."""
        self._make_pipeline()
        for block in self._history():
            try:
                for event in self._push(block):
                    tell(event)
            except Exception as error:
                if not self._give_way(block, error):
                    self._survive(block, error)
                return

    def _make_pipeline(self) -> None:
        if self.info is None:
            return
        self._traces.clear()
        network = self.model.network
        self._pipeline = Pipeline(
            self.info.nv_per_count,
            profile=self.config.filters.profile,
            mains_hz=self.config.filters.mains_hz or None,
            network=network,
            runner=self._runner(network) if network else None,
        )

    def _give_way(self, block: FrameBlock, error: Exception) -> bool:
        """Whether there is another model, which now has all samples before ``block``."""
        self.failures += 1
        if defects.told(error) not in self._faults.get("analysis", ""):  # once, not each time
            defects.to_journal(error)
        model = self._instead(f"analysis failed at {block.first_index}: {defects.told(error)}")
        if model is not None:
            self.adopt(model)
        return model is not None

    def _survive(self, block: FrameBlock, error: Exception) -> None:
        """A defect in the analysis: begin anew behind ``block``, or it would kill every restart."""
        self.index = block.first_index + len(block)
        self._failed_at = self.index
        self._make_pipeline()
        self.fault("analysis", f"the analysis failed and was started anew: {defects.told(error)}")

    def process(self, block: FrameBlock) -> None:
        """The next samples: what the pipeline says of them goes to screen and host."""
        if self._memory is not None:
            self._tell_alarms(self._memory.recall(self.alarms, block))
        self._records.block(block)
        try:
            events = self._push(block)
        except Exception as error:  # a monitor that goes on and says so beats one that dies
            if self._give_way(block, error):
                self.process(block)
            else:
                self._survive(block, error)
            return
        if "analysis" in self._faults and self.index - self._failed_at > SETTLED:
            self.fault("analysis", "")
        for event in events:
            self._tell_screen(event)
            self._tell_alarms(self.alarms.push(event))
            self._records.event(event)
            match event:
                case Call():
                    self.judged += bool(event.model) and event.refusal in READABLE
                    if self._changed_call.push(event):
                        self.record(Why.CALL)
                    if self._pipeline is not None:
                        tensor = self._pipeline.tensor
                        self._explaining.judged(event, self.model.network, tensor)
                    alarms, off = self.alarms.active, self.screen.electrodes_off
                    measured = None if beatless(alarms) else self._measured
                    now = current(event, alarms, off)
                    self.link.send("result", messages.result(now, measured))
                    self._measured = None
                case Measurements():
                    self._measured = event  # said with the call of the same window
                case ElectrodeChange():
                    self.link.send("event", messages.electrode_event(event))
                case Gap():
                    self.link.send("event", messages.gap_event(event))
        self.alarms.pass_time(self.index)
        self._tell_alarms(())
        if self._memory is not None:
            self._memory.keep(self.alarms, self.index)
        self._tell_page()

    def _tell_alarms(self, changes: Iterable[AlarmEvent]) -> None:
        """Screen, host and record hear of alarms that began, latched or ended, and of the sound."""
        for change in changes:
            alarm = change.alarm
            if change.new and alarm.priority is Priority.HIGH:
                self.screen.controls.show(Page.LIVE, self.index)
            if change.new and not alarm.technical and alarm.priority is not Priority.LOW:
                self.record(Why.ALARM)
            self.link.send("event", messages.alarm_event(change))
            self._records.event(change)
        alarms, left_s = self.alarms, self.alarms.left_s(self.index)
        if alarms.audio is not self._audio:
            self._audio = alarms.audio
            self.link.send("event", messages.audio_event(self.index, alarms.audio, left_s))
        self.screen.alarms, self.screen.audio = alarms.active, alarms.audio
        self.screen.audio_left_s = left_s

    # -- what the buttons, or the host in their place, ask for

    def press(self, button: Button, *, held: bool) -> None:
        """One press of a button has ended."""
        controls = self.screen.controls
        alarmed = any(not alarm.acknowledged for alarm in self.alarms.active)
        match controls.press(button, held=held, index=self.index, alarmed=alarmed):
            case Action.SNAPSHOT:
                self.record(Why.BUTTON)
            case Action.SILENCE:
                self.silence()
            case Action.PAUSE:
                self.pause()
            case Action.LEAD:
                self.screen.view += self.screen.tracing
            case Action.CHANGE:
                self.set(*following(self.config, controls.step))
            case Action.NONE:
                pass
        self._tell_page()

    def silence(self) -> None:
        """Acknowledge the alarms."""
        self._tell_alarms(self.alarms.silence(self.index))

    def pause(self) -> None:
        """Pause the alarm sound, or end the pause."""
        self.alarms.pause(self.index)
        self._tell_alarms(())

    def record(self, why: Why) -> str:
        """Keep the last seconds as a record of their own; "" or why that is not possible."""
        wrong = self._records.snapshot(why, self.index, kept=self.config.records.snapshots)
        if not wrong:
            self.screen.saved_at = self.index
        return wrong

    def set_patient(self, patient: Patient) -> None:
        """Whom the records are of from now on; ``Patient()``: another, of whom nothing is known."""
        self._records.set_patient(patient)

    def _tell_page(self) -> None:
        page = self.screen.controls.page
        if page is not self._page:
            self._page = page
            self.link.send("event", messages.page_event(self.index, page))

    def check_storage(self) -> None:
        """Say what the recorder has to say of its disk, and if it records."""
        records = self._records
        self.fault("storage", records.failure)
        self.screen.recording = records.recording
        if records.failure:  # what was asked for may not have come to the disk
            self.screen.saved_at = records.saved_at

    def _push(self, block: FrameBlock) -> list[Event]:
        if self._pipeline is None:
            raise ValueError("no front end is known yet")
        events = self._pipeline.push(block)
        self.index = block.first_index + len(block)
        for event in events:
            if isinstance(event, Trace):
                self._traces.push(event)
        return events

    def _recall(self, event: Event) -> None:
        """Of the seconds before a restart; the recorder leaves out what it has."""
        self._tell_screen(event)
        if not isinstance(event, Call):  # its alarms are remembered, or were told
            self.alarms.push(event)
        self._records.event(event)

    def _tell_screen(self, event: Event) -> None:
        """Events in order; traces wait for the next frame, which takes them as one."""
        if isinstance(event, Trace):
            self._undrawn.append(event)
        else:
            self._draw_traces()
            self.screen.apply(event)

    def _draw_traces(self) -> None:
        waiting, self._undrawn = self._undrawn, []
        for trace in joined(waiting):
            self.screen.apply(trace)

    def frame(self, size: tuple[int, int], *, grey: bool) -> Frame:
        """The screen as it is now, for a display of ``size``."""
        self._draw_traces()
        self._explaining.poll()
        self.screen.alarm_log = self.alarms.log
        if self.screen.controls.page is Page.HEALTH or self.screen.starting:
            self.screen.health = self._health()
        return render(self.screen, size, grey=grey)

    def _health(self) -> dict[str, str]:
        return parts(
            Facts(
                faults=self._faults,
                info=self.info,
                index=self.index,
                lost=self.screen.samples_lost,
                filters=self.screen.profile if self._pipeline is not None else "",
                model=self.model,
                serial=self.link.enabled,
                recording=self._records.keeps,
                board=self.board,
            ),
            self.screen.tr,
        )

    def fault(self, part: str, text: str) -> None:
        """Something is wrong with ``part`` ("" : no longer); screen and host hear it once."""
        if self._faults.get(part, "") == text:
            return
        self._faults.pop(part, None)
        if text:
            self._faults[part] = text
        self._journal(part, text)
        self.screen.note(part, text)
        self.link.send("event", messages.fault_event(self.index, part, text))
        self._tell_alarms(fault_alarm(self.alarms, part, self._faults, self.index))

    def front_end(self, fault: str, *, samples: bool) -> None:
        """How the front end is: ``fault`` ("" : well), and whether a sample came of it yet.

        Without one there is no patient to show: the whole screen says why.
        """
        self.fault("frontend", fault)
        if fault:
            self.screen.message = ("NO SIGNAL", fault)
        elif not samples:
            self.screen.message = ("STARTING", "waiting for the front end")
        else:
            self.screen.message = None

    # -- what the host asks for

    def hello(self) -> dict[str, Any]:
        """Members of the hello message."""
        return messages.hello(
            firmware_version(),
            self.model,
            self.info,
            settings={name: self.config.get(dotted) for name, dotted in SETTINGS.items()},
            faults=self._faults,
            alarms=self.alarms,
            access=self.link.gate.access,
            index=self.index,
            utc=self.utc,
        )

    def set(self, setting: str, value: Any, *, keep: bool = True) -> Any:
        """Apply one of ``SETTINGS``, and have it kept over a restart. Raises ConfigError."""
        if value is None:
            raise ConfigError(f"set: {setting} needs a value")
        before = self.config.filters
        self._adopt_settings(self.config.override({SETTINGS[setting]: value}, "set"))
        if self.config.filters != before:
            self._restart_analysis(lambda event: None)  # the screen has these seconds already
        applied = self.config.get(SETTINGS[setting])
        if keep:
            self._save(setting, applied)
        return applied

    def snapshot(self) -> tuple[int, NDArray[np.int16]]:
        """Index of the first sample, and the last 10 s of the filtered leads, int16 [n, 12] µV."""
        return self._traces.last_ten_seconds(self.index)


def firmware_version() -> str:
    """Told by the firmware itself; the package's record of it takes 10 ms to find at a start."""
    return ".".join(map(str, FIRMWARE))
