"""The CLI logged in as an administrator of a real master (the compute pool behind it is tests/pools/master's stand-in)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pools.master.roles import drop_role, ensure_role
from pools.master.scram import scram_verifier
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController
from tests.pools.master.conftest import Master

VECTOR = json.loads((Path(__file__).parents[1] / "bdc" / "sealing_vector.json").read_text(encoding="utf-8"))
USER = "o\"dd 'name; DROP"


@pytest.fixture
def admin(
    bdc: Run, master: Master, database: str, controller: StandinController, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], psycopg.Connection]]:
    """The CLI is logged in as an administrator whose name needs quoting."""
    password = secrets.token_urlsafe(12)
    ensure_role(master.dsn, USER, scram_verifier(password), ("user", "admin"))
    master.pool.learn(master.superuser())
    with master.superuser(database) as connection:  # that folder's key is a text; sealing needs a real one
        connection.execute(
            f"CREATE OR REPLACE FUNCTION bdc.sealing_key() RETURNS text LANGUAGE sql AS $$ SELECT '{VECTOR['recipient_public_key']}' $$"
        )
    controller.endpoints["sql-server-master"] = f"postgresql://127.0.0.1:{master.settings.port}/bdc"
    controller.database = database
    monkeypatch.setattr("tests.azdata_like_cli.standin_controller.PASSWORD", password)
    with monkeypatch.context() as patch:
        patch.setenv("BDC_PASSWORD", password)
        assert bdc("login", "-e", controller.url, "-u", USER).code == 0
    yield lambda: master.superuser(database)
    drop_role(master.dsn, USER)
