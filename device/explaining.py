"""Why a call was made, worked out beside the monitor: it is about 250 runs of the network.

Asked when the page is entered, and anew when the call changes while it is shown.
"""

from __future__ import annotations

import contextlib
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from device.controls import Page
from device.display.reasons import Question, Reasons, first_column
from device.display.state import ScreenState
from device.display.trace import SAMPLES_PER_COLUMN
from firmware.call import CallRule
from firmware.events import Call
from firmware.explain import Explanation, explain
from firmware.findings import Priority
from firmware.inputs import Form
from firmware.network import Network
from firmware.profiles import PROFILES
from hal.frontend import SAMPLE_RATE_HZ

NICENESS = 10  # below everything else of the monitor
IDLE_S = 60.0  # without a question

Answer = Explanation | str  # or why there is none, in one sentence


@dataclass(frozen=True, slots=True)
class Task:
    """One question of one window, int8 [samples, 12]."""

    network: Network
    tensor: NDArray[np.int8]
    question: Question


class Explainer(ABC):
    """Takes tasks, one at a time: a new one puts the one before aside."""

    @abstractmethod
    def ask(self, task: Task) -> None:
        """Begin with ``task``."""

    @abstractmethod
    def answer(self) -> Answer | None:
        """Of the newest task, once; None while there is none."""


class AtOnce(Explainer):
    """Answers before ``ask`` returns: the same bytes in, the same pixels out."""

    def __init__(self) -> None:
        self._answer: Answer | None = None

    def ask(self, task: Task) -> None:
        """Work it out."""
        self._answer = _answered(lambda: task.network, task)

    def answer(self) -> Answer | None:
        """What was worked out."""
        answer, self._answer = self._answer, None
        return answer


class Beside(Explainer):
    """A thread of low priority with an interpreter of its own; the monitor never waits for it.

    Both go when nobody has asked for ``IDLE_S``, and with them their memory.
    """

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._task: Task | None = None
        self._answer: Answer | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    def ask(self, task: Task) -> None:
        """Hand over; returns at once."""
        with self._wake:
            self._task, self._answer = task, None
            self._wake.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="explain", daemon=True)
                self._thread.start()

    def answer(self) -> Answer | None:
        """Of the newest task."""
        with self._wake:
            answer, self._answer = self._answer, None
        return answer

    def close(self, timeout_s: float = 2.0) -> None:
        """End the thread; gives up on one that is still at work."""
        with self._wake:
            self._closing, thread = True, self._thread
            self._wake.notify()
        if thread is not None:
            thread.join(timeout_s)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):  # where the system allows
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
        own: Network | None = None

        def interpreter() -> Network:
            nonlocal own
            if own is None or own.bundle is not bundle:
                own = Network(bundle)
            return own

        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._task is not None or self._closing, IDLE_S)
                task, self._task = self._task, None
                if self._closing or task is None:
                    self._thread = None
                    return
            bundle = task.network.bundle
            answer = _answered(interpreter, task)
            with self._wake:
                if self._task is None:
                    self._answer = answer


def _answered(network: Callable[[], Network], task: Task) -> Answer:
    question = task.question
    try:
        return explain(network(), task.tensor, question.group, question.label)
    except Exception as error:  # the page says it; the monitor goes on
        return f"cannot be explained: {str(error).partition(chr(10))[0] or type(error).__name__}"


class Explaining:
    """Keeps ``screen.why`` up to date while its page is shown."""

    def __init__(self, screen: ScreenState, explainer: Explainer) -> None:
        self._screen = screen
        self._explainer = explainer
        self._judged: tuple[Call, Network, NDArray[np.int8]] | None = None
        self._asked_since: int | None = None  # when the page was chosen for which was asked

    def judged(self, call: Call, network: Network | None, tensor: NDArray[np.int8] | None) -> None:
        """The newest call, and what the network saw for it."""
        self._judged = None
        if network is not None and tensor is not None and call.scores:
            self._judged = call, network, tensor

    def poll(self) -> None:
        """Before a frame: ask what is to be asked, show what is known."""
        screen = self._screen
        if screen.controls.page is not Page.WHY:
            self._asked_since = None
            return
        self._ask()
        if screen.why is None or screen.why.explanation is not None:
            return
        match self._explainer.answer():
            case Explanation() as explanation:
                screen.why = replace(screen.why, explanation=explanation)
            case str() as failure:
                screen.why = replace(screen.why, failure=failure)

    def _ask(self) -> None:
        screen = self._screen
        judged = self._judged
        found = asked(judged[0], judged[1].rule) if judged else None
        anew = self._asked_since != screen.controls.since
        before = screen.why.question if screen.why else None
        if not anew and before == (found and found[0]):
            return
        self._asked_since = screen.controls.since
        screen.why = None
        if found is None or judged is None:
            return
        call, network, tensor = judged
        question, probability = found
        contract = network.bundle.input
        samples = len(tensor) * SAMPLE_RATE_HZ // contract.rate_hz
        end = call.index + 1 - call.scores_age
        first = first_column(end, samples, PROFILES[contract.profile])
        strip = screen.trace.strip(first, first + samples // SAMPLES_PER_COLUMN - 1)
        screen.why = Reasons(question, probability, end - 1, strip)
        if contract.form is not Form.WINDOW:  # its cells have no place in the trace
            what = contract.form.replace("-", " ")
            screen.why = replace(screen.why, failure=f"read in the {what}, not in the trace")
            return
        self._explainer.ask(Task(network, tensor, question))


def asked(call: Call, rule: CallRule) -> tuple[Question, float] | None:
    """What of ``call`` is to be explained, and its probability: what stands largest on the screen.

    That is a finding of high priority that a network made, or one in place of the call, else the
    rhythm. None when nothing was called.
    """
    for finding in call.findings:
        large = finding.priority is Priority.HIGH or finding.text == call.text
        if large and finding.probability is not None:
            for group, label, threshold in _scores_of(rule, finding.code):
                if call.scores.get(group, {}).get(label, -1.0) == finding.probability >= threshold:
                    return Question(group, label, finding.text), finding.probability
    if call.label is None or call.probability is None:
        return None
    return Question(rule.group, call.label, call.text), call.probability


def _scores_of(rule: CallRule, code: str) -> list[tuple[str, str, float]]:
    return [score for found in rule.findings if found.code == code for score in found.any]
