"""``lead12 listen``: notices what is wrong on a line, and survives a port that vanishes."""

from __future__ import annotations

import io
import os
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from device.link.protocol import encode, pack
from tests.device.link_kit import RESULT, Stub
from tests.device.waiting import wait_for
from tools.listen import FAILED, OK, Checker, listen, readable

HELLO = pack(Stub().hello())


def gap(seq: int, index: int = 5) -> bytes:
    return encode(seq, "event", pack({"event": "gap", "index": index, "lost": 2}))[:-1]


def test_good_lines_pass() -> None:
    checker = Checker()
    for line in (encode(0, "hello", HELLO)[:-1], gap(1), encode(2, "result", pack(RESULT))[:-1]):
        message, wrong = checker.check(line)
        assert message is not None
        assert wrong == ""
        assert "\n" not in readable(message)
    assert (checker.lines, checker.bad, checker.missing) == (3, 0, 0)


def test_findings_are_read_out_once() -> None:
    mi = {"code": "mi", "text": "POSSIBLE MI", "act": "", "priority": "high", "probability": 0.8}
    axis = {**mi, "code": "left_axis", "text": "LEFT AXIS", "priority": "low"}
    result = {**RESULT, "type": "result", "text": "POSSIBLE MI + SINUS RHYTHM"}
    said = readable({**result, "findings": [mi, axis]})
    assert "POSSIBLE MI + SINUS RHYTHM 97% · + LEFT AXIS · 70/min" in said
    assert said.count("POSSIBLE MI") == 1


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (gap(1).replace(b"gap", b"gat"), "CRC does not match"),
        (gap(1)[:-5], "does not end with a CRC"),
        (gap(1, -3), "against the schema"),
        (encode(1, "news", "")[:-1], "against the schema"),
        (None, "longer than 4096 bytes"),
    ],
)
def test_bad_lines_are_counted_and_named(line: bytes | None, wrong: str) -> None:
    checker = Checker()
    message, told = checker.check(line)
    assert message is None
    assert wrong in told
    assert checker.bad == 1


def test_missing_lines_are_counted_and_a_restart_is_none() -> None:
    checker = Checker()
    assert checker.check(gap(7))[1] == ""
    assert checker.check(gap(10))[1] == "sequence jumps from 7 to 10"
    assert checker.missing == 2
    assert checker.check(encode(0, "hello", HELLO)[:-1])[1] == ""
    assert (checker.missing, checker.bad) == (2, 0)


class Device:
    """A pseudo-terminal under a name of its own, as a serial adapter that can be unplugged."""

    def __init__(self, name: Path) -> None:
        self._name = name
        self._fd, near = os.openpty()
        tty.setraw(near)
        name.symlink_to(os.ttyname(near))
        os.close(near)

    def say(self, data: bytes) -> None:
        os.write(self._fd, data)

    def unplug(self) -> None:
        self._name.unlink()
        os.close(self._fd)


@pytest.fixture
def name(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "ttyUSB0"


def test_port_that_vanishes_is_waited_for(name: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, told, codes = io.StringIO(), [""], []

    def heard(text: str) -> bool:
        told[0] += capfd.readouterr().err
        return text in told[0] + out.getvalue()

    device = Device(name)
    thread = threading.Thread(target=lambda: codes.append(listen(str(name), seconds=3.0, out=out)))
    thread.start()
    wait_for("the port", lambda: heard("is open"))
    device.say(b'"half":1}\n' + encode(5, "hello", HELLO) + gap(6, 111) + b"\n")
    wait_for("a gap", lambda: heard("index=111"))
    device.unplug()
    wait_for("the loss", lambda: heard("is gone; waiting for it"))
    device = Device(name)
    wait_for("the port again", lambda: told[0].count("is open") == 2 or heard("nothing"))
    device.say(encode(90, "hello", HELLO) + gap(91, 222) + b"\n")
    wait_for("another gap", lambda: heard("index=222"))
    thread.join()
    device.unplug()
    assert codes == [OK]
    assert heard("4 lines, 0 bad, 0 missing")


def test_bad_line_shows_in_the_exit_code(name: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out, codes = io.StringIO(), []
    device = Device(name)
    thread = threading.Thread(
        target=lambda: codes.append(listen(str(name), as_json=True, seconds=1.0, out=out))
    )
    thread.start()
    wait_for("the port", lambda: "is open" in capfd.readouterr().err)
    good, bad = gap(1, 333), gap(2).replace(b'"lost":2', b'"lost":3')
    device.say(good + b"\n" + bad + b"\n")
    thread.join()
    device.unplug()
    assert codes == [FAILED]
    assert out.getvalue().encode() == good + b"\n" + bad + b"\n"


def test_port_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert listen("/dev/ttyNONE") == FAILED
    assert capsys.readouterr().err.startswith("listen: /dev/ttyNONE cannot be opened")
