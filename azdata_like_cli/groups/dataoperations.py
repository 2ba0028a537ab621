"""``data backup|restore|resize|operations|cancel``: part of the group ``data``; the compute pool carries the work out."""

from __future__ import annotations

import uuid

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcCommand, Settings, confirm, pass_settings
from azdata_like_cli.dataoperations import carried_out, hdfs_path
from azdata_like_cli.progress import size
from azdata_like_cli.sqlsession import Login, call, connected, login_options, records

COLUMNS = {
    "id": "Operation",
    "kind": "Kind",
    "state": "State",
    "user_name": "User",
    "begun_at": "Begun",
    "seconds": "Seconds",
    "progress": "Progress",
    "problem": "Problem",
}
OPERATIONS = """SELECT id, kind, state, user_name, begun_at, request, attempts,
    round(extract(epoch FROM coalesce(ended_at, clock_timestamp()) - begun_at)::numeric, 1) AS seconds, progress, problem
    FROM bdc.data_operations_view ORDER BY begun_at DESC LIMIT %s"""


@click.command(
    "backup",
    cls=BdcCommand,
    examples=["bdc data backup hdfs:/backups/monday", "bdc data backup hdfs:/backups/orders --table orders --table sales.items"],
)
@click.argument("folder", metavar="hdfs:/FOLDER")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table; can be repeated. Default: all of the database.")
@login_options
@pass_settings
def backup(settings: Settings, folder: str, tables: tuple[str, ...], login_database: str | None, login_user: str | None) -> Value:
    """Write data-pool tables to FOLDER in HDFS: one state of all of them, as Parquet files with a manifest.

    Loads and queries go on. FOLDER appears when the backup is complete, and must not exist before; what an interrupted one leaves is
    hidden and no backup. It is written with your HDFS rights. Administrators only.
    """
    request = {"folder": hdfs_path(folder), **({"tables": list(tables)} if tables else {})}
    with connected(settings, Login(login_database, login_user)) as connection:
        done = carried_out(connection, "backup", request)
    sentence = f"{counted(done['tables'])}, {done['rows']} rows, {size(done['bytes'])}: in hdfs:{done['folder']}."
    return Value(data=done, sentence=sentence)


@click.command(
    "restore",
    cls=BdcCommand,
    examples=[
        "bdc data restore hdfs:/backups/monday",
        "bdc data restore hdfs:/backups/monday --table orders --as orders_of_monday",
        "bdc data restore hdfs:/backups/monday --table orders --overwrite",
    ],
)
@click.argument("folder", metavar="hdfs:/FOLDER")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table; can be repeated. Default: all of the backup.")
@click.option("--as", "new_name", metavar="NAME", help="Restore the one table under this name.")
@click.option("--overwrite", is_flag=True, help="Replace the rows of tables that exist; rows of loads newer than the backup are lost.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask before overwriting.")
@login_options
@pass_settings
def restore(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    folder: str,
    tables: tuple[str, ...],
    new_name: str | None,
    overwrite: bool,
    yes: bool,
    login_database: str | None,
    login_user: str | None,
) -> Value:
    """Bring tables of a backup back, onto the shards that there are now: all of them in one step, or nothing.

    Tables that don't exist are made. One that exists, with rows or with a lost shard, is replaced with --overwrite only; the loads into
    it that are newer than the backup are told, their rows are gone then. Rights on tables that exist stay as they are.
    """
    if overwrite and not yes:
        output.message("Rows of the tables that exist will be replaced by those of the backup; newer ones are lost.")
        confirm("Go on?")
    request: dict[str, object] = {"folder": hdfs_path(folder), "overwrite": overwrite}
    request |= {"tables": list(tables)} if tables else {}
    request |= {"as": new_name} if new_name else {}
    with connected(settings, Login(login_database, login_user)) as connection:
        done = carried_out(connection, "restore", request)
    for table, load, user, time, rows in done["lost"]:
        output.message(f"gone: load {load} into {table} by {user} at {time}, {rows} rows")
    return Value(data=done, sentence=f"{counted(done['tables'])}, {done['rows']} rows: restored.")


@click.command(
    "resize", cls=BdcCommand, examples=["bdc data resize --shards 3", "bdc data resize --shards 2 --table orders --table sales.items"]
)
@click.option("--shards", type=click.IntRange(1, 1000), required=True, metavar="N", help="Onto the first N shards: data-0 … data-(N-1).")
@click.option("--table", "tables", multiple=True, metavar="NAME", help="Only this table; can be repeated. Default: all of the database.")
@login_options
@pass_settings
def resize(settings: Settings, shards: int, tables: tuple[str, ...], login_database: str | None, login_user: str | None) -> Value:
    """Spread tables over N shards: one after the other is written anew, and moves in one step.

    \b
    Growing:    spec.pools.data.shards=3 (bdc config set) in the cluster's bdc.yaml; the controller starts data-2;
                when bdc status shows it: bdc data resize --shards 3, in each database.
    Shrinking:  bdc data resize --shards 2, in each database, and then the spec.

    The table that is being moved can be read all the time; writers wait, or are told to try again. It goes on by itself when a process
    is killed; run again, it does what is left. A table needs its size in free space once more. Administrators only.
    """
    request = {"shards": shards, **({"tables": list(tables)} if tables else {})}
    with connected(settings, Login(login_database, login_user)) as connection:
        done = carried_out(connection, "resize", request)
    return Value(data=done, sentence=f"{done['moved']} of {counted(done['tables'])} moved; on {shards} shards now.")


@click.command("operations", cls=BdcCommand, examples=["bdc data operations", "bdc data operations -o json"])
@click.option("--limit", type=click.IntRange(1, 10000), default=20, show_default=True, help="At most so many, the latest first.")
@login_options
@pass_settings
def operations(settings: Settings, limit: int, login_database: str | None, login_user: str | None) -> Records:
    """List backups, restores, resizes and exports of the database: how far they are, what became of them."""
    with connected(settings, Login(login_database, login_user)) as connection:
        return Records(rows=records(connection, OPERATIONS, limit), columns=COLUMNS)


@click.command("cancel", cls=BdcCommand, examples=["bdc data cancel 0b9a3c52-9f51-4d36-a3f7-2c1d8f3b6f10"])
@click.argument("operation", type=click.UUID)
@login_options
@pass_settings
def cancel(settings: Settings, operation: uuid.UUID, login_database: str | None, login_user: str | None) -> Value:
    """End an operation that is under way: nothing of it stays."""
    with connected(settings, Login(login_database, login_user)) as connection:
        call(connection, "bdc.cancel_data_operation", str(operation))
    return Value(data={"cancelled": str(operation)}, sentence=f"{operation} is cancelled.")


def counted(tables: int) -> str:
    """``1 table``, ``2 tables``."""
    return f"{tables} table{'' if tables == 1 else 's'}"


COMMANDS = (backup, restore, resize, operations, cancel)
