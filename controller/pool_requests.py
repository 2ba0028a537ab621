"""What the controller asks of single replicas of the compute pool, over their SQL port.

It logs in as ``fdw:bdc_owner``, with the secret that the master itself shows there: the one login that may send requests to the pool. So it
needs no port or secret of its own, and works the same on one machine and on Kubernetes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from controller.errors import NotReadyError
from controller.operations.tables import master_errors

ASK_SECONDS = 10
OWNER = "bdc_owner"
MAPPING = """
    SELECT o.option_value FROM pg_user_mappings AS m, pg_options_to_table(m.umoptions) AS o
    WHERE m.srvname = 'compute_pool' AND m.usename = 'bdc_owner' AND o.option_name = 'password'
"""
REQUEST = "SELECT response FROM bdc.compute_request WHERE request = '{}'::text"


@dataclass(frozen=True)
class Replica:
    """One of the compute pool; ``parameters``: libpq's, without user and password."""

    name: str
    parameters: Mapping[str, str]


def owner_secret(dsn: str) -> str:
    """The secret; ``dsn``: of the master's superuser. ControllerError when it can't be read."""
    from pools.master.databases import connect

    with master_errors(), closing(connect(dsn)) as connection:
        row = connection.execute(MAPPING).fetchone()
    if row is None:
        raise NotReadyError("the master has no login at the compute pool yet")
    return str(row[0])


def ask(replica: Replica, secret: str, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The answer's objects; NotReadyError where the replica does not answer, or refuses."""
    import psycopg

    text = json.dumps(content).replace("'", "''")
    options: dict[str, Any] = {**replica.parameters, "user": f"fdw:{OWNER}", "password": secret, "connect_timeout": ASK_SECONDS}
    try:
        with psycopg.connect(autocommit=True, **options) as connection:
            connection.execute(f"SET statement_timeout = {ASK_SECONDS * 1000}".encode())
            rows = connection.pgconn.exec_(REQUEST.format(text).encode())
            if rows.error_message:
                raise NotReadyError(f"{replica.name}: {rows.error_message.decode(errors='replace').splitlines()[0]}", where=replica.name)
            return [json.loads(rows.get_value(row, 0) or b"{}") for row in range(rows.ntuples)]
    except psycopg.Error as error:
        said = error.diag.message_primary or (str(error).splitlines() or [type(error).__name__])[0]
        raise NotReadyError(f"{replica.name} does not answer: {said}"[:300], where=replica.name) from None
