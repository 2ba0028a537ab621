"""What commands over data sources are told: options, and the password of who logs in at the source, which is sealed here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

import click
import psycopg

from azdata_like_cli import passwords
from azdata_like_cli.sqlsession import records
from bdc.errors import InternalError, UserError
from bdc.sealing import Recipient, seal

PASSWORD_VARIABLE = "BDC_SOURCE_PASSWORD"  # noqa: S105 - a variable's name


def options_of(pairs: Iterable[str]) -> dict[str, object]:
    """``key=value`` words as an object; a value that is a word of JSON (true, 3, "a") is taken as such, anything else as text: no option
    is a list, an object or nothing (``mismatch=null``)."""
    found: dict[str, object] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not sign or not key:
            raise UserError(f"{pair!r} is not KEY=VALUE", hint="for example --option header=true")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found[key] = value if isinstance(value, bool | int | float | str) else text
    return found


def password_of(user: str | None, stdin: bool) -> str | None:
    """The user's at the source; None without a user."""
    if user is None:
        if stdin:
            raise click.UsageError("--password-stdin needs --user.")
        return None
    if stdin:
        return passwords.from_stdin()
    return os.environ.get(PASSWORD_VARIABLE) or passwords.prompt(f"Password of {user} at the source", variable=PASSWORD_VARIABLE)


def credential_of(connection: psycopg.Connection[Any], location: str, user: str, password: str | None) -> str:
    """As ``bdc.create_data_source`` takes it (JSON): the password sealed for this server and user, only the compute pool opens it."""
    key = records(connection, "SELECT bdc.sealing_key() AS key")[0]["key"]
    if not isinstance(key, str):
        raise InternalError("the cluster has no sealing key", where="bdc.sealing_key()")
    return json.dumps({"user": user, **({"sealed": seal(password, Recipient(key, location, user))} if password is not None else {})})
