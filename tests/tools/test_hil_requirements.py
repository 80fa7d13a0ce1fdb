"""``lead12 hil check``: what is required is shown, and what is shown is required."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tools.hil import requirements
from tools.hil.cli import app
from tools.hil.requirements import PAGE, SCENARIOS, TESTS, RequirementError

HEADER = "# Requirements\n\n| id | requirement | source | shown by |\n|---|---|---|---|\n"
SCENARIO = """name: {name}
about: A test.
seconds: 12
patient: {{preset: sinus-70}}
expect:
  - {{that: "no samples lost", shows: {shows}}}
"""
IT = """def test_one(): ...

def helper(): ...

class TestMore:
    def test_two(self): ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout in which P-01 is shown by a scenario and T-01 by a test."""
    for folder in ("docs", "tests/hil/rhythms", "tests/hil-long"):
        (tmp_path / folder).mkdir(parents=True)
    page(tmp_path, "P-01", "T-01")
    (tmp_path / TESTS).write_text('T-01 = ["tests/test_it.py::test_one"]\n')
    (tmp_path / "tests/test_it.py").write_text(IT)
    scenario(tmp_path, "rhythms/one", "P-01")
    (tmp_path / "tests/hil-long/day.yaml").write_text(SCENARIO.format(name="day", shows="P-01"))
    requirements.check(tmp_path, update_docs=True)
    return tmp_path


def page(root: Path, *ids: str) -> None:
    rows = [f"| {name} | The monitor does {name}. | README | |\n" for name in ids]
    (root / PAGE).write_text(HEADER + "".join(rows))


def scenario(root: Path, name: str, shows: str, known: str = "") -> None:
    text = SCENARIO.format(
        name=Path(name).name, shows=f"{shows}, known: {known}" if known else shows
    )
    (root / SCENARIOS[0] / f"{name}.yaml").write_text(text)


def problems(root: Path) -> list[str]:
    return requirements.check(root).problems


def test_this_repository_shows_all_that_it_requires() -> None:
    assert problems(requirements.ROOT) == []


def test_the_last_column_names_scenarios_and_tests(root: Path) -> None:
    assert (root / PAGE).read_text() == HEADER + (
        "| P-01 | The monitor does P-01. | README "
        "| tests/hil-long: day<br>tests/hil/rhythms: one |\n"
        "| T-01 | The monitor does T-01. | README | tests/test_it.py: test_one |\n"
    )
    assert problems(root) == []


def test_a_last_column_that_is_out_of_date_is_told_and_written(root: Path) -> None:
    scenario(root, "rhythms/two", "T-01")
    assert problems(root) == [
        "docs/requirements.md: its last column is out of date; run lead12 hil check --update-docs"
    ]
    requirements.check(root, update_docs=True)
    assert problems(root) == []
    assert "tests/hil/rhythms: two<br>tests/test_it.py: test_one |" in (root / PAGE).read_text()


def test_what_nothing_shows_is_told(root: Path) -> None:
    page(root, "P-01", "T-01", "Q-07")
    assert problems(root)[0] == (
        "docs/requirements.md:7: Q-07 is shown by nothing; name it in the `shows` of a scenario "
        "or in tests/requirements.toml"
    )


def test_a_known_gap_shows_nothing(root: Path) -> None:
    page(root, "P-01", "T-01", "P-02")
    scenario(root, "rhythms/gap", "P-02", known="not yet")
    found = requirements.check(root, update_docs=True)
    assert found.problems[0].startswith(
        "docs/requirements.md:7: P-02 is shown by nothing but known gaps; "
    )
    assert (
        "| P-02 | The monitor does P-02. | README | known gap: tests/hil/rhythms: gap |"
        in (root / PAGE).read_text()
    )


def test_what_shows_no_requirement_is_told_where_it_stands(root: Path) -> None:
    scenario(root, "rhythms/two", "P-99")
    (root / TESTS).write_text(
        'T-01 = ["tests/test_it.py::test_one"]\nT-98 = ["tests/test_it.py::test_one"]\n'
    )
    assert problems(root)[:2] == [
        "tests/hil/rhythms/two.yaml:6: P-99 is no requirement of docs/requirements.md",
        "tests/requirements.toml: T-98 is no requirement of docs/requirements.md",
    ]


@pytest.mark.parametrize(
    "test", ["tests/test_it.py::test_two", "tests/test_it.py::helper", "tests/test_no.py::test_one"]
)
def test_a_test_that_does_not_exist_is_told(root: Path, test: str) -> None:
    (root / TESTS).write_text(f'T-01 = ["tests/test_it.py::test_one", "{test}"]\n')
    assert f"tests/requirements.toml: T-01: there is no test {test}" in problems(root)


def test_a_test_may_stand_in_a_class(root: Path) -> None:
    (root / TESTS).write_text('T-01 = ["tests/test_it.py::TestMore::test_two"]\n')
    assert requirements.check(root, update_docs=True).problems == []


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("| P-1 | It works. | README | |", "a row is | id | requirement | source | shown by |"),
        ("| P-02 | It works. |", "a row is | id | requirement | source | shown by |"),
        ("| P-02 | | README | |", "a row is | id | requirement | source | shown by |"),
        ("| P-01 | Again. | README | |", "P-01 is there twice"),
    ],
)
def test_a_row_that_is_none_is_named(root: Path, row: str, says: str) -> None:
    with (root / PAGE).open("a") as file:
        file.write(row + "\n")
    with pytest.raises(RequirementError, match=r"^docs/requirements.md:7: ") as raised:
        problems(root)
    assert says in str(raised.value)


@pytest.mark.parametrize("text", ["T-01 =", 'T-01 = "one"\n', "T-01 = [1]\n"])
def test_a_list_of_tests_that_is_none_is_named(root: Path, text: str) -> None:
    (root / TESTS).write_text(text)
    with pytest.raises(RequirementError, match=r"^tests/requirements.toml: "):
        problems(root)


def test_the_command_prints_problems_and_ends_with_1(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requirements.check, "__defaults__", (root,))
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 0
    assert done.output == ("2 requirements, shown by 2 scenarios and 1 tests; 0 have known gaps\n")
    page(root, "P-01", "T-01", "Q-07")
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 1
    assert "Q-07 is shown by nothing" in done.output
    (root / PAGE).unlink()
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 2
    assert "cannot be read (No such file or directory)" in done.output
