"""The role that runs residual SQL on the scratch PostgreSQL: nobody special, although the server was made by a superuser.

What users write ends here whenever DuckDB can't answer exactly; the executor refuses functions that reach outside, and this role is
the second wall: it may make temporary tables and nothing else.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ROLE = "residuals"


def unprivileged(dsn: str) -> str:
    """Make ``ROLE`` (again) through ``dsn``, the superuser's, and return a connection string for it, with the same password.

    Raises psycopg.Error when the scratch server can't be reached.
    """
    password = str(conninfo_to_dict(dsn).get("password") or "")
    with psycopg.connect(dsn, autocommit=True) as server:
        known = server.execute("SELECT FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone() is not None
        verifier = server.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256").decode()
        server.execute(
            sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}").format(
                sql.SQL("ALTER" if known else "CREATE"), sql.Identifier(ROLE), sql.Literal(verifier)
            )
        )
        server.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return make_conninfo(dsn, user=ROLE)
