"""The journal hears of a fault when it begins, changes and is over, not at each try."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from device.acquire import Acquisition
from device.fault_log import CALM_NS, LONGEST_NS, SENTENCES, FaultLog
from device.ring import RingWriter
from hal.ads1298.faults import Faults
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import Frontend, FrontendConfig
from hal.patient.presets import preset
from hal.simulated import simulated_frontend

WELL = Faults()
WRONG = Faults(chip_id=0x90)
SILENT = Faults(miso_stuck=0)


class Journal:
    """A fault log in virtual time; ``lines`` are (seconds, text)."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.lines: list[tuple[float, str]] = []
        self.faults = FaultLog(
            lambda line: self.lines.append((self.clock.now_ns() / 1e9, line)), self.clock
        )

    def at(self, seconds: float, text: str | None = None, part: str = "part") -> None:
        """``text`` is said at this moment; None: nothing is, only time passes."""
        while (left_ns := round(seconds * 1e9) - self.clock.now_ns()) > 0:
            self.clock.advance_ns(min(left_ns, 500_000_000))
            self.faults.poll()
        if text is not None:
            self.faults.say(part, text)


def acquire(tmp_path: Path, seconds: float, lives: Callable[[int], Faults]) -> list[str]:
    """What the acquisition logs of front ends one after the other."""
    clock, log, begun = VirtualClock(), [], []

    def build() -> Frontend:
        begun.append(lives(len(begun)))
        return simulated_frontend(preset("sinus-70"), clock, faults=begun[-1])

    writer = RingWriter(tmp_path / "log.ring", clock.now_ns(), 4096)
    Acquisition(build, FrontendConfig(), writer, clock, log.append).run(
        lambda: clock.now_ns() >= seconds * 1e9
    )
    assert len(begun) > 3
    return [line for line in log if not line.startswith("stopped")]


def test_a_fault_that_lasts_is_one_line_however_often_it_is_tried(tmp_path: Path) -> None:
    (line,) = acquire(tmp_path, 3600, lambda life: WRONG)
    assert "0x90" in line
    assert line.endswith("(trying again)")


def test_the_end_of_a_fault_says_how_long_it_was_and_how_often_it_was_tried(
    tmp_path: Path,
) -> None:
    begun, started, over = acquire(tmp_path, 12, lambda life: SILENT if life < 4 else WELL)
    assert "0x00" in begun
    assert "nV per count" in started
    assert over.startswith("over after 3.7 s")  # four tries, and 0.1 + 0.2 + 0.4 + 0.8 s between
    assert over.endswith(f", 4 times: {begun.partition('; ')[0]}")


def test_a_fault_that_changes_is_told_again(tmp_path: Path) -> None:
    lines = acquire(tmp_path, 120, lambda life: SILENT if life < 5 else WRONG)
    assert ["0x00" in lines[0], "0x90" in lines[1], len(lines)] == [True, True, 2]


def test_two_faults_that_alternate_do_not_fill_the_journal(tmp_path: Path) -> None:
    lines = acquire(tmp_path, 3600, lambda life: (SILENT, WRONG)[life % 2])
    assert {"0x00" in line for line in lines[:2]} == {True, False}
    assert 2 < len(lines) <= 2 + 3600e9 / LONGEST_NS  # one in ten minutes, after both are known


def test_a_wrong_chip_that_comes_and_goes_does_not_either(tmp_path: Path) -> None:
    lines = acquire(tmp_path, 120, lambda life: WRONG if life % 2 else Faults(drdy_stops_at=50))
    assert len(lines) == 3, lines
    assert "nV per count" in lines[0]  # once, not at each start
    assert "data-ready" in lines[1]
    assert "0x90" in lines[2]


def test_it_is_over_when_it_has_stayed_away_and_not_before() -> None:
    journal = Journal()
    journal.at(0, "no power; plug it in")
    journal.at(10, "")
    journal.at(10 + CALM_NS / 1e9 - 0.5)
    assert len(journal.lines) == 1
    journal.at(60)
    assert journal.lines == [(0, "no power; plug it in"), (15, "over after 10.0 s: no power")]


def test_what_is_back_before_it_was_over_is_the_same_fault() -> None:
    journal = Journal()
    journal.at(0, "no power")
    journal.at(1, "")
    journal.at(5, "no power")
    journal.at(6, "")
    journal.at(60)
    assert journal.lines == [(0, "no power"), (11, "over after 6.0 s, 2 times: no power")]


def test_what_keeps_coming_back_has_to_stay_away_longer_each_time() -> None:
    journal = Journal()
    for at in range(0, 3600, 30):
        journal.at(at, "loose")
        journal.at(at + 1, "")
    assert len(journal.lines) == 7  # 5, 10 and 20 s of calm were enough; 29 s are not for 40
    journal.at(4000)
    assert journal.lines[-1][1] == "over after 3481.0 s, 117 times: loose"
    journal.at(4000 + 2 * LONGEST_NS / 1e9, "loose")
    journal.at(6000, "")
    journal.at(6000 + CALM_NS / 1e9)
    assert journal.lines[-1][1].startswith("over after ")


def test_parts_do_not_stand_for_each_other() -> None:
    journal = Journal()
    journal.at(0, "no port", "serial")
    journal.at(1, "no panel", "display")
    journal.at(2, "", "serial")
    journal.at(60)
    assert [line for _, line in journal.lines] == [
        "no port", "no panel", "over after 2.0 s: no port",
    ]  # fmt: skip


def test_well_where_nothing_was_wrong_is_no_news() -> None:
    journal = Journal()
    journal.at(0, "")
    journal.at(60)
    assert journal.lines == []


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_no_order_of_faults_fills_the_journal(data: st.DataObject) -> None:
    journal, hours = Journal(), 2
    steps = data.draw(
        st.lists(
            st.tuples(st.sampled_from((0.2, 3.0, 6.0, 11.0, 25.0, 700.0)), st.integers(0, 40)),
            min_size=1, max_size=6,
        )
    )  # fmt: skip
    at, n = 0.0, 0
    while at < hours * 3600:
        after_s, sentence = steps[n % len(steps)]
        text = "" if sentence == 0 else f"reads {sentence if sentence < 20 else n}"
        n, at = n + 1, at + after_s
        journal.at(at, text)
    told = len(journal.lines)
    # While the calm that is asked for grows, and then ten minutes at a time.
    assert told <= (SENTENCES + 1) * (8 + at * 1e9 / LONGEST_NS)


def test_a_refusal_without_an_act_is_told_whole(tmp_path: Path) -> None:
    clock, log = VirtualClock(), []

    def build() -> Frontend:
        raise FrontendError(Reason.BUS, "no luck")

    writer = RingWriter(tmp_path / "bus.ring", clock.now_ns(), 4096)
    Acquisition(build, FrontendConfig(), writer, clock, log.append).run(
        lambda: clock.now_ns() > 60e9
    )
    assert log == ["no luck (trying again)", "stopped before the front end gave a sample"]
