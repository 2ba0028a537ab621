"""Columns of ``bdc data create`` as words."""

from __future__ import annotations

import pytest

from azdata_like_cli.datacolumns import data_columns, key_names
from bdc.errors import UserError


@pytest.mark.parametrize(
    ("word", "column"),
    [
        ("id bigint", {"name": "id", "type": "bigint", "nullable": True}),
        ("ID bigint NOT  NULL", {"name": "id", "type": "bigint", "nullable": False}),
        ('"Unit ""price""" numeric(10,2)', {"name": 'Unit "price"', "type": "numeric(10,2)", "nullable": True}),
        ("at timestamp with time zone null", {"name": "at", "type": "timestamp with time zone", "nullable": True}),
        ("n integer default -1 not null", {"name": "n", "type": "integer", "nullable": False, "default": "-1"}),
        ("w text not null default 'it''s not null'", {"name": "w", "type": "text", "nullable": False, "default": "it's not null"}),
        ("b boolean DEFAULT true", {"name": "b", "type": "boolean", "nullable": True, "default": "true"}),
        ("w text default 'a check, unique'", {"name": "w", "type": "text", "nullable": True, "default": "a check, unique"}),
        ("w text default ''", {"name": "w", "type": "text", "nullable": True, "default": ""}),
    ],
)
def test_a_column_is_read_as_in_sql(word: str, column: dict[str, object]) -> None:
    assert data_columns([word]) == [column]


@pytest.mark.parametrize(
    "word",
    [
        "id",
        "",
        "id not null",
        "at timestamptz default now()",
        "n integer default",
        "n integer not null unique",
        "n bigint primary key",
        "n int check (n > 0)",
        "n int references other",
    ],
)
def test_what_can_not_be_read_is_refused_with_an_example(word: str) -> None:
    with pytest.raises(UserError) as refused:
        data_columns([word])
    assert refused.value.hint or "what?" in refused.value.message


def test_names_of_a_key() -> None:
    assert key_names('ID, "Line, ""no"""') == ["id", 'Line, "no"']
    for text in ("", "a,,b", 'a "b"', "a b", '"a'):
        with pytest.raises(UserError):
            key_names(text)


def test_constraints_are_named() -> None:
    with pytest.raises(UserError, match="PRIMARY KEY is not said with a column") as refused:
        data_columns(["id bigint primary key"])
    assert "--primary-key" in (refused.value.hint or "")
