"""Routes over the cluster's keys, for admins."""

from __future__ import annotations

import time

from fastapi import Request

from controller.api import bodies
from controller.api.access import guarded_router
from controller.api.services import Services, services_of

router = guarded_router("keys", "/api/v1/keys")


@router.get("/tokens", summary="Keys that sign and verify tokens")
def token_keys(request: Request) -> list[bodies.TokenKey]:
    """The newest first."""
    return _told(services_of(request))


@router.post("/tokens/rotate", summary="A new key for tokens")
def rotate_tokens(request: Request, body: bodies.KeyRotation) -> list[bodies.TokenKey]:
    """It is published at once and signs a few minutes later; the old one verifies until its last token has expired. Nobody is logged out,
    unless ``compromised`` says so."""
    services = services_of(request)
    services.keys.rotate(compromised=body.compromised)
    return _told(services)


def _told(services: Services) -> list[bodies.TokenKey]:
    now, signing = time.time() * 1000, services.keys.signing().kid
    return [
        bodies.TokenKey(
            kid=key.kid,
            created_at=key.created_at / 1000,
            signs_from=key.signs_from / 1000,
            state="signing" if key.kid == signing else "next" if key.signs_from > now else "verifying",
        )
        for key in services.keys.all()
    ]
