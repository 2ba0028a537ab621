"""login, logout, whoami, context: what is kept, where, and for how long."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import PASSWORD, StandinController


def test_login_keeps_a_context_that_only_the_user_can_read(bdc: Run, logged_in: StandinController, home: Path) -> None:
    file = home / "config" / "contexts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    stored = json.loads(file.read_text())
    assert stored["active"] == "demo"
    assert stored["contexts"]["demo"]["token"] == "token-1"


def test_the_password_is_nowhere(bdc: Run, logged_in: StandinController, home: Path) -> None:
    for folder, _, files in os.walk(home):
        for name in files:
            assert PASSWORD.encode() not in (Path(folder) / name).read_bytes()


def test_wrong_password(bdc: Run, controller: StandinController, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("BDC_PASSWORD", "wrong-password")
    outcome = bdc("login", "-e", controller.url, "-u", "admin")
    assert outcome.code == 4
    assert "name or password is wrong" in outcome.err
    assert "wrong-password" not in outcome.err
    assert not (home / "config" / "contexts.json").exists()


def test_no_password_and_no_terminal(bdc: Run, controller: StandinController) -> None:
    outcome = bdc("login", "-e", controller.url)
    assert outcome.code == 4
    assert "BDC_PASSWORD" in outcome.err


@pytest.mark.parametrize("url", ["ftp://x", "http://user:pw@x", "nonsense", "http://x:notaport"])
def test_an_address_that_is_none(bdc: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_PASSWORD", "p")
    outcome = bdc("login", "-e", url)
    assert outcome.code == 1
    assert outcome.err.startswith("bdc: error: ")


def test_nobody_answers(bdc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_PASSWORD", "p")
    outcome = bdc("login", "-e", "http://127.0.0.1:1")
    assert outcome.code == 3
    assert "127.0.0.1:1 does not answer" in outcome.err


def test_commands_need_a_login(bdc: Run) -> None:
    outcome = bdc("status")
    assert (outcome.code, outcome.out) == (4, "")
    assert "bdc login" in outcome.err


def test_an_expired_session_says_so(bdc: Run, controller: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.expires_in = -1
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    assert bdc("login", "-e", controller.url).code == 0
    outcome = bdc("status")
    assert outcome.code == 4
    assert "expired" in outcome.err
    assert "bdc login" in outcome.err


def test_a_token_that_the_controller_no_longer_takes(bdc: Run, logged_in: StandinController) -> None:
    logged_in.token = "token-2"
    outcome = bdc("whoami")
    assert outcome.code == 4
    assert "request: r-1" in outcome.err


def test_access_tokens_are_renewed_and_kept(bdc: Run, controller: StandinController, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    controller.access_seconds = 1
    assert bdc("login", "-e", controller.url).code == 0
    assert bdc("whoami").code == 0
    assert bdc("whoami").code == 0
    assert controller.renewals == 2
    controller.access_seconds = 1800
    assert bdc("whoami").code == 0
    assert bdc("whoami").code == 0
    assert controller.renewals == 3, "a token that is good is used again"
    assert json.loads((home / "config" / "contexts.json").read_text())["contexts"]["demo"]["refresh"] == "refresh-3"


def test_a_copied_refresh_token_asks_for_a_new_login(bdc: Run, controller: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    controller.access_seconds = 1
    assert bdc("login", "-e", controller.url).code == 0
    controller.renewals = 7
    outcome = bdc("whoami")
    assert outcome.code == 4
    assert "used twice" in outcome.err


def test_logout_ends_the_login_at_the_controller(bdc: Run, logged_in: StandinController) -> None:
    assert bdc("logout").code == 0
    assert logged_in.token == "ended"
    assert ("DELETE", "/api/v1/token", None) in logged_in.requests


def test_logout_without_a_controller_forgets_all_the_same(bdc: Run, controller: StandinController, home: Path, logged_in: object) -> None:
    file = home / "config" / "contexts.json"
    file.write_text(file.read_text().replace(controller.url, "http://127.0.0.1:1"))
    outcome = bdc("logout")
    assert outcome.code == 0
    assert "was not told" in outcome.out
    assert "token-1" not in file.read_text()


def test_whoami_and_logout(bdc: Run, logged_in: StandinController) -> None:
    assert bdc("whoami", "-o", "json").json["name"] == "admin"
    assert bdc("logout").code == 0
    assert bdc("whoami").code == 4
    assert "logged out" in bdc("context", "list").out


def test_contexts(bdc: Run, logged_in: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    assert bdc("login", "-e", logged_in.url, "--name", "second", "-u", "alice").code == 0
    assert [row["name"] for row in bdc("context", "list", "-o", "json").json] == ["demo", "second"]
    assert bdc("context", "set", "demo").code == 0
    assert [row["name"] for row in bdc("context", "list", "--active", "-o", "json").json] == ["demo"]
    assert bdc("context", "delete", "second").code == 0
    assert bdc("context", "set", "second").code == 1
    assert bdc("--context", "second", "whoami").code == 1


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".x", "a..b", "", "x\n"])
def test_a_context_name_that_leads_elsewhere(bdc: Run, name: str, controller: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    assert bdc("login", "-e", controller.url, "--name", name).code == 1
    assert bdc("context", "delete", name).code == 1


def test_a_file_that_others_can_read_is_refused(bdc: Run, logged_in: StandinController, home: Path) -> None:
    (home / "config" / "contexts.json").chmod(0o644)
    outcome = bdc("status")
    assert outcome.code == 1
    assert "chmod 600" in outcome.err


@pytest.mark.parametrize("content", ["", "[]", "{", '{"contexts": {"x": {"nonsense": 1}}}'])
def test_a_damaged_file(bdc: Run, home: Path, content: str) -> None:
    file = home / "config" / "contexts.json"
    file.parent.mkdir(mode=0o700)
    file.write_text(content)
    file.chmod(0o600)
    outcome = bdc("context", "list")
    assert outcome.code == 1
    assert "is damaged" in outcome.err
