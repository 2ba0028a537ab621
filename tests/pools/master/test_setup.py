"""The job master-setup on a real server, and databases made after it."""

from __future__ import annotations

import psycopg

from tests.pools.master.conftest import SEALING_KEY, Master


def options(connection: psycopg.Connection) -> dict[str, str]:
    rows = connection.execute("SELECT (pg_options_to_table(srvoptions)).* FROM pg_foreign_server WHERE srvname = 'compute_pool'").fetchall()
    return dict(rows)


def test_second_run_changes_nothing(master: Master) -> None:
    assert master.setup() == "nothing to do\n"


def test_first_database_is_there_and_settled(master: Master) -> None:
    with master.superuser("bdc") as connection:
        found = options(connection)
        assert found["dbname"] == "bdc" and found["host"] == "127.0.0.1" and found["port"] == str(master.settings.pool_ports[0])
        assert found["fdw_tuple_cost"] == "10000" and found["application_name"] == "bdc %p %c %u %d"
        assert connection.execute("SELECT bdc.sealing_key()").fetchone() == (SEALING_KEY,)
