"""The limits of ``lead12 bench filters``, from the same function; each must be able to break."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firmware.profiles import DIAGNOSTIC, MODEL, MONITOR, Profile
from tools.bench.figures import DOCS, Figure, show
from tools.bench.filters import measure
from tools.design_filters import high_pass


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    return measure()


def test_every_limit_holds(figures: list[Figure]) -> None:
    assert not [figure for figure in figures if not figure.ok]


def test_the_limits_of_the_standards_are_all_there(figures: list[Figure]) -> None:
    limits = {(f.part, f.name): (f.low, f.high) for f in figures}
    for name in ("0.67 Hz", "1 Hz", "10 Hz", "40 Hz", "100 Hz"):
        assert limits["diagnostic", name] == (-0.5, 0.5)
    for name in ("0.05 Hz", "150 Hz"):
        assert limits["diagnostic", name] == (-3.0, 0.4)
    for mains in ("50", "60"):
        for profile in ("diagnostic", "monitor"):
            assert limits[f"{profile}, notch {mains}", f"{mains} Hz"] == (None, -20.0)
    assert limits["diagnostic", "300 uV, 100 ms pulse: undershoot"] == (None, 100.0)
    assert limits["diagnostic", "gain change with +300 mV offset"] == (-5.0, 5.0)
    for profile in ("diagnostic", "monitor", "model"):
        assert limits[profile, "hour at 300 mV: drift"] == (None, 1.0)


def _leaky(profile: Profile) -> Profile:
    """The high-pass with each coefficient rounded by itself, one unit off."""
    (b0, b1, *rest), *others = profile.sections_q30
    return replace(profile, sections_q30=((b0, b1 + 1, *rest), *others))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("profile", "broken"),
    [
        (replace(DIAGNOSTIC, fir_q31=()), {"100 Hz", "150 Hz"}),  # no droop correction
        (
            replace(DIAGNOSTIC, sections_q30=(high_pass(2, 0.05, 500.0),)),
            {"3 mV, 100 ms pulse: undershoot"},
        ),
        (_leaky(DIAGNOSTIC), {"hour at 300 mV: left of it"}),
        (replace(MONITOR, delay_samples=5), {"delay of a QRS peak"}),
        (replace(MODEL, fir_q31=DIAGNOSTIC.fir_q31), {"50 Hz", "60 Hz", "125 Hz", "150 Hz"}),
    ],
    ids=["no droop correction", "second order", "leak", "delay", "no stop band"],
)
def test_a_worse_profile_breaks_them(profile: Profile, broken: set[str]) -> None:
    found = {figure.name for figure in measure([profile]) if not figure.ok}
    assert broken <= found


def test_a_broken_limit_is_an_exit_code(
    figures: list[Figure], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(figures) == 0
    assert "0 broken" in capsys.readouterr().out
    worse = [replace(figures[0], value=-3.5), *figures[1:]]
    assert show(worse) == 1
    assert "BROKEN" in capsys.readouterr().out
    assert show(worse, as_json=True) == 1
    assert len(capsys.readouterr().out.splitlines()) == len(figures)


def test_docs_have_every_figure(figures: list[Figure]) -> None:
    """``lead12 bench filters --update-docs`` writes them."""
    table = (DOCS / "filters.md").read_text(encoding="utf-8")
    table = table.split("bench filters: begin")[1].split("bench filters: end")[0]
    for figure in figures:
        assert f"| {figure.name}, {figure.unit} |" in table
