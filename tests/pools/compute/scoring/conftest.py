"""The whole way, every process real: a master, a compute pool, the app proxy beside a controller's API, and a source with rows."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from bdc.sealing import Recipient, seal
from controller.auth import passwords
from pools.tickets import make_private_key, public_key_of
from tests.apps.folders import python
from tests.pools.app.stand import Stand, stand
from tests.pools.compute.cluster import Cluster, running_cluster
from tests.services.postgresql import PostgresqlServer

HOUSE = pathlib.Path(__file__).parents[4] / "examples" / "apps" / "house"
FEATURES = tuple(json.loads((HOUSE / "first.json").read_text()))
ROWS = 300

PLAIN = """
    import datetime
    def run(n, name, day, flag):
        if name == "bad":
            raise ValueError("bad luck")
        return {"text": f"{name} {n * 2}", "later": day + datetime.timedelta(days=1), "negated": not flag, "parts": [n, name]}
"""


@dataclass
class World:
    """``cluster``: users ada (admin), rita (app-reader) and alice, who may not call apps; tables houses and people."""

    cluster: Cluster
    proxy: Stand


@pytest.fixture(scope="package")
def world(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    key = make_private_key()
    folder = pathlib.Path(tmp_path_factory.mktemp("proxy"))
    public = folder / "ticket.pub"
    public.write_text(public_key_of(key))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "N", 2**8)
        patch.setattr(passwords, "P", 1)
        passwords._nobody.cache_clear()
        with postgresql.connect() as admin:
            admin.execute("CREATE DATABASE of_scoring")
        with stand(folder, ticket_keys_file=str(public)) as proxy:
            proxy.create(_house(tmp_path_factory.mktemp("house")))
            for name in ("plain", "counted"):
                proxy.create(_plain(tmp_path_factory.mktemp("apps") / name))
            with running_cluster(app_proxy=f"127.0.0.1:{proxy.port}", ticket_key=key) as cluster:
                _tables(cluster, postgresql)
                yield World(cluster, proxy)
        with postgresql.connect() as admin:
            admin.execute("DROP DATABASE of_scoring WITH (FORCE)")
    passwords._nobody.cache_clear()


def _house(folder: pathlib.Path) -> pathlib.Path:
    """The example, with time for a batch on a machine ten times slower."""
    shutil.copytree(HOUSE, folder, dirs_exist_ok=True)
    spec = folder / "spec.yaml"
    spec.write_text(spec.read_text().replace("timeout: 5", "timeout: 60"))
    return folder


def _plain(folder: pathlib.Path) -> pathlib.Path:
    made = python(folder, PLAIN, "{n: int, name: str, day: date, flag: bool}", "{text: str, later: date, negated: bool, parts: list}")
    spec = made / "spec.yaml"
    spec.write_text(spec.read_text().replace("name: t", f"name: {folder.name}"))
    return made


def _tables(cluster: Cluster, postgresql: PostgresqlServer) -> None:
    first = json.loads((HOUSE / "first.json").read_text())
    columns = ", ".join(f"{value} * (1 + (g % 7) * 0.01) + g * 0.001 AS {name.lower()}" for name, value in first.items())
    with psycopg.connect(postgresql.dsn("of_scoring"), autocommit=True) as source:
        source.execute(f"CREATE TABLE houses AS SELECT g AS id, {columns} FROM generate_series(1, {ROWS}) AS g")
        for name in first:
            source.execute(f"ALTER TABLE houses ALTER {name} TYPE double precision")
        source.execute(
            "CREATE TABLE people AS SELECT g AS n, 'p' || g AS name, DATE '2026-01-01' + g AS day, g % 2 = 0 AS flag, "
            "CASE WHEN g % 5 = 0 THEN NULL ELSE g * 1.5::float8 END AS weight, 'NaN'::float8 AS ratio, "
            "(g * 1234567.890123)::numeric(20,6) AS amount, "
            "g * 0.1234567890123456789 AS exact FROM generate_series(1, 40) AS g"
        )
    cluster.add_user("ada", "admin", "user")
    cluster.add_user("rita", "user", "app-reader")
    cluster.add_user("alice")
    with cluster.connect("ada") as ada:
        location = f"postgresql://127.0.0.1:{postgresql.port}/of_scoring"
        sealed = seal(postgresql.password, Recipient(cluster.public_key, location, postgresql.user))
        secret = json.dumps({"user": postgresql.user, "sealed": sealed})
        ada.execute("CALL bdc.create_data_source('source', 'postgresql', %s, '{}', %s)", (location, secret))
        for table in ("houses", "people"):
            ada.execute("CALL bdc.create_virtual_table(%s, 'source', %s)", (f"public.{table}", f"public.{table}"))
            ada.execute(f"GRANT SELECT ON public.{table} TO rita, alice")
        ada.execute("CALL bdc.create_virtual_table('public.hidden', 'source', 'public.people')")
