"""The list fits the sources as they are; what tries it tells caught from not, and harms nothing."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.__main__ import CANNOT_SAY, attempts, main
from tests.mutation.document import CHECKOUT, PAGE, page, share_percent, summary
from tests.mutation.mutants import Mutant, MutantError, chosen, load
from tests.mutation.workshop import SCENARIOS, Verdict, Workshop

LEAST = {"hal": 60, "firmware": 60, "device": 30, "tools": 25}
MUTANTS = load()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_fits_its_source(mutant: Mutant) -> None:
    text = (CHECKOUT / mutant.file).read_text(encoding="utf-8")
    wrong = mutant.put_into(text)
    assert wrong != text
    compile(wrong, mutant.file, "exec")
    assert mutant.defect
    for test in mutant.tests:
        assert (CHECKOUT / test).is_file(), test


def test_the_list_is_long_of_every_room_it_is_of_and_has_none_twice() -> None:
    rooms = Counter(mutant.file.split("/")[0] for mutant in MUTANTS)
    assert set(rooms) == {"hal", "firmware", "device", "tools"}
    assert all(rooms[room] >= least for room, least in LEAST.items())
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.was, mutant.becomes) for mutant in MUTANTS}) == len(MUTANTS)


def test_the_page_is_of_this_list() -> None:
    text = (CHECKOUT / PAGE).read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\S+) \|", text.split("## All")[1], re.MULTILINE)[1:]
    assert listed == [mutant.name for mutant in MUTANTS], "run python -m tests.mutation"


def test_what_may_live_has_a_reason_on_the_page() -> None:
    text = (CHECKOUT / PAGE).read_text(encoding="utf-8")
    for mutant in MUTANTS:
        assert not mutant.lives or mutant.lives in text, mutant.name
    assert "| not known |" not in text


def test_the_scenarios_are_there() -> None:
    for scenario in SCENARIOS:
        assert (CHECKOUT / scenario).is_file(), scenario


SOURCE = "def half(n):\n    n = abs(n)\n    while n > 100:\n        n -= 100\n    return n // 2\n"
TESTS = "from thing import half\n\n\ndef test_half():\n    assert half(104) == 2\n"
ELSEWHERE = "from thing import half\n\n\ndef test_odd():\n    assert half(3) == 1\n"


def mutant(name: str, was: str, becomes: str) -> Mutant:
    return Mutant(name, "thing.py", was, becomes, "a defect", ("tests/test_half.py",))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A product of one function."""
    tree = tmp_path / "checkout"
    (tree / "tests").mkdir(parents=True)
    (tree / "thing.py").write_text(SOURCE)
    (tree / "tests" / "test_half.py").write_text(TESTS)
    (tree / "tests" / "test_odd.py").write_text(ELSEWHERE)
    return tree


def workshop(tree: Path) -> Workshop:
    return Workshop(tree, tree.parent / "copy", everything=("tests",), scenarios=())


def test_caught_by_its_tests_by_others_or_by_none_and_the_checkout_stays(tree: Path) -> None:
    tried = [
        mutant("wrong", "n // 2", "n // 3"),
        mutant("rounded-up", "n // 2", "-(-n // 2)"),
        mutant("negative", "abs(n)", "n"),
        mutant("no-python", "return n", "return ("),
    ]
    verdicts = list(attempts(tried, [workshop(tree)]))
    assert [verdict.by for verdict in verdicts] == [
        "tests/test_half.py::test_half",
        "tests/test_odd.py::test_odd",
        "",
        "tests/test_half.py",
    ]
    assert summary(verdicts) == "3 of 4 mutants caught, 75.0 %"
    for where in (tree, tree.parent / "copy"):
        assert (where / "thing.py").read_text() == SOURCE
    assert sorted(path.name for path in tree.rglob("*")) == [
        "test_half.py",
        "test_odd.py",
        "tests",
        "thing.py",
    ]


def test_a_hang_is_told_as_such(tree: Path) -> None:
    endless = mutant("endless", "n -= 100", "n -= 0")
    assert workshop(tree).attempt(endless, 3).by == "a hang in tests/test_half.py"


def test_tests_that_fail_without_a_mutant_prove_nothing(tree: Path) -> None:
    (tree / "tests" / "test_odd.py").write_text("def test_red():\n    assert False\n")
    with pytest.raises(MutantError, match=r"test_red fails; mend that first"):
        next(attempts([mutant("wrong", "n // 2", "n // 3")], [workshop(tree)]))


def test_a_mutant_of_another_source_is_refused() -> None:
    with pytest.raises(MutantError, match=r"'n' occurs 7 times in thing.py; write the mutant anew"):
        mutant("vague", "n", "m").put_into(SOURCE)
    with pytest.raises(MutantError, match="occurs 0 times"):
        mutant("gone", "third", "half").put_into(SOURCE)


def test_an_unknown_name_is_refused_before_anything_runs(capsys: pytest.CaptureFixture) -> None:
    assert main(["--only", "nobody"]) == CANNOT_SAY
    assert "no mutant is called nobody" in capsys.readouterr().err
    assert chosen(MUTANTS, [MUTANTS[3].name]) == MUTANTS[3:4]


def test_what_lives_is_on_the_page_with_its_reason() -> None:
    lives = Mutant("quiet", "thing.py", "a", "b", "a defect", ("t.py",), lives="it is the same")
    verdicts = [Verdict(lives, ""), Verdict(mutant("loud", "a", "c"), "t.py::test")]
    assert "| quiet | `thing.py` | a defect | it is the same |" in page(verdicts)
    assert share_percent(verdicts) == 50
