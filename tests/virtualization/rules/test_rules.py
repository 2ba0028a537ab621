"""Each rule alone, against its fixture file: query, ``-->``, what it becomes (``=``: stays as it is), separated by blank lines."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import psycopg
import pytest

from tests.virtualization.conftest import catalog
from tests.virtualization.postgresql_stand_ins import fetch_text
from virtualization.bind import bind
from virtualization.parse import parse
from virtualization.rules import RULES, Rule

FOLDER = pathlib.Path(__file__).parent


def cases(rule: Rule) -> Iterator[tuple[str, str]]:
    for block in (FOLDER / f"{rule.__name__}.sql").read_text().strip().split("\n\n"):
        before, _, after = block.partition("\n-->\n")
        yield before, after


def bound(sql: str) -> str:
    return bind(parse(sql), catalog()).query.sql("postgres")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_fixture(rule: Rule, database: psycopg.Connection) -> None:
    for before, after in cases(rule):
        query = bind(parse(before), catalog()).query
        result = rule(query).sql("postgres")
        assert result == bound(before if after == "=" else after), before
        assert sorted(fetch_text(database, before), key=repr) == sorted(fetch_text(database, result), key=repr), before
