"""``lead12 model`` as a technician types it, on this machine: what is said, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from device.flash.install import Refused
from tests.device.bundle_kit import EMBEDDED, KEYRING, signed_bundle, unsigned_bundle
from tests.tools.test_classify import lead12
from tools.keys_cli import PASSPHRASE

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
    stages = [line.partition(":")[0] for line in lines[1:-1]]
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
    assert log[-1] == "the log is whole: no entry was changed, removed or cut off"


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
    assert entries[-1]["hash"] == lines[-1]["head"]
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
    assert after == before
    assert bench.model("log").count("refuse") == 2


def test_verify_changes_nothing(bench: Bench) -> None:
    out = bench.model("verify", bench.file("m.l12", signed_bundle("2.1.1")))
    assert "rhythm-2.1.1 may be installed: signed by" in out
    assert "rhythm-2.1.1" not in bench.model("list")
    assert "cannot be read" in bench.model("verify", bench.folder / "absent.l12", code=1)


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
