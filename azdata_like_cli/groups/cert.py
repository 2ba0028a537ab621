"""``bdc cert``: certificates of the cluster: what there is and who shows it, new ones, the authority's own."""

from __future__ import annotations

import time

import click

from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, pass_settings
from azdata_like_cli.groups.session import find_local
from bdc import trust
from bdc.errors import NotFoundError, UserError

DAY = 86400.0
SERVED = {True: "served", False: "an older one is still served", None: "not seen"}


@click.group("cert", cls=BdcGroup)
def cert() -> None:
    """Certificates of the cluster's servers, made and renewed by its own authority."""


@cert.command("list", examples=["bdc cert list", 'bdc cert list -o json -q "[?left<`30`].name"'])
@pass_settings
def list_certificates(settings: Settings) -> Records | Value:
    """List the certificates: for which names, until when, when they are replaced by themselves, and whether their servers show them."""
    now = time.time()
    rows = [_row(found, now) for found in settings.session().controller.certificates()]
    if not rows:
        off = "This cluster has no certificates of its own: it speaks no TLS. How to turn it on: docs/guide/tls.md"
        return Value(data=[], sentence=off)
    columns = {
        "name": "Name", "hosts": "Good for", "until": "Valid until", "left": "Days", "renewed": "Renewed", "used_by": "Used by",
        "state": "State", "fingerprint": "SHA-256",
    }  # fmt: skip
    return Records(rows=rows, columns=columns)


def _row(found: dict[str, object], now: float) -> dict[str, object]:
    expires, renewed, hosts = found.get("expires"), found.get("renewed"), found.get("hosts")
    left = int((expires - now) // DAY) if isinstance(expires, int | float) else 0
    served = found.get("served")
    state = "expired" if left < 0 else SERVED[served if isinstance(served, bool) else None]
    return {
        **found,
        "hosts": " ".join(map(str, hosts)) if isinstance(hosts, list) else "",
        "until": _date(expires),
        "renewed": _date(renewed),
        "left": left,
        "state": "" if found.get("name") == "ca" and left >= 0 else state,
    }


def _date(seconds: object) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds)) if isinstance(seconds, int | float) else ""


@cert.command("rotate", examples=["bdc cert rotate", "bdc cert rotate master-0", "bdc cert rotate --ca", "bdc cert rotate --ca --at-once"])
@click.argument("names", nargs=-1)
@click.option("--ca", is_flag=True, help="A new authority: trusted from now on, signing in a week; until then both are trusted.")
@click.option(
    "--at-once", is_flag=True, help="With --ca, when the authority's key is known to others: it signs now, the old is not trusted."
)
@pass_settings
def rotate(settings: Settings, names: tuple[str, ...], ca: bool, at_once: bool) -> Value:
    """Make new certificates now, of NAMES or of all servers. Nothing restarts: new connections get them, open ones go on.

    It is not needed for renewal, which happens by itself when a third of a certificate's life is left.
    """
    if ca and names:
        raise UserError("an authority is for all: give no names with --ca")
    if at_once and not ca:
        raise UserError("--at-once goes with --ca")
    done = settings.session().controller.rotate_certificates(list(names), authority=ca, at_once=at_once)
    hint = "\nEverybody logs in again to trust it: bdc login" if at_once else ""
    return Value(data={"done": done}, sentence="\n".join(done) + hint)


@cert.command("show", examples=["bdc cert show --ca", "bdc cert show --ca -o tsv -q pem > ca.crt", "bdc cert show master-0"])
@click.argument("name", required=False)
@click.option("--ca", is_flag=True, help="The authority: what psql, drivers and `bdc login --ca` verify with.")
@click.option("--cluster", metavar="NAME", help="A cluster of this machine, without a login (with --ca).")
@pass_settings
def show(settings: Settings, name: str | None, ca: bool, cluster: str | None) -> Value:
    """Show the certificate NAME, or with --ca the authority's: its fingerprint, for others to compare, and its text."""
    if ca:
        return _authority(settings, cluster)
    if name is None:
        raise click.UsageError("Missing argument 'NAME'.")
    now = time.time()
    rows = [_row(found, now) for found in settings.session().controller.certificates() if found.get("name") == name]
    if not rows:
        raise NotFoundError(f"there is no certificate of {name!r}", hint="'bdc cert list' shows what there is")
    return Value(data=rows[0], sentence="\n".join(f"{key}: {value}" for key, value in rows[0].items()))


def _authority(settings: Settings, cluster: str | None) -> Value:
    pem = find_local(cluster).authority if cluster is not None else settings.session().context.authority
    if not pem:
        raise NotFoundError(
            "no authority is known for this cluster",
            why="it speaks no TLS, or its certificate is one that the machine trusts by itself",
            hint="'bdc endpoint list' shows which endpoints speak TLS",
        )
    prints = trust.fingerprints(pem)
    return Value(data={"fingerprints": prints, "pem": pem}, sentence="\n".join((*(f"SHA-256 {one}" for one in prints), pem.rstrip())))
