"""Routes of certificates: what there is and what is served, new ones, and the authority's own for whoever is to trust it."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict

from controller.api.access import guarded_router
from controller.api.services import services_of
from controller.certificates.renewal import Renewal, Shown
from controller.errors import UnknownNameError

router = guarded_router("certificates", "/api/v1/bdc/certificates")


class Certificate(BaseModel):
    """One certificate. Times are Unix seconds."""

    name: str
    subject: str
    hosts: list[str]
    begins: float
    expires: float
    renewed: float
    """When it is replaced by itself."""
    fingerprint: str
    """SHA-256."""
    used_by: str
    served: bool | None
    """Whether its server shows it now; null: nobody serves it, or its server does not answer."""


class Rotation(BaseModel):
    """What is to be made anew."""

    model_config = ConfigDict(extra="forbid")
    names: list[str] = []
    """Of certificates; none: all."""
    authority: bool = False
    """A new authority instead: trusted from now on, signing in a week."""
    at_once: bool = False
    """With ``authority``: it signs now, and the old one is not trusted any more."""


class Rotated(BaseModel):
    """A sentence for each thing that was made."""

    done: list[str]


@router.get("", summary="All certificates")
def listing(request: Request) -> list[Certificate]:
    """The authorities, then what they issued, with what is served now; nothing where the cluster speaks no TLS."""
    found = services_of(request).certificates
    return [] if found is None else [_body(shown) for shown in found.shown(services_of(request).view.spec())]


@router.post("/rotate", summary="New certificates, now")
def rotate(request: Request, body: Rotation) -> Rotated:
    """Without a restart: new connections get the new ones, open ones go on."""
    renewal, spec = _renewal(request), services_of(request).view.spec()
    if body.authority:
        return Rotated(done=renewal.rotate_authority(spec, at_once=body.at_once))
    return Rotated(done=renewal.rotate(spec, frozenset(body.names)))


@router.get("/ca", summary="The authority's certificates", response_class=PlainTextResponse)
def authority(request: Request) -> PlainTextResponse:
    """PEM, empty where the cluster speaks no TLS. Nothing secret: whoever is to trust the cluster compares the fingerprint."""
    found = services_of(request).certificates
    return PlainTextResponse("" if found is None else found.certificates.bundle(), media_type="application/x-pem-file")


def _renewal(request: Request) -> Renewal:
    found = services_of(request).certificates
    if found is None:
        raise UnknownNameError("this cluster has no certificates of its own", hint="spec.security.tls.enabled: true makes them")
    return found


def _body(shown: Shown) -> Certificate:
    kept = shown.kept
    return Certificate(
        name=kept.name,
        subject=kept.subject,
        hosts=list(kept.hosts),
        begins=kept.begins.timestamp(),
        expires=kept.expires.timestamp(),
        renewed=kept.due.timestamp(),
        fingerprint=kept.fingerprint,
        used_by=shown.used_by,
        served=None if shown.served is None else shown.served == kept.fingerprint,
    )
