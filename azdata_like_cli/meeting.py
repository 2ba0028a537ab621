"""How ``bdc login`` comes to trust a controller that speaks https: known here, given by hand, or met for the first time and compared."""

from __future__ import annotations

import pathlib
import sys
import urllib.parse
from dataclasses import dataclass, replace

import click

from azdata_like_cli import output
from azdata_like_cli.kubernetes import resource
from bdc import contexts, machine, trust
from bdc.contexts import Place
from bdc.errors import BdcError, UserError
from bdc.reach import Reach
from bdc.session import ControllerAddress
from bdc.trust import UntrustedError


@dataclass(frozen=True)
class Given:
    """What the user says of the controller's authority: a file with its certificate, or its fingerprint."""

    file: pathlib.Path | None = None
    fingerprint: str | None = None


def speaking(controller: str | ControllerAddress) -> str | ControllerAddress:
    """A controller on Kubernetes with the scheme that it speaks now, which the spec may have changed. UserError where it spoke TLS at an
    earlier login, and does not any more."""
    if isinstance(controller, str) or controller.kubernetes is None:
        return controller
    with Reach(controller.kubernetes) as reach:
        parts = urllib.parse.urlsplit(controller.url)
        encrypted = trust.speaks_tls(*reach.address(parts.hostname or "", parts.port or 0))
    known = [found for found in contexts.load().sessions.values() if found.kubernetes == controller.kubernetes]
    before = next((found for found in known if found.controller.startswith("https:")), None)
    if before is not None and not encrypted:
        raise UserError(
            "the controller spoke TLS at an earlier login, and does not any more",
            where=before.controller,
            hint=f"if it was turned off (spec.security.tls): bdc context delete {before.name}, then log in again",
        )
    return replace(controller, url=urllib.parse.urlunsplit(parts._replace(scheme="https" if encrypted else "http")))


def authority(controller: str | ControllerAddress, given: Given | None = None) -> str:
    """The certificates (PEM) that verify the controller there; empty for http, and where the machine trusts it by itself. UserError where
    it is not to be trusted; UntrustedError where nobody can be asked."""
    at = ControllerAddress(controller) if isinstance(controller, str) else controller
    given = given or Given()
    if not at.url.startswith("https:"):
        if given.file is not None or given.fingerprint is not None:
            raise UserError(
                "the controller speaks no TLS, so there is nothing to verify", where=at.url, hint="https://…, or leave --ca out"
            )
        return ""
    with Reach(at.kubernetes) as reach:
        parts = urllib.parse.urlsplit(reach.url(at.url))
        host, port = parts.hostname or "", parts.port or 443
        if given.file is not None:
            found = trust.read(given.file)
            trust.trusted(host, port, found)
            return found
        if given.fingerprint is None:
            known = _known(at, host, port)
            if known is not None:
                return known
        return _met(host, port, at.url, given.fingerprint)


def _known(at: ControllerAddress, host: str, port: int) -> str | None:
    """What the machine, this machine's clusters or an earlier login know; None: nobody vouches for it. A controller that is known and
    shows another authority's certificate is an error, not a new acquaintance."""
    for cluster in machine.clusters() if at.kubernetes is None else []:
        if at.url.rstrip("/") in (cluster.controller, cluster.endpoints.get("gateway")) and cluster.authority:
            trust.trusted(host, port, cluster.authority)
            return cluster.authority
    told = _of_resource(at.kubernetes)
    if told:
        trust.trusted(host, port, told)
        return told
    for session in contexts.load().sessions.values():
        if (session.controller, session.kubernetes) == (at.url.rstrip("/"), at.kubernetes) and session.authority:
            trust.trusted(host, port, session.authority)
            return session.authority
    try:
        trust.trusted(host, port, "")
    except UntrustedError:
        return None
    return ""


def _of_resource(place: Place | None) -> str:
    """What the cluster's resource says, for whoever may read it: the API server vouches for that. Empty: nothing."""
    if place is None:
        return ""
    try:
        return resource.authority(place)
    except BdcError:
        return ""


def _met(host: str, port: int, url: str, fingerprint: str | None) -> str:
    """The authority that the controller names itself, if it is the one."""
    found = trust.offered(host, port)
    prints = trust.fingerprints(found)
    if fingerprint is not None:
        if fingerprint.upper().replace(" ", "") not in prints:
            raise UserError(
                "the controller's authority has another fingerprint",
                where=url,
                why=f"it is {prints[0]}",
                hint="compare it with 'bdc cert show --ca' on the cluster's machine; if that is the one, somebody is in between",
            )
    else:
        _confirm(url, prints)
    trust.trusted(host, port, found)
    return found


def _confirm(url: str, prints: list[str]) -> None:
    if not sys.stdin.isatty():
        raise UserError(
            "the controller's certificate is signed by an authority that nobody here knows",
            where=url,
            why=f"the authority's fingerprint is {prints[0]}",
            hint=f"if 'bdc cert show --ca' on the cluster's machine says the same: bdc login -e {url} --fingerprint {prints[0]}",
        )
    output.message(f"{url} is not known here. Its authority's certificate has the fingerprint (SHA-256)\n  " + "\n  ".join(prints))
    if not click.confirm("Does 'bdc cert show --ca' on the cluster's machine say the same? Trust it from now on?", default=False, err=True):
        raise UserError("not trusted", where=url, hint="ask whoever runs the cluster for its fingerprint")
