"""Tables of the data pool: ``data create|list|describe|stats|loads|compact|drop``; ``import`` and ``export``: ``datafiles``;
``backup``, ``restore``, ``resize`` and what belongs to them: ``dataoperations``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Report, Value
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.datacolumns import data_columns, key_names
from azdata_like_cli.datatables import TABLES, find
from azdata_like_cli.groups.datafiles import COMMANDS as FILES
from azdata_like_cli.groups.dataoperations import COMMANDS as OPERATIONS
from azdata_like_cli.sqlsession import Login, call, connected, login_options, records
from bdc.errors import BdcError, ForbiddenError, NotFoundError

if TYPE_CHECKING:
    import psycopg

COLUMNS = {
    "schema_name": "Schema",
    "table_name": "Table",
    "distribution": "Distribution",
    "primary_key": "Primary key",
    "shards": "Shards",
    "owner": "Owner",
}
COLUMN_COLUMNS = {"name": "Column", "type": "Type", "nullable": "Nullable", "default": "Default"}
STATS_COLUMNS = {
    "schema_name": "Schema",
    "table_name": "Table",
    "shard": "Shard",
    "rows": "Rows",
    "dead": "Dead",
    "segments": "Segments",
    "bytes": "Bytes",
    "error": "Error",
}
LOAD_COLUMNS = {
    "load": "Load",
    "state": "State",
    "tables": "Tables",
    "user_name": "User",
    "rows": "Rows",
    "arrived": "Arrived",
    "version": "Version",
    "begun_at": "Begun",
    "reason": "Reason",
}
STATS = "SELECT schema_name, table_name, shard, rows, dead, segments, bytes, error FROM bdc.data_stats(%s) ORDER BY 1, 2, 3"
PROGRESS = "SELECT load, json_object_agg(shard, rows ORDER BY shard) AS arrived FROM bdc.load_progress() GROUP BY load"
LOADS = """SELECT load, load_id, state, tables, user_name, client, rows, version, begun_at, expires_at, decided_at, reason
    FROM bdc.loads WHERE %s::text IS NULL OR state = %s ORDER BY begun_at DESC LIMIT %s"""


@click.group("data", cls=BdcGroup)
def data() -> None:
    """Tables of the data pool: rows spread over shards, written in parallel by Spark and SQL, each load there whole or not at all.

    A name is written as in SQL: orders, sales.orders, "Sales 2024"."Orders". Query them with `bdc sql query`, like any other table.
    """


@data.command(
    "create",
    examples=[
        "bdc data create orders --column 'id bigint not null' --column 'price numeric(10,2)' --distribution 'HASH(id)' --primary-key id",
        "bdc data create sales.events --column 'at timestamptz not null' --column 'what jsonb'",
        "bdc data create house_dp --like house --distribution 'HASH(\"RAD\")'",
        "bdc data create countries --column 'code text not null' --column 'name text' --distribution REPLICATED",
    ],
)
@click.argument("name")
@click.option("--column", "columns", multiple=True, metavar="'NAME TYPE'", help="A column: NAME TYPE [NOT NULL] [DEFAULT …].")
@click.option("--like", metavar="TABLE", help="Columns of this table or view, of whatever kind, before those of --column.")
@click.option("--distribution", metavar="HOW", help="HASH(a, b), ROUND_ROBIN or REPLICATED. Default: by the primary key, else ROUND_ROBIN.")
@click.option("--primary-key", "key", metavar="COLUMNS", help="The key's columns, with commas; upserts find their rows by it.")
@login_options
@pass_settings
def create(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str,
    columns: tuple[str, ...],
    like: str | None,
    distribution: str | None,
    key: str | None,
    login_database: str | None,
    login_user: str | None,
) -> Report:
    """Create the table NAME in the data pool.

    HASH(a) keeps rows with the same a on one shard: joins and groupings by a then need no exchange, and a query with a = 1 asks one shard.
    REPLICATED keeps all rows on every shard: for small tables that large ones are joined with.
    """
    if not columns and like is None:
        raise click.UsageError("Give the columns: --column, several times, or --like TABLE.")
    added = data_columns(columns)
    keys = key_names(key) if key else None
    with connected(settings, Login(login_database, login_user)) as connection, connection.transaction():
        given = [*(_columns_of(connection, like) if like is not None else ()), *added]
        call(connection, "bdc.create_data_table", name, json.dumps(given), distribution, keys)
        return _described(find(connection, name), ())


@data.command("list", examples=["bdc data list", "bdc data list -o json"])
@login_options
@pass_settings
def list_tables(settings: Settings, login_database: str | None, login_user: str | None) -> Records:
    """List the data-pool tables of the database."""
    with connected(settings, Login(login_database, login_user)) as connection:
        return Records(rows=records(connection, f"{TABLES} ORDER BY 1, 2"), columns=COLUMNS)


@data.command("describe", examples=["bdc data describe orders", "bdc data describe sales.orders -o json"])
@click.argument("name")
@login_options
@pass_settings
def describe(settings: Settings, name: str, login_database: str | None, login_user: str | None) -> Report:
    """Show a table: its columns, how it is spread, and what lies on each shard."""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = find(connection, name)
        return _described(found, records(connection, STATS, name))


@data.command("stats", examples=["bdc data stats", "bdc data stats orders -o json"])
@click.argument("name", required=False)
@login_options
@pass_settings
def stats(settings: Settings, name: str | None, login_database: str | None, login_user: str | None) -> Records:
    """Show rows, dead rows and bytes on each shard, of the table NAME or of all. Dead rows go with the next compaction."""
    with connected(settings, Login(login_database, login_user)) as connection:
        rows = records(connection, STATS, name)
        if name is not None and not rows:
            find(connection, name)  # NotFoundError for what is none of the data pool
            raise ForbiddenError(
                f"nothing on the shards is told of {name!r}", hint="it takes SELECT on the table, and rows of this database"
            )
        return Records(rows=rows, columns=STATS_COLUMNS)


@data.command("loads", examples=["bdc data loads", "bdc data loads --state open", "bdc data loads -o json"])
@click.option("--state", type=click.Choice(["open", "prepared", "committed", "aborted"]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 100000), default=50, show_default=True, help="At most so many, the latest first.")
@login_options
@pass_settings
def loads(settings: Settings, state: str | None, limit: int, login_database: str | None, login_user: str | None) -> Records:
    """List the loads: those under way with the rows that have arrived on each shard, and what became of those that ended."""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, LOADS, state, state, limit)
        arrived = _arrived(connection) if any(load["state"] in ("open", "prepared") for load in found) else {}
        return Records(rows=[{**load, "arrived": arrived.get(load["load"])} for load in found], columns=LOAD_COLUMNS)


@data.command("compact", examples=["bdc data compact orders", "bdc data compact orders --whole"])
@click.argument("name")
@click.option("--whole", is_flag=True, help="Rewrite the table even where little would be won.")
@login_options
@pass_settings
def compact(settings: Settings, name: str, whole: bool, login_database: str | None, login_user: str | None) -> Value:
    """Fold the table's small loads together and remove its dead rows, on all shards. Shards do so by themselves, too; queries go on."""
    with connected(settings, Login(login_database, login_user)) as connection:
        find(connection, name)
        call(connection, "bdc.compact_data_table", name, whole)
    return Value(data={"compacted": name}, sentence=f"{name} is compacted.")


@data.command("drop", examples=["bdc data drop orders", "bdc data drop sales.orders --yes"])
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@login_options
@pass_settings
def drop(settings: Settings, name: str, yes: bool, login_database: str | None, login_user: str | None) -> Value:
    """Drop the table NAME with its rows on all shards."""
    if not yes:
        output.message(f"Table {name} and its rows on all shards will be dropped.")
        confirm("Go on?")
    with connected(settings, Login(login_database, login_user)) as connection:
        call(connection, "bdc.drop_data_table", name)
    return Value(data={"dropped": name}, sentence=f"{name} is dropped.")


for _command in (*FILES, *OPERATIONS):
    data.add_command(_command)


def _arrived(connection: psycopg.Connection[Any]) -> dict[object, object]:
    """Load → {shard: rows}. The list is shown without it when the pool is down: then it is needed most."""
    try:
        return {row["load"]: row["arrived"] for row in records(connection, PROGRESS)}
    except BdcError as error:
        output.message(f"warning: what has arrived is not known: {error.message}")
        return {}


def _columns_of(connection: psycopg.Connection[Any], name: str) -> list[dict[str, object]]:
    """Of any relation; NotFoundError."""
    query = """SELECT attname AS name, pg_catalog.format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable
        FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
    found = records(connection, query, name)
    if not found:
        raise NotFoundError(f"there is no table or view {name!r}", where="--like", hint="a name is written as in SQL")
    return found


def _described(found: dict[str, object], counts: object) -> Report:
    fields = Records(rows=[{"Field": key, "Value": value} for key, value in found.items() if key != "columns"])
    columns = found["columns"]
    rows = counts if isinstance(counts, list) else []
    blocks = [("", fields), ("Columns", Records(rows=columns if isinstance(columns, list) else [], columns=COLUMN_COLUMNS))]
    if rows:
        per_shard = {key: title for key, title in STATS_COLUMNS.items() if key not in ("schema_name", "table_name")}
        blocks.append(("Shards", Records(rows=rows, columns=per_shard)))
    return Report(data={**found, "stats": rows} if rows else found, blocks=blocks)
