"""Keys of the cluster that are replaced while it runs: ``key list|rotate``."""

from __future__ import annotations

import click

from azdata_like_cli.answers import Lines, Records
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.groups.session import when

COLUMNS = {"kid": "Key", "state": "State", "created_at": "Created", "signs_from": "Signs from"}
KINDS = click.Choice(["tokens", "tickets", "sealing"])
QUESTIONS = {
    "tokens": "All access tokens that were given out end now. Go on?",
    "tickets": "Loads and reads of the data pool that are under way fail, and Flight clients log in again. Go on?",
    "sealing": "What is sealed for the old key, in backups and copies too, opens no more. Go on?",
}


@click.group("key", cls=BdcGroup)
def key() -> None:
    """Keys that sign tokens and tickets, and for which credentials are sealed."""


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


@key.command("rotate", examples=["bdc key rotate tokens", "bdc key rotate sealing", "bdc key rotate tickets --compromised --yes"])
@click.argument("kind", type=KINDS)
@click.option("--compromised", is_flag=True, help="A key was stolen: the new one holds at once and alone.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_settings
def rotate(settings: Settings, kind: str, compromised: bool, yes: bool) -> Records | Lines:
    """Make a new key of KIND; nothing restarts, and what runs goes on.

    tokens: published at once, signs five minutes later; the old one verifies until its last token has expired, so nobody is logged
    out. With --compromised every access token that was given out is worth nothing; logins renew theirs by themselves.

    tickets: what the compute pool allows at the shards of the data pool, and logins over Arrow Flight. The old one verifies for another
    week, as long as a load may stay open. With --compromised not at all.

    sealing: credentials of data sources, sealed anew at once; the old one opens what a client had sealed for it for another day. With
    --compromised not at all (on Kubernetes a quarter of an hour later, when all pods have the new one); change the passwords at the
    sources too.
    """
    controller = settings.session().controller
    if compromised and not yes:
        confirm(QUESTIONS[kind])
    if kind != "tokens":
        return Lines(lines=controller.rotate_pool_key(kind, compromised=compromised))
    return _shown(controller.rotate_token_key(compromised=compromised))
