"""Why a call was made: the right windows, under the right waves, without holding anything up."""

from __future__ import annotations

import threading
import weakref
from dataclasses import replace

import numpy as np
import pytest

from device.bundles import load_model
from device.config import Config
from device.controls import Button, Page
from device.display.canvas import Canvas
from device.display.example import make_call, patient
from device.display.faces import TEXT, Face
from device.display.pages.why import draw_why
from device.display.reasons import Question, Reasons
from device.display.state import ScreenState
from device.explaining import Answer, AtOnce, Beside, Explainer, Explaining, Task, asked
from device.instrument import Instrument
from firmware.alarms import Alarm
from firmware.call import CallRule
from firmware.events import LEADS, Refusal
from firmware.explain import Explanation
from firmware.findings import Finding, FindingRule, Priority
from firmware.inputs import InputContract
from firmware.network import Network
from hal.frontend import FrameBlock, FrontendInfo
from models.inputs import BEAT, page
from tests.device.waiting import wait_for
from tests.firmware.forms import of_form

MODEL = load_model("")
Signal = tuple[FrontendInfo, FrameBlock]


class Asked(Explainer):
    """Remembers what it was asked, and answers when told."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.ready: Answer | None = None

    def ask(self, task: Task) -> None:
        self.tasks.append(task)

    def answer(self) -> Answer | None:
        ready, self.ready = self.ready, None
        return ready


def instrument(signal: Signal, explainer: Explainer, seconds: int = 15) -> Instrument:
    info, block = signal
    made = Instrument(Config(), model=MODEL, explainer=explainer)
    made.connect(info)
    feed(made, block, 0, seconds)
    return made


def feed(made: Instrument, block: FrameBlock, first_s: int, last_s: int) -> None:
    for at in range(first_s * 500, last_s * 500, 100):
        rows = slice(at, at + 100)
        part = (block.t_ns[rows], block.counts[rows], block.status[rows])
        made.process(FrameBlock(at, *part, block.electrodes_off[rows]))


def look(made: Instrument) -> None:
    made.frame((256, 64), grey=True)


def to_why(made: Instrument) -> None:
    for _ in range(2):
        made.press(Button.PAGE, held=False)
    assert made.screen.controls.page is Page.WHY


# ---- the windows lie under the waves they stand for ----


def test_each_window_is_under_the_samples_that_the_network_saw_in_it(signal_20s: Signal) -> None:
    explainer = Asked()
    made = instrument(signal_20s, explainer)
    to_why(made)
    look(made)
    why, (task,) = made.screen.why, explainer.tasks
    assert why is not None
    assert why.index == made.index - 1
    lead = LEADS.index("II")
    cells = task.tensor[:, lead].reshape(250, 4).astype(float)
    seen = cells.max(axis=1) - cells.min(axis=1)
    drawn = (why.strip.high - why.strip.low)[:, lead].astype(float)
    fits = {
        shift: np.corrcoef(np.roll(seen, shift)[10:-10], drawn[10:-10])[0, 1]
        for shift in range(-4, 5)
    }
    assert max(fits, key=lambda shift: fits[shift]) == 0
    assert why.strip.drawable.all()


# ---- when it is asked ----


def test_it_is_asked_when_the_page_is_entered_and_when_the_call_changes(
    signal_20s: Signal,
) -> None:
    explainer = Asked()
    made = instrument(signal_20s, explainer)
    look(made)
    assert not explainer.tasks
    to_why(made)
    look(made)
    assert [task.question.label for task in explainer.tasks] == ["SR"]
    feed(made, signal_20s[1], 15, 18)
    look(made)
    assert len(explainer.tasks) == 1  # the same call: what is shown stays
    tensor, network = explainer.tasks[0].tensor, MODEL.network
    other = make_call(made.index - 1, label="AFIB", text="AF", scores={"mate4": {"AFIB": 0.9}})
    made._explaining.judged(other, network, tensor)
    look(made)
    assert [task.question.label for task in explainer.tasks] == ["SR", "AFIB"]
    made.screen.controls.show(Page.TREND, made.index)
    look(made)
    to_why_again = made.screen.controls
    to_why_again.show(Page.WHY, made.index)
    look(made)
    assert len(explainer.tasks) == 3


def test_an_answer_comes_to_the_question_that_is_shown(signal_20s: Signal) -> None:
    explainer = Asked()
    made = instrument(signal_20s, explainer)
    to_why(made)
    look(made)
    assert made.screen.why is not None
    assert made.screen.why.explanation is None
    explainer.ready = "cannot be explained: no such thing"
    look(made)
    assert made.screen.why.failure.startswith("cannot be explained")


def test_a_refusal_is_not_explained(signal_20s: Signal) -> None:
    explainer = Asked()
    made = instrument(signal_20s, explainer, seconds=5)  # no whole window yet
    to_why(made)
    look(made)
    assert not explainer.tasks
    assert made.screen.why is None


RULE = CallRule(
    "m", "mate4", {}, {}, (
        FindingRule("mi", "POSSIBLE MI", "", Priority.HIGH, (("super", "MI", 0.3),)),
        FindingRule("lbbb", "LBBB", "", Priority.MEDIUM, (("cnn", "LBBB", 0.5),)),
        FindingRule("avb3", "AV BLOCK", "", Priority.MEDIUM, (("st", "3AVB", 0.5),), instead=True),
    ),
)  # fmt: skip
SCORES = {"mate4": {"SR": 0.9}, "super": {"MI": 0.8}, "cnn": {"LBBB": 0.7}, "st": {"3AVB": 0.6}}


def finding(code: str, text: str, priority: Priority, p: float | None) -> Finding:
    return Finding(code, text, "", priority, p)


def test_what_is_explained_is_what_stands_largest_on_the_screen() -> None:
    plain = make_call(5000, scores=SCORES, probability=0.9)
    assert asked(plain, RULE) == (Question("mate4", "SR", "SINUS RHYTHM"), 0.9)
    mi = finding("mi", "POSSIBLE MI", Priority.HIGH, 0.8)
    lbbb = finding("lbbb", "LBBB", Priority.MEDIUM, 0.7)
    grave = replace(plain, findings=(mi, lbbb))
    assert asked(grave, RULE) == (Question("super", "MI", "POSSIBLE MI"), 0.8)
    assert asked(replace(plain, findings=(lbbb,)), RULE) == (
        Question("mate4", "SR", "SINUS RHYTHM"), 0.9,
    )  # fmt: skip
    instead = replace(
        plain, label=None, refusal=Refusal.OTHER_RHYTHM, text="AV BLOCK",
        findings=(finding("avb3", "AV BLOCK", Priority.MEDIUM, 0.6),),
    )  # fmt: skip
    assert asked(instead, RULE) == (Question("st", "3AVB", "AV BLOCK"), 0.6)
    measured = replace(plain, findings=(finding("st", "ST UP", Priority.HIGH, None),))
    assert asked(measured, RULE) == (Question("mate4", "SR", "SINUS RHYTHM"), 0.9)
    assert asked(replace(plain, label=None, refusal=Refusal.UNSURE), RULE) is None


# ---- who works it out ----


def task(label: str = "SR") -> Task:
    assert MODEL.network is not None
    tensor = MODEL.network.bundle.golden[0].tensor
    return Task(MODEL.network, tensor, Question("mate4", label, label))


def answer_of(explainer: Explainer) -> Answer:
    return wait_for("an answer", explainer.answer)


def test_beside_the_monitor_comes_the_same_as_at_once() -> None:
    at_once, beside = AtOnce(), Beside()
    at_once.ask(task())
    beside.ask(task())
    ours, theirs = at_once.answer(), answer_of(beside)
    assert isinstance(ours, Explanation)
    assert isinstance(theirs, Explanation)
    assert (ours.relevance == theirs.relevance).all()
    assert ours.score == theirs.score
    assert ours.relevance.any()
    assert at_once.answer() is None  # once
    beside.close()
    assert not any(thread.name == "explain" for thread in threading.enumerate())


def test_a_new_question_puts_the_one_before_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = {label: threading.Event() for label in ("SR", "AFIB")}
    go_on = {label: threading.Event() for label in ("SR", "AFIB")}

    def slow(network: Network, tensor: object, group: str, label: str) -> Explanation:
        begun[label].set()
        go_on[label].wait(30)
        return Explanation(group, label, 0.0, np.zeros((12, 250), np.int8))

    monkeypatch.setattr("device.explaining.explain", slow)
    beside = Beside()
    beside.ask(task("SR"))
    assert begun["SR"].wait(30)
    beside.ask(task("AFIB"))  # returns while the first is at work
    go_on["SR"].set()
    assert begun["AFIB"].wait(30)
    assert beside.answer() is None  # that of the first is nobody's any more
    go_on["AFIB"].set()
    answer = answer_of(beside)
    assert isinstance(answer, Explanation)
    assert answer.label == "AFIB"
    beside.close()


def test_the_thread_has_one_interpreter_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[Network] = []

    def noted(network: Network, tensor: object, group: str, label: str) -> Explanation:
        used.append(network)
        return Explanation(group, label, 0.0, np.zeros((12, 250), np.int8))

    monkeypatch.setattr("device.explaining.explain", noted)
    beside = Beside()
    for _ in range(2):
        beside.ask(task())
        answer_of(beside)
    beside.close()
    assert used[0] is used[1] is not MODEL.network


def test_thread_and_interpreter_go_when_nobody_asks_and_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[weakref.ref[Network]] = []

    def noted(network: Network, tensor: object, group: str, label: str) -> Explanation:
        made.append(weakref.ref(network))
        return Explanation(group, label, 0.0, np.zeros((12, 250), np.int8))

    monkeypatch.setattr("device.explaining.explain", noted)
    monkeypatch.setattr("device.explaining.IDLE_S", 0.01)
    beside = Beside()
    for _ in range(2):
        beside.ask(task())
        assert isinstance(answer_of(beside), Explanation)
        wait_for("the thread's end", lambda: beside._thread is None)
        wait_for("the interpreter's", lambda: made[-1]() is None)
    assert len(made) == 2
    beside.close()


@pytest.mark.parametrize("explainer", [AtOnce, Beside])
def test_what_goes_wrong_is_said_and_the_next_works(explainer: type[Explainer]) -> None:
    made = explainer()
    made.ask(task("NO SUCH LABEL"))
    assert "NO SUCH LABEL" in str(answer_of(made))
    made.ask(task())
    assert isinstance(answer_of(made), Explanation)
    if isinstance(made, Beside):
        made.close()


# ---- what is drawn ----


def shown(relevance: dict[str, list[int]], step: int = 0) -> ScreenState:
    state = patient()
    cells = np.zeros((12, 250), np.int8)
    for lead, row in relevance.items():
        cells[LEADS.index(lead), : len(row)] = row
    explanation = Explanation("mate4", "SR", 2.0, cells)
    strip = state.trace.strip(330, 579)
    question = Question("mate4", "SR", "SINUS RHYTHM")
    state.why = Reasons(question, 0.97, state.index, strip, explanation)
    state.controls.show(Page.WHY, state.index)
    state.controls.step = step
    return state


def test_bars_hang_under_the_windows_as_high_as_their_weight() -> None:
    state = shown({"V2": [0, 127, 0, 64, 3]})
    canvas = Canvas(256, 64, grey=True)
    draw_why(canvas, state)
    blank = Canvas(256, 64, grey=True)
    draw_why(blank, shown({"V2": [0] * 5}))
    left = (256 - 250) // 2
    foot = 64 - 8 - 2
    bars = canvas.pixels[foot - 8 : foot, left : left + 5] > 0
    assert bars.sum(axis=0).tolist() == [0, 8, 0, 4, 0]
    assert bars[0].tolist() == [False, True, False, True, False]  # from the trace down


def test_ok_steps_to_the_lead_that_counts_next(monkeypatch: pytest.MonkeyPatch) -> None:
    leads: list[str] = []
    monkeypatch.setattr(
        "device.display.pages.why.draw_strip", lambda canvas, strip, lead, *more: leads.append(lead)
    )
    weights = {"aVR": [10], "V5": [100], "I": [40]}
    for step in range(12):
        draw_why(Canvas(128, 64, grey=False), shown(weights, step))
    assert leads[:3] == ["V5", "I", "aVR"]
    assert set(leads) == set(LEADS)
    draw_why(Canvas(128, 64, grey=False), shown(weights, 12))
    assert leads[12] == "V5"


def test_a_narrow_panel_shows_the_part_that_carried_most() -> None:
    late = [0] * 240 + [127] * 4
    canvas = Canvas(128, 64, grey=False)
    draw_why(canvas, shown({"II": late}))
    foot = 64 - 8 - 7
    assert (canvas.pixels[foot - 8 : foot] > 0).all(axis=0).sum() == 4


def test_nothing_called_nothing_known_and_at_work_look_different() -> None:
    pictures = []
    for state in (patient(), shown({"II": [127]}), shown({"II": [127]})):
        pictures.append(state)
    assert pictures[1].why is not None
    pictures[1].why = replace(pictures[1].why, explanation=None)
    refused = {"label": None, "refusal": Refusal.UNSURE, "text": "UNSURE", "act": "read"}
    pictures[0].apply(make_call(pictures[0].index, **refused))
    drawn = []
    for state in pictures:
        canvas = Canvas(128, 64, grey=False)
        draw_why(canvas, state)
        drawn.append(canvas.pixels.tobytes())
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(
    ("refused", "large", "small"),
    [
        (
            {"refusal": Refusal.VENTRICULAR, "text": "VF OR VT?", "act": "check patient now"},
            "!! VF OR VT?",
            ["measured, not the network's", "check patient now"],
        ),
        (
            {"refusal": Refusal.UNSURE, "text": "UNSURE", "act": "read the trace"},
            "UNSURE",
            ["read the trace", "nothing is called"],
        ),
    ],
)
@pytest.mark.parametrize("rows", [52, 64])
def test_the_reason_is_the_largest_of_what_is_said(
    refused: dict[str, object],
    large: str,
    small: list[str],
    rows: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = patient()
    state.apply(make_call(state.index, label=None, **refused))
    if refused["refusal"] is Refusal.VENTRICULAR:
        act = "check patient now"
        state.alarms = (Alarm("vf_vt", "VF OR VT?", act, Priority.HIGH, 0),)
    said: list[tuple[str, str]] = []
    inner = Canvas.text

    def spy(self: Canvas, x: int, y: int, text: str, face: Face = TEXT, level: int = 255) -> int:
        said.append((face.name, text))
        assert y + face.height <= rows
        return inner(self, x, y, text, face, level)

    monkeypatch.setattr(Canvas, "text", spy)
    draw_why(Canvas(128, rows, grey=False), state)
    assert [text for face, text in said if face == "bold"] == [large]
    assert [text.lower() for _, text in said[-2:]] == small


def test_a_window_of_an_earlier_call_is_not_taken_for_this_one() -> None:
    """After a gap calls come without scores, while the tensor is still the one before it."""
    explainer, screen = Asked(), patient()
    explaining = Explaining(screen, explainer)
    screen.controls.show(Page.WHY, screen.index)
    explaining.judged(make_call(screen.index, scores={}), MODEL.network, task().tensor)
    explaining.poll()
    assert not explainer.tasks
    explaining.judged(make_call(screen.index, scores=SCORES), MODEL.network, task().tensor)
    explaining.poll()
    assert len(explainer.tasks) == 1


@pytest.mark.parametrize(("of", "what"), [(BEAT, "median beat"), (page(500, 200, 1), "page")])
def test_what_was_not_read_in_the_trace_is_not_marked_there(of: InputContract, what: str) -> None:
    explainer, screen = Asked(), patient()
    explaining = Explaining(screen, explainer)
    screen.controls.show(Page.WHY, screen.index)
    network = Network(of_form(of))
    explaining.judged(
        make_call(screen.index, scores=SCORES), network, network.bundle.golden[0].tensor
    )
    explaining.poll()
    assert not explainer.tasks
    assert screen.why is not None
    assert screen.why.failure == f"read in the {what}, not in the trace"


def test_an_older_window_is_explained_where_it_was() -> None:
    """A network that is run seldom judged seconds ago what the trace still shows."""
    explainer, screen = Asked(), patient()
    explaining = Explaining(screen, explainer)
    screen.controls.show(Page.WHY, screen.index)
    call = make_call(screen.index, scores=SCORES)
    explaining.judged(replace(call, scores_age=1000), MODEL.network, task().tensor)
    explaining.poll()
    assert screen.why is not None
    old = screen.why
    explaining.judged(replace(call, text="another"), MODEL.network, task().tensor)
    explaining.poll()
    assert screen.why is not old
    assert (old.strip.first, old.index) == (screen.why.strip.first - 50, screen.why.index - 1000)
