"""Uploads arrive whole whatever happens to the cable and the monitor, and nothing else gets in."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import resource
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from device.flash import files
from device.link.commands import MAX_CHUNK_LINE, parse
from device.link.link import CHUNK_BURST, CHUNKS_PER_S, READ_BYTES
from device.link.protocol import ProtocolError, Wrong, decode, encode, pack
from device.link.upload import ABOUT, CHUNK_BYTES, PART, Upload, from_base85, unpack
from firmware.archive import MAX_BYTES
from tests.device.cable import Line
from tests.device.host import VALIDATOR
from tools import flash_line
from tools.flash_line import WINDOW, Remote
from tools.host_line import RemoteError

BUNDLE = Path(__file__).parents[2] / "firmware" / "embedded.l12"
DATA = BUNDLE.read_bytes()
CHUNKS = -(-len(DATA) // CHUNK_BYTES)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(raw: bytes) -> str:
    return base64.b85encode(zlib.compress(raw)).decode()


@pytest.fixture(autouse=True, scope="module")
def _pack_each_chunk_once() -> Iterator[None]:
    """The same bundle goes over the line a hundred times here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flash_line, "packed", functools.cache(flash_line.packed))
        yield


def remote_of(line: Line, baud: int = 921_600) -> Remote:
    return Remote(
        "line", baud, open_wire=line.open_wire, clock=line.clock, sleep=line.sleep, seq=1000
    )


def commands(line: Line) -> list[dict[str, Any]]:
    """What the laptop sent."""
    return [decode(text[:-1], crc_required=True) for text in line.sent if text != b"\n"]


def bytes_sent(line: Line) -> int:
    return sum(m["bytes"] for m in commands(line) if m["action"] == "chunk")


# -- the codec


@given(st.binary(max_size=300))
def test_base85_is_the_one_of_python(raw: bytes) -> None:
    assert from_base85(base64.b85encode(raw)) == raw


@given(st.binary(max_size=60) | st.text("01~|{}!az", max_size=30).map(str.encode))
@example(b"~~~~~")  # beyond 32 bits
@example(b"0")
def test_base85_refuses_what_python_refuses(text: bytes) -> None:
    try:
        expected = base64.b85decode(text)
    except ValueError:
        with pytest.raises(ValueError, match="base 85"):
            from_base85(text)
    else:
        assert from_base85(text) == expected


@given(st.binary(min_size=1, max_size=400), st.integers(-3, 3))
def test_a_chunk_unpacks_to_what_it_says_and_to_nothing_else(raw: bytes, wrong: int) -> None:
    assert unpack(packed(raw), len(raw)) == raw
    if wrong:
        with pytest.raises(ProtocolError, match="does not unpack"):
            unpack(packed(raw), len(raw) + wrong)


@pytest.mark.parametrize(
    "data",
    [
        packed(bytes(8 << 20)),  # a zip bomb: 8 MiB in 8 KiB
        base64.b85encode(zlib.compress(b"x" * 8) + b"more").decode(),
        base64.b85encode(zlib.compress(b"x" * 8)[:-2]).decode(),
        base64.b85encode(b"no zlib at all").decode(),
        "~~~~~",
        "µ" * 10,
        '"',
    ],
)
def test_garbage_in_a_chunk_is_refused_and_takes_no_memory(data: str) -> None:
    from_base85(b"0")
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="does not unpack") as caught:
            unpack(data, 8)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(data) + 100_000
    finally:
        tracemalloc.stop()
    assert caught.value.wrong is Wrong.BAD_VALUE


def test_a_chunk_that_zlib_cannot_shrink_fits_a_line() -> None:
    raw = os.urandom(CHUNK_BYTES)
    about = {"offset": MAX_BYTES, "bytes": CHUNK_BYTES, "data": packed(raw)}
    line = encode(2**53, "command", pack({"command": "model", "action": "chunk", **about}))
    assert len(line) <= MAX_CHUNK_LINE
    assert parse(line[:-1]).arguments == about


# -- the file


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_order_of_chunks_gives_the_prefix_that_came_in_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = data.draw(st.binary(min_size=1, max_size=80))
    folder = tmp_path_factory.mktemp("store")
    upload = Upload(folder)
    assert upload.begin(len(whole), digest(whole)) == (0, 0)
    have = 0
    for _ in range(data.draw(st.integers(0, 40))):
        if data.draw(st.integers(0, 9)) == 0:  # the monitor is killed
            upload = Upload(folder)
            assert upload.begin(len(whole), digest(whole)) == (have, zlib.crc32(whole[:have]))
        offset = data.draw(st.integers(0, len(whole)) | st.just(have))
        raw = whole[offset : offset + data.draw(st.integers(1, 20))]
        if not raw:
            continue
        wanted = upload.chunk(offset, len(raw), packed(raw))
        have += len(raw) if offset == have else 0
        assert wanted == have
        assert (folder / PART).read_bytes() == whole[:have]
    if have == len(whole):
        assert upload.whole(digest(whole)).read_bytes() == whole
    else:
        with pytest.raises(ProtocolError, match="not uploaded whole"):
            upload.whole(digest(whole))
    assert {path.name for path in folder.iterdir()} <= {PART, ABOUT}


def test_another_bundle_starts_over_and_the_same_one_goes_on(tmp_path: Path) -> None:
    upload = Upload(tmp_path / "models" / "deep")  # is made
    one, two = b"one bundle", b"another bundle"
    upload.begin(len(one), digest(one))
    upload.chunk(0, 4, packed(one[:4]))
    assert upload.begin(len(one), digest(one)) == (4, zlib.crc32(b"one "))
    assert upload.begin(len(two), digest(two)) == (0, 0)
    assert upload.begin(len(one), digest(one)) == (0, 0)
    upload.chunk(0, len(one), packed(one))
    assert upload.begin(len(one), digest(one)) == (len(one), zlib.crc32(one))
    assert upload.begin(len(one), digest(one), keep=False) == (0, 0)


@pytest.mark.parametrize("about", [b"", b"[]", b"{", b"[" * 150, b"\xff", b'{"bytes":3}', None])
def test_a_damaged_note_of_the_upload_starts_over(tmp_path: Path, about: bytes | None) -> None:
    upload = Upload(tmp_path)
    upload.begin(8, digest(b"12345678"))
    upload.chunk(0, 8, packed(b"12345678"))
    if about is None:
        (tmp_path / ABOUT).unlink()
    else:
        (tmp_path / ABOUT).write_bytes(about)
    upload = Upload(tmp_path)
    with pytest.raises(ProtocolError, match="not uploaded whole"):
        upload.whole(digest(b"12345678"))
    assert upload.begin(8, digest(b"12345678")) == (0, 0)


def test_no_chunk_without_a_begin_nor_beyond_the_end(tmp_path: Path) -> None:
    upload = Upload(tmp_path)
    with pytest.raises(ProtocolError) as caught:
        upload.chunk(0, 1, packed(b"x"))
    assert caught.value.wrong is Wrong.NO_UPLOAD
    upload.begin(3, digest(b"123"))
    with pytest.raises(ProtocolError, match="3 bytes, not more"):
        upload.chunk(0, 4, packed(b"1234"))
    assert list(tmp_path.iterdir()) != []
    assert (tmp_path / PART).read_bytes() == b""


def test_a_link_in_the_place_of_the_upload_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "models", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(b"precious")
    upload = Upload(folder)
    about = 2000, digest(b"y" * 2000)
    upload.begin(*about)
    (folder / PART).unlink()
    (folder / PART).symlink_to(outside)
    with pytest.raises(ProtocolError, match="cannot write"):
        upload.chunk(upload.chunk(1999, 1, packed(b"y")), 1, packed(b"y"))
    assert upload.begin(*about) == (0, 0)
    assert upload.chunk(0, 1, packed(b"y")) == 1
    assert outside.read_bytes() == b"precious"


def test_a_file_that_is_not_the_upload_any_more_is_not_added_to(tmp_path: Path) -> None:
    upload = Upload(tmp_path)
    upload.begin(3, digest(b"123"))
    (tmp_path / PART).write_bytes(b"longer")
    with pytest.raises(ProtocolError, match="begin one"):
        upload.chunk(0, 1, packed(b"1"))
    assert upload.begin(3, digest(b"123")) == (0, 0)


def test_room_is_looked_for_before_the_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "free_bytes", lambda folder: 3 << 20)
    upload = Upload(tmp_path)
    with pytest.raises(ProtocolError, match=r"needs 5120 KiB .*, 3072 KiB are free; make room"):
        upload.begin(2 << 20, digest(b""))
    upload.begin(1 << 20, digest(b""))


def test_a_disk_that_takes_no_more_keeps_what_came(tmp_path: Path) -> None:
    upload = Upload(tmp_path)
    whole = b"123456789"
    upload.begin(9, digest(whole))
    upload.chunk(0, 3, packed(b"123"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, before[1]))  # the kernel's own short write
    try:
        with pytest.raises(ProtocolError, match=r"File too large; .* is kept") as caught:
            upload.chunk(3, 6, packed(whole[3:]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.wrong is Wrong.FAILED
    assert Upload(tmp_path).begin(9, digest(whole)) == (5, zlib.crc32(whole[:5]))
    assert upload.chunk(3, 6, packed(whole[3:])) == 5
    assert upload.chunk(5, 4, packed(whole[5:])) == 9
    assert upload.whole(digest(whole)).read_bytes() == whole


# -- over the line


def upload_whole(line: Line, data: bytes = DATA) -> None:
    with remote_of(line) as remote:
        done: list[int] = []
        remote.upload(data, lambda sent, total: done.append(sent))
        assert (done[-1], done) == (len(data), sorted(done))
    assert line.store.folder is not None
    assert (line.store.folder / PART).read_bytes() == data


def test_the_default_bundle_arrives_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    line = Line(tmp_path)
    upload_whole(line)
    assert bytes_sent(line) == len(DATA)
    assert len(commands(line)) == CHUNKS + 1
    for message in commands(line):
        VALIDATOR.validate(message)
    upload_whole(line)  # it is there already
    assert len(commands(line)) == CHUNKS + 2


@pytest.mark.parametrize("tty_bytes", [1000, 4096])
@pytest.mark.parametrize(("baud", "seconds"), [(921_600, 7.5), (115_200, 60.0)])
def test_the_line_is_kept_full_and_results_come_every_second(
    tmp_path: Path, baud: int, seconds: float, tty_bytes: int
) -> None:
    line = Line(tmp_path, baud, tty_bytes=tty_bytes)
    with remote_of(line, baud) as remote:
        begun = line.now_s
        remote.upload(DATA)
        took = line.now_s - begun
    least = sum(map(len, line.sent)) * 10 / baud
    assert took < seconds
    assert took < 1.1 * least  # the line is idle for less than a tenth
    gaps = [b - a for a, b in zip(line.results_at, line.results_at[1:], strict=False)]
    assert len(gaps) > took - 3
    assert max(gaps) < 1.3


class EveryFourth:
    """Cuts the line at each fourth chunk, once: where ``place`` of it has passed."""

    def __init__(self, way: str, passes: float, event: str, phase: int) -> None:
        self._way, self._what = way, (passes, event)
        self._left = {k * CHUNK_BYTES for k in range(phase, CHUNKS + 1, 4)}
        if way == "down":
            self._left -= {CHUNKS * CHUNK_BYTES}
        else:
            self._left -= {0}
            self._left = {min(end, len(DATA)) for end in self._left}
        self.wanted = len(self._left)

    def __call__(self, way: str, line: bytes) -> tuple[float, str] | None:
        if way != self._way or b'"action":"chunk"' not in line:
            return None
        offset = decode(line[:-1], crc_required=True)["offset"]
        if offset not in self._left:
            return None
        self._left.remove(offset)
        return self._what


@pytest.mark.parametrize("event", ["cable", "pulled", "kill"])
@pytest.mark.parametrize("passes", [0.0, 0.5, 1.0], ids=["before", "within", "after"])
@pytest.mark.parametrize("way", ["down", "up"])
def test_cut_at_every_line_of_the_upload(
    tmp_path: Path, way: str, passes: float, event: str
) -> None:
    cuts = 0
    for phase in range(4):
        where = EveryFourth(way, passes, event, phase)
        line = Line(tmp_path / str(phase), cut=where)
        upload_whole(line)
        assert line.cuts == where.wanted
        assert bytes_sent(line) - len(DATA) <= line.cuts * WINDOW * CHUNK_BYTES
        cuts += line.cuts
    assert cuts == CHUNKS


@pytest.mark.parametrize("event", ["cable", "pulled", "kill"])
@pytest.mark.parametrize("passes", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("way", ["down", "up"])
def test_cut_at_the_beginning(tmp_path: Path, way: str, passes: float, event: str) -> None:
    left = [(passes, event)]

    def cut(of: str, line: bytes) -> tuple[float, str] | None:
        return left.pop() if left and of == way and b'"action":"begin"' in line else None

    line = Line(tmp_path, cut=cut)
    upload_whole(line, DATA[:50_000])
    assert line.cuts == 1


def test_a_killed_monitor_is_not_waited_for(tmp_path: Path) -> None:
    line = Line(tmp_path, cut=EveryFourth("down", 0.5, "kill", 3))
    upload_whole(line)
    assert line.cuts == CHUNKS // 4
    assert line.now_s < 1.0 + 0.25 * line.cuts  # it says itself that it knows of no upload


def damage(line: Line, hits: Callable[[int, bytes], bool]) -> None:
    """A noisy cable: one bit of each line down for which ``hits`` says so."""
    real, count = line.put, 0

    def put(way: str, data: bytes) -> None:
        nonlocal count
        count += way == "down"
        if way == "down" and hits(count, data):
            at = count * 37 % len(data)
            line.sent.append(data)
            line._written["down"] += data[:at] + bytes([data[at] ^ 1 << count % 8]) + data[at + 1 :]
        else:
            real(way, data)

    line.put = put  # type: ignore[method-assign]


@pytest.mark.parametrize("every", [4, 7, 20])
def test_noise_on_the_cable_costs_a_window_at_most(tmp_path: Path, every: int) -> None:
    line = Line(tmp_path)
    damage(line, lambda count, data: count % every == 0)
    upload_whole(line)
    hits = len(line.sent) // every
    assert bytes_sent(line) - len(DATA) <= (hits + 1) * WINDOW * CHUNK_BYTES


def test_a_line_that_damages_every_chunk_is_given_up(tmp_path: Path) -> None:
    line = Line(tmp_path)
    damage(line, lambda count, data: b'"chunk"' in data)
    with pytest.raises(RemoteError, match="does not get on; check the cable"):
        upload_whole(line)


def test_bytes_that_a_power_cut_damaged_are_sent_again(tmp_path: Path) -> None:
    line = Line(tmp_path)
    upload_whole(line)
    part = tmp_path / PART
    part.write_bytes(bytes(4096) + DATA[4096:300_000])
    upload_whole(line)
    begins = [m["keep"] for m in commands(line) if m["action"] == "begin"]
    assert begins == [True, True, False]


def test_no_upload_while_an_installer_reads_it(tmp_path: Path) -> None:
    line = Line(tmp_path)
    upload_whole(line)
    line.store.busy = True
    with remote_of(line) as remote, pytest.raises(RuntimeError, match="an install is running"):
        remote.upload(DATA[:-1])
    assert (tmp_path / PART).read_bytes() == DATA


def test_a_flood_of_chunks_does_a_bounded_amount_of_work_and_lets_results_pass(
    tmp_path: Path,
) -> None:
    line = Line(tmp_path, 115_200)
    with remote_of(line, 115_200) as remote:
        remote._ask("begin", bytes=9, sha256=digest(b""), keep=True)
    tiny = encode(7, "command", pack({"command": "model", "action": "chunk", "offset": 9,
                                      "bytes": 1, "data": packed(b"x")}))  # fmt: skip
    before, begun = line.link.counters.received, line.now_s
    line._arrived["down"] = tiny * 10_000
    line.tick()
    assert line.link.counters.received - before <= READ_BYTES // len(tiny)
    while line.now_s < begun + 20:
        line.tick()
    assert 0 < line.link.counters.received - before <= CHUNK_BURST + 20 * CHUNKS_PER_S
    assert line.link.counters.rejected > 5000
    assert len(line.results_at) >= 19
    assert line.link.dropped == 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_garbled_chunk_lines_never_get_in(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Any members of any kind, with a right CRC: refused with a reason, or taken as they should."""
    folder = tmp_path_factory.mktemp("store")
    line = Line(folder)
    whole = b"the whole bundle"
    with remote_of(line) as remote:
        remote._ask("begin", bytes=len(whole), sha256=digest(whole), keep=True)
        for _ in range(5):
            body: dict[str, Any] = {
                "offset": data.draw(st.integers(-2, 20) | st.none() | st.text(max_size=3)),
                "bytes": data.draw(st.integers(-2, 20) | st.floats(0, 9)),
                "data": data.draw(st.just(packed(whole[:4])) | st.text(max_size=30)),
                **data.draw(st.dictionaries(st.sampled_from(["who", "path", "sha256"]), st.none())),
            }
            line.put(
                "down", encode(5, "command", pack({"command": "model", "action": "chunk", **body}))
            )
            line.tick()
            line.tick()
        there = (folder / PART).read_bytes()
        assert there in (b"", whole[:4])
    assert {path.name for path in folder.iterdir()} == {PART, ABOUT}
