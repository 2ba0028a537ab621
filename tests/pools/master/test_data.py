"""The data source ``data_pool`` of the cluster's shards: made once, never forced on anybody."""

from __future__ import annotations

from pools.master.data import ensure_data_source
from tests.pools.master.conftest import Master


def test_it_is_made_once_and_stays_dropped(master: Master, database: str) -> None:
    assert ensure_data_source(master.dsn, database) == "made data source data_pool"
    assert ensure_data_source(master.dsn, database) is None
    with master.superuser(database) as connection:
        assert connection.execute("SELECT name, connector, location FROM bdc.data_sources").fetchall() == [
            ("data_pool", "datapool", "datapool:")
        ]
        assert connection.execute("SELECT grantee::text FROM bdc.source_grants").fetchall() == [("bdc_user",)]
        connection.execute("CALL bdc.drop_data_source('data_pool')")
    assert ensure_data_source(master.dsn, database) is None
