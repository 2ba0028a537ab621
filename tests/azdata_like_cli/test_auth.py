"""Logins with a directory account: the password for SQL and its file, ``auth test``, ``auth password``."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bdc import contexts
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import PASSWORD, SQL_PASSWORD, StandinController
from tests.services.postgresql import free_port


@pytest.fixture
def alice(bdc: Run, controller: StandinController, monkeypatch: pytest.MonkeyPatch) -> StandinController:
    controller.source = "directory"
    controller.endpoints["master"] = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    return controller


def test_login_leaves_a_file_for_other_tools_and_says_how_to_use_it(bdc: Run, alice: StandinController, home: Path) -> None:
    outcome = bdc("login", "-e", alice.url, "-u", "CORP\\Alice")
    file = home / "config" / "pgpass" / "demo"
    assert outcome.code == 0
    assert (
        f"psql 'host=127.0.0.1 port={alice.endpoints['master'].partition(':')[2]} dbname=postgres user=alice passfile={file}'"
        in outcome.out
    )
    assert "Logged in to demo as alice" in outcome.out
    assert SQL_PASSWORD not in outcome.out + outcome.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{alice.endpoints['master']}:*:alice:{SQL_PASSWORD}\n"
    assert bdc("logout").code == 0
    assert not file.exists()


def test_where_the_master_takes_the_directorys_password_nothing_is_kept(bdc: Run, alice: StandinController, home: Path) -> None:
    bdc("login", "-e", alice.url, "-u", "alice")
    alice.sql_method = "ldap"
    outcome = bdc("login", "-e", alice.url, "-u", "alice")
    assert outcome.code == 0 and "will ask for the password" not in outcome.out
    port = alice.endpoints["master"].partition(":")[2]
    assert f"psql 'host=127.0.0.1 port={port} dbname=postgres user=alice'" in outcome.out
    assert not (home / "config" / "pgpass" / "demo").exists()
    assert contexts.load().find(None).sql is None


def test_without_sql_there_is_none(bdc: Run, alice: StandinController, home: Path) -> None:
    assert bdc("login", "-e", alice.url, "-u", "alice", "--no-sql").code == 0
    assert not (home / "config" / "pgpass").exists()


def test_the_token_for_other_programs(bdc: Run, logged_in: StandinController) -> None:
    printed = bdc("auth", "token")
    assert (printed.code, printed.out.strip()) == (0, contexts.load().find(None).token)
    bdc("logout")
    assert bdc("auth", "token").code == 4


def test_a_login_gone_through(bdc: Run, logged_in: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no entry of this name" in bdc("auth", "test", "nobody").out
    assert bdc("auth", "test", "nobody").code == 1
    monkeypatch.setenv("BDC_TEST_PASSWORD", "somebody's")
    assert bdc("auth", "test", "alice", "--password").code == 0
    assert logged_in.requests[-1][2] == {"username": "alice", "password": "somebody's"}


def test_the_search_accounts_password_comes_from_standard_input(bdc: Run, logged_in: StandinController) -> None:
    outcome = bdc("auth", "password", "--password-stdin", stdin="of the reader\n")
    assert outcome.code == 0
    assert logged_in.requests[-1] == ("PUT", "/api/v1/auth/search-password", {"password": "of the reader"})
    assert "of the reader" not in outcome.out + outcome.err
