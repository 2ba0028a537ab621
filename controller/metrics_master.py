"""The master's metrics, read over the controller's own connection: PostgreSQL tells none in Prometheus' format.

Only statistics that PostgreSQL keeps in memory, and the sizes of databases, which it adds up from its folders; one connection that ends
with the scrape, each statement with a limit on time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from controller.errors import ControllerError
from pools.exposition import Book, Metric, Sample, text

SESSIONS = Metric(
    "openbdc_master_sessions",
    "gauge",
    "Sessions of clients: active, idle, idle in transaction, other.",
    ("database", "state"),
)
LIMIT = Metric("openbdc_master_sessions_limit", "gauge", "Sessions above which the next one is refused.")
WAITING = Metric("openbdc_master_sessions_waiting", "gauge", "Sessions that wait for a lock.")
OLDEST = Metric("openbdc_master_oldest_transaction_seconds", "gauge", "Age of the oldest open transaction of a client; 0: none is open.")
PREPARED = Metric(
    "openbdc_master_prepared_transactions", "gauge", "Transactions that were prepared and are neither committed nor rolled back."
)
BYTES = Metric("openbdc_master_database_bytes", "gauge", "Size of the database's own tables and indexes on disk.", ("database",))
TRANSACTIONS = Metric(
    "openbdc_master_transactions_total", "counter", "Transactions that are over: committed, rolled back.", ("database", "outcome")
)
DEADLOCKS = Metric("openbdc_master_deadlocks_total", "counter", "Deadlocks that were found.", ("database",))
TEMPORARY = Metric("openbdc_master_temporary_bytes_total", "counter", "Bytes that queries spilled into temporary files.", ("database",))
STARTED = Metric("openbdc_master_start_time_seconds", "gauge", "When the server began, Unix time.")

TABLE = (SESSIONS, LIMIT, WAITING, OLDEST, PREPARED, BYTES, TRANSACTIONS, DEADLOCKS, TEMPORARY, STARTED)

_SESSIONS = """
SELECT datname,
       CASE WHEN state IN ('active', 'idle') THEN state WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction' ELSE 'other' END,
       count(*)
FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname IS NOT NULL AND pid <> pg_backend_pid() GROUP BY 1, 2
"""
_SERVER = """
SELECT current_setting('max_connections')::float8,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Lock')::float8,
       (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())::float8,
       (SELECT count(*) FROM pg_prepared_xacts)::float8,
       extract(epoch FROM pg_postmaster_start_time())::float8
"""
_DATABASES = """
SELECT datname, pg_database_size(oid)::float8, xact_commit::float8, xact_rollback::float8, deadlocks::float8, temp_bytes::float8
FROM pg_database JOIN pg_stat_database USING (datname) WHERE datallowconn AND NOT datistemplate
"""


def reading(dsn: Callable[[], str]) -> Callable[[float], str]:
    """What a scrape calls; ``dsn``: of the master's superuser, password included; it stays out of messages. Raises ValueError."""

    def read(seconds: float) -> str:
        import psycopg

        try:
            return text(TABLE, Book(), [lambda: _samples(dsn(), seconds)]).decode()
        except psycopg.Error as error:
            raise ValueError(error.diag.message_primary or type(error).__name__) from None
        except ControllerError as error:
            raise ValueError(error.message) from None

    return read


def _samples(dsn: str, seconds: float) -> Iterator[Sample]:
    import psycopg

    options = f"-c search_path=pg_catalog -c lock_timeout=1s -c statement_timeout={max(100, round(seconds * 500))}"
    with closing(
        psycopg.connect(dsn, autocommit=True, application_name="bdc metrics", options=options, connect_timeout=max(2, round(seconds)))
    ) as connection:
        yield from _server(connection)
        for name, size, committed, rolled_back, deadlocks, temporary in connection.execute(_DATABASES).fetchall():
            yield BYTES, (name,), size
            yield TRANSACTIONS, (name, "committed"), committed
            yield TRANSACTIONS, (name, "rolled back"), rolled_back
            yield DEADLOCKS, (name,), deadlocks
            yield TEMPORARY, (name,), temporary


def _server(connection: Any) -> Iterator[Sample]:  # noqa: ANN401 (psycopg's, imported late)
    for database, state, count in connection.execute(_SESSIONS).fetchall():
        yield SESSIONS, (database, state), count
    numbers = connection.execute(_SERVER).fetchone()
    for metric, number in zip((LIMIT, WAITING, OLDEST, PREPARED, STARTED), numbers, strict=True):
        yield metric, (), number
