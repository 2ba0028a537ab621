"""Data sources: ``source create|alter|list|describe|test|import|drop``. Passwords are sealed here and leave this machine sealed only."""

from __future__ import annotations

import json
import shlex

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Records, Report, Value
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.groups.sourcealter import alter
from azdata_like_cli.groups.sourceverify import verify
from azdata_like_cli.sourcewords import credential_of, options_of, password_of
from azdata_like_cli.sqlsession import Login, call, connected, login_options, records
from bdc.errors import NotFoundError

DATA_POOL = "datapool:"
COLUMNS = {"name": "Name", "connector": "Connector", "location": "Location", "owner": "Owner"}


@click.group("source", cls=BdcGroup)
def source() -> None:
    """Data sources: where virtual tables get their rows from."""


@source.command(
    "create",
    examples=[
        "bdc source create crm --connector postgresql --location postgresql://crm.example:5432/crm --user reader",
        "printf '%s\\n' \"$PASSWORD\" | bdc source create crm --location postgresql://crm.example/crm --user reader --password-stdin",
        "bdc source create lake --connector hdfs",
        "bdc source create data_pool --connector datapool",
    ],
)
@click.argument("name")
@click.option(
    "--connector",
    "-c",
    metavar="KIND",
    help="postgresql, mongodb, odbc, sqlserver, oracle, hdfs or datapool. Default: what the location begins with.",
)
@click.option(
    "--location", "-l", metavar="URL", help="Where it is; for hdfs the cluster's own HDFS is the default. Never with a password in it."
)
@click.option("--user", metavar="NAME", help="Who logs in there.")
@click.option("--password-stdin", is_flag=True, help="Read that user's password from standard input.")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="An option of the connector; may be given several times.")
@login_options
@pass_settings
def create(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str,
    connector: str | None,
    location: str | None,
    user: str | None,
    password_stdin: bool,
    pairs: tuple[str, ...],
    login_database: str | None,
    login_user: str | None,
) -> Value:
    """Create the data source NAME.

    The password of --user comes from standard input (--password-stdin), BDC_SOURCE_PASSWORD or a prompt. It is sealed here with the
    cluster's public key; only the compute pool can open it.
    """
    place = location or _own_place(settings, connector)
    kind = connector or _connector_of(place)
    password = password_of(user, password_stdin)
    with connected(settings, Login(login_database, login_user)) as connection:
        credential = None if user is None else credential_of(connection, place, user, password)
        call(connection, "bdc.create_data_source", name, kind, place, json.dumps(options_of(pairs)), credential)
    return Value(
        data={"name": name, "connector": kind, "location": place, "user": user},
        sentence=f"Data source {name} is there. Next: bdc source test {shlex.quote(name)}",
    )


def _own_place(settings: Settings, connector: str | None) -> str:
    """Where the cluster's own HDFS is, or its data pool."""
    if connector == "datapool":
        return DATA_POOL
    endpoints = settings.session().context.endpoints
    address = endpoints.get("hdfs-files", endpoints.get("hdfs"))  # by TLS, where there is TLS
    if connector != "hdfs" or address is None:
        raise click.UsageError("Missing option '--location'.")
    return address


def _connector_of(location: str) -> str:
    scheme = location.partition(":")[0].lower()
    known = {"postgresql": "postgresql", "postgres": "postgresql", "hdfs": "hdfs", "webhdfs": "hdfs", "mongodb": "mongodb"}
    known |= {"oracle": "oracle", "oracles": "oracle", "odbc": "odbc", "sqlserver": "sqlserver"}
    if scheme not in known:
        raise click.UsageError(
            f"The location does not say which connector it is for; add --connector ({', '.join(sorted(set(known.values())))})."
        )
    return known[scheme]


@source.command("list", examples=["bdc source list", "bdc source list -o json"])
@login_options
@pass_settings
def list_sources(settings: Settings, login_database: str | None, login_user: str | None) -> Records:
    """List the data sources of the database."""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, "SELECT name, connector, location, owner FROM bdc.data_sources ORDER BY name")
    return Records(rows=found, columns=COLUMNS)


@source.command("describe", examples=["bdc source describe crm", "bdc source describe crm -o yaml"])
@click.argument("name")
@login_options
@pass_settings
def describe(settings: Settings, name: str, login_database: str | None, login_user: str | None) -> Report:
    """Show a data source, without its secret, and the virtual tables over it."""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(
            connection, "SELECT name, connector, location, options, owner, created_at FROM bdc.data_sources WHERE name = %s", name
        )
        if not found:
            raise NotFoundError(f"there is no data source {name!r}", hint="'bdc source list' shows them")
        tables = records(
            connection, "SELECT schema_name, table_name, location FROM bdc.virtual_tables WHERE source_name = %s ORDER BY 1, 2", name
        )
    fields = Records(rows=[{"Field": key, "Value": value} for key, value in found[0].items()])
    shown = Records(rows=tables, columns={"schema_name": "Schema", "table_name": "Table", "location": "Location"})
    return Report(data={**found[0], "tables": tables}, blocks=[("", fields), ("Virtual tables", shown)])


@source.command("test", examples=["bdc source test crm"])
@click.argument("name")
@login_options
@pass_settings
def test(settings: Settings, name: str, login_database: str | None, login_user: str | None) -> Records:
    """Let the compute pool log in to the data source NAME once; an error says what failed."""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, "SELECT * FROM bdc.test_source(%s)", name)
    return Records(rows=found, columns={"ok": "Ok", "version": "Version", "milliseconds": "Milliseconds"})


@source.command(
    "import",
    examples=["bdc source import crm public crm", "bdc source import crm public crm --only customers --only orders"],
)
@click.argument("name")
@click.argument("remote_schema")
@click.argument("local_schema")
@click.option("--only", multiple=True, metavar="TABLE", help="Import this table; may be given several times. Default: all.")
@click.option("--except", "leave_out", multiple=True, metavar="TABLE", help="Don't import this table; may be given several times.")
@login_options
@pass_settings
def import_schema(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str,
    remote_schema: str,
    local_schema: str,
    only: tuple[str, ...],
    leave_out: tuple[str, ...],
    login_database: str | None,
    login_user: str | None,
) -> Records:
    """Make a virtual table in LOCAL_SCHEMA (made if it is not there) for each table of REMOTE_SCHEMA of the data source NAME."""
    from psycopg import sql

    from bdc.sql import translated

    with connected(settings, Login(login_database, login_user)) as connection, connection.transaction(), translated():
        if not records(connection, "SELECT FROM pg_catalog.pg_namespace WHERE nspname = %s", local_schema):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(local_schema)))
        call(connection, "bdc.import_schema", name, remote_schema, local_schema, list(only) or None, list(leave_out) or None)
        rows = records(
            connection,
            "SELECT schema_name, table_name, location FROM bdc.virtual_tables WHERE source_name = %s AND schema_name = %s ORDER BY 1, 2",
            name,
            local_schema,
        )
    return Records(rows=rows, columns={"schema_name": "Schema", "table_name": "Table", "location": "Location"})


@source.command("drop", examples=["bdc source drop crm", "bdc source drop crm --cascade --yes"])
@click.argument("name")
@click.option("--cascade", is_flag=True, help="Also drop its virtual tables and what depends on them.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@login_options
@pass_settings
def drop(settings: Settings, name: str, cascade: bool, yes: bool, login_database: str | None, login_user: str | None) -> Value:
    """Drop the data source NAME; the data behind it is not touched."""
    if not yes:
        output.message(f"Data source {name}" + (", its virtual tables and what depends on them" if cascade else "") + " will be dropped.")
        confirm("Go on?")
    with connected(settings, Login(login_database, login_user)) as connection:
        call(connection, "bdc.drop_data_source", name, cascade)
    return Value(data={"dropped": name}, sentence=f"Data source {name} is dropped.")


source.add_command(alter)
source.add_command(verify)
