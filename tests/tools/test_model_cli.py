"""``lead12 model`` as a technician types it, on this machine: what is said, and the exit code."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from device.flash.install import Refused
from tests.device.bundle_kit import EMBEDDED, KEYRING, signed_bundle, unsigned_bundle
from tests.tools.test_classify import lead12
from tools import model_cli
from tools.passphrase import PASSPHRASE

Capture = pytest.CaptureFixture[str]


class Bench:
    """A device's settings and store, and the command."""

    def __init__(self, folder: Path, capture: Capture) -> None:
        self.folder, self._capture = folder, capture
        self.store = folder / "models"
        self.config = folder / "lead12.toml"
        self.settings()
        self.keyring = self.file("keyring.json", KEYRING.to_json())

    def settings(self, more: str = "") -> None:
        self.config.write_text(f'[model]\nstore = "{self.store}"\n{more}')

    def file(self, name: str, data: bytes) -> Path:
        (self.folder / name).write_bytes(data)
        return self.folder / name

    def model(self, *arguments: object, code: int = 0) -> str:
        """Standard output of ``lead12 model ... --config``; a failure is one line, and given."""
        ended, out, err = lead12(self._capture, "model", *arguments, "--config", self.config)
        assert ended == code, (arguments, out, err)
        assert "Traceback" not in err
        if code:
            assert len(err.strip().splitlines()) == 1
            return err.strip()
        return out


@pytest.fixture
def bench(tmp_path: Path, capsys: Capture) -> Bench:
    """A device that trusts the test keys."""
    made = Bench(tmp_path, capsys)
    made.model("keys", "trust", made.keyring, "--as", "tester")
    return made


def test_a_new_device_says_what_it_runs_and_that_it_takes_nothing(tmp_path: Path, capsys: Capture):
    new = Bench(tmp_path, capsys)
    out = new.model("list")
    assert "embedded  rhythm-2.1  active" in out
    assert "no keyring (lead12 model keys trust FILE)" in out
    said = new.model("install", new.file("m.l12", signed_bundle()), code=1)
    assert said.endswith("give it a keyring (lead12 model keys trust FILE)")


def test_install_list_confirm_rollback_log(bench: Bench) -> None:
    out = bench.model("install", bench.file("m.l12", signed_bundle("2.1.1")), "--as", "Ada")
    lines = out.splitlines()
    assert lines[0].startswith("rhythm-2.1.1, 466208 bytes of network; call: right 97.3%")
    assert lines[1] == f"into {bench.store}"
    stages = [line.partition(":")[0] for line in lines[2:-1]]
    assert stages == ["check", "signature", "write", "self-test", "switch"]
    assert "on trial" in lines[-1]
    assert "after 30 windows" in lines[-1]

    listed = bench.model("list")
    assert "a         rhythm-2.1.1  on trial, start 0 of 3  0        maker 1" in listed
    assert (
        "takes models of production keys, security counter 0 or higher; keyring version 1" in listed
    )

    assert bench.model("confirm", "--as", "Ada") == "rhythm-2.1.1 is confirmed\n"
    assert "rhythm-2.1.1  active" in bench.model("list")
    assert bench.model("rollback", "--as", "Ada") == "back to rhythm-2.1\n"
    assert "rhythm-2.1.1  kept" in bench.model("list")
    said = bench.model("rollback", code=1)
    assert said == "lead12: the embedded model is in use; there is none to go back to"
    assert bench.model("confirm", code=1) == "lead12: no model is on trial"

    log = bench.model("log", "--verify").splitlines()
    assert [line.split()[3:5] for line in log[:-1]] == [
        ["tester", "trust:"],
        ["Ada", "install"],
        ["Ada", "confirm"],
        ["Ada", "rollback"],
    ]
    head = json.loads(bench.model("list", "--json"))["head"]
    assert log[-1] == f"the log is whole: 4 entries, the last is {head[:16]}"


def test_json_for_programs(bench: Bench) -> None:
    file = bench.file("m.l12", signed_bundle("2.1.1"))
    lines = [json.loads(line) for line in bench.model("install", file, "--json").splitlines()]
    assert all(set(line) == {"stage", "text"} for line in lines[:-1])
    assert lines[-1]["outcome"] == "installed"
    assert lines[-1]["model"] == "rhythm-2.1.1"
    listed = json.loads(bench.model("list", "--json"))
    assert (listed["running"], listed["state"]) == ("a", "trial")
    assert json.loads(bench.model("info", "--json"))["accuracy"]["call"]["macro_f1"] == 0.8979
    entries = [json.loads(line) for line in bench.model("log", "--json").splitlines()]
    assert entries[-1]["hash"] == lines[-1]["head"] == listed["head"]
    checked = bench.model("log", "--verify", "--json").splitlines()[-1]
    assert json.loads(checked) == {"entries": 2, "head": listed["head"], "findings": []}
    assert [json.loads(line)["ok"] for line in bench.model("verify", "--json").splitlines()]


def test_a_refusal_is_a_sentence_and_changes_nothing(bench: Bench) -> None:
    before = json.loads(bench.model("list", "--json"))
    said = bench.model("install", bench.file("m.l12", unsigned_bundle()), code=1)
    assert said == (
        "lead12: refused: rhythm-2.1-test is not signed; have it signed (lead12 model sign)"
    )
    code, out, _ = lead12(bench._capture, "model", "install", bench.folder / "m.l12", "--json",
                          "--config", bench.config)  # fmt: skip
    assert code == 1
    assert json.loads(out.splitlines()[-1])["reason"] == Refused.UNSIGNED
    after = json.loads(bench.model("list", "--json"))
    assert after.pop("log")["n"] == before.pop("log")["n"] + 2
    assert after.pop("head") != before.pop("head")
    assert after == before
    assert bench.model("log").count("refuse") == 2


def test_a_store_without_a_keyring_is_whole_and_takes_nothing(
    tmp_path: Path, capsys: Capture
) -> None:
    lines = Bench(tmp_path, capsys).model("verify").splitlines()
    assert any(line.endswith("keyring, none: no model can be installed") for line in lines)


def test_a_line_rate_that_is_none_is_refused(capsys: Capture) -> None:
    for command in (("model", "list", "--port"), ("listen",)):
        code, out, err = lead12(capsys, *command, "/dev/ttyNONE", "--baud", "0")
        assert (code, out) == (2, "")
        assert "19200" in err


def test_verify_changes_nothing(bench: Bench) -> None:
    out = bench.model("verify", bench.file("m.l12", signed_bundle("2.1.1")))
    assert "rhythm-2.1.1 may be installed: signed by" in out
    assert "rhythm-2.1.1" not in bench.model("list")


@pytest.mark.parametrize("port", [(), ("--port", "/dev/ttyNONE")], ids=["here", "line"])
def test_a_file_that_is_no_bundle_for_sure_goes_nowhere(
    port: tuple[str, ...], bench: Bench
) -> None:
    os.mkfifo(bench.folder / "pipe.l12")
    for name, data, says in (
        ("absent.l12", None, "cannot be read (No such file or directory)"),
        ("pipe.l12", None, "cannot be read (not a plain file)"),
        ("", None, "cannot be read (not a plain file)"),
        ("empty.l12", b"", "is empty; copy it again"),
        (
            "film.l12",
            bytes(60_000_000),
            "has 60000000 bytes and a model at most 50331648; check that it is the right file",
        ),
    ):
        file = bench.folder / name if data is None else bench.file(name, data)
        for command in ("install", "verify"):
            assert bench.model(command, file, *port, code=1) == f"lead12: {file} {says}"
    assert bench.model("log").count("\n") == 1


@pytest.mark.parametrize("spoil", [lambda data: data[:9000], lambda data: data[:9000] + b"x" * 99])
def test_a_damaged_bundle_is_refused_before_the_line_in_the_devices_words(
    spoil: Callable[[bytes], bytes], bench: Bench
) -> None:
    file = bench.file("m.l12", spoil(signed_bundle("2.1.1")))
    said = bench.model("install", file, code=1)
    assert said.startswith("lead12: refused: not a model bundle, or a damaged one")
    for command in ("install", "verify"):
        assert bench.model(command, file, "--port", "/dev/ttyNONE", code=1) == said
    whole = bench.file("n.l12", unsigned_bundle())  # the signature is the device's to judge
    assert "/dev/ttyNONE cannot be opened" in bench.model(
        "install", whole, "--port", "/dev/ttyNONE", code=1
    )
    told = lead12(bench._capture, "model", "install", file, "--port", "/dev/ttyNONE", "--json")[1]
    assert json.loads(told)["reason"] == Refused.NOT_A_BUNDLE


def test_a_port_that_was_left_empty_is_not_this_machine(bench: Bench) -> None:
    for arguments in (("list",), ("rollback",), ("log",), ("install", bench.folder / "m.l12")):
        code, out, err = lead12(
            bench._capture, "model", *arguments, "--port", "", "--config", bench.config
        )
        assert (code, out) == (2, "")
        assert "no port was named" in err


def test_a_log_that_was_put_back_from_a_copy_is_found_by_a_hash_noted_before(bench: Bench) -> None:
    copy = bench.folder / "copy"
    shutil.copytree(bench.store, copy)
    bench.model("install", bench.file("m.l12", signed_bundle("2.1.1")))
    head = json.loads(bench.model("list", "--json"))["head"]
    assert "the log is whole: 2 entries" in bench.model("log", "--head", head)
    assert "the log is whole: 2 entries" in bench.model("log", "--verify", "--head", head[:16])
    shutil.rmtree(bench.store)
    shutil.copytree(copy, bench.store)
    assert "the log is whole: 1 entry, the last is" in bench.model("log", "--verify")
    code, out, _ = lead12(bench._capture, "model", "log", "--head", head, "--config", bench.config)
    assert code == 1
    assert out.splitlines()[-1].startswith(f"no entry has the hash {head[:16]}… that was noted")
    for wrong in ("", head[:15], "x" * 16):
        code, out, _ = lead12(bench._capture, "model", "log", f"--head={wrong}")
        assert (code, out) == (2, "")


def test_a_log_without_entries_says_so(tmp_path: Path, capsys: Capture) -> None:
    said = Bench(tmp_path, capsys).model("log", "--verify")
    assert said == "the log is whole: it has no entries yet\n"


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("write", "stopped; nothing was changed"),
        ("switch", "stopped after the switch; see lead12 model list"),
    ],
)
def test_ctrl_c_during_an_install_says_what_it_left(
    at: str, said: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench.file("m.l12", signed_bundle("2.1.1"))

    def printed(text: str, **_: object) -> None:
        if text.startswith(f"{at}:"):
            raise KeyboardInterrupt

    monkeypatch.setattr(model_cli, "print", printed, raising=False)
    assert bench.model("install", file, code=130) == f"lead12: {said}"
    monkeypatch.undo()
    assert ("on trial" in bench.model("list")) == (at == "switch")
    assert not (bench.store / "incoming.l12").exists()


def test_a_relative_store_is_beside_its_settings_wherever_one_stands(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.config.write_text('[model]\nstore = "models"\n')
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert "keyring version 1" in bench.model("list")
    said = bench.model("keys", "trust", bench.keyring)
    assert said.startswith(f"{bench.store} takes models of this keyring now:")
    assert list(elsewhere.iterdir()) == []


def test_verify_of_what_is_installed_finds_damage_and_edits(bench: Bench, capsys: Capture) -> None:
    bench.model("install", bench.file("m.l12", signed_bundle("2.1.1")))
    bench.model("confirm")
    whole = ["ok    state", "ok    keyring", "ok    a, rhythm-2.1.1", "ok    log"]
    assert bench.model("verify").splitlines() == whole
    slot = bench.store / "a.l12"
    slot.write_bytes(slot.read_bytes()[:-1])
    log = bench.store / "audit.log"
    log.write_text(log.read_text().replace("tester", "nobody"))
    for arguments in (("verify",), ("log", "--verify")):
        code, out, _ = lead12(capsys, "model", *arguments, "--config", bench.config)
        assert code == 1
        assert "line 1 was changed" in out
        assert arguments[0] == "log" or "FAIL  a, rhythm-2.1.1: slot a" in out


def test_keys_from_nothing_to_a_model_on_trial(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    device = Bench(tmp_path, capsys)
    keys, out = tmp_path / "keys", tmp_path / "out.l12"

    def typed(*arguments: object) -> tuple[int, str, str]:
        return lead12(capsys, "model", *arguments)

    assert typed("keys", "new", keys, "--name", "workshop")[0] == 0
    device.model("keys", "trust", keys / "keyring.json")
    source = device.file("in.l12", EMBEDDED)
    sign = ("sign", source, "--keys", keys, "-o", out, "--release", "2.1.1", "--counter", 1)
    code, said, _ = typed(*sign)
    assert code == 0
    assert "out.l12: rhythm-2.1.1, security counter 1" in said
    assert "on trial" in device.model("install", out)
    device.model("confirm")
    assert "security counter 1 or higher" in device.model("list")

    signer = json.loads(typed("keys", "show", keys, "--json")[1].splitlines()[1])["id"]
    assert typed("keys", "rotate", keys)[0] == 0
    assert typed("keys", "rotate", keys, "--root")[0] == 0
    assert typed("keys", "revoke", keys, signer, "--reason", "laptop stolen")[0] == 0
    shown = typed("keys", "show", keys)[1]
    assert "keyring version 4" in shown
    assert "revoked since " in shown
    device.model("keys", "trust", keys / "keyring.json")
    assert "may not run" in device.model("list")
    said = device.model("install", out, code=1)
    assert "revoked" in said
    assert "laptop stolen" in said

    monkeypatch.setenv(PASSPHRASE, "wrong")
    code, _, err = typed(*sign)
    assert (code, len(err.splitlines())) == (1, 1)
    assert "the passphrase is wrong" in err


def test_a_full_disk_leaves_no_half_of_a_signed_model(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, source, out = tmp_path / "keys", tmp_path / "in.l12", tmp_path / "out.l12"
    assert lead12(capsys, "model", "keys", "new", keys, "--name", "me")[0] == 0
    source.write_bytes(EMBEDDED)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    sign = ("model", "sign", source, "--keys", keys, "-o", out)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, _, err = lead12(capsys, *sign)
    assert (code, err) == (
        1,
        f"lead12: {out}: No space left on device; make room, and do it again\n",
    )
    assert {path.name for path in tmp_path.iterdir()} == {"keys", "in.l12"}
    assert lead12(capsys, *sign)[0] == 0
    assert out.stat().st_mode & 0o777 == 0o644  # for the device's user, too


def test_development_keys_need_a_device_that_says_so(tmp_path: Path, capsys: Capture) -> None:
    device = Bench(tmp_path, capsys)
    keys, out = tmp_path / "keys", tmp_path / "out.l12"
    assert lead12(capsys, "model", "keys", "new", keys, "--development", "--name", "me")[0] == 0
    device.model("keys", "trust", keys / "keyring.json")
    source = device.file("in.l12", EMBEDDED)
    assert lead12(capsys, "model", "sign", source, "--keys", keys, "-o", out)[0] == 0
    assert "takes production keys only" in device.model("install", out, code=1)
    device.settings('trust = "development"\n')
    assert "on trial" in device.model("install", out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("install", "absent.l12"), "absent.l12 cannot be read"),
        (("info", "absent.l12"), "absent.l12 cannot be read"),
        (("list", "--port", "/dev/ttyNONE"), "/dev/ttyNONE cannot be opened"),
        (("list", "--config", "absent.toml"), "absent.toml: cannot be read"),
        (("keys", "show", "absent"), "absent: No such file"),
        (("keys", "trust", "absent"), "absent cannot be read"),
        (("sign", "absent.l12", "--keys", "k", "-o", "o"), "absent.l12 cannot be read"),
    ],
)
def test_what_is_not_there_is_one_line(arguments: tuple[str, ...], said: str, capsys: Capture):
    code, out, err = lead12(capsys, "model", *arguments)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert said in err


def test_the_card_of_a_file_and_of_what_is_in_use(bench: Bench) -> None:
    bench.model("install", bench.file("m.l12", signed_bundle("2.1.1")))
    assert bench.model("info").startswith("# rhythm 2.1\n")
    assert bench.model("info", bench.folder / "m.l12").startswith("# rhythm 2.1\n")
