"""Which lines are keyed, and which key files are taken: what is wrong leaves the line read-only."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device.config import Config, ConfigError, load
from device.config_sections import MADE_UP
from device.link.access import KeyFileError, gate, keyed, read_key
from device.link.protocol import encode, pack
from device.link.session import Access
from hal.backends import BACKENDS
from hal.frontend import FrameBlock, FrontendInfo
from tests.device.bedside import Bedside, until_all
from tests.device.keyed import KEY
from tests.tools.test_doctor import found
from tools.line_session import LineSession


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "serial.key"
    path.write_text(KEY.hex() + "\n")
    path.chmod(0o640)
    return path


@pytest.mark.parametrize("backend", [*BACKENDS, "one that comes later"])
def test_a_line_is_keyed_unless_nobody_is_on_the_electrodes(backend: str) -> None:
    config = Config()
    assert keyed(config.override({"frontend.backend": backend})) == (backend not in MADE_UP)
    for access in ("open", "keyed"):
        said = config.override({"frontend.backend": backend, "serial.access": access})
        assert keyed(said) == (access == "keyed")


def test_the_line_of_a_patient_is_not_on_the_network() -> None:
    real = {"frontend.backend": "ads1298"}
    for port in ("socket://10.0.0.1:99", "rfc2217://x:1"):
        assert Config().override({"serial.port": port}).serial.port == port
        with pytest.raises(ConfigError, match=r"serial\.port must not be on the network"):
            Config().override({"serial.port": port, **real})


def test_a_key_file_is_relative_to_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "lead12.toml"
    file.write_text('[serial]\nkey_file = "my.key"\n')
    assert load(file).serial.key_file == str(tmp_path / "my.key")
    file.write_text("")
    assert load(file).serial.key_file == Config().serial.key_file == "/etc/lead12/serial.key"
    file.write_text('[serial]\nkey_file = ""\n')
    with pytest.raises(ConfigError, match="key_file must name a file"):
        load(file)


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
@pytest.mark.parametrize("text", [KEY.hex(), KEY.hex() + "\n", KEY.hex().upper() + "\r\n"])
def test_a_sound_key_is_read(key_file: Path, mode: int, text: str) -> None:
    key_file.chmod(0o600)
    key_file.write_text(text)
    key_file.chmod(mode)
    assert read_key(key_file) == KEY


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o641, 0o740, 0o666, 0o604])
def test_a_key_that_others_may_read_or_write_is_none(key_file: Path, mode: int) -> None:
    key_file.chmod(mode)
    with pytest.raises(KeyFileError, match=r"is open to others; make a new key, and: chmod 640"):
        read_key(key_file)


@pytest.mark.parametrize(
    "text",
    ["", "\n", KEY.hex()[:-1], KEY.hex() + "0", "z" * 64, f"0x{KEY.hex()}", " " + KEY.hex(),
     "\u0660" * 64, KEY.hex() + "\n" + KEY.hex(), "0" * 9999],
)  # fmt: skip
def test_what_is_not_64_digits_is_no_key(key_file: Path, text: str) -> None:
    key_file.write_text(text)
    with pytest.raises(KeyFileError, match=r"does not hold 64 digits.*; openssl rand -hex 32 \|"):
        read_key(key_file)


def test_what_is_no_file_is_no_key_and_holds_nobody_up(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"serial.key: No such file or directory; openssl rand"):
        read_key(tmp_path / "serial.key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for other in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyFileError, match="is not a file; name the key's file"):
            read_key(other)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_none(key_file: Path) -> None:
    os.chown(key_file, 12345, -1)
    with pytest.raises(KeyFileError, match="belongs to another user; chown root"):
        read_key(key_file)


@pytest.mark.parametrize(
    ("access", "text", "expected"),
    [
        ("open", "", Access.OPEN),
        ("keyed", KEY.hex(), Access.KEYED),
        ("keyed", "", Access.READ_ONLY),
    ],
)
def test_a_line_without_a_usable_key_is_read_only_never_open(
    key_file: Path, access: str, text: str, expected: Access
) -> None:
    key_file.write_text(text)
    config = Config().override({"serial.access": access, "serial.key_file": str(key_file)})
    assert gate(config).access is expected
    assert bool(gate(config).fault(0)) == (expected is Access.READ_ONLY)


def test_doctor_says_who_may_change_something(key_file: Path) -> None:
    keyed = {"serial.port": "pty", "serial.access": "keyed", "serial.key_file": str(key_file)}
    assert found({})["serial key"].evidence == "no port is configured"
    assert "everybody" in found({"serial.port": "pty"})["serial key"].evidence
    assert found(keyed)["serial key"].evidence == f"changes need the key in {key_file}"
    key_file.chmod(0o644)
    check = found(keyed)["serial key"]
    assert not check.ok
    assert check.evidence == f"the line is read-only: {key_file} is open to others"
    assert check.act == f"make a new key, and: chmod 640 {key_file}"


# -- the monitor


def signed(session: LineSession, body: dict[str, Any]) -> bytes:
    return session.encode(7, body)


def test_a_monitor_with_a_key_obeys_a_session(
    bedside: Bedside, signal_20s: tuple[FrontendInfo, FrameBlock], key_file: Path
) -> None:
    session = LineSession(KEY)

    def scenario() -> Iterator[Any]:
        host = bedside.hosts[0]
        yield bedside.until("hello", access="keyed")
        host.write(b'{"type":"command","command":"set","setting":"lead","value":"V1"}\n')
        yield bedside.until("error", reason="no_session")
        host.write(encode(1, "command", pack(session.begin)))
        yield bedside.until("reply", action="begin")
        host.write(encode(2, "command", pack(session.prove(host.of("reply")[-1]))))
        yield bedside.until("reply", action="prove")
        host.write(signed(session, {"command": "set", "setting": "lead", "value": "V1"}))
        yield bedside.until("reply", re=7, value="V1")
        host.write(encode(8, "command", pack({"command": "info"})))
        yield bedside.until("reply", re=8)

    bedside.monitor(**{"serial.access": "keyed", "serial.key_file": str(key_file)}).run(
        until_all(scenario())
    )
    bedside.hosts[0].read()
    assert bedside.hosts[0].of("hello")[-1]["settings"]["lead"] == "V1"
    assert bedside.hosts[0].of("event", event="fault", part="serial") == []
    assert KEY.hex() not in str(bedside.hosts[0].messages)


def test_a_monitor_without_a_key_says_why_and_reads_on(bedside: Bedside, key_file: Path) -> None:
    key_file.unlink()

    def scenario() -> Iterator[Any]:
        yield bedside.until("event", event="fault", part="serial")
        bedside.hosts[0].write(b'{"type":"command","command":"record"}\n')
        yield bedside.until("error", reason="read_only")

    bedside.monitor(**{"serial.access": "keyed", "serial.key_file": str(key_file)}).run(
        until_all(scenario())
    )
    host = bedside.hosts[0]
    (fault,) = host.of("event", event="fault", part="serial")
    assert fault["text"].startswith(f"serial line is read-only: {key_file}: No such file")
    assert fault["text"].endswith("then start the monitor again")
    assert host.of("hello")[0]["access"] == "read_only"


def test_a_lock_is_a_fault_that_ends(bedside: Bedside, key_file: Path) -> None:
    """Said once on the line and in the journal when it begins, and once when it is over."""
    monitor = bedside.monitor(**{"serial.access": "keyed", "serial.key_file": str(key_file)})
    gate = monitor._instrument.link.gate

    def scenario() -> Iterator[Any]:
        yield bedside.until("hello")
        gate._locked_s, gate._locked_until_ns = 30, 1 << 62
        yield bedside.until("event", event="fault", part="serial")
        gate._locked_until_ns = 0
        yield bedside.until("event", event="fault", part="serial", text="")

    monitor.run(until_all(scenario()))
    began, ended = bedside.hosts[0].of("event", event="fault", part="serial")
    assert began["text"].startswith("serial line: 5 wrong keys, so no session for 30 s")
    assert ended["text"] == ""


def test_a_key_of_roots_group_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("device.link.access.os.open", denied)
    path = Path("/etc/lead12/serial.key")
    with pytest.raises(KeyFileError) as refused:
        read_key(path)
    assert str(refused.value).endswith(f"; sudo chown root:lead12 {path}; sudo chmod 640 {path}")
    with pytest.raises(KeyFileError, match="this user's group"):
        read_key(Path("/home/me/serial.key"))
