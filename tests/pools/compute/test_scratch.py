"""Residual SQL runs as a role that is nobody special."""

from __future__ import annotations

import psycopg
import pytest

from pools.compute.scratch import ROLE, unprivileged
from tests.services.postgresql import PostgresqlServer


@pytest.fixture(scope="module")
def dsn(postgresql: PostgresqlServer) -> str:
    with postgresql.connect() as server:
        server.execute("DROP DATABASE IF EXISTS scratch")
        server.execute("CREATE DATABASE scratch")
    return unprivileged(postgresql.dsn("scratch"))


def test_the_role_is_made_once_and_again(dsn: str, postgresql: PostgresqlServer) -> None:
    assert unprivileged(postgresql.dsn("scratch")) == dsn
    with psycopg.connect(dsn) as session:
        assert session.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (ROLE, False)


def test_it_may_make_temporary_tables(dsn: str) -> None:
    with psycopg.connect(dsn) as session:
        session.execute("CREATE TEMP TABLE t (a integer)")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "CREATE TABLE public.t (a integer)",
        "CREATE ROLE other",
        "SELECT rolpassword FROM pg_authid",
        "SELECT lo_import('/etc/passwd')",
    ],
)
def test_it_may_nothing_else(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement)
