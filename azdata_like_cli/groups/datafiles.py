"""Files into tables of the data pool and out of them: ``data import|export``."""

from __future__ import annotations

import pathlib

import click

from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.dataexports import csv_blocks, write_locally
from azdata_like_cli.dataimports import MODES, Target, as_virtual_table, in_words_of, lying_in_hdfs, take_over
from azdata_like_cli.dataoperations import carried_out, hdfs_path
from azdata_like_cli.datatables import find
from azdata_like_cli.progress import TransferProgress, size
from azdata_like_cli.sourcewords import options_of
from azdata_like_cli.sqlsession import Login, connected, login_options
from bdc.copies import Copier
from bdc.errors import UserError
from bdc.paths import is_remote, remote_path


@click.command(
    "import",
    cls=BdcCommand,
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


@click.command(
    "export",
    cls=BdcCommand,
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


COMMANDS = (import_file, export)
