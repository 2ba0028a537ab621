"""Virtual tables: ``table create|detect|list|describe|refresh|analyze|drop``."""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING, Any

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Report, Value
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.groups.tableanalyze import AGE, analyze
from azdata_like_cli.groups.tablerefresh import drift, refresh
from azdata_like_cli.sourcewords import options_of
from azdata_like_cli.sqlsession import Login, call, connected, login_options, records
from bdc.errors import NotFoundError, UserError

if TYPE_CHECKING:
    import psycopg

COLUMNS = {
    "schema_name": "Schema",
    "table_name": "Table",
    "source_name": "Source",
    "location": "Location",
    "rows": "Rows",
    "statistics_age": "Statistics' age",
    "owner": "Owner",
    "changed": "Changed at the source",
}
COLUMN_COLUMNS = {"name": "Column", "type": "Type", "nullable": "Nullable", "remote": "Remote"}


@click.group("table", cls=BdcGroup)
def table() -> None:
    """Virtual tables. A name is written as in SQL: house, sales.orders, "Sales 2024"."Orders"."""


def columns_of(words: tuple[str, ...]) -> list[dict[str, object]] | None:
    """``NAME TYPE [NOT NULL]`` each, as the catalog takes them; None when there are none."""
    found: list[dict[str, object]] = []
    for word in words:
        match = re.fullmatch(r"""\s*(?:"((?:[^"]|"")+)"|(\S+))\s+(.+?)(\s+not\s+null)?\s*""", word, re.IGNORECASE)
        if match is None:
            raise UserError(f"{word!r} is not NAME TYPE", hint="for example --column 'price numeric(10,2) not null'")
        quoted, plain, kind, strict = match.groups()
        name = quoted.replace('""', '"') if quoted else plain
        found.append({"name": name, "type": kind, "nullable": strict is None, "remote": name})
    return found or None


@table.command(
    "create",
    examples=[
        "bdc table create house --source lake --location /demo/house.csv",
        "bdc table create sales.orders --source crm --location public.orders",
        "bdc table create t --source lake --location /t.csv --option header=false --column 'a bigint' --column 'b text'",
    ],
)
@click.argument("name")
@click.option("--source", "-s", required=True, metavar="NAME", help="The data source.")
@click.option("--location", "-l", required=True, metavar="PLACE", help="Where in it: a file or folder, or schema.table.")
@click.option("--column", "columns", multiple=True, metavar="'NAME TYPE'", help="A column; may be given several times. Default: detected.")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="An option such as delimiter=; or header=false.")
@login_options
@pass_settings
def create(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str,
    source: str,
    location: str,
    columns: tuple[str, ...],
    pairs: tuple[str, ...],
    login_database: str | None,
    login_user: str | None,
) -> Report:
    """Create the virtual table NAME. Without --column its columns and their types are detected."""
    given = columns_of(columns)
    with connected(settings, Login(login_database, login_user)) as connection, connection.transaction():
        call(
            connection,
            "bdc.create_virtual_table",
            name,
            source,
            location,
            json.dumps(given) if given is not None else None,
            json.dumps(options_of(pairs)),
        )
        return _described(_find(connection, name))


@table.command(
    "detect", examples=["bdc table detect --source lake --location /demo/house.csv", "bdc table detect -s crm -l public.orders -o json"]
)
@click.option("--source", "-s", required=True, metavar="NAME", help="The data source.")
@click.option("--location", "-l", required=True, metavar="PLACE", help="Where in it: a file or folder, or schema.table.")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="An option such as delimiter=; or header=false.")
@login_options
@pass_settings
def detect(
    settings: Settings, source: str, location: str, pairs: tuple[str, ...], login_database: str | None, login_user: str | None
) -> Records:
    """Show which columns `bdc table create` would detect. Nothing stays: the table is made and taken back in one transaction."""
    name = f"bdc_detect_{secrets.token_hex(8)}"
    with connected(settings, Login(login_database, login_user)) as connection, connection.transaction(force_rollback=True):
        call(connection, "bdc.create_virtual_table", name, source, location, None, json.dumps(options_of(pairs)))
        found = _find(connection, name)
    columns = found["columns"] if isinstance(found["columns"], list) else []
    told = {"seen": "Seen"} if any("seen" in column for column in columns) else {}
    return Records(rows=columns, columns=COLUMN_COLUMNS | told)


@table.command("list", examples=["bdc table list", "bdc table list --source lake"])
@click.option("--source", "-s", metavar="NAME", help="Only those over this data source.")
@login_options
@pass_settings
def list_tables(settings: Settings, source: str | None, login_database: str | None, login_user: str | None) -> Records:
    """List the virtual tables of the database, with what the last `bdc table refresh` saw changed and did not take over."""
    query = f"""SELECT schema_name, table_name, source_name, location, rows, {AGE} AS statistics_age, owner, drift FROM bdc.virtual_tables
        WHERE %s::text IS NULL OR source_name = %s ORDER BY 1, 2"""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, query, source, source)
    rows = [{**row, "changed": drift(row["drift"] if isinstance(row["drift"], list) else [])} for row in found]
    shown = COLUMNS if any(row["changed"] for row in rows) else {key: title for key, title in COLUMNS.items() if key != "changed"}
    return Records(rows=rows, columns=shown)


@table.command("describe", examples=["bdc table describe house", "bdc table describe sales.orders -o json"])
@click.argument("name")
@login_options
@pass_settings
def describe(settings: Settings, name: str, login_database: str | None, login_user: str | None) -> Report:
    """Show a virtual table: its source, its place, its columns."""
    with connected(settings, Login(login_database, login_user)) as connection:
        return _described(_find(connection, name))


def _find(connection: psycopg.Connection[Any], name: str) -> dict[str, object]:
    found = records(
        connection,
        f"""SELECT schema_name, table_name, source_name, location, columns, options, rows, owner, created_at, refreshed_at,
             analyzed_at, {AGE} AS statistics_age, drift
           FROM bdc.virtual_tables WHERE relation = pg_catalog.to_regclass(%s)""",
        name,
    )
    if not found:
        raise NotFoundError(f"there is no virtual table {name!r}", hint="'bdc table list' shows them")
    return found[0]


def _described(found: dict[str, object]) -> Report:
    fields = Records(rows=[{"Field": key, "Value": value} for key, value in found.items() if key != "columns"])
    columns = found["columns"]
    shown = Records(rows=columns if isinstance(columns, list) else [], columns=COLUMN_COLUMNS)
    return Report(data=found, blocks=[("", fields), ("Columns", shown)])


table.add_command(refresh)
table.add_command(analyze)


@table.command("drop", examples=["bdc table drop house", "bdc table drop sales.orders --cascade --yes"])
@click.argument("name")
@click.option("--cascade", is_flag=True, help="Also drop what depends on it, such as views.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@login_options
@pass_settings
def drop(settings: Settings, name: str, cascade: bool, yes: bool, login_database: str | None, login_user: str | None) -> Value:
    """Drop the virtual table NAME; the data behind it is not touched."""
    if not yes:
        output.message(f"Virtual table {name}" + (" and what depends on it" if cascade else "") + " will be dropped.")
        confirm("Go on?")
    with connected(settings, Login(login_database, login_user)) as connection:
        call(connection, "bdc.drop_virtual_table", name, cascade)
    return Value(data={"dropped": name}, sentence=f"{name} is dropped.")
