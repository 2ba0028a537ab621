"""A stand-in for the compute pool: a second real PostgreSQL with a function table that answers requests from a table of canned answers.

It has the mappings' logins (``fdw:<role>``, with the verifiers that the master holds) and a database of each name, so that
authentication and the choice of the database are the real thing.
"""

from __future__ import annotations

import json
from contextlib import closing

import psycopg
from psycopg import sql

from tests.services.postgresql import PostgresqlServer

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS bdc;
CREATE TABLE IF NOT EXISTS bdc.compute_request (request text, ordinal int, response text);
GRANT USAGE ON SCHEMA bdc TO PUBLIC;
GRANT SELECT ON bdc.compute_request TO PUBLIC;
"""


class PoolStandIn:
    """Answers ``bdc.compute_request`` for the exact requests that a test announces with ``answer``."""

    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.made: set[str] = set()

    def ensure_database(self, name: str) -> None:
        if name in self.made:
            return
        self.made.add(name)
        with closing(self.server.connect()) as connection:
            if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with closing(self.server.connect(name)) as connection:
            connection.execute(SCHEMA)

    def learn(self, master: psycopg.Connection) -> None:
        """Takes over the verifiers, as the pool does by ``bdc.pool_verifiers``."""
        with closing(master), closing(self.server.connect()) as connection:
            for role, verifier in master.execute("SELECT role_name, verifier FROM bdc.mapping_verifiers").fetchall():
                name = sql.Identifier(f"fdw:{role}")
                present = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [f"fdw:{role}"]).fetchone()
                verb = sql.SQL("CREATE" if present is None else "ALTER")
                connection.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, name, sql.Literal(verifier)))

    def drop_database(self, name: str) -> None:
        if name not in self.made:
            return
        with closing(self.server.connect()) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def answer(self, database: str, request: dict[str, object], *responses: dict[str, object]) -> None:
        """What the pool will say to exactly this request (key order does not matter)."""
        self.ensure_database(database)
        with closing(self.server.connect(database)) as connection:
            text = connection.execute("SELECT (%s::jsonb)::text", [json.dumps(request)]).fetchone()[0]
            connection.execute("DELETE FROM bdc.compute_request WHERE request = %s", [text])
            for ordinal, response in enumerate(responses):
                connection.execute("INSERT INTO bdc.compute_request VALUES (%s, %s, %s)", [text, ordinal, json.dumps(response)])

    def run(self, database: str, statement: str) -> None:
        self.ensure_database(database)
        with closing(self.server.connect(database)) as connection:
            connection.execute(statement)
