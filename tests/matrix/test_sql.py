"""PostgreSQL logins: every role × what may be shown × master and compute pool, and statements that lead elsewhere × role.
A role of the cluster without a declaration fails."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pools.compute.loads.login import TOKEN_SECONDS
from pools.master.workloads import SUPERUSER
from tests.matrix.cells import cells
from tests.services.data_pool import PASSWORD, DataPool

PEOPLE = ("admin", "alice", "bob")
SYSTEM = {SUPERUSER: "master-superuser", "bdc_pool": "pool-password"}
"""Roles that log in at the master with a secret of the cluster's store; nobody else holds it."""
GROUPS = ("bdc_owner", "bdc_admin", "bdc_user", "bdc_app_reader")
"""Nobody logs in as these."""
AT_ONCE = 16
"""Each refusal takes half a second."""
STRANGERS = ("nobody", "postgres", "root", "fdw:nobody", "fdw:", "public", "o'brien", "ALICE")


def log_in(user: str, password: str, port: int) -> str:
    """``in``, or the SQLSTATE of the refusal."""
    try:
        psycopg.connect(
            host="127.0.0.1", port=port, user=user, password=password, dbname="bdc", connect_timeout=60, sslmode="disable"
        ).close()
    except psycopg.OperationalError as error:
        text = str(error)
        refused = any(words in text for words in ("authentication failed", "no password supplied", "is not permitted to log in"))
        return "refused" if refused or "no PostgreSQL user name" in text else f"another error: {text.strip()[:100]}"
    return "in"


def passwords(pool: DataPool, user: str) -> dict[str, tuple[str, bool]]:
    """What is shown → (the password, whether it is the user's own)."""
    own = PASSWORD if user in PEOPLE else pool.secrets.get(SYSTEM.get(user, ""), "no password of anybody")
    has = user in PEOPLE or user in SYSTEM
    return {
        "right": (own, has),
        "wrong": ("Wrong-pass-1234", False),
        "blank": ("", False),
        "a user's, another user's name": (PASSWORD, user in PEOPLE),
        "the superuser's secret": (pool.secrets["master-superuser"], user == SUPERUSER),
        "the pool's secret": (pool.secrets["pool-password"], user == "bdc_pool"),
        "a ticket": (pool.signer.sign("bdc-flight", "session", TOKEN_SECONDS, {"sub": user, "db": "bdc"}), False),
        "a verifier": ("SCRAM-SHA-256$4096:AAAA$BBBB:CCCC", False),
        "NUL-like": ("\\0", False),
    }


def test_logins_at_master_and_compute_pool(data_pool: DataPool) -> None:
    master, pool = data_pool.master.port, data_pool.replicas[0].port
    asked: list[tuple[str, str, tuple[str, str, int]]] = []
    for user in (*PEOPLE, *SYSTEM, *GROUPS, *STRANGERS):
        for shown, (password, fits) in passwords(data_pool, user).items():
            asked.append((f"master × {user} × {shown}", "in" if fits else "refused", (user, password, master)))
            at_pool = "in" if fits and user in PEOPLE else "refused"  # the cluster's own roles have no business there
            asked.append((f"compute × {user} × {shown}", at_pool, (user, password, pool)))
    for user in PEOPLE:
        for shown, (password, _) in passwords(data_pool, user).items():  # a person's password is not the mapping's
            asked.append((f"compute × fdw:{user} × {shown}", "refused", (f"fdw:{user}", password, pool)))
    with cells("sql-logins", least=200) as matrix, ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(lambda cell: log_in(*cell[2]), asked)
        for (name, expected, _), answer in zip(asked, found, strict=True):
            matrix.add(name, expected, answer)


def test_every_role_has_a_declaration(data_pool: DataPool) -> None:
    with data_pool.admin() as connection:
        system = {
            str(name)
            for (name,) in connection.execute(
                "SELECT rolname FROM pg_roles r WHERE rolname NOT LIKE 'pg\\_%' AND NOT EXISTS (SELECT FROM pg_auth_members m"
                " WHERE m.member = r.oid AND m.roleid IN ('bdc_user'::regrole, 'bdc_admin'::regrole) AND r.rolcanlogin)"
            )
        }
    assert {name for name in system if name.startswith("bdc_")} == {*SYSTEM, *GROUPS}


RIGHTS = (
    ("SELECT bdc.pool_catalog()", {"bdc_pool"}),
    ("SELECT * FROM bdc.pool_verifiers('alice')", {"bdc_pool"}),
    ("SELECT bdc.pool_snapshot()", {"bdc_pool"}),
    ("SELECT bdc.pool_app_reader('alice')", {"bdc_pool"}),
    ("GRANT bdc_app_reader TO alice", set()),
    ("SELECT rolpassword FROM pg_authid LIMIT 1", set()),
    ("SELECT umoptions FROM pg_user_mapping LIMIT 1", set()),
    ("SELECT * FROM bdc.compute_request WHERE request = '{}'", set()),
    ("CREATE ROLE matrix_role", set()),
    ("ALTER ROLE alice SUPERUSER", set()),
    ("SET ROLE bdc_owner", set()),
    ("SET SESSION AUTHORIZATION bdc_controller", set()),
    ("COPY (SELECT 1) TO PROGRAM 'true'", set()),
    ("SELECT pg_read_file('PG_VERSION')", set()),
    ("SELECT lo_import('/etc/passwd')", set()),
    ("CREATE EXTENSION file_fdw", set()),
    ("CREATE SERVER matrix_server FOREIGN DATA WRAPPER postgres_fdw", set()),
    ("SELECT pg_terminate_backend(0)", {"admin", "alice", "bob", "bdc_pool"}),
    ("CALL bdc.create_data_source('matrix_source', 'postgresql', 'postgresql://db:5432/x')", {"admin"}),
    ("SELECT 1", {"admin", "alice", "bob", "bdc_pool"}),
)
"""Statement → who may (the superuser, who may all, is left out)."""


@pytest.mark.parametrize("user", [*PEOPLE, "bdc_pool"])
def test_statements_by_role(data_pool: DataPool, user: str) -> None:
    password = PASSWORD if user in PEOPLE else data_pool.secrets["pool-password"]
    with cells(f"sql-rights-{user}", least=len(RIGHTS)) as matrix, data_pool.connect(user, password) as connection:
        for statement, allowed in RIGHTS:
            found = "in"
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(statement)  # type: ignore[call-overload]  # ours
            except psycopg.errors.InsufficientPrivilege:
                found = "refused"
            except psycopg.Error as error:
                found = f"another error: {error.sqlstate} {error}"
            matrix.add(f"{user}: {statement}", "in" if user in allowed else "refused", found)
