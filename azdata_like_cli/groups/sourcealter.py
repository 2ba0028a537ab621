"""``source alter``: part of the group ``source``. Virtual tables over the source, their grants and views stay as they are."""

from __future__ import annotations

import json
import shlex

import click

from azdata_like_cli.answers import Value
from azdata_like_cli.command import BdcCommand, Settings, pass_settings
from azdata_like_cli.sourcewords import credential_of, options_of, password_of
from azdata_like_cli.sqlsession import Login, call, connected, login_options, records
from bdc.errors import NotFoundError


@click.command(
    "alter",
    cls=BdcCommand,
    examples=[
        "bdc source alter crm",
        "printf '%s\\n' \"$PASSWORD\" | bdc source alter crm --password-stdin",
        "bdc source alter crm --location postgresql://crm2.example:5432/crm --user reader",
        "bdc source alter crm --option fetch_size=5000 --unset pushdown",
    ],
)
@click.argument("name")
@click.option("--location", "-l", metavar="URL", help="Where it is now. On another server the password is needed again.")
@click.option("--user", metavar="NAME", help="Who logs in there. Default: as before.")
@click.option("--password-stdin", is_flag=True, help="Read that user's password from standard input.")
@click.option("--option", "pairs", multiple=True, metavar="KEY=VALUE", help="Set an option of the connector; the others stay.")
@click.option("--unset", "gone", multiple=True, metavar="KEY", help="Take an option away.")
@login_options
@pass_settings
def alter(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    name: str,
    location: str | None,
    user: str | None,
    password_stdin: bool,
    pairs: tuple[str, ...],
    gone: tuple[str, ...],
    login_database: str | None,
    login_user: str | None,
) -> Value:
    """Change the data source NAME: a new password when nothing else is said. Its virtual tables stay.

    The password comes from standard input (--password-stdin), BDC_SOURCE_PASSWORD or a prompt, and is sealed here.
    """
    with connected(settings, Login(login_database, login_user)) as connection:
        found = records(connection, "SELECT location, options, credential ->> 'user' AS login FROM bdc.data_sources WHERE name = %s", name)
        if not found:
            raise NotFoundError(f"there is no data source {name!r}", hint="'bdc source list' shows them")
        before = found[0]
        place, who = location or str(before["location"]), user or before["login"]
        options = _changed(before["options"], pairs, gone) if pairs or gone else None
        moved = location is not None and _server(location) != _server(str(before["location"]))
        credential: str | None = None
        if user is not None or password_stdin or (moved and who) or (location is None and options is None):
            if not isinstance(who, str):
                raise click.UsageError("Nothing to change: this source has no user; see --user, --location, --option.")
            credential = credential_of(connection, place, who, password_of(who, password_stdin))
        call(connection, "bdc.alter_data_source", name, location, None if options is None else json.dumps(options), credential)
    return Value(
        data={"name": name, "location": place, "user": who, "password": credential is not None},
        sentence=f"Data source {name} is changed. Next: bdc source test {shlex.quote(name)}",
    )


def _changed(before: object, pairs: tuple[str, ...], gone: tuple[str, ...]) -> dict[str, object]:
    kept = dict(before) if isinstance(before, dict) else {}
    unknown = [key for key in gone if key not in kept]
    if unknown:
        raise NotFoundError(f"the source has no option {unknown[0]!r}", hint=f"it has: {', '.join(sorted(kept)) or 'none'}")
    return {key: value for key, value in kept.items() if key not in gone} | options_of(pairs)


def _server(location: str) -> str:
    """What the master compares too: a secret is sealed for one server."""
    return [*location.split("/", 3), "", "", ""][2]
