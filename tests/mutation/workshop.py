"""A copy of the tree in which one mutant at a time is tried; the checkout is only read."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant, MutantError

# Asked where a mutant's own tests see nothing
EVERYTHING = ("tests/hal", "tests/firmware")
SCENARIOS = tuple(
    f"tests/hil/{name}.yaml"
    for name in (
        "rhythms/sinus-70",
        "rhythms/af-90",
        "electrodes/v3-off-and-back",
        "electrodes/rl-off-and-back",
        "chip/one-torn-frame",
        "chip/brown-out",
        "noise/mains-50-notched",
        "alarms/vf-begins",
        "pacing/pacer-2-mv",
        "models/bit-flip",
    )
)

NARROW_S, WIDE_S = 180, 1200  # far beyond what the tests take, also on a busy machine

# Not the tests that need recordings or TensorFlow: the share must be the same on every machine
_PYTEST = (
    *("-m", "pytest", "-x", "-q", "-rfE", "--tb=no", "--no-header"),
    *("-p", "no:cacheprovider", "--hypothesis-seed=0", "-m", "not data and not train"),
)
_HIL = ("-m", "tools.entry", "hil", "run")
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s[]+)", re.MULTILINE)  # without parameters
_SCENARIO = re.compile(r"^(\S+) +FAILED", re.MULTILINE)
_NOT_COPIED = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "out", "runs", "shared"
)
_PASSED, _TEST_FAILED, _NOT_IMPORTED = 0, 1, 2  # exit codes of pytest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; ``by`` is the test or scenario that noticed, "" for none."""

    mutant: Mutant
    by: str

    @property
    def caught(self) -> bool:
        """Whether anything noticed."""
        return bool(self.by)


class Workshop:
    """The tree ``checkout``, copied into the folder ``copy``, which must not exist.

    everything, scenarios : what is asked where a mutant's own tests see nothing
    """

    def __init__(
        self,
        checkout: Path,
        copy: Path,
        everything: Sequence[str] = EVERYTHING,
        scenarios: Sequence[str] = SCENARIOS,
    ) -> None:
        shutil.copytree(checkout, copy, ignore=_NOT_COPIED)
        self._copy = copy
        self._everything, self._scenarios = tuple(everything), tuple(scenarios)
        self._env = {
            **{name: value for name, value in os.environ.items() if name != "LEAD12_DATA"},
            "PYTHONPATH": str(copy),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def check(self, tests: Sequence[str] = ()) -> None:
        """Raises MutantError unless ``tests`` (none: everything) pass before any mutation."""
        by = self._tests(tests, NARROW_S) if tests else self._all()
        if by:
            raise MutantError(f"without any mutant {by} fails; mend that first")

    def attempt(self, mutant: Mutant, narrow_s: float = NARROW_S) -> Verdict:
        """Put the mutant in, run what should notice, else everything, and take it out."""
        path = self._copy / mutant.file
        right = path.read_text(encoding="utf-8")
        path.write_text(mutant.put_into(right), encoding="utf-8")
        try:
            return Verdict(mutant, self._tests(mutant.tests, narrow_s) or self._all())
        finally:
            path.write_text(right, encoding="utf-8")

    def _all(self) -> str:
        by = self._tests(self._everything, WIDE_S)
        if by or not self._scenarios:
            return by
        code, said = self._python((*_HIL, *self._scenarios), WIDE_S)
        if code == _PASSED:
            return ""
        if code is None:
            return "a hang in a scenario"
        return f"scenario {_first(_SCENARIO, said, said.strip()[-60:])}"

    def _tests(self, files: Sequence[str], limit_s: float) -> str:
        """The first test that fails, "" for none."""
        shutil.rmtree(self._copy / ".hypothesis", ignore_errors=True)
        code, said = self._python((*_PYTEST, *files), limit_s)
        if code == _PASSED:
            return ""
        if code is None:
            return f"a hang in {' '.join(files)}"
        if code < 0:
            return f"a crash ({signal.Signals(-code).name}) in {' '.join(files)}"
        if code not in (_TEST_FAILED, _NOT_IMPORTED):
            raise MutantError(f"pytest {' '.join(files)} cannot run: {said.strip()[-300:]}")
        return _first(_FAILED, said, " ".join(files))

    def _python(self, arguments: Sequence[str], limit_s: float) -> tuple[int | None, str]:
        """Exit code, None for a hang, and what was said."""
        process = subprocess.Popen(
            (sys.executable, *arguments),
            cwd=self._copy,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # with what it starts itself it is ended together
        )
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, ""
        return process.returncode, said


def _first(pattern: re.Pattern[str], said: str, otherwise: str) -> str:
    match = pattern.search(said)
    return match[1] if match else otherwise
