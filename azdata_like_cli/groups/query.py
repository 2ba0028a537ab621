"""What runs in the compute pool: ``query list|kill``."""

from __future__ import annotations

import click

from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, pass_settings
from azdata_like_cli.sqlsession import Login, connected, login_options, records
from bdc.errors import NotFoundError

COLUMNS = {"id": "Id", "user": "User", "database": "Database", "state": "State", "seconds": "Seconds", "rows": "Rows", "sql": "Sql"}


@click.group("query", cls=BdcGroup)
def query() -> None:
    """Queries that run in the compute pool."""


@query.command("list", examples=["bdc query list", "bdc query list -o json -q '[?seconds > `10`].id'"])
@login_options
@pass_settings
def list_queries(settings: Settings, login_database: str | None, login_user: str | None) -> Records:
    """List the queries that the compute pool runs now: all of them for admins, else your own."""
    with connected(settings, Login(login_database, login_user)) as connection:
        return Records(rows=records(connection, "SELECT * FROM bdc.queries() ORDER BY seconds DESC"), columns=COLUMNS)


@query.command("kill", examples=["bdc query kill 7f3a"])
@click.argument("identifier", metavar="ID")
@login_options
@pass_settings
def kill(settings: Settings, identifier: str, login_database: str | None, login_user: str | None) -> Value:
    """End the query ID of `bdc query list`, in the pool and at its sources."""
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, "SELECT bdc.kill_query(%s) AS killed", identifier)
    if not found or found[0]["killed"] is not True:
        raise NotFoundError(f"no query {identifier!r} runs any more", hint="'bdc query list' shows those that do")
    return Value(data={"id": identifier, "killed": True}, sentence=f"Query {identifier} is ended.")
