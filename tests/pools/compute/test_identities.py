"""Names of the session become constants of the text, and nothing else does."""

from __future__ import annotations

import pytest

from pools.compute.identities import personal


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT current_user FROM t", "SELECT 'al''ice'::name AS \"current_user\" FROM t"),
        ("SELECT id, SESSION_USER, user FROM t", "SELECT id, 'al''ice'::name AS \"session_user\", 'al''ice'::name AS \"user\" FROM t"),
        ("SELECT current_database(), x FROM t", "SELECT 'db'::name AS \"current_database\", x FROM t"),
        ("SELECT current_user || 'x' FROM t", "SELECT 'al''ice'::name || 'x' FROM t"),
        ("SELECT current_user AS me FROM t", "SELECT 'al''ice'::name AS me FROM t"),
        ("SELECT f(a, current_user, b) FROM t", "SELECT f(a, 'al''ice'::name, b) FROM t"),
        ("SELECT id FROM t WHERE owner = current_user", "SELECT id FROM t WHERE owner = 'al''ice'::name"),
        ("SELECT id FROM t WHERE owner IN (current_user, 'x')", "SELECT id FROM t WHERE owner IN ('al''ice'::name, 'x')"),
        ("SELECT id AS user FROM t", "SELECT id AS user FROM t"),
        ("SELECT \"user\", t.user, 'current_user' FROM t -- user", "SELECT \"user\", t.user, 'current_user' FROM t -- user"),
        ("SELECT id FROM t GROUP BY id, current_catalog, id", "SELECT id FROM t GROUP BY id, 'db'::name, id"),
    ],
)
def test_personal(sql: str, expected: str) -> None:
    assert personal(sql, "al'ice", "db") == expected
