"""Verifiers agree with PostgreSQL's and libpq's own."""

from __future__ import annotations

import secrets

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pools.master.scram import is_scram_verifier, matches, saslprep, scram_verifier
from tests.services.postgresql import PostgresqlServer

PASSWORDS = [
    "plain",
    "with space ",
    "ünï",
    "\u00a0nbsp",
    "I\u00adX",
    "\u2168",
    "ﬁ",
    "عربي",
    "ab\u0627",
    "\u0007bell",
    "数据 \U0001f600",
    "a\u0301",
    "\u0221x",
]


@pytest.mark.parametrize("password", PASSWORDS)
def test_libpq_logs_in_with_it(postgresql: PostgresqlServer, password: str) -> None:
    name = f"scram_{secrets.token_hex(4)}"
    with postgresql.connect() as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                psycopg.sql.Identifier(name), psycopg.sql.Literal(scram_verifier(password))
            )
        )
        psycopg.connect(postgresql.dsn(), user=name, password=password).close()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgresql.dsn(), user=name, password=password + "x")
        connection.execute(psycopg.sql.SQL("DROP ROLE {}").format(psycopg.sql.Identifier(name)))


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=20))
def test_matches_its_password_only(password: str) -> None:
    verifier = scram_verifier(password, iterations=2)
    assert is_scram_verifier(verifier) and matches(verifier, password)
    assert not matches(verifier, password + "!")


@pytest.mark.parametrize(
    ("given_text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("\u00aa", "a"), ("\u2168", "IX"), ("\u0007", "\u0007"), ("\u00ad", "\u00ad")],
)
def test_saslprep(given_text: str, prepared: str) -> None:
    assert saslprep(given_text) == prepared


@pytest.mark.parametrize(
    "text", ["", "password", "md5abc", "SCRAM-SHA-256$x", "SCRAM-SHA-256$4096:AA==$AA==:AA==", "SCRAM-SHA-256$4096:é$a:b"]
)
def test_what_is_no_verifier(text: str) -> None:
    assert not is_scram_verifier(text) and not matches(text, "x")


def test_empty_password_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        scram_verifier("")
