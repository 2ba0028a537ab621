"""``bdc app promote|canary|rollback``: which version is behind ``NAME@live``."""

from __future__ import annotations

import click

from azdata_like_cli.answers import Value
from azdata_like_cli.appnames import LIVE, named
from azdata_like_cli.command import BdcCommand, Settings, argument, pass_settings


@click.command("promote", cls=BdcCommand, examples=["bdc app promote house@v2", "bdc app promote house"])
@named(default=LIVE)
@pass_settings
def promote(settings: Settings, name: str, version: str) -> Value:
    """Make a version live; without one, that which `bdc app canary` tries.

    It is called with its sample.json first, where its package has one, else its workers must answer. Calls under way end where they began.
    """
    found = settings.session().apps.promote(name, version)
    return Value(data=found, sentence=f"{name}@live is {name}@{found['version']} from now on. Back: bdc app rollback {name}")


@click.command("canary", cls=BdcCommand, examples=["bdc app canary house@v2 --percent 10", "bdc app canary house@v2 --percent 0"])
@named(default=None)
@click.option("--percent", type=click.IntRange(0, 99), required=True, help="Of the calls of NAME@live; 0 ends the trial.")
@pass_settings
def canary(settings: Settings, name: str, version: str, percent: int) -> Value:
    """Try a version with a share of the calls of NAME@live.

    Of each hundred calls in a row just so many are its own. `bdc app describe` and the metrics count calls and failures of each version.
    """
    found = settings.session().apps.canary(name, version, percent)
    if not percent:
        return Value(data=found, sentence=f"{name}@{version} gets no calls of {name}@live any more.")
    after = f"Then: bdc app promote {name}@{version}, or bdc app canary {name}@{version} --percent 0"
    return Value(data=found, sentence=f"{name}@{version} gets {percent} % of the calls of {name}@live. {after}")


@click.command("rollback", cls=BdcCommand, examples=["bdc app rollback house"])
@argument("name", "--name", "-n")
@pass_settings
def rollback(settings: Settings, name: str) -> Value:
    """Make the version live that was before; a trial of another one ends with it. Again: the one before that."""
    found = settings.session().apps.rollback(name)
    return Value(data=found, sentence=f"{name}@live is {name}@{found['version']} again.")


COMMANDS = (promote, canary, rollback)
