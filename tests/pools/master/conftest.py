"""One master for the folder's tests: a real server from the real workloads, set up by the real job, and a stand-in for the compute pool."""

from __future__ import annotations

import secrets as random_secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pools.master.roles import drop_role, ensure_role
from pools.master.scram import scram_verifier
from pools.master.workloads import SUPERUSER, MasterSettings, workloads
from tests.pools.master.data_tables import COLUMNS, Pool, announce_shards
from tests.pools.master.pool_standin import PoolStandIn
from tests.pools.master.substrate import Running, run_job, started
from tests.services.postgresql import PostgresqlServer, free_port, reachable_folder

SEALING_KEY = "c2VhbGluZyBrZXkgb2YgdGhlIHRlc3RzIGFzIGEgdGV4dA=="


@dataclass
class Master:
    """A running master."""

    running: Running
    settings: MasterSettings
    secrets: dict[str, str]
    pool: PoolStandIn

    @property
    def dsn(self) -> str:
        return self.dsn_of(SUPERUSER, self.secrets["master-superuser"], "postgres")

    def dsn_of(self, user: str, password: str, database: str = "bdc") -> str:
        return make_conninfo(host="127.0.0.1", port=self.settings.port, user=user, password=password, dbname=database)

    def connect(self, user: str, password: str, database: str = "bdc") -> psycopg.Connection:
        return psycopg.connect(self.dsn_of(user, password, database), autocommit=True)

    def superuser(self, database: str = "bdc") -> psycopg.Connection:
        return self.connect(SUPERUSER, self.secrets["master-superuser"], database)

    def setup(self) -> str:
        done = run_job(workloads(self.settings)[1], self.running.folder.parent / "setup", self.secrets)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="package")
def master(postgresql: PostgresqlServer) -> Iterator[Master]:
    pool = PoolStandIn(postgresql)
    settings = MasterSettings(port=free_port(), pool_ports=(postgresql.port,), sealing_key=SEALING_KEY, settings={"fsync": "off"})
    secrets = {"master-superuser": random_secrets.token_urlsafe(24), "pool-password": random_secrets.token_urlsafe(24)}
    with reachable_folder() as folder:
        server, job = workloads(settings)
        with started(server, folder / "master", secrets) as running:
            done = run_job(job, folder / "setup", secrets)
            assert done.returncode == 0, done.stderr
            master = Master(running, settings, secrets, pool)
            pool.learn(master.superuser())
            yield master


@pytest.fixture
def database(master: Master) -> Iterator[str]:
    """A database of its own for one test, made by CREATE DATABASE alone."""
    name = f"test_{random_secrets.token_hex(4)}"
    with master.superuser("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name} OWNER bdc_admin")
        yield name
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        master.pool.drop_database(name)


@pytest.fixture
def people(master: Master, database: str) -> Iterator[Callable[..., psycopg.Connection]]:
    """``people("alice", "admin")``: the user, logged in to the test's database; removed at the end."""
    made: list[str] = []
    connections: list[psycopg.Connection] = []

    def log_in(name: str, *roles: str) -> psycopg.Connection:
        password = random_secrets.token_urlsafe(12)
        ensure_role(master.dsn, name, scram_verifier(password), roles or ("user",))
        made.append(name)
        connections.append(master.connect(name, password, database))
        return connections[-1]

    yield log_in
    for connection in connections:
        connection.close()
    for name in made:
        drop_role(master.dsn, name)


@pytest.fixture(scope="package")
def resident(master: Master) -> Iterator[psycopg.Connection]:
    """An administrator in the first database, for statements that change nothing."""
    ensure_role(master.dsn, "rita", scram_verifier("pw of rita"), ("user", "admin"))
    with master.connect("rita", "pw of rita") as connection:
        connection.execute("CALL bdc.create_data_source('resident', 'postgresql', 'postgresql://db:5432/sales')")
        connection.execute("CREATE TABLE taken ()")
        yield connection


@pytest.fixture
def admin_of_data(people: Callable[..., psycopg.Connection], master: Master, database: str) -> psycopg.Connection:
    """The administrator ``ada`` in a database with the data source ``data_pool`` and two shards."""
    connection = people("ada", "admin")
    connection.execute("CALL bdc.create_data_source('data_pool', 'datapool', 'datapool:'); CALL bdc.grant_source('data_pool', 'bdc_user')")
    announce_shards(master, database, "ada")
    return connection


@pytest.fixture
def data_pool(master: Master, database: str) -> Iterator[Pool]:
    """The compute pool's connection to the test's database."""
    pool = Pool(master, database)
    yield pool
    pool.connection.close()


@pytest.fixture
def data_table(admin_of_data: psycopg.Connection) -> str:
    """A data table ``t`` with columns id and price; its id."""
    admin_of_data.execute("CALL bdc.create_data_table('t', %s, 'HASH(id)')", [COLUMNS])
    return str(admin_of_data.execute("SELECT id FROM bdc.data_tables_view").fetchone()[0])
