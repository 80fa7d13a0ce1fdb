"""The block path gives, byte for byte, what the byte path gives."""

import numpy as np
import pytest

from hal.ads1298.faults import Faults, timeline
from hal.clock import VirtualClock
from hal.errors import FrontendError, Reason
from hal.frontend import SAMPLE_NS, Capability, Electrode, FrontendConfig
from hal.simulated import simulated_frontend
from tests.hal.ads1298_bench import Bench, BenchPatient, joined, read_all

E = Electrode
FRAMES = 1300
WHAT = ("index", "t_ns", "counts", "status", "electrodes_off")


def both(patient: BenchPatient, faults: Faults, config: FrontendConfig, at_once: int = 640):
    """Blocks, losses and the wire's own bytes, read edge by edge and in blocks."""
    for bulk, size in ((False, 7), (True, at_once)):
        bench = Bench(patient, bulk=bulk, faults=faults)
        reader, wire = bench.driver._reader, []
        read_frames = reader.read_frames

        def listen(*args, read_frames=read_frames, wire=wire):
            data, edges = read_frames(*args)
            wire.append(data)
            return data, edges

        reader.read_frames = listen
        blocks = read_all(bench.run(config), FRAMES, size)
        lost = [(b.first_index, b.lost_before) for b in blocks if b.lost_before]
        yield blocks, lost, b"".join(wire)


@pytest.mark.parametrize(
    ("off", "faults"),
    [
        ((), Faults()),
        ((E.RA,), Faults()),
        ((E.RL,), Faults()),
        ((E.V2, E.LL), Faults(torn_frames=frozenset({3, 100, 101, 499, 900}))),
        ((), Faults(missed_edges=frozenset({0, 1, 250, 499, 500, 501, 1299}))),
        ((), Faults(bits_slip_at=700)),
        ((E.V5,), Faults(drdy_stops_at=1111)),
        ((), Faults(brown_out_at=600)),
    ],
)
def test_paths_agree(off, faults):
    patient = BenchPatient(
        {E.LA: 0.2, E.V6: -0.25},
        sine_v={E.V1: 3e-3, E.LL: 1e-3, E.RA: -0.5e-3},
        off=off,
        off_span=(1000, 3000),
    )
    config = FrontendConfig(rl_check_every=100)
    (byte, byte_lost, byte_wire), (bulk, bulk_lost, bulk_wire) = both(patient, faults, config)
    shared = min(len(byte_wire), len(bulk_wire))  # after a failure a block reads on a little
    assert byte_wire[:shared] == bulk_wire[:shared]
    assert byte_lost == bulk_lost
    for what in WHAT:
        assert np.array_equal(joined(byte, what), joined(bulk, what)), what
    assert len(joined(byte, "index")) > 500


def test_a_finite_signal_is_delivered_whole_before_it_ends():
    patient = BenchPatient(duration=4 * 1003 + 3, sine_v={E.V1: 1e-3})
    for bulk in (False, True):
        frontend = simulated_frontend(patient, VirtualClock(), bulk=bulk)
        frontend.open()
        frontend.configure(FrontendConfig())
        frontend.start()
        blocks = read_all(frontend, 5000, 400)
        assert joined(blocks, "index").tolist() == list(range(1003))
        with pytest.raises(FrontendError, match="ended after 1003 samples") as caught:
            frontend.read(1, 0.1)
        assert caught.value.reason is Reason.END_OF_SIGNAL
        assert Capability.SIMULATED in frontend.capabilities
        assert (Capability.BULK in frontend.capabilities) is bulk
        frontend.stop()
        frontend.start()  # the patient begins anew
        assert np.array_equal(frontend.read(300, 0.1).counts, joined(blocks, "counts")[:300])


def test_a_late_reader_loses_samples_and_knows_how_many():
    bench = Bench(BenchPatient(sine_v={E.V1: 1e-3}))
    driver = bench.run()
    first = driver.read(10, 0.1)
    bench.clock.advance_ns(9_000_000)  # 4.5 samples
    second = driver.read(10, 0.1)
    assert (first.first_index, len(first), first.lost_before) == (0, 10, 0)
    assert second.first_index == 10 + second.lost_before
    assert second.lost_before == 3  # 10..12 are overwritten, 13 can still be read
    whole = Bench(BenchPatient(sine_v={E.V1: 1e-3}), bulk=True).run().read(40, 0.1)
    assert np.array_equal(second.counts, whole.counts[13:23])
    assert np.array_equal(second.t_ns - first.t_ns[0], whole.t_ns[13:23] - whole.t_ns[0])


@pytest.mark.parametrize("edge", ["missed_edge", "drdy_stops"])
@pytest.mark.parametrize("edges_late", [1, 2, 5, 9])
@pytest.mark.parametrize("at_once", [1, 20])
def test_paths_agree_where_the_newest_edge_was_not_seen(edge, edges_late, at_once):
    """A reader comes back while the host misses edges, or the line makes none."""
    paths = []
    for bulk in (False, True):
        bench = Bench(BenchPatient(sine_v={E.V1: 1e-3}), bulk=bulk)
        driver = bench.run()
        driver.read(10, 0.1)
        next_ns = bench.chip.edge_ns(bench.line.last_taken + 1)
        value = 6 if edge == "missed_edge" else 0.012
        at_s = (next_ns + 3_000_000 - bench.clock.now_ns()) * 1e-9  # two more are seen
        bench.chip.faults = timeline([(at_s, {edge: value})], bench.clock.now_ns())
        bench.clock.sleep_until_ns(next_ns + (2 * edges_late + 1) * 1_000_000)
        paths.append(read_all(driver, 20, at_once))
    byte, bulk = paths
    for what in WHAT:
        assert np.array_equal(joined(byte, what), joined(bulk, what)), what
    assert joined(byte, "t_ns")[-1] - joined(byte, "index")[-1] * SAMPLE_NS == pytest.approx(
        joined(byte, "t_ns")[0] - joined(byte, "index")[0] * SAMPLE_NS
    )


def test_a_frame_torn_by_its_own_reader_is_dropped_with_its_successor():
    bench = Bench()
    driver = bench.run()
    driver.read(10, 0.1)
    bench.clock.advance_ns(1_920_000 + 2_000_000)  # sample 10 is read while sample 11 comes
    block = driver.read(5, 0.1)
    assert (block.first_index, block.lost_before) == (12, 2)
