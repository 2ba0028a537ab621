"""``table analyze``: part of the group ``table``. What planners know of a table's values, and how old that is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from azdata_like_cli import exits, output
from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.sqlsession import Login, connected, login_options, records
from bdc.errors import BdcError

if TYPE_CHECKING:
    import psycopg

SAMPLE_ROWS = 30_000
ALL = """SELECT relation::text AS name FROM bdc.virtual_tables
    WHERE relation IS NOT NULL AND (%s::text IS NULL OR source_name = %s)
      AND (pg_catalog.pg_has_role(owner, 'USAGE') OR pg_catalog.pg_has_role('bdc_admin', 'USAGE'))
    ORDER BY 1"""
AGE = "pg_catalog.justify_interval(pg_catalog.date_trunc('second', pg_catalog.now() - analyzed_at))::text"
"""Of what is known of a table in ``bdc.virtual_tables``; NULL: it was never looked at."""


@click.command(
    "analyze",
    cls=BdcCommand,
    examples=["bdc table analyze house", "bdc table analyze --all --source crm", "bdc table analyze house --sample 100000"],
)
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="All virtual tables that you may analyze; what fails is told, the others go on.")
@click.option("--source", "-s", metavar="NAME", help="With --all: only those over this data source.")
@click.option(
    "--sample", type=click.IntRange(1), default=SAMPLE_ROWS, show_default=True, help="Rows to read where the source knows nothing."
)
@login_options
@pass_settings
def analyze(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str | None,
    every: bool,
    source: str | None,
    sample: int,
    login_database: str | None,
    login_user: str | None,
) -> Value:
    """Find out how many rows a table has and how its values are spread, so that queries are planned well.

    The source is asked what it knows (a database's own statistics, the footers of Parquet files); of columns of which it knows nothing the
    first rows are read, up to --sample. How old the answer is stands in 'bdc table list' and 'bdc table describe'.
    """
    if (name is None) == (not every) or (source is not None and not every):
        raise click.UsageError("Give a table, or --all (with or without --source).")
    with connected(settings, Login(login_database, login_user)) as connection:
        names = [name] if name is not None else [str(row["name"]) for row in records(connection, ALL, source, source)]
        done = [_analyzed(connection, one, sample, alone=not every) for one in names]
    code = exits.USER_ERROR if any(one["error"] is not None for one in done) else exits.OK
    lines = [_line(one) for one in done] or ["There is no virtual table to analyze."]
    return Value(data=done if every else done[0], sentence="\n".join(lines), exit_code=code)


def _analyzed(connection: psycopg.Connection[Any], name: str, sample: int, *, alone: bool) -> dict[str, Any]:
    output.message(f"{name} …")
    start = time.monotonic()
    try:
        found = records(connection, "CALL bdc.analyze(%s, %s)", name, sample)[0]["found"]
    except BdcError as error:
        if alone:
            raise
        return {"table": name, "rows": None, "columns": 0, "seconds": None, "error": error.message}
    told = found if isinstance(found, dict) else {}
    return {"table": name, **told, "seconds": round(time.monotonic() - start, 3), "error": None}


def _line(one: dict[str, Any]) -> str:
    if one["error"] is not None:
        return f"{one['table']}: FAILED: {one['error']}"
    rows = "an unknown number of rows" if one["rows"] is None else f"about {one['rows']:,.0f} rows"
    return f"{one['table']}: {rows}, {one['columns']} column{'' if one['columns'] == 1 else 's'} known, {one['seconds']:.1f} s"
