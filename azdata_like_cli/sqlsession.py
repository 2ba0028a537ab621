"""How commands reach the master: which user and database, where the password comes from, and calls with results as records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from azdata_like_cli import output, passwords
from azdata_like_cli.command import Settings
from bdc.errors import AuthenticationError

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composable

    from bdc.sql import Address

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Login:
    """What the options said; None means the context's user, PGDATABASE or the cluster's first database."""

    database: str | None = None
    user: str | None = None


def login_options(function: Function) -> Function:
    """``--database`` and ``--username``, handed over as one ``login``."""
    function = click.option("--username", "-u", "-U", "login_user", metavar="NAME", help="Log in as this user. Default: the context's.")(
        function
    )
    return click.option(
        "--database",
        "-d",
        "login_database",
        metavar="NAME",
        envvar="PGDATABASE",
        help="The database. Default: PGDATABASE, else the cluster's first.",
    )(function)


def address_of(settings: Settings, login: Login) -> Address:
    """The master's address with whatever proves who we are: BDC_PASSWORD, else the keys of `bdc login`, else what libpq finds."""
    session = settings.session()
    found = session.sql_address(user=login.user, database=login.database)
    given = passwords.from_environment()
    if given is not None:
        return replace(found, password=given)
    # an explicit PGPASSWORD speaks of this call, a kept key of the last login
    return replace(found, keys=None) if os.environ.get("PGPASSWORD") else found


@contextmanager
def connected(settings: Settings, login: Login) -> Iterator[psycopg.Connection[Any]]:
    """A connection; asks for the password when nothing else is there. Warnings of the server go to standard error."""
    from bdc import sql

    address = address_of(settings, login)
    try:
        connection = sql.connect(address)
    except AuthenticationError as error:
        _not_asked(error, address)
        settings.say(error.message)
        connection = sql.connect(replace(address, password=passwords.prompt(f"Password of {address.user}")))
    connection.add_notice_handler(_notice)
    try:  # not psycopg's own context: every connection commits by itself, and a rollback on a connection in use would only complain
        yield connection
    finally:
        connection.close()


def proven_password(settings: Settings, login: Login) -> str | None:
    """The password with which the master lets us in, for a program that is started; None where the login's keys or ~/.pgpass do it.

    Asks for it when nothing else is there, as ``connected`` does.
    """
    from bdc import sql

    address = address_of(settings, login)
    try:
        sql.connect(address).close()
    except AuthenticationError as error:
        _not_asked(error, address)
        settings.say(error.message)
        address = replace(address, password=passwords.prompt(f"Password of {address.user}"))
        sql.connect(address).close()
    return address.password


def _not_asked(error: AuthenticationError, address: Address) -> None:
    """Raise it where nobody is to be asked: a password was given, or there is no terminal."""
    if address.password is not None:
        error.hint = "the password was BDC_PASSWORD's (or AZDATA_PASSWORD's), which goes before the login: unset it"
        raise error
    if not passwords.can_ask():
        raise error


def _notice(diagnostic: Any) -> None:  # noqa: ANN401 - psycopg's Diagnostic
    if diagnostic.severity_nonlocalized != "DEBUG":
        output.message(f"{(diagnostic.severity_nonlocalized or 'notice').lower()}: {diagnostic.message_primary}")


def records(connection: psycopg.Connection[Any], query: str, *parameters: object) -> list[dict[str, object]]:
    """The rows of ``query`` as objects whose values JSON can hold."""
    from bdc.sql import translated

    with translated():
        cursor = connection.execute(query.encode(), parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, map(_plain, row), strict=True)) for row in cursor]


def call(connection: psycopg.Connection[Any], procedure: Composable | str, *parameters: object) -> None:
    """``CALL procedure(…)`` with one placeholder per parameter."""
    from bdc.sql import translated

    with translated():
        places = ", ".join(["%s"] * len(parameters))
        connection.execute(f"CALL {procedure}({places})".encode(), parameters)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return str(value)
