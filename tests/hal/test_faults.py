"""The faults a scenario may name: what each does, and what the driver makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from hal.ads1298.edge_count import EdgeCount
from hal.ads1298.faults import FAULTS, PPM_MAX, Kind, timeline
from hal.ads1298.oscillator import Drifting, Oscillator
from hal.errors import FrontendError, Reason
from hal.frontend import CHANNEL_LEADS, SAMPLE_NS, Electrode, FrontendConfig
from hal.patient import ANALOG_RATE_HZ
from tests.hal.ads1298_bench import COUNT_V, Bench, BenchPatient, joined, read_all
from tests.hal.test_chip_paths import WHAT, both

E = Electrode


def first_ns(bench: Bench) -> int:
    """When the bench's first sample comes."""
    return int(bench.run().read(1, 0.1).t_ns[0])


ORIGIN_NS = first_ns(Bench())


def faulty(*entries, bulk: bool = False, patient: BenchPatient | None = None) -> Bench:
    """A bench with faults at seconds since its first sample."""
    return Bench(patient, bulk=bulk, faults=timeline(entries, ORIGIN_NS))


SINE = {E.V1: 3e-3, E.LL: 1e-3, E.RA: -0.5e-3}


@pytest.mark.parametrize(
    "named",
    [
        {"miso_stuck": 0xFF},
        {"bit_slip": 3},
        {"torn_frame": 5},
        {"missed_edge": 40},
        {"late_drdy": {"us": 300, "jitter_us": 1000}},
        {"drdy_stops": 0.05},
        {"drdy_stops": "forever"},
        {"stuck_bits": {"lead": "V3", "or": 0x80}},
        {"brown_out": True},
        {"clock_ppm": 10_000},
        {"clock_ppm": -3_333},
        {"spi_noise": 2e-4},
    ],
    ids=str,
)
def test_both_paths_suffer_alike(named):
    faults = timeline([(0.611, named)], ORIGIN_NS)
    config = FrontendConfig(rl_check_every=100)
    (byte, byte_lost, byte_wire), (bulk, bulk_lost, bulk_wire) = both(
        BenchPatient(sine_v=SINE), faults, config
    )
    shared = min(len(byte_wire), len(bulk_wire))
    assert byte_wire[:shared] == bulk_wire[:shared]
    assert byte_lost == bulk_lost
    for what in WHAT:
        assert np.array_equal(joined(byte, what), joined(bulk, what)), what
    sound = joined(
        read_all(Bench(BenchPatient(sine_v=SINE), bulk=True).run(config), 1300), "counts"
    )
    first = joined(bulk, "counts")[:305]
    assert np.array_equal(first, sound[:305])  # nothing before its time


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("named", "lost"), [({"torn_frame": 5}, 5), ({"missed_edge": 7}, 7), ({"drdy_stops": 0.08}, 40)]
)
def test_what_is_lost_is_counted_to_the_sample(bulk, named, lost):
    patient = BenchPatient(sine_v=SINE)
    driver = faulty((0.5, named), bulk=bulk, patient=patient).run()
    blocks = read_all(driver, 1000)
    assert [(b.first_index, b.lost_before) for b in blocks if b.lost_before] == [(250 + lost, lost)]
    index = joined(blocks, "index")
    sound = joined(read_all(Bench(patient, bulk=True).run(), 1100), "counts")
    assert np.array_equal(joined(blocks, "counts"), sound[index])


@pytest.mark.parametrize("bulk", [False, True])
def test_one_unmade_edge_is_told_from_late_ones(bulk):
    entries = [(0.0, {"late_drdy": {"us": 0, "jitter_us": 1400}}), (1.0, {"drdy_stops": 0.002})]
    blocks = read_all(faulty(*entries, bulk=bulk).run(), 1500)
    lost = [b.lost_before for b in blocks if b.lost_before]
    assert lost == [1]
    late = joined(blocks, "t_ns") - ORIGIN_NS - joined(blocks, "index") * SAMPLE_NS
    assert late.min() >= 0
    assert 1_300_000 < late.max() <= 1_400_000


@pytest.mark.parametrize("ppm", [-PPM_MAX, PPM_MAX])
def test_unmade_edges_are_counted_on_a_clock_that_is_off(ppm):
    entries = [(0.0, {"clock_ppm": ppm}), (1.0, {"drdy_stops": 0.08})]
    blocks = read_all(faulty(*entries, bulk=True).run(), 1000)
    lost = [b.lost_before for b in blocks if b.lost_before]
    assert lost in ([39], [40], [41])  # 1 % of 40 is less than one


def numbered(stamps_ns: list[int], sequences: list[int], at_once: int = 4) -> list[int]:
    """What an EdgeCount makes of edges, a few at a time as in life."""
    count = EdgeCount()
    edges = np.stack((sequences, stamps_ns), axis=1)
    parts = [count.number(edges[k : k + at_once]) for k in range(0, len(edges), at_once)]
    return np.concatenate(parts).tolist()


@pytest.mark.parametrize("ppm", [0, -20_000, 20_000])
def test_what_the_host_missed_is_not_counted_twice_on_a_clock_that_is_off(ppm):
    period = SAMPLE_NS * (1_000_000 + ppm) // 1_000_000
    for jump in (1, 6, 300):
        made = [*range(50), *range(50 + jump, 150 + jump)]
        assert numbered([n * period for n in made], made) == made


@pytest.mark.parametrize("unmade", [1, 3, 200])
def test_unmade_edges_are_numbered_when_the_next_comes(unmade):
    made = [*range(50), *range(50 + unmade, 100 + unmade)]
    assert numbered([n * SAMPLE_NS for n in made], list(range(100))) == made


def test_edges_unmade_at_several_times_add_up():
    made = [*range(50), *range(52, 100), *range(103, 150)]
    assert numbered([n * SAMPLE_NS for n in made], list(range(len(made)))) == made


def test_the_line_does_not_count_what_it_does_not_make():
    bench = faulty((0.1, {"drdy_stops": 0.02}), (0.5, {"missed_edge": 3}))
    bench.run()
    seen = []
    while len(seen) < 300:
        seen.append(bench.line.wait(100_000_000))
    steps = np.diff([edge.sequence for edge in seen])
    assert set(steps) == {1, 4}
    gaps = np.diff([edge.t_ns for edge in seen]) // SAMPLE_NS
    assert sorted(gaps)[-2:] == [4, 11]
    assert steps[np.argmax(gaps)] == 1


def test_what_happens_while_nobody_reads_has_happened():
    blocks = read_all(faulty((-0.1, {"torn_frame": 9}), (-0.2, {"missed_edge": 9})).run(), 100)
    assert not any(b.lost_before for b in blocks)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize(
    ("named", "reason", "message"),
    [
        ({"miso_stuck": 0}, Reason.BAD_STATUS, "status 0x000000"),
        ({"bit_slip": 1}, Reason.BAD_STATUS, "status 0x600000"),
        ({"torn_frame": 8}, Reason.BAD_STATUS, "8 frames in a row"),
        ({"drdy_stops": 0.2}, Reason.DATA_READY_TIMEOUT, "check the DRDY wire"),
        ({"drdy_stops": "forever"}, Reason.DATA_READY_TIMEOUT, "check the DRDY wire"),
        ({"brown_out": True}, Reason.DATA_READY_TIMEOUT, r"chip was reset \(CONFIG1 reads 0x06\)"),
    ],
)
def test_what_the_driver_gives_up_on(bulk, named, reason, message):
    driver = faulty((0.5, named), bulk=bulk).run(FrontendConfig(rl_check_every=0))
    blocks = read_all(driver, 1000)
    assert joined(blocks, "index").tolist() == list(range(250))
    with pytest.raises(FrontendError, match=message) as caught:
        driver.read(10, 0.1)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"wrong_id": "ADS1294"}, Reason.WRONG_CHIP),
        ({"miso_stuck": 0xFF}, Reason.NO_RESPONSE),
        ({"bit_slip": 1}, Reason.BUS_SHIFTED),
        ({"bit_slip": 2}, Reason.WRONG_CHIP),
        ({"spi_noise": 0.3}, Reason.WRONG_CHIP),
    ],
)
def test_a_fault_heals_and_the_chip_starts(named, reason):
    (name,) = named
    bench = Bench(faults=timeline([(0, named), (3, {name: "off"})]))
    with pytest.raises(FrontendError) as caught:
        bench.run()
    assert caught.value.reason is reason
    bench.clock.sleep_until_ns(3_000_000_000)
    assert len(read_all(bench.run(), 600)[0])


def test_a_brown_out_happens_once():
    bench = faulty((0.5, {"brown_out": True}))
    assert len(joined(read_all(bench.run(), 1000), "index")) == 250
    assert len(joined(read_all(bench.run(), 1000), "index")) == 1000


def test_stuck_bits_pass_the_driver_and_high_ones_fail_the_self_test():
    channel = CHANNEL_LEADS.index("V3")
    low, high = ({"stuck_bits": {"lead": "V3", "or": bit}} for bit in (0x1, 0x2000))
    for named, ok in ((low, True), (high, False)):
        bench = Bench(BenchPatient(sine_v=SINE), faults=timeline([(0, named)]))
        driver = bench.run()
        blocks = read_all(driver, 500)
        stuck = named["stuck_bits"]["or"]
        assert (joined(blocks, "counts")[:, channel] & stuck == stuck).all()
        assert not any(b.lost_before for b in blocks)
        driver.stop()
        assert all(check.ok for check in driver.self_test()) is ok


def test_stuck_bits_keep_the_sign():
    named = {"stuck_bits": {"lead": "V1", "and": 0x7FFFFF}}
    counts = joined(
        read_all(faulty((0, named), patient=BenchPatient({E.V1: -1e-3})).run(), 9), "counts"
    )
    one = counts[:, CHANNEL_LEADS.index("V1")] * COUNT_V
    assert np.allclose(one, 2.4 / 6 - 1e-3, atol=1e-5)


@pytest.mark.parametrize("ppm", [PPM_MAX, -PPM_MAX])
def test_a_fast_clock_samples_the_same_patient_more_often(ppm):
    driver = faulty(
        (-0.5, {"clock_ppm": ppm}), bulk=True, patient=BenchPatient(sine_v={E.V1: 1e-3})
    ).run()
    blocks = read_all(driver, 5000, 500)
    t_ns = joined(blocks, "t_ns")
    assert np.isclose((t_ns[-1] - t_ns[0]) / 4999, SAMPLE_NS / (1 + ppm * 1e-6), rtol=1e-6)
    one = joined(blocks, "counts")[:, CHANNEL_LEADS.index("V1")].astype(float)
    spectrum = np.abs(np.fft.rfft(one * np.hanning(len(one)), 1 << 18))
    hz = np.argmax(spectrum) * 500 / (1 << 18)
    assert abs(hz - 10 / (1 + ppm * 1e-6)) < 0.003
    driver.stop()
    assert all(check.ok for check in driver.self_test())


def test_a_patient_between_the_grid_points_is_exact():
    hz, ppm = 100.0, 10_000
    clock = Oscillator(timeline([(0, {"clock_ppm": ppm})]).spells)
    patient = BenchPatient(sine_v={E.V1: 1.0}, hz=hz)
    volts = Drifting(patient, clock, clock.ticks(1_000_000_000)).potentials(37, 4000).volts[:, E.V1]
    t = (37 + np.arange(4000)) / ANALOG_RATE_HZ / (1 + ppm * 1e-6)
    assert volts == pytest.approx(np.sin(2 * np.pi * hz * t), abs=5e-4)


def test_a_finite_patient_lasts_as_long_by_the_hosts_clock():
    for ppm in (PPM_MAX, -PPM_MAX):
        clock = Oscillator(timeline([(0, {"clock_ppm": ppm})]).spells)
        patient = Drifting(BenchPatient(duration=20_000), clock, clock.ticks(10**9))
        assert patient.duration == pytest.approx(20_000 * (1 + ppm * 1e-6), abs=2)
        assert len(patient.potentials(patient.duration - 10, 10).volts) == 10


def test_spi_noise_hits_bits_at_its_rate_and_is_the_same_every_time():
    rate, seconds = 1e-3, 8
    patient = BenchPatient(sine_v=SINE)

    def run(named):
        return read_all(
            faulty((0, named), bulk=True, patient=patient).run(FrontendConfig(rl_check_every=0)),
            500 * seconds,
            500,
        )

    noisy, again = run({"spi_noise": rate}), run({"spi_noise": rate})
    assert np.array_equal(joined(noisy, "counts"), joined(again, "counts"))
    sound = joined(read_all(Bench(patient, bulk=True).run(), 500 * seconds + 100), "counts")
    index = joined(noisy, "index")
    wrong = (joined(noisy, "counts") ^ sound[index]) & 0xFFFFFF
    bits = sum(int(x).bit_count() for x in wrong.reshape(-1))
    assert bits == pytest.approx(rate * len(index) * 8 * 24, rel=0.15)
    lost = sum(b.lost_before for b in noisy)
    assert lost == pytest.approx(4 * rate * 500 * seconds, abs=12)


def test_clocks_go_both_ways():
    faults = timeline(
        [(1, {"clock_ppm": 777}), (2, {"clock_ppm": -9000}), (3, {"clock_ppm": "off"})]
    )
    clock = Oscillator(faults.spells)
    for t_ns in (0, 999_999_999, 1_500_000_000, 2_000_000_001, 2_999_999_999, 10_000_000_007):
        ticks = clock.ticks(t_ns)
        assert clock.ticks(clock.time_ns(ticks)) >= ticks > clock.ticks(clock.time_ns(ticks) - 1)
    many = np.array([0, 1, 10**9 + 7, 2 * 10**9, 3 * 10**9 + 1, 30 * 86_400 * 10**9])
    assert clock.times_ns(many).tolist() == [clock.time_ns(int(t)) for t in many]
    assert clock.ticks(10_000_000_000) == 10_000_000_000 + 777_000 - 9_000_000
    assert not clock.steady
    assert Oscillator(()).steady


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"unplugged": 1}, "no fault 'unplugged'; there are wrong_id, miso_stuck"),
        ({"wrong_id": "ADS1299"}, "one of ADS1294, ADS1296"),
        ({"wrong_id": 256}, "from 0 to 255"),
        ({"miso_stuck": 1}, "0x00 or 0xFF"),
        ({"miso_stuck": True}, "0x00 or 0xFF"),
        ({"bit_slip": 8}, "from 1 to 7"),
        ({"torn_frame": 0}, "from 1"),
        ({"torn_frame": "off"}, "has no 'off'"),
        ({"late_drdy": 1500}, "to 1400"),
        ({"late_drdy": {"us": 1000, "jitter_us": 1000}}, "jitter included"),
        ({"late_drdy": {"ms": 1}}, "not ms"),
        ({"drdy_stops": -1}, "seconds or 'forever'"),
        ({"stuck_bits": {"lead": "III"}}, "'III' has no channel; these have: I, II, V1"),
        ({"stuck_bits": {"lead": "I", "xor": 1}}, "lead, and, or"),
        ({"brown_out": 1}, "true, not 1"),
        ({"clock_ppm": 10_001}, "to 10000"),
        ({"spi_noise": 0}, "share of bits"),
    ],
)
def test_a_bad_fault_is_refused_in_one_line(named, message):
    with pytest.raises(ValueError, match=message) as caught:
        timeline([(1, named)])
    assert "\n" not in str(caught.value)


def test_a_new_value_takes_the_place_of_the_old_and_leads_go_each_its_own_way():
    v1, v2 = ({"stuck_bits": {"lead": lead, "or": 1}} for lead in ("V1", "V2"))
    entries = [(4, {"stuck_bits": "off"}), (1, v1), (2, v2), (3, v1), (1, {"bit_slip": 1})]
    faults = timeline([*entries, (2, {"bit_slip": 2})], origin_ns=5)
    spans = {
        (s.kind, s.value[0], s.start_ns // 10**9, s.end_ns and s.end_ns // 10**9)
        for s in faults.spells
    }
    one, two = (CHANNEL_LEADS.index(lead) for lead in ("V1", "V2"))
    assert spans == {
        (Kind.STUCK_BITS, one, 1, 3),
        (Kind.STUCK_BITS, two, 2, 4),
        (Kind.STUCK_BITS, one, 3, 4),
        (Kind.BIT_SLIP, 1, 1, 2),
        (Kind.BIT_SLIP, 2, 2, None),
    }
    assert {s.start_ns % 10**9 for s in faults.spells} == {5}


def test_every_kind_is_named_told_and_has_a_schema():
    assert set(FAULTS) == set(Kind)
    for kind in FAULTS.values():
        assert kind.what
        assert kind.told
        assert kind.schema
