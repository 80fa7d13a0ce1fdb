"""What the soak's bench makes of lines and lost samples."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from device.link.protocol import encode, pack
from hal.frontend import SAMPLE_NS
from tools.soak import verdict
from tools.soak.account import Account
from tools.soak.bench import Hour
from tools.soak.line import HostLine
from tools.soak.plan import KINDS, Act, explain_loss
from tools.soak.real import Run
from tools.soak.sense import Sense


def test_a_line_that_skips_or_garbles_is_seen(tmp_path: Path) -> None:
    line = HostLine(tmp_path / "line")
    line.plug()
    device = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY)
    body = pack({"event": "gap", "index": 5, "lost": 1})
    for seq in (4, 5, 7):
        os.write(device, encode(seq, "event", body))
    os.write(device, encode(8, "event", body).replace(b"gap", b"gas"))
    os.write(device, encode(9, "event", pack({"event": "gap"})))
    heard = [message["seq"] for message in line.poll()]
    os.close(device)
    line.unplug()
    assert heard == [4, 5, 7]
    assert [flaw[:40] for flaw in line.wrong] == [
        "sequence number 7 where 6 comes next",
        "a damaged line: the CRC does not match t",
        "a damaged line: against the schema at $:",
    ]
    assert not (tmp_path / "line").is_symlink()


@pytest.mark.parametrize("first", [0, 1])  # 1 where the hello met the rest of a line
def test_what_a_killed_monitor_leaves_is_no_flaw_and_the_next_one_begins_anew(
    tmp_path: Path, first: int
) -> None:
    line = HostLine(tmp_path / "line")
    line.plug()
    device = os.open(tmp_path / "line", os.O_RDWR | os.O_NOCTTY)
    body = pack({"event": "gap", "index": 5, "lost": 1})
    os.write(device, encode(4, "event", body))
    assert len(list(line.poll())) == 1
    line.interrupted()
    line.ends()
    for seq in (5, 6):  # on its way when it was killed
        os.write(device, encode(seq, "event", body))
    os.write(device, encode(7, "event", body)[:20])
    assert [message["seq"] for message in line.poll()] == [5, 6]
    os.write(device, encode(0, "event", body))
    for seq in range(first, 3):
        os.write(device, encode(seq, "event", body))
    assert len(list(line.poll())) == 3 - first
    assert line.wrong == []
    os.write(device, encode(0, "event", body))  # one that nobody killed
    list(line.poll())
    os.close(device)
    line.unplug()
    assert line.wrong == ["sequence number 0 where 3 comes next"]


@pytest.mark.parametrize(
    ("from_s", "to_s", "explained"),
    [
        (98.0, 128.0, True),  # of the first alone, from its edge to its end
        (97.9, 128.0, False),
        (101.0, 138.0, True),  # of both in turn
        (101.0, 138.1, False),
        (140.0, 150.0, False),  # of none
        (200.0, 201.0, False),  # of one that takes no samples
        (300.0, 330.0, False),  # of two with a while between them
    ],
)
def test_samples_are_lost_to_one_fault_or_to_several_in_turn(
    from_s: float, to_s: float, explained: bool
) -> None:
    acts = [
        Act("wrong_id", 110, 20, kind=KINDS["wrong_id"]),
        Act("acquire_stopped", 100, 20, kind=KINDS["acquire_stopped"]),
        Act("rhythm", 199, 5, kind=KINDS["rhythm"]),
        Act("torn_frame", 300, 0, kind=KINDS["torn_frame"]),
        Act("torn_frame", 322, 0, kind=KINDS["torn_frame"]),
    ]
    assert explain_loss(acts, from_s, to_s) is explained


def test_ten_seconds_behind_a_hole_that_the_machine_made_are_not_held_to_make_sense() -> None:
    account = Account(Path("no ring"), 0, late_machine=True)
    account._last = (999, 1_998_000_000)

    def lose(n: int) -> None:
        index, t_ns = cast("tuple[int, int]", account._last)
        first = index + 1 + n
        t_ns += (first - index) * SAMPLE_NS
        assert list(account._join(first, t_ns, n, ())) == []
        account._last = first, t_ns

    lose(10)  # bridged
    assert not account.restarted(2.1)
    lose(11)
    assert account.restarted(2.1)
    assert account.restarted(14.5)
    assert not account.restarted(15.2)
    assert [lost for _, _, lost in account.unplanned] == [10, 11]
    said = {"type": "result", "index": 1100, "call": None, "text": "", "refusal": "starting"}
    said |= {"rate_bpm": None, "electrodes_off": []}
    sense = Sense(0)
    assert list(sense.hear(said, 2.2, (), account)) == []
    assert len(list(sense.hear(said | {"index": 1600}, 16.0, (), account))) == 2
    assert sense.take()[:3] == (2, 1, 1)


@pytest.mark.parametrize(("lost", "own", "held"), [(0, 0, True), (900, 3, True), (4, 4, False)])
def test_of_losses_without_a_fault_few_may_be_the_instrument_s_own(
    lost: int, own: int, held: bool
) -> None:
    run = Run(Hour(0, seconds=60.0, samples=30_000), unplanned=lost, own=own)
    assert verdict.real(run, 1.0).ok is held
