"""What the soak reads of memory, and when it says that something grows."""

from __future__ import annotations

import gc
import mmap
import os
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from hal.clock import VirtualClock
from hal.frontend import FrontendConfig
from hal.patient.generator import RhythmPatient
from tools.soak import verdict
from tools.soak.bench import Bench, Hour
from tools.soak.children import ORIGIN_NS
from tools.soak.growth import Reading, at_hours, look, slope
from tools.soak.instrument import HOUR_NS, ChipInTime
from tools.soak.plan import Course


def test_a_process_has_one_life_however_many_hours_it_lasts(tmp_path: Path) -> None:
    bench = Bench(Course(1), tmp_path, 5)
    bench._children["monitor"] = cast(Any, SimpleNamespace(pid=os.getpid()))
    hours = [bench._hour, Hour(6)]
    for bench._hour in hours:
        bench._look()
    (one,), (other,) = (hour.readings for hour in hours)
    assert one.life == other.life
    bench._lives["monitor"] += 1
    bench._look()
    assert hours[1].readings[-1].life != one.life


def test_a_slope_is_that_within_lives_not_between_them() -> None:
    flat = [(life, h, 100.0 * k + (i % 2)) for k, life in enumerate("abc") for i, h in _hours()]
    assert not slope(flat).grows(1.0)
    rising = [(life, hour, value + 30 * hour) for life, hour, value in flat]
    assert slope(rising).per_h == pytest.approx(30, abs=1)
    assert slope(rising).grows(25.0)
    assert slope(flat[:2]).plus_minus is None


def test_a_slope_is_of_one_reading_an_hour_when_the_last_hours_patient_has_gone() -> None:
    def reading(life: str, minute: float, kb: float) -> Reading:
        return Reading("acquire", life, round(minute / 60, 4), round(kb), 9, 2, 1.0)

    minutes = [(hour, minute) for hour in range(5, 27) for minute in (0.0167, *range(5, 61, 5))]
    between = [
        reading("a", 60 * h + m, 60_000 + (m > 1) * 500 * h + 7 * (h % 3)) for h, m in minutes
    ]
    kept = at_hours(between)
    assert [one.hour for one in kept] == [hour + 0.0003 for hour in range(5, 27)]
    leaking = [reading("b", 60 * h + m, 60_000 + 100 * (h + m / 60)) for h, m in minutes]
    for readings, grows in ((between, False), (leaking, True)):
        found = Hour(14, readings=readings)
        rows = {row.what: row.ok for row in verdict.virtual([found], 1).rows}
        assert rows["acquire: memory"] is not grows


def test_what_fills_up_and_what_goes_on_growing_are_told_apart() -> None:
    def after_forty_hours(kb: list[int]) -> str:
        readings = [
            Reading("monitor", "a", hour + 0.0003, one, 9, 2, 1.0) for hour, one in enumerate(kb)
        ]
        rows = {row.what: row for row in verdict.virtual([Hour(1, readings=readings)], 1).rows}
        late = rows["monitor: memory after 40 h of life"]
        assert late.ok is None, "told, not judged"
        return late.value

    filling = [60_000 + 200 * min(hour, 35) + hour % 2 for hour in range(80)]
    assert after_forty_hours(filling).startswith(("+0.0", "-0.0"))
    assert after_forty_hours([60_000 + 200 * hour for hour in range(80)]).startswith("+200.00")
    assert after_forty_hours(filling[:40]).startswith("too short to say")


def test_nobody_of_an_hour_that_is_over_stays() -> None:
    course = Course(1)
    patient = course.patient(7)
    assert course.patient(7) is patient
    gone, volts = weakref.ref(patient), patient.potentials(900, 50).volts
    del patient
    course.forget()
    gc.collect()
    assert gone() is None
    assert np.array_equal(course.patient(7).potentials(900, 50).volts, volts)


def test_at_a_new_hour_the_chip_lets_go_of_the_old_ones_patient() -> None:
    def hearts() -> int:
        return sum(isinstance(one, RhythmPatient) for one in gc.get_objects())

    gc.collect()
    others = hearts()
    course, clock = Course(1), VirtualClock()
    clock.advance_ns(ORIGIN_NS - clock.now_ns())
    chip = ChipInTime(course)
    frontend = chip.build(cast(Any, clock))
    frontend.open()
    frontend.configure(FrontendConfig())
    course.patient(0)
    gc.disable()  # what holds itself goes only when it is looked for
    try:
        chip.look(clock.now_ns())
        assert hearts() > others
        chip.look(ORIGIN_NS + HOUR_NS)
        assert hearts() == others
    finally:
        gc.enable()


def test_memory_is_without_files(tmp_path: Path) -> None:
    (tmp_path / "library").write_bytes(bytes(30_000_000))

    def memory_kb() -> int:
        return look("monitor", "monitor 0 1", 1.0, os.getpid()).memory_kb

    before = memory_kb()
    with (tmp_path / "library").open("rb") as file:
        code = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    assert not any(code[:: mmap.PAGESIZE])
    used = memory_kb()
    own = mmap.mmap(-1, 30_000_000)
    own.write(bytes(len(own)))
    assert used - before < 5_000
    assert memory_kb() - used > 25_000


def _hours() -> list[tuple[int, float]]:
    return [(i, i / 60) for i in range(60)]
