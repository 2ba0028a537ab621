"""Routes over the cluster's keys, for admins."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import Request

from controller.api import bodies
from controller.api.access import guarded_router
from controller.api.auditing import note
from controller.api.bodies import Body
from controller.api.services import Services, services_of
from controller.errors import ConflictError

router = guarded_router("keys", "/api/v1/keys")


@router.get("/tokens", summary="Keys that sign and verify tokens")
def token_keys(request: Request) -> list[bodies.TokenKey]:
    """The newest first."""
    return _told(services_of(request))


@router.post("/tokens/rotate", summary="A new key for tokens")
def rotate_tokens(request: Request, body: bodies.KeyRotation) -> list[bodies.TokenKey]:
    """It is published at once and signs a few minutes later; the old one verifies until its last token has expired. Nobody is logged out,
    unless ``compromised`` says so."""
    note(request.state, objects=("kind=tokens", *(("compromised",) if body.compromised else ())))
    services = services_of(request)
    services.keys.rotate(compromised=body.compromised)
    return _told(services)


class PoolKeyRotation(Body):
    """Which key of the pools, and what of those before."""

    kind: Literal["tickets", "sealing"]
    """tickets: signs what the compute pool allows at the shards, and Flight logins; sealing: for it credentials of data sources are
    sealed."""
    compromised: bool = False
    """A key was stolen: those before hold no more."""


class PoolKeyRotated(Body):
    """What was done."""

    done: list[str]
    """A sentence each."""


@router.post("/pools/rotate", summary="A new key for tickets, or for sealing")
def rotate_pools(request: Request, body: PoolKeyRotation) -> PoolKeyRotated:
    """Nothing restarts, and what runs goes on: the old key holds for as long as something that it made may live. Credentials are sealed
    anew. 409 on Kubernetes, and where credentials can't be sealed anew."""
    note(request.state, objects=(f"kind={body.kind}", *(("compromised",) if body.compromised else ())))
    rotation = services_of(request).rotation
    if rotation is None:
        raise ConflictError("this controller can't replace keys of pools", where="kind")
    return PoolKeyRotated(done=rotation.rotate(body.kind, compromised=body.compromised))


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
