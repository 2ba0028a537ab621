"""``bdc app secret``: values that the cluster hands to the workers of one app. They come from standard input or a prompt."""

from __future__ import annotations

import time
from typing import cast

import click

from azdata_like_cli import passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, argument, confirm, pass_settings
from azdata_like_cli.groups.session import when
from bdc.apps import Apps
from bdc.errors import ServiceError, UserError

COLUMNS = {"name": "Name", "set": "Set", "by": "By", "asked": "Asked for by"}
LONGEST = 32 * 1024
PERIOD = 0.2


@click.group("secret", cls=BdcGroup)
def secret() -> None:
    """Secrets of an app: variables of its workers whose values are in no package."""


@secret.command(
    "set",
    examples=["bdc app secret set house DB_PASSWORD", "bdc app secret set house TLS_KEY --value-stdin < key.pem"],
)
@argument("app")
@argument("name")
@click.option("--value-stdin", is_flag=True, help="Read the value from standard input, all of it but a last line break.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until versions that ask for it have it.")
@click.option("--timeout", type=click.FloatRange(1, 3600), default=600.0, show_default=True, help="Seconds to wait.")
@pass_settings
def put(settings: Settings, app: str, name: str, value_stdin: bool, wait: bool, timeout: float) -> Value:
    """Set the secret NAME of APP, which its spec.yaml lists in `secrets`. Nobody can read it back.

    Versions that ask for it start anew with it, as by an update: the workers of before answer until the new ones are ready, and go on if
    these can't be started.
    """
    value = _given() if value_stdin else _asked(name)
    apps = settings.session().apps
    restarted = apps.set_secret(app, name, value)
    if wait:
        _settled(apps, restarted, timeout)
    more = f"; {', '.join(restarted)} {'has' if wait else 'will have'} it" if restarted else ""
    return Value(data={"app": app, "name": name, "restarted": restarted}, sentence=f"The secret {name} of {app} is set{more}.")


@secret.command("list", examples=["bdc app secret list house"])
@argument("app")
@pass_settings
def show(settings: Settings, app: str) -> Records:
    """List the secrets of APP and the versions that ask for them; values are never shown."""
    found = settings.session().apps.secrets(app)
    rows = [{**row, "set": _when(row["since"]), "asked": ", ".join(cast("list[str]", row["versions"]))} for row in found]
    return Records(rows=rows, columns=COLUMNS)


@secret.command("delete", examples=["bdc app secret delete house DB_PASSWORD"])
@argument("app")
@argument("name")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_settings
def drop(settings: Settings, app: str, name: str, yes: bool) -> Value:
    """Delete the secret NAME of APP; none that a version asks for. All of them go with the last version of the app."""
    apps = settings.session().apps
    if not yes:
        confirm(f"Delete the secret {name} of {app}?")
    apps.delete_secret(app, name)
    return Value(data={"deleted": name, "app": app}, sentence=f"The secret {name} of {app} is deleted.")


def _given() -> str:
    """UserError."""
    value = passwords.standard_input().read(LONGEST + 2).removesuffix("\n").removesuffix("\r")
    if not value:
        raise UserError("standard input held no value", hint="printf '%s' \"$VALUE\" | bdc app secret set APP NAME --value-stdin")
    return value


def _asked(name: str) -> str:
    """UserError where nobody can be asked."""
    if not passwords.can_ask():
        raise UserError("the value is needed, and there is no terminal to ask on", hint="--value-stdin reads it from standard input")
    return passwords.prompt(f"Value of {name}", confirm=True)


def _settled(apps: Apps, labels: list[str], seconds: float) -> None:
    """ServiceError where a version goes on without it."""
    deadline = time.monotonic() + seconds
    for label in labels:
        name, _, version = label.partition("@")
        while not (found := apps.describe(name, version))["settled"]:
            if time.monotonic() > deadline:
                raise ServiceError(f"{label} is not settled after {seconds:g} s", where=label, hint=f"bdc app describe {label}")
            time.sleep(PERIOD)
        if found["state"] != "Ready" or found["reason"] != "serves":
            why = str(found["reason"])
            raise ServiceError(f"the secret is set, but {label} has not taken it", where=label, why=why, hint=f"bdc app logs {label}")


def _when(since: object) -> str:
    return when(since) if isinstance(since, int | float) else "not set"
