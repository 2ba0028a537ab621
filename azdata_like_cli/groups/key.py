"""Keys of the cluster that are replaced while it runs: ``key list|rotate``."""

from __future__ import annotations

import click

from azdata_like_cli.answers import Records
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.groups.session import when

COLUMNS = {"kid": "Key", "state": "State", "created_at": "Created", "signs_from": "Signs from"}
KINDS = click.Choice(["tokens"])


@click.group("key", cls=BdcGroup)
def key() -> None:
    """Keys that sign tokens."""


def _shown(rows: list[dict[str, object]]) -> Records:
    times = ("created_at", "signs_from")
    return Records(
        rows=[{**row, **{name: when(value) for name in times if isinstance(value := row.get(name), int | float)}} for row in rows],
        columns=COLUMNS,
    )


@key.command("list", examples=["bdc key list", "bdc key list -o json"])
@pass_settings
def list_keys(settings: Settings) -> Records:
    """List the keys that sign and verify tokens, the newest first."""
    return _shown(settings.session().controller.token_keys())


@key.command("rotate", examples=["bdc key rotate tokens", "bdc key rotate tokens --compromised --yes"])
@click.argument("kind", type=KINDS)
@click.option("--compromised", is_flag=True, help="A key was stolen: the new one signs at once and alone.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_settings
def rotate(settings: Settings, kind: str, compromised: bool, yes: bool) -> Records:
    """Make a new key of KIND (tokens).

    It is published at once and signs five minutes later; the old one verifies until its last token has expired, so nobody is logged
    out. With --compromised every access token that was given out is worth nothing; logins renew theirs by themselves.
    """
    del kind  # there is one
    controller = settings.session().controller
    if compromised and not yes:
        confirm("All access tokens that were given out end now. Go on?")
    return _shown(controller.rotate_token_key(compromised=compromised))
