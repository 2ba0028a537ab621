"""The whole way: SQL client, master, compute service, remote PostgreSQL; every process is real."""

from __future__ import annotations

import json
import time

import psycopg
import pytest
from psycopg import errors

from bdc.sealing import Recipient, seal
from tests.patience import PATIENCE, SOON
from tests.pools.compute.cluster import Cluster
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service


def test_query_through_the_master(cluster: Cluster) -> None:
    with cluster.connect("alice") as alice:
        assert alice.execute("SELECT count(*), sum(amount) FROM orders WHERE id <= 10").fetchone() == (10, pytest.approx(82.5))
        rows = alice.execute("SELECT * FROM orders ORDER BY id DESC LIMIT 2").fetchall()
        assert [row[0] for row in rows] == [20_000, 19_999]


def test_without_an_app_pool_apps_are_refused(cluster: Cluster) -> None:
    for connect, sql in (
        (cluster.connect, "SELECT * FROM bdc.score('house', 'SELECT 1 AS x')"),
        (cluster.direct, "SELECT predict('house', 1)"),
    ):
        with connect("ada") as ada, pytest.raises(psycopg.errors.FeatureNotSupported, match="no app pool") as refused:
            ada.execute(sql)
        assert "spec.pools.app.enabled" in str(refused.value.diag.message_hint)


def test_direct_query_checks_rights(cluster: Cluster) -> None:
    with cluster.direct("alice") as alice:
        assert alice.execute("SELECT count(*) FROM orders").fetchone() == (20_000,)
    cluster.add_user("bob")
    with cluster.direct("bob") as bob, pytest.raises(errors.InsufficientPrivilege):
        bob.execute("SELECT count(*) FROM orders")


def test_create_then_select_at_once_and_rollback(cluster: Cluster) -> None:
    with cluster.connect("ada") as ada:
        ada.execute("CALL bdc.create_virtual_table('public.fresh', 'legacy', 'public.orders')")
        assert ada.execute("SELECT count(*) FROM fresh").fetchone() == (20_000,)
        ada.execute("BEGIN")
        ada.execute("CALL bdc.create_virtual_table('public.open', 'legacy', 'public.orders')")
        with pytest.raises(errors.UndefinedTable) as caught:
            ada.execute("SELECT count(*) FROM open")
        assert "COMMIT" in str(caught.value)
        ada.execute("ROLLBACK")


def test_new_database_is_noticed(cluster: Cluster) -> None:
    with cluster.admin("postgres") as admin:
        admin.execute("CREATE DATABASE second")
        try:
            with cluster.direct("alice", database="second") as alice:
                assert alice.execute("SELECT current_database()").fetchone() == ("second",)
        finally:
            admin.execute("DROP DATABASE second WITH (FORCE)")


def test_source_is_tested_and_queries_are_listed(cluster: Cluster) -> None:
    with cluster.connect("ada") as ada:
        row = ada.execute("SELECT ok, version FROM bdc.test_source('legacy')").fetchone()
        assert row is not None and row[0] is True
        assert ada.execute("SELECT * FROM bdc.queries()").fetchall() == []
        lines = "\n".join(str(row[0]) for row in ada.execute("SELECT * FROM bdc.explain('SELECT count(*) FROM orders')").fetchall())
        assert "count" in lines


def test_a_source_is_verified_by_who_may_use_it(cluster: Cluster) -> None:
    with cluster.connect("ada") as ada:
        row = ada.execute("SELECT bdc.verify_source('legacy', 3, 1, seconds => 60, table_rows => 50)").fetchone()
        assert row is not None
        report = row[0]
        assert (report["queries"], report["differences"], report["seed"]) == (3, 0, 1), report
        assert report["tables"] and max(report["tables"].values()) <= 50
        with pytest.raises(errors.InvalidParameterValue):
            ada.execute("SELECT bdc.verify_source('legacy', 3, 1, seconds => 6000)")
    with cluster.connect("alice") as alice, pytest.raises(errors.InsufficientPrivilege):
        alice.execute("SELECT bdc.verify_source('legacy', 3, 1)")


def test_a_source_is_verified_beside_others(cluster: Cluster, postgresql: PostgresqlServer) -> None:
    location = f"postgresql://127.0.0.1:{postgresql.port}/legacy"
    sealed = seal(postgresql.password, Recipient(cluster.public_key, location, postgresql.user))
    credential = json.dumps({"user": postgresql.user, "sealed": sealed})
    with cluster.connect("ada") as ada:
        ada.execute("CALL bdc.create_data_source('twin', 'postgresql', %s, '{}', %s)", (location, credential))
        ada.execute("CALL bdc.create_virtual_table('public.copied', 'twin', 'public.orders')")
        try:
            of = "'legacy', 12, 1, seconds => 60, table_rows => 30, beside => ARRAY['twin'], tables => ARRAY['orders', 'public.copied']"
            row = ada.execute(f"SELECT bdc.verify_source({of})".encode()).fetchone()
            assert row is not None
            assert (row[0]["queries"], row[0]["differences"], set(row[0]["tables"])) == (12, 0, {'"orders"', '"copied"'}), row[0]
            assert row[0]["sources"]["2 sources"], "some statements join both"
            with pytest.raises(errors.Error, match="no virtual table coppied"):
                ada.execute("SELECT bdc.verify_source('legacy', 3, 1, beside => ARRAY['twin'], tables => ARRAY['coppied'])")
            with pytest.raises(errors.UndefinedObject, match="twain"):
                ada.execute("SELECT bdc.verify_source('legacy', 3, 1, beside => ARRAY['twain'])")
        finally:
            ada.execute("CALL bdc.drop_data_source('twin', true)")


def test_cancel_reaches_the_source_soon(cluster: Cluster, postgresql: PostgresqlServer) -> None:
    def active() -> int:
        with postgresql.connect() as admin:
            row = admin.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%endless%' AND pid <> pg_backend_pid()"
            ).fetchone()
            assert row is not None
            return int(str(row[0]))

    with cluster.connect("alice") as alice:
        alice.execute("SET statement_timeout = '1s'")
        with pytest.raises(errors.QueryCanceled):
            alice.execute("SELECT * FROM endless")
        deadline = time.monotonic() + SOON
        while active() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert active() == 0


def test_kill_query(cluster: Cluster) -> None:
    import threading

    with cluster.connect("alice") as alice, cluster.connect("ada") as ada:
        caught: list[Exception] = []

        def run() -> None:
            try:
                alice.execute("SELECT * FROM endless")
            except psycopg.Error as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        found: list[tuple[object, ...]] = []
        deadline = time.monotonic() + PATIENCE
        while not found and time.monotonic() < deadline:
            found = ada.execute('SELECT id, "user", database, state FROM bdc.queries()').fetchall()
            time.sleep(0.05)
        assert found[0][1:3] == ("alice", "bdc")
        ada.execute("SELECT bdc.kill_query(%s)", (found[0][0],))
        thread.join(PATIENCE)
        assert isinstance(caught[0], errors.QueryCanceled)


def test_removed_user_is_cut_off_soon(cluster: Cluster) -> None:
    cluster.add_user("carl")
    with cluster.direct("carl") as carl:
        carl.execute("SELECT 1")
        cluster.drop_user("carl")
        deadline = time.monotonic() + PATIENCE
        with pytest.raises(psycopg.OperationalError):
            while time.monotonic() < deadline:
                carl.execute("SELECT 1")
                time.sleep(0.1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        cluster.direct("carl")


def test_wrong_sealing_key_names_the_source(cluster: Cluster) -> None:
    with cluster.connect("ada") as ada:
        with pytest.raises(errors.InvalidParameterValue, match="sealed"):
            ada.execute(
                "CALL bdc.create_data_source('bad', 'postgresql', 'postgresql://127.0.0.1:1/x', '{}', "
                '\'{"user": "u", "sealed": "sealed:v2:AAAA"}\')'
            )
            ada.execute("SELECT bdc.test_source('bad')")
        assert ada.execute("SELECT count(*) FROM orders").fetchone() == (20_000,)


def test_the_pools_explanation_is_for_who_may_read(cluster: Cluster) -> None:
    cluster.add_user("eve")
    explain = "SELECT * FROM bdc.pool_explain('SELECT id FROM public.orders', 'text')"
    with cluster.connect("eve") as eve, cluster.connect("ada") as ada, cluster.connect("alice") as alice:
        for format_of in ("text", "json"):
            with pytest.raises(errors.InsufficientPrivilege, match=r"permission denied for foreign table (orders|endless)"):
                eve.execute(
                    "SELECT * FROM bdc.pool_explain('SELECT o.id FROM public.orders o JOIN public.endless e ON true', %s)", [format_of]
                )
        assert alice.execute(explain).fetchall() == ada.execute(explain).fetchall() != []
        assert alice.execute("SELECT * FROM bdc.explain('SELECT count(*) FROM orders')").fetchall()
    cluster.drop_user("eve")


def test_a_dropped_source_keeps_no_session(cluster: Cluster, postgresql: PostgresqlServer) -> None:
    def sessions() -> int:
        with postgresql.connect() as admin:
            row = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'fleeting' AND pid <> pg_backend_pid()").fetchone()
            assert row is not None
            return int(str(row[0]))

    with postgresql.connect() as admin:
        admin.execute("CREATE DATABASE fleeting")
        location = f"postgresql://127.0.0.1:{postgresql.port}/fleeting"
        sealed = seal(postgresql.password, Recipient(cluster.public_key, location, postgresql.user))
        with cluster.connect("ada") as ada:
            credential = json.dumps({"user": postgresql.user, "sealed": sealed})
            ada.execute("CALL bdc.create_data_source('fleeting', 'postgresql', %s, '{}', %s)", (location, credential))
            ada.execute("SELECT * FROM bdc.test_source('fleeting')")
            assert sessions() > 0
            ada.execute("CALL bdc.drop_data_source('fleeting')")
        deadline = time.monotonic() + PATIENCE
        while sessions() and time.monotonic() < deadline:
            time.sleep(0.1)
        admin.execute("DROP DATABASE fleeting")  # an idle session would stand in the way


@pytest.mark.parametrize(
    ("location", "user"),
    [("postgresql://LOCALHOST:{port}/legacy", "postgres"), ("postgresql://127.0.0.1:1/legacy", "postgres"),
     ("postgresql://127.0.0.1:{port}/legacy", "other")],
)  # fmt: skip
def test_a_stolen_sealed_value_opens_for_no_other_server_or_user(
    cluster: Cluster, postgresql: PostgresqlServer, location: str, user: str
) -> None:
    """Who has read one in a backup and may create sources can't have the secret sent to a server of his own."""
    with cluster.admin() as superuser, cluster.connect("ada") as ada:
        row = superuser.execute("SELECT credential ->> 'sealed' FROM bdc.source_definitions WHERE name = 'legacy'").fetchone()
        assert row is not None
        credential = json.dumps({"user": user, "sealed": row[0]})
        there = location.format(port=postgresql.port)
        ada.execute("CALL bdc.create_data_source('stolen', 'postgresql', %s, '{}', %s)", (there, credential))
        with pytest.raises(errors.InvalidParameterValue, match="another cluster, server or user"):
            ada.execute("SELECT * FROM bdc.test_source('stolen')")
        ada.execute("CALL bdc.drop_data_source('stolen')")


def test_master_away_and_back(cluster: Cluster) -> None:
    from tests.pools.master import substrate

    with cluster.direct("alice") as alice:
        assert alice.execute("SELECT count(*) FROM orders").fetchone() == (20_000,)
        cluster.running.stop()
        assert alice.execute("SELECT count(*) FROM orders WHERE id < 3").fetchone() == (2,)
        cluster.running.process = substrate.start(cluster.running.workload, cluster.running.folder, cluster.secrets).process
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with cluster.connect("alice") as again:
                assert again.execute("SELECT count(*) FROM orders").fetchone() == (20_000,)
            break
        except psycopg.Error:
            assert time.monotonic() < deadline, cluster.log[-3000:]
            time.sleep(0.2)


def test_sigterm_and_secrets(cluster: Cluster, postgresql: PostgresqlServer) -> None:
    with cluster.direct("alice") as alice:
        assert cluster.stop_service() == 0
        with pytest.raises(psycopg.OperationalError):
            alice.execute("SELECT 1")
    for secret in (*cluster.secrets.values(), postgresql.password):
        assert secret not in cluster.log
    assert "Traceback" not in cluster.log
    assert "did not close" not in cluster.log
    cluster.start_service()  # for whoever shares it
