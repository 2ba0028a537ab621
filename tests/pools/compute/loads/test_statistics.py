"""After loads the master's planner knows the tables, so that it has them joined in the pool."""

from __future__ import annotations

from tests.pools.compute.loads.rows import eventually, ids, spread
from tests.services.data_pool import DataPool

COLUMNS = '[{"name": "id", "type": "bigint", "nullable": false}, {"name": "name", "type": "text"}]'
KNOWN = (
    "SELECT c.reltuples, s.n_distinct FROM pg_class AS c LEFT JOIN pg_stats AS s ON s.tablename = c.relname AND s.attname = 'id' "
    "WHERE c.oid = to_regclass(%s)"
)


def test_the_planner_knows_what_was_loaded(data_pool: DataPool) -> None:
    with data_pool.admin() as admin:
        admin.execute("GRANT CREATE ON SCHEMA public TO alice")
    with data_pool.connect("alice") as alice:
        for name in ("analyzed", "analyzed_too"):
            alice.execute("CALL bdc.create_data_table(%s, %s::jsonb, 'HASH(id)')", [f"public.{name}", COLUMNS])
        client = data_pool.client("alice")
        client.load("public.analyzed", spread(*range(2000)))
        client.load("public.analyzed_too", spread(*range(1000)))
        with data_pool.admin() as admin:
            assert eventually(lambda: admin.execute(KNOWN, ["public.analyzed"]).fetchone() == (2000, -1))
            assert eventually(lambda: admin.execute(KNOWN, ["public.analyzed_too"]).fetchone() == (1000, -1))
            plan = alice.execute("EXPLAIN (VERBOSE) SELECT count(*) FROM public.analyzed JOIN public.analyzed_too USING (id)").fetchall()
            assert any("INNER JOIN" in line for (line,) in plan), plan
            client.load("public.analyzed", spread(*range(2000, 2010)))
            client.load("public.analyzed_too", {}, "truncate")
            assert eventually(lambda: admin.execute(KNOWN, ["public.analyzed_too"]).fetchone() == (0, -1))
            assert admin.execute(KNOWN, ["public.analyzed"]).fetchone() == (2000, -1)  # ten rows more change no plan
        client.close()
    assert len(ids(data_pool, "public.analyzed")) == 2010
