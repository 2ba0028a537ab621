"""Tables of the data pool: ``data create|list|describe|stats|loads|compact|import|export|drop``;
``backup``, ``restore``, ``resize`` and what belongs to them: ``dataoperations``."""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Report, Value
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.datacolumns import data_columns, key_names
from azdata_like_cli.dataexports import csv_blocks, write_locally
from azdata_like_cli.dataimports import MODES, Target, as_virtual_table, in_words_of, lying_in_hdfs, take_over
from azdata_like_cli.dataoperations import carried_out, hdfs_path
from azdata_like_cli.groups.dataoperations import COMMANDS
from azdata_like_cli.groups.source import options_of
from azdata_like_cli.progress import TransferProgress, size
from azdata_like_cli.sqlsession import Login, call, connected, login_options, records
from bdc.copies import Copier
from bdc.errors import ForbiddenError, NotFoundError, UserError
from bdc.paths import is_remote, remote_path

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
    "version": "Version",
    "begun_at": "Begun",
    "reason": "Reason",
}
STATS = "SELECT schema_name, table_name, shard, rows, dead, segments, bytes, error FROM bdc.data_stats(%s) ORDER BY 1, 2, 3"
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
        return Records(rows=records(connection, f"{_TABLES} ORDER BY 1, 2"), columns=COLUMNS)


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
            raise ForbiddenError(f"nothing on the shards is told of {name!r}", hint="it takes SELECT on the table, and rows of this database")
        return Records(rows=rows, columns=STATS_COLUMNS)


@data.command("loads", examples=["bdc data loads", "bdc data loads --state open", "bdc data loads -o json"])
@click.option("--state", type=click.Choice(["open", "prepared", "committed", "aborted"]), help="Only those in this state.")
@click.option("--limit", type=click.IntRange(1, 100000), default=50, show_default=True, help="At most so many, the latest first.")
@login_options
@pass_settings
def loads(settings: Settings, state: str | None, limit: int, login_database: str | None, login_user: str | None) -> Records:
    """List the loads: those under way, and what became of those that ended."""
    with connected(settings, Login(login_database, login_user)) as connection:
        return Records(rows=records(connection, LOADS, state, state, limit), columns=LOAD_COLUMNS)


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


@data.command(
    "import",
    examples=[
        "bdc data import orders.csv orders",
        "bdc data import hdfs:/raw/orders orders --option format=parquet --mode overwrite",
        "bdc data import changes.csv orders --mode upsert --option delimiter=;",
    ],
)
@click.argument("place", metavar="FILE|hdfs:/PATH")
@click.argument("name", metavar="TABLE")
@click.option("--mode", type=click.Choice(MODES), default="append", show_default=True, help="upsert: by the table's primary key.")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="Of the file, such as delimiter=; or header=false.")
@login_options
@pass_settings
def import_file(  # noqa: PLR0913 - one parameter per option
    settings: Settings, place: str, name: str, mode: str, pairs: tuple[str, ...], login_database: str | None, login_user: str | None
) -> Value:
    """Load a CSV or Parquet file, or a folder of them, into TABLE: all of its rows, or none.

    Columns are matched by name; those that the file lacks get their default or NULL. A local file is put into HDFS for the while.
    The rows pass through the master: for hundreds of millions use Spark (pip install pyspark-bdc), which writes to the shards itself.
    """
    with connected(settings, Login(login_database, login_user)) as connection:
        found = find(connection, name)
        target = Target.of(found)
        if mode == "upsert" and not target.key:
            raise UserError(
                f"{name} has no primary key, so there is nothing to match rows by", hint="--mode append, or bdc.merge with keys"
            )
        with (
            lying_in_hdfs(place, settings.session().files) as path,
            in_words_of(place, path),
            as_virtual_table(connection, target, path, options_of(pairs)) as (source, columns),
        ):
            rows = take_over(connection, target, source, columns, mode)
    return Value(data={"table": name, "mode": mode, "rows": rows}, sentence=f"{rows} row{'' if rows == 1 else 's'} loaded into {name}.")


@data.command(
    "export",
    examples=[
        "bdc data export orders hdfs:/exports/orders.csv.gz",
        "bdc data export sales.orders ./orders.csv --force",
        "bdc data export orders hdfs:/exports/orders --format parquet",
    ],
)
@click.argument("name", metavar="TABLE")
@click.argument("place", metavar="hdfs:/PATH|FILE")
@click.option("--force", is_flag=True, help="Replace the file if it exists (CSV).")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), help="Default: by the path's ending, else parquet.")
@login_options
@pass_settings
def export(  # noqa: PLR0913 - one parameter per option
    settings: Settings, name: str, place: str, force: bool, form: str | None, login_database: str | None, login_user: str | None
) -> Value:
    """Write TABLE, all rows as of one moment, as a CSV file (.csv or .csv.gz) or as Parquet.

    Parquet is written by the pool into HDFS, for administrators: one file when PATH ends with .parquet, else a folder with files of
    each shard. It appears when it is complete, and must not exist before. CSV passes through this machine.
    """
    if form == "parquet" or (form is None and is_remote(place) and not place.endswith((".csv", ".csv.gz"))):
        if force:
            raise UserError("Parquet replaces nothing", hint="remove it first: bdc hdfs rm")
        with connected(settings, Login(login_database, login_user)) as connection:
            target = Target.of(find(connection, name)).written(connection)
            done = carried_out(connection, "export", {"table": target, "path": hdfs_path(place)})
        return Value(data=done, sentence=f"{name} is in {place}: {done['rows']} rows, {size(done['bytes'])}.")
    progress = TransferProgress()
    with connected(settings, Login(login_database, login_user)) as connection:
        found = find(connection, name)
        blocks = csv_blocks(connection, Target.of(found).written(connection), place)
        try:
            if is_remote(place):
                copier = Copier(settings.session().files, force=force, progress=progress)
                copier.save(blocks, remote_path(place))
                count = copier.copied.bytes
            else:
                count = write_locally(pathlib.Path(place), blocks, force, progress)
        finally:
            progress.close()
    return Value(data={"table": name, "file": place, "bytes": count}, sentence=f"{name} is in {place}, {size(count)}.")


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


for _command in COMMANDS:
    data.add_command(_command)

_TABLES = """SELECT n.nspname AS schema_name, c.relname AS table_name, v.distribution, v.primary_key, v.shards, v.owner, v.columns,
    v.schema_version, v.has_rows_here, v.created_at
    FROM bdc.data_tables_view AS v JOIN pg_catalog.pg_class AS c ON c.oid = v.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"""


def _columns_of(connection: psycopg.Connection[Any], name: str) -> list[dict[str, object]]:
    """Of any relation; NotFoundError."""
    query = """SELECT attname AS name, pg_catalog.format_type(atttypid, atttypmod) AS type, NOT attnotnull AS nullable
        FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
    found = records(connection, query, name)
    if not found:
        raise NotFoundError(f"there is no table or view {name!r}", where="--like", hint="a name is written as in SQL")
    return found


def find(connection: psycopg.Connection[Any], name: str) -> dict[str, object]:
    """The table ``name`` (as SQL writes it) from the catalog; NotFoundError."""
    found = records(connection, f"{_TABLES} WHERE v.relation = pg_catalog.to_regclass(%s)", name)
    if not found:
        raise NotFoundError(f"there is no table {name!r} in the data pool", hint="'bdc data list' shows them")
    return found[0]


def _described(found: dict[str, object], counts: object) -> Report:
    fields = Records(rows=[{"Field": key, "Value": value} for key, value in found.items() if key != "columns"])
    columns = found["columns"]
    rows = counts if isinstance(counts, list) else []
    blocks = [("", fields), ("Columns", Records(rows=columns if isinstance(columns, list) else [], columns=COLUMN_COLUMNS))]
    if rows:
        per_shard = {key: title for key, title in STATS_COLUMNS.items() if key not in ("schema_name", "table_name")}
        blocks.append(("Shards", Records(rows=rows, columns=per_shard)))
    return Report(data={**found, "stats": rows} if rows else found, blocks=blocks)
