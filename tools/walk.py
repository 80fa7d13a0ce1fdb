"""A call to a patient from power-up to the restart after a power cut, as a user sees it.

    python -m tools.walk        draws docs/walk.md and the pictures in docs/walk/

The live instrument, recorder, alarms and screens over the simulated chip, in virtual time, at the
two panels' sizes. The power cut is real: the process that plays the first part kills itself, and
another goes on with what is on the disk.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device.alarm_memory import FILE, AlarmMemory
from device.config import Config
from device.controls import Button
from device.instrument import Instrument, firmware_version
from device.records.folder import RecordFolder
from device.records.opening import open_keeper
from hal.clock import VirtualClock
from hal.frontend import SAMPLE_RATE_HZ, Electrode, Frontend
from hal.patient import Patient
from hal.patient.changes import Succession
from hal.patient.electrodes import ElectrodeEvent, Fault, WithElectrodeFaults
from hal.patient.presets import preset
from hal.patient.recording import read_recording
from hal.simulated import simulated_frontend
from tools.report import render
from tools.study import read_study

FOLDER = Path("docs/walk")
PAGE = Path("docs/walk.md")
SIZES = {"256x64": ((256, 64), True), "128x64": ((128, 64), False)}
BEGAN = datetime(2026, 5, 17, 14, 3, tzinfo=UTC)
BLOCK = SAMPLE_RATE_HZ // 10
SEED = 1
TURNS_S = 6

# When each electrode is attached: right leg and limbs first, as the screen asks for them.
ATTACHED_S = {
    Electrode.RL: 3, Electrode.RA: 5, Electrode.LA: 7, Electrode.LL: 9, Electrode.V1: 11,
    Electrode.V2: 12, Electrode.V3: 13, Electrode.V4: 14, Electrode.V5: 15, Electrode.V6: 16,
}  # fmt: skip
V3_OFF_S, SWAP_S, VF_S, CUT_S = (52.0, 62.0), (72.0, 100.0), 120.0, 140.0


@dataclass(frozen=True, slots=True)
class Step:
    """Something a user does, and what the screen must say a moment later.

    at_s : when the picture is taken, after ``act``
    says : words in the screen's line of text; page : the page that is shown
    narrow : so many more presses of OK on the smaller panel, which has more steps
    """

    at_s: float
    name: str
    story: str
    says: tuple[str, ...] = ()
    page: str = "live"
    act: Callable[[Instrument], object] | None = None
    narrow: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of a step."""

    name: str
    at_s: float
    story: str
    status: str
    page: str
    missing: tuple[str, ...]


def _press(button: Button, held: bool = False) -> Callable[[Instrument], object]:
    return lambda instrument: instrument.press(button, held=held)


_NEXT, _OK = _press(Button.PAGE), _press(Button.OK)
_SNAPSHOT, _PAUSE = _press(Button.PAGE, held=True), _press(Button.OK, held=True)

BEFORE_THE_CUT = (
    Step(0.0, "power-up", "Switched on: the self-test, before the first sample."),
    Step(2.0, "connect", "No electrode is on: the first to attach, by name, colour and place."),
    Step(8.0, "connect-limbs", "Three limbs are on; the left leg is next."),
    Step(12.5, "connect-chest", "Limbs on: the chest electrodes, one by one."),
    Step(
        23.0,
        "analysing",
        "All on and readable: the trace, while ten seconds are gathered.",
        ("ANALYSING",),
    ),
    Step(
        27.0,
        "call",
        "The first call, its confidence in words and number.",
        ("ATRIAL FIBRILLATION", "likely"),
    ),
    Step(
        34.0,
        "new-alarm",
        "After eight such calls it is an alarm: fibrillation is new here.",
        ("! ATRIAL FIBRILLATION",),
    ),
    Step(
        35.0,
        "new-alarm-silenced",
        "OK silences it; the words stay.",
        ("! ATRIAL FIBRILLATION",),
        act=_OK,
    ),
    Step(
        36.0,
        "snapshot",
        "PAGE is held: ten seconds are kept, and shown.",
        page="leads",
        act=_SNAPSHOT,
    ),
    Step(
        37.0,
        "snapshot-chest",
        "OK, twice: other leads of the same ten seconds.",
        page="leads",
        act=lambda i: (_OK(i), _OK(i)),
    ),
    Step(
        38.0,
        "measured",
        "OK, until what was measured in them.",
        page="leads",
        act=lambda i: (_OK(i), _OK(i)),
        narrow=4,
    ),
    Step(40.0, "why", "PAGE: which lead and which 40 ms carried the call.", page="why", act=_NEXT),
    Step(42.0, "trend", "PAGE: rate and calls of the last minutes.", page="trend", act=_NEXT),
    Step(44.0, "alarms", "PAGE: alarms, now and before.", page="alarms", act=_NEXT),
    Step(45.0, "settings", "PAGE: what the buttons can change.", page="settings", act=_NEXT),
    Step(
        46.0,
        "health",
        "PAGE: every part of the instrument, and the model.",
        page="health",
        act=_NEXT,
    ),
    Step(47.0, "live-again", "PAGE: back to the live trace.", ("ATRIAL FIBRILLATION",), act=_NEXT),
    Step(
        57.0,
        "electrode-off",
        f"V3 has fallen off at {V3_OFF_S[0]:g} s: named; the call goes on without it.",
        ("V3",),
    ),
    Step(
        70.0,
        "electrode-back",
        f"V3 was pressed on again at {V3_OFF_S[1]:g} s.",
        ("ATRIAL FIBRILLATION",),
    ),
    Step(
        98.0,
        "swap",
        f"Somebody has exchanged the arm electrodes at {SWAP_S[0]:g} s.",
        ("SWAPPED?",),
    ),
    Step(118.0, "swap-mended", f"And put them right at {SWAP_S[1]:g} s.", ("ATRIAL FIBRILLATION",)),
    Step(
        129.0,
        "alarm",
        f"Ventricular fibrillation since {VF_S:g} s: the alarm in place of the call, no rate.",
        ("VF OR VT?",),
    ),
    Step(131.0, "silenced", "OK: silent, and still said.", ("VF OR VT?",), act=_OK),
    Step(
        133.0,
        "alarm-page",
        "PAGE, until the alarms.",
        page="alarms",
        act=lambda i: [_NEXT(i) for _ in range(4)],
    ),
    Step(135.0, "paused", "OK is held: no sound for two minutes.", page="alarms", act=_PAUSE),
)
AFTER_THE_CUT = (
    Step(0.0, "power-back", "The power was cut in the middle of it, and is back."),
    Step(5.0, "connected-still", "The electrodes are on still.", ()),
    Step(
        22.0,
        "call-again",
        "Twenty seconds later: the heart beats, and is called again.",
        ("SINUS RHYTHM",),
    ),
    Step(
        23.0,
        "alarms-again",
        "PAGE, until the alarms: what there was before the cut.",
        page="alarms",
        act=lambda i: [_NEXT(i) for _ in range(4)],
    ),
    Step(
        24.0,
        "health-again",
        "Every part is well.",
        page="health",
        act=lambda i: [_NEXT(i) for _ in range(2)],
    ),
)


def walk(folder: Path, records: Path) -> list[Seen]:
    """Play both parts; pictures go to ``folder``, records to ``records``. Raises RuntimeError."""
    folder.mkdir(parents=True, exist_ok=True)
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    first = spawn.Process(target=_until_the_cut, args=(folder, records, theirs))
    first.start()
    theirs.close()
    seen: list[Seen] = []
    try:
        while True:
            seen.append(ours.recv())
    except EOFError:
        pass
    first.join()
    if first.exitcode != -signal.SIGKILL:
        raise RuntimeError(f"the first part ended with {first.exitcode}, not with a power cut")
    later = BEGAN + timedelta(seconds=CUT_S + 20)
    for step in _play(AFTER_THE_CUT, preset("sinus-70", seed=SEED), folder, records, later):
        seen.append(step)
    return seen


def _until_the_cut(
    folder: Path, records: Path, told: multiprocessing.connection.Connection
) -> None:
    for step in _play(BEFORE_THE_CUT, _patient(), folder, records, BEGAN, until_s=CUT_S):
        told.send(step)
    os.kill(os.getpid(), signal.SIGKILL)


def _patient() -> Patient:
    heart = Succession([(0.0, preset("af-90", seed=SEED)), (VF_S, preset("vf", seed=SEED))])
    off = [ElectrodeEvent(e, 0.0, float(at_s), Fault.OFF) for e, at_s in ATTACHED_S.items()]
    fallen = ElectrodeEvent(Electrode.V3, *V3_OFF_S, Fault.OFF)
    swap = ElectrodeEvent(Electrode.LA, *SWAP_S, Fault.SWAPPED, Electrode.RA)
    return WithElectrodeFaults(heart, [*off, fallen, swap], SEED)


def _play(
    steps: Sequence[Step],
    patient: Patient,
    folder: Path,
    records: Path,
    began: datetime,
    until_s: float = 0.0,
) -> Iterator[Seen]:
    """The instrument over ``patient``; what each step shows, as it comes."""
    clock = VirtualClock()
    config = Config().override({"records.folder": str(records)})
    zero_ns = clock.now_ns()

    def utc_of(t_ns: int) -> datetime:
        return began + timedelta(microseconds=(t_ns - zero_ns) // 1000)

    keeper = open_keeper(config, utc_of, firmware=firmware_version())
    memory = AlarmMemory(records / "state" / FILE, utc_of)
    instrument = Instrument(config, recorder=keeper, memory=memory)
    frontend = simulated_frontend(patient, clock, bulk=True)
    frontend.open()
    instrument.front_end("", samples=False)
    instrument.connect(frontend.configure(config.frontend.settings()))
    frontend.start()
    for step in steps:
        _advance(instrument, frontend, round((step.at_s - 1) * SAMPLE_RATE_HZ))
        if step.act is not None:
            step.act(instrument)
        _advance(instrument, frontend, round(step.at_s * SAMPLE_RATE_HZ))
        for second in range(TURNS_S):  # what has to be said takes turns
            seen = _look(instrument, step, folder)
            if not seen.missing:
                break
            _advance(instrument, frontend, round((step.at_s + second + 1) * SAMPLE_RATE_HZ))
        yield seen
    _advance(instrument, frontend, round(until_s * SAMPLE_RATE_HZ))


def _advance(instrument: Instrument, frontend: Frontend, end: int) -> None:
    while instrument.index < end:
        instrument.process(frontend.read(min(BLOCK, end - instrument.index), 1.0))
        instrument.front_end("", samples=True)
        instrument.check_storage()


def _look(instrument: Instrument, step: Step, folder: Path) -> Seen:
    status = ""
    controls = instrument.screen.controls
    for size, (pixels, grey) in SIZES.items():
        step_here = controls.step
        controls.step += step.narrow * (pixels[0] < 256)
        frame = instrument.frame(pixels, grey=grey)
        controls.step = step_here
        frame.image.save(folder / f"{step.name}-{size}.png")
        status = frame.status
    page = str(instrument.screen.controls.page)
    missing = tuple(word for word in step.says if word not in status)
    missing += (f"page {step.page}",) * (page != step.page)
    return Seen(step.name, step.at_s, step.story, status, page, missing)


# -- what is on the disk in the end


@dataclass(frozen=True, slots=True)
class Kept:
    """The records that were found after the power cut.

    snapshots : names and seconds; lost_s : of the first part, what the cut cost
    """

    snapshots: tuple[tuple[str, float], ...]
    lost_s: float


def kept(records: Path) -> Kept:
    """Read them all, as a hospital would. Raises RecordingError for one that cannot be read."""
    folder = RecordFolder(records)
    taken = tuple(
        (record.path.name, round(read_recording(record.path).duration_s, 1))
        for record in folder.taken()
    )
    before = [
        s
        for s in folder.segments()
        if s.path.name < f"{BEGAN + timedelta(seconds=CUT_S):%Y%m%dT%H%M%S}"
    ]
    seconds = sum(read_recording(segment.path).duration_s for segment in before)
    return Kept(taken, round(CUT_S - seconds, 2))


def _report(records: Path, folder: Path) -> None:
    """The page the hospital gets of the snapshot that was asked for, as PDF and as a picture."""
    import pypdfium2

    asked = next(r for r in RecordFolder(records).taken() if r.why == "button")
    pdf = render([read_study(asked.path)])
    page = pypdfium2.PdfDocument(pdf)[0]
    page.render(scale=110 / 72).to_pil().convert("L").save(folder / "report.png", optimize=True)


def main() -> int:
    """Write the pictures and the page; 1 when a screen did not say what it must."""
    with tempfile.TemporaryDirectory() as work:
        records = Path(work)
        seen = walk(FOLDER, records)
        found = kept(records)
        _report(records, FOLDER)
    PAGE.write_text("\n".join(_page(seen, found)) + "\n", encoding="utf-8")
    for step in seen:
        if step.missing:
            print(f"{step.name}: no {', '.join(step.missing)} in {step.status!r}", file=sys.stderr)
    return int(any(step.missing for step in seen))


def _page(seen: Sequence[Seen], found: Kept) -> Iterator[str]:
    yield "# From power-up to a restart, screen by screen"
    yield ""
    yield "Played on the simulator by `python -m tools.walk`, with two buttons; pictures as the"
    yield "256x64 and the 128x64 panel show them. Seconds are those since power-up; they begin"
    yield "anew after the power cut."
    yield ""
    yield "| s | what happens | 256x64 | 128x64 |"
    yield "|---|---|---|---|"
    for step in seen:
        pictures = " | ".join(f"![{step.name}](walk/{step.name}-{size}.png)" for size in SIZES)
        yield f"| {step.at_s:g} | {step.story} | {pictures} |"
    yield ""
    yield f"After the cut the disk held {len(found.snapshots)} snapshots, and all but the last"
    yield f"{found.lost_s:.2f} s of the {CUT_S:g} s before it:"
    yield ""
    yield from (f"- `{name}`, {seconds:g} s" for name, seconds in found.snapshots)
    yield ""
    yield "The page of the snapshot that was asked for (`lead12 report`):"
    yield ""
    yield "![report](walk/report.png)"


if __name__ == "__main__":
    sys.exit(main())
