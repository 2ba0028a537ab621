"""``table refresh``: part of the group ``table``. Looks at the source again and says in what it differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from azdata_like_cli import exits
from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.sqlsession import Login, connected, login_options, records
from bdc.errors import BdcError

if TYPE_CHECKING:
    import psycopg

Change = Mapping[str, Any]

ALL = """SELECT relation::text AS name FROM bdc.virtual_tables
    WHERE relation IS NOT NULL AND (%s::text IS NULL OR source_name = %s)
      AND source_name NOT IN (SELECT name FROM bdc.data_sources WHERE connector = 'datapool')
      AND (pg_catalog.pg_has_role(owner, 'USAGE') OR pg_catalog.pg_has_role('bdc_admin', 'USAGE'))
    ORDER BY 1"""
"""Tables that the caller may refresh. Those of the data pool know of themselves."""


@click.command(
    "refresh",
    cls=BdcCommand,
    examples=[
        "bdc table refresh house",
        "bdc table refresh house --columns",
        "bdc table refresh --all --source crm",
        "bdc table refresh --all -o json -q '[?changes].table'",
    ],
)
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All virtual tables that you may refresh; what fails is told, the others go on.")
@click.option("--source", "-s", metavar="NAME", help="With --all: only those over this data source.")
@click.option("--columns", is_flag=True, help="Take over what changed: new columns, those that are gone, other types.")
@login_options
@pass_settings
def refresh(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str | None,
    every: bool,
    source: str | None,
    columns: bool,
    login_database: str | None,
    login_user: str | None,
) -> Value:
    """Look at the source again: number of rows, statistics, and in what its columns differ from the table's.

    Differences are shown and remembered ('bdc table list'), and taken over with --columns only; but that a column may hold NULL now is
    taken over at once. Grants and views stay; where a view needs a column that is gone or has another type, nothing is changed and the
    error says which. Columns given by hand stay as given.
    """
    if (name is None) == (not every) or (source is not None and not every):
        raise click.UsageError("Give a table, or --all (with or without --source).")
    with connected(settings, Login(login_database, login_user)) as connection:
        names = [name] if name is not None else [str(row["name"]) for row in records(connection, ALL, source, source)]
        done = [_refreshed(connection, one, columns, alone=not every) for one in names]
    lines = [line for one in done for line in _lines(one)] or ["There is no virtual table to refresh."]
    code = exits.USER_ERROR if any(one["error"] is not None for one in done) else exits.OK
    return Value(data=done if every else done[0], sentence="\n".join(lines), exit_code=code)


def _refreshed(connection: psycopg.Connection[Any], name: str, columns: bool, *, alone: bool) -> dict[str, Any]:
    try:
        changes = records(connection, "CALL bdc.refresh_table(%s, %s)", name, columns)[0]["changes"]
    except BdcError as error:
        if alone:
            raise
        return {"table": name, "changes": [], "error": error.message}
    return {"table": name, "changes": changes, "error": None}


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    name, changes = one["table"], one["changes"]
    if one["error"] is not None:
        yield f"{name}: FAILED: {one['error']}"
    elif not changes:
        yield f"{name} is up to date."
    else:
        yield f"{name}: {len(changes)} column{'' if len(changes) == 1 else 's'} changed at the source"
        yield from (f"  {described(change)}{'' if change['applied'] else '  (not taken over)'}" for change in changes)
        if any(not change["applied"] for change in changes):
            yield f"  To take it over: bdc table refresh {name} --columns"


def described(change: Change) -> str:
    """One change, on one line."""
    match change["change"]:
        case "new":
            return f"new:  {change['column']} {change['there']}"
        case "gone":
            return f"gone: {change['column']} {change['here']}"
        case _:
            return f"{change['column']}: {change['here']}, now {change['there']}"


def drift(changes: Sequence[Change]) -> str:
    """What was seen and not taken over, for a list of tables."""
    return "; ".join(" ".join(described(change).split()) for change in changes)
