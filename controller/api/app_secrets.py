"""Routes of the secrets of apps: the app proxy's own, asked as the caller. No answer holds a value."""

from __future__ import annotations

import json
import re

from fastapi import Request, Response

from controller.api import bodies
from controller.api.access import guarded_router
from controller.api.apps import NAME, asked
from controller.errors import UnknownNameError

router = guarded_router("apps", "/api/v1/app-secrets")
SECRET = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")
"""Nothing else can be a secret's name."""


@router.get("/{name}", summary="Secrets of an app", response_class=Response)
def list_secrets(request: Request, name: str) -> Response:
    """Names, since when, by whom, and which versions ask for each; never a value."""
    return asked(request, "GET", _path(name))


@router.put("/{name}/{secret}", summary="Set a secret of an app", response_class=Response)
def set_secret(request: Request, name: str, secret: str, body: bodies.AppSecret) -> Response:
    """For the workers of this app alone. Versions that ask for it start anew with it, as by an update. 409 while one is being changed."""
    return asked(request, "PUT", _path(name, secret), json.dumps({"value": body.value}).encode())


@router.delete("/{name}/{secret}", summary="Delete a secret of an app", response_class=Response)
def delete_secret(request: Request, name: str, secret: str) -> Response:
    """409 while a version asks for it."""
    return asked(request, "DELETE", _path(name, secret))


def _path(name: str, secret: str | None = None) -> str:
    if not NAME.fullmatch(name) or (secret is not None and not SECRET.fullmatch(secret)):
        raise UnknownNameError(f"there can be no secret {str(secret)[:60]!r} of an app {name[:60]!r}", where="name", hint="capital letters")
    return f"/api/v1/app-secrets/{name}" + (f"/{secret}" if secret is not None else "")
