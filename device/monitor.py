"""``monitor``: the process that reads the ring and runs pipeline, screen and serial line.

It may be killed at any time. Its place in the ring moves only after a block has been processed,
so a restart loses no sample. On a restart the 12 s before that place are pushed through a new
pipeline first: filters, rate and the network's window are where they were, the screen comes back
as it was, and the host, who has heard of those seconds, hears nothing twice; only what was said
within the last 10 ms before a kill may come again. Run as ``python -m device.monitor CONFIG``.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from device import config as settings
from device import defects, heap, last_good, last_words
from device.alarm_memory import FILE, AlarmMemory
from device.battery import battery_fault
from device.behind import live
from device.bundles import Model
from device.config import Config
from device.config_sections import INJECTED, MADE_UP
from device.display.outputs import DisplayError, open_display
from device.explaining import Beside
from device.fault_log import FaultLog
from device.flash.flasher import StoreFlasher
from device.flash.store import Store, state_folder, store_folder
from device.front_panel import FrontPanel
from device.health import Health
from device.inject_pipe import FrameSender
from device.installed import Installed
from device.instrument import Instrument, firmware_version
from device.keyboard import CAPTION, Keys, inherited
from device.last_good import LastGood
from device.latency import Latency
from device.link import messages
from device.link.commands import SETTINGS
from device.link.inject import Injection
from device.link.port import host_end
from device.notify import notifier
from device.panel import Panel
from device.processes import asked_to_stop, logger
from device.records.folder import EARLIEST
from device.records.opening import boot_id, open_keeper
from device.records.writer import RecordWriter
from device.ring import RingReader, RingStatus, WriterState
from device.segment import RingError
from device.settings_store import SettingsStore
from hal.clock import Clock, RealClock
from hal.frontend import SAMPLE_RATE_HZ, FrameBlock

TICK_NS = 10_000_000
BLOCK = SAMPLE_RATE_HZ  # at most so many samples at once when catching up
HISTORY = 12 * SAMPLE_RATE_HZ  # a 10-s window, and 2 s for filters and beat detector to settle
HEALTH_EVERY_NS = 10_000_000_000
STALE_NS = 2_000_000_000  # a writer that has not said anything for so long is not there
STORE_WAIT_S = 0.5  # for another process's change to the store: results wait as long


class Monitor:
    """One ring, one instrument, one display."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        notify: Callable[[str], None],
        log: Callable[[str], None] = lambda line: None,
        keys: Keys | None = None,
        given: LastGood | None = None,
    ) -> None:
        self._config = config
        self._given = given or LastGood(last_good.Settings(config), None)
        self._processed = 0  # samples since the start
        self._keys = keys
        self._clock = clock
        self._notify = notify
        self._fault_log = FaultLog(log, clock)
        self._ring: RingReader | None = None
        store = Store(store_folder(config), config.model.confirm_windows, wait_s=STORE_WAIT_S)
        self._installed = None if config.model.path else Installed(store, _utc, log)
        self._injection = _injection(config)
        self._settings = SettingsStore(state_folder(), SETTINGS, config, log)
        self._alarms = AlarmMemory(alarms_path(config), self._known_utc, log, boot=boot_id())
        self._front_panel = FrontPanel(config, keys)
        self._flasher = StoreFlasher(config, store, lambda: self._instrument.model, _utc)
        self._explainer = Beside()
        self._records = self._open_records()
        self._instrument = Instrument(
            self._settings.config,
            model=self._installed.start() if self._installed else None,
            instead=self._instead,
            flasher=self._flasher,
            injection=self._injection,
            recorder=self._records,
            memory=self._alarms,
            save=self._settings.save,
            explainer=self._explainer,
            runner=live,
            history=self._history,
            journal=self._fault_log.say,
        )
        self._bad_display = ""
        self._panel = self._open_panel()
        self._health = Health()
        self._latency = Latency()
        self._newest_ns = now_ns = clock.now_ns()
        self._frame_ns = 1_000_000_000 // config.display.frames_per_second
        self._next_frame_ns = now_ns
        self._next_health_ns = now_ns + HEALTH_EVERY_NS
        self._next_check_ns = now_ns

    def _open_records(self) -> RecordWriter | None:
        keeper = open_keeper(
            self._config, self._utc_at, firmware=firmware_version(), boot=boot_id()
        )
        return RecordWriter(keeper) if keeper is not None else None

    def _utc_at(self, t_ns: int) -> datetime:
        return _utc() - timedelta(microseconds=(self._clock.now_ns() - t_ns) // 1000)

    def _known_utc(self, t_ns: int) -> datetime | None:
        utc = self._utc_at(t_ns)
        return utc if utc >= EARLIEST else None

    def _open_panel(self) -> Panel:
        try:
            display = open_display(self._config.display.device)
            line = host_end(self._config.serial.port)
            display.caption = [
                "Not a medical device.  Ctrl-C ends.",
                *([CAPTION] if self._keys else ()),
                *([f"serial line: lead12 listen {line}"] if line else ()),
            ]
            return Panel(display)
        except DisplayError as error:  # the name makes no sense; the rest of the instrument does
            self._bad_display = str(error)
            return Panel(open_display("none"))

    def run(self, stopping: Callable[[], bool]) -> None:
        """Until ``stopping`` says so, or the writer has ended and everything is processed."""
        self._notify("READY=1")
        tick_ns = self._clock.now_ns()
        while not stopping() and not self._tick():
            tick_ns = max(tick_ns + TICK_NS, self._clock.now_ns() - TICK_NS)
            self._clock.sleep_until_ns(tick_ns)
        self._close()

    def _tick(self) -> bool:
        """One round; True when there is nothing left to come."""
        now_ns = self._clock.now_ns()
        ended = False
        try:
            self._read()
            if now_ns >= self._next_check_ns:
                self._next_check_ns = now_ns + 500_000_000
                self._notify("WATCHDOG=1")
                self._fault_log.poll()
                self._settings.file.poll(now_ns)
                self._alarms.file.poll(now_ns)
                self._check_model()
                ended = self._check(now_ns)
        except RingError as error:
            self._instrument.fault("ring", str(error))
            self._detach()
        for said in self._flasher.poll():
            event = messages.flash_event(self._instrument.index, said)
            self._instrument.link.send("event", event)
        self._instrument.link.poll(now_ns)
        if self._flasher.acted:  # whoever asks next is told what runs now
            self._flasher.acted, self._next_check_ns = False, now_ns
        self._attend(now_ns)
        if now_ns >= self._next_frame_ns and self._panel.ready:
            self._next_frame_ns = max(self._next_frame_ns + self._frame_ns, now_ns)
            self._panel.show(self._instrument.frame(self._panel.size, grey=self._panel.grey))
        if now_ns >= self._next_health_ns:
            self._next_health_ns += HEALTH_EVERY_NS
            self._instrument.fault("battery", battery_fault())
            self._instrument.link.send("health", self._health_body(now_ns))
            heap.give_back()
        elif self._injection is not None and self._injection.report_due(now_ns):
            self._instrument.link.send("health", self._health_body(now_ns))
        return ended

    def _attend(self, now_ns: int) -> None:
        """Buttons, lights and buzzer."""
        instrument = self._instrument
        for press in self._front_panel.presses(now_ns):
            instrument.press(press.button, held=press.held)
        alarms = instrument.alarms
        gravest = alarms.active[0].priority if alarms.active else None
        self._front_panel.show(now_ns, lit=gravest, heard=alarms.sounding)

    # -- samples

    def _read(self) -> None:
        ring = self._ring
        if ring is None or self._instrument.info is None:
            return
        for _ in range(4):  # then the line and the screen get their turn, however far behind
            block = ring.read(BLOCK)
            if block is None:
                return
            began_ns, judged = self._clock.now_ns(), self._instrument.judged
            self._instrument.process(block)
            ring.commit()
            self._processed += len(block)
            if self._injection is not None:
                self._injection.seen(block)
            self._latency.push(block.t_ns, self._clock.now_ns())
            self._newest_ns = int(block.t_ns[-1])
            if self._installed is not None:
                took_s = (self._clock.now_ns() - began_ns) * 1e-9
                self._installed.judged(self._instrument.judged - judged, took_s)

    def _history(self) -> list[FrameBlock]:
        return self._ring.history(HISTORY) if self._ring else []

    # -- the model

    def _check_model(self) -> None:
        if self._installed is not None and (model := self._installed.check()) is not None:
            self._instrument.adopt(model)

    def _instead(self, why: str) -> Model | None:
        return self._installed.give_way(why) if self._installed is not None else None

    # -- the writer

    def _check(self, now_ns: int) -> bool:
        """Attach to the ring, watch its writer; True when it has ended and all is processed."""
        instrument = self._instrument
        if self._ring is None:
            self._ring = RingReader(settings.ring_path(self._config))
            instrument.fault("ring", "")
        ring = self._ring
        status = ring.status()
        info = ring.info()
        if info is not None and info != instrument.info:
            instrument.connect(info)
        silent = now_ns - status.heartbeat_ns > STALE_NS
        if silent and ring.replaced():
            self._detach()
            return False
        age = timedelta(microseconds=(now_ns - self._newest_ns) // 1000)
        instrument.utc = (_utc() - age).isoformat(timespec="milliseconds")
        instrument.front_end(self._frontend_fault(status, silent), samples=status.samples > 0)
        instrument.board = self._health.board()
        instrument.fault("display", self._panel.failure or self._bad_display)
        instrument.check_storage()
        if instrument.link.enabled:
            link = instrument.link
            instrument.fault("serial", link.failure or link.gate.fault(now_ns))
        for part, fault in self._front_panel.faults.items():
            instrument.fault(part, fault)
        self._given.ran(self._processed)
        kept = self._given.failure or self._settings.file.failure or self._alarms.file.failure
        instrument.fault("settings", kept)
        return status.state is WriterState.ENDED and ring.lag == 0

    @staticmethod
    def _frontend_fault(status: RingStatus, silent: bool) -> str:
        if status.state is WriterState.FAULT:
            return status.fault
        if silent and status.state is not WriterState.ENDED:
            return "acquire does not answer"
        return ""

    def _detach(self) -> None:
        if self._ring is not None:
            self._ring.close()
        self._ring = None
        self._instrument.screen.message = ("NO SIGNAL", "acquire is not running")

    # -- health

    def _health_body(self, now_ns: int) -> dict[str, Any]:
        link, ring = self._instrument.link, self._ring
        body: dict[str, Any] = {
            "index": self._instrument.index,
            "utc": self._instrument.utc,
            **self._health.read(),
            "latency_ms": self._latency.take(),
            "analysis_failed": self._instrument.failures,
            "faults": self._instrument.faults,
            "serial": {
                "sent": link.counters.sent,
                "dropped": link.dropped,
                "waiting": link.waiting,
                "commands": link.counters.received,
                "rejected": link.counters.rejected,
                "connections": link.counters.connections,
                "sessions": link.gate.sessions,
                "wrong_keys": link.gate.wrong,
            },
            "ring": None,
        }
        if self._injection is not None:
            body["inject"] = self._injection.health()
        if self._records is not None:
            body["storage"] = self._records.health()
        if ring is not None:
            status, account = ring.status(), ring.account
            body["ring"] = {
                "written": status.samples,
                "lost": status.lost,
                "lost_estimated": status.lost_estimated,
                "processed": account.processed,
                "overrun": account.overrun,
                "lag": status.samples - account.position,  # of one moment with the others
                "acquire": status.state.name.lower(),
                "acquire_age_s": round(max(0, now_ns - status.heartbeat_ns) / 1e9, 3),
            }
        return body

    def _close(self) -> None:
        """Process what is there, send what the line still takes, leave the screen tidy."""
        self._notify("STOPPING=1")
        with contextlib.suppress(RingError):
            self._read()
        self._flasher.close()
        if self._records is not None:
            self._records.close()
        self._explainer.close()
        self._settings.file.close()
        self._alarms.file.close()
        self._front_panel.close()
        if self._installed is not None:
            self._installed.stop()
        link = self._instrument.link
        deadline_ns = self._clock.now_ns() + 500_000_000
        while link.waiting and not link.failure and self._clock.now_ns() < deadline_ns:
            link.poll(self._clock.now_ns())
            self._clock.sleep_until_ns(self._clock.now_ns() + TICK_NS)
        link.close()
        self._panel.close()
        if self._ring is not None:
            self._ring.close()


def _injection(config: Config) -> Injection | None:
    if config.frontend.backend != INJECTED:
        return None
    return Injection(FrameSender(settings.inject_path(config)), config.frontend.gain)


def alarms_path(config: Config) -> Path:
    """Where alarms outlast a restart; those of nobody's heart end with the run."""
    if config.frontend.backend in MADE_UP:
        return settings.ring_path(config).with_suffix(".alarms")
    return state_folder() / FILE


def _utc() -> datetime:
    return datetime.now(UTC)


def main(arguments: list[str]) -> int:
    """``CONFIG``. Returns an exit code: 0, 1 after a defect, 2 for unusable settings."""
    stopping, log = asked_to_stop(), logger("monitor")
    heap.keep_freed()
    last_words.forget()
    copy = last_good.copy_path()
    try:
        given = last_good.read(arguments, copy)
    except settings.ConfigError as error:
        log(str(error))
        last_words.keep(str(error))
        return 2
    try:
        kept = LastGood(given, copy)
        monitor = Monitor(given.config, RealClock(), notifier(), log, inherited(), kept)
        gc.freeze()
        monitor.run(stopping)
    except Exception as error:
        defects.to_journal(error)
        log(defects.told(error))
        last_words.keep(defects.told(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
