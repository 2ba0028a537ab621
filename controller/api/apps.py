"""Routes of apps. All but the token are the app proxy's own, asked as the caller: what is decided about an app is decided there."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated

from fastapi import Query, Request, Response

from controller.api import bodies
from controller.api.access import caller_of, guarded_router
from controller.api.services import services_of
from controller.apps import Apps
from controller.errors import SlowBodyError, TooLargeError, UnknownNameError

router = guarded_router("apps", "/api/v1/apps")
MAX_UPLOAD = 128 * 2**20
UPLOAD_SECONDS = 300.0
MAX_LINES = 10_000
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,38}[a-z0-9])?")
"""Nothing else can be an app's name or version."""


@router.post("/token", summary="A token for calling apps")
def token(request: Request) -> bodies.AppToken:
    """For the app proxy only, and no longer than the one that asks."""
    value, seconds, endpoint = _apps(request).token(caller_of(request))
    return bodies.AppToken(access_token=value, expires_in=seconds, endpoint=endpoint)


@router.get("", summary="Apps", response_class=Response)
def list_apps(request: Request) -> Response:
    """Every version, with its state: WaitingforCreate, Creating, Ready, Error."""
    return _asked(request, "GET", "")


@router.post("", status_code=201, summary="Create a version of an app", response_class=Response)
async def create(request: Request) -> Response:
    """The body is its package: a tar with gzip of a folder with spec.yaml. 409 when this version exists."""
    body = await _package(request)
    return await asyncio.to_thread(_asked, request, "POST", "", body)


@router.put("", summary="Another package for a version of an app", response_class=Response)
async def update(request: Request) -> Response:
    """The version answers with its old package until the new one is ready, and goes on with it if that fails."""
    body = await _package(request)
    return await asyncio.to_thread(_asked, request, "PUT", "", body)


@router.get("/{name}/{version}", summary="One version of an app", response_class=Response)
def describe(request: Request, name: str, version: str) -> Response:
    """Inputs, outputs, state and links."""
    return _asked(request, "GET", _path(name, version))


@router.delete("/{name}/{version}", summary="Delete a version of an app", response_class=Response)
def delete(request: Request, name: str, version: str, live: bool = False) -> Response:
    """Calls under way end first. 409 for a version that gets calls of ``NAME@live``, unless ``live=true``."""
    return _asked(request, "DELETE", f"{_path(name, version)}?live={str(live).lower()}")


@router.post("/{name}/{version}/promote", summary="Make a version live", response_class=Response)
def promote(request: Request, name: str, version: str) -> Response:
    """It is tried, then the calls of ``NAME@live`` go to it; ``live`` as the version: the one that a canary is under way for. 409 where it
    is not ready, or fails its sample."""
    return _asked(request, "POST", f"{_path(name, version)}/promote")


@router.post("/{name}/{version}/canary", summary="Try a version with a share of the calls", response_class=Response)
def canary(request: Request, name: str, version: str, percent: Annotated[int, Query(ge=0, le=99)]) -> Response:
    """It is tried, then gets so many percent of the calls of ``NAME@live``; 0 ends that. 409 while another version is tried."""
    return _asked(request, "POST", f"{_path(name, version)}/canary?percent={percent}")


@router.post("/{name}/live/rollback", summary="Make the version live that was before", response_class=Response)
def rollback(request: Request, name: str) -> Response:
    """A canary ends with it. 409 where no other version was live before."""
    return _asked(request, "POST", f"{_path(name, 'live')}/rollback")


@router.get("/{name}/{version}/log", summary="The end of an app's log", response_class=Response)
def log(
    request: Request, name: str, version: str, lines: Annotated[int, Query(ge=1, le=MAX_LINES)] = 100, predictions: bool = False
) -> Response:
    """What its workers wrote and what became of it, oldest line first; ``predictions``: what it was asked and answered instead, a JSON
    object in each line. 409 where its spec does not say that these are kept."""
    return _asked(request, "GET", f"{_path(name, version)}/log?lines={lines}&predictions={str(predictions).lower()}")


@router.get("/{name}/{version}/history", summary="Runs of an app's schedule", response_class=Response)
def history(request: Request, name: str, version: str, lines: Annotated[int, Query(ge=1, le=MAX_LINES)] = 100) -> Response:
    """What became of them, oldest first: planned, started, ended; ok, error, missed, interrupted, running; and when it runs next."""
    return _asked(request, "GET", f"{_path(name, version)}/history?lines={lines}")


async def _package(request: Request) -> bytes:
    """TooLargeError, SlowBodyError."""
    pieces, size = [], 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for piece in request.stream():
                size += len(piece)
                if size > MAX_UPLOAD:
                    raise TooLargeError(f"the package is larger than {MAX_UPLOAD // 2**20} MB", where="body")
                pieces.append(piece)
    except TimeoutError:
        raise SlowBodyError(f"the package did not arrive within {UPLOAD_SECONDS:g} s", where="body") from None
    return b"".join(pieces)


def _asked(request: Request, method: str, path: str, body: bytes | None = None) -> Response:
    return asked(request, method, f"/api/v1/apps{path}", body)


def asked(request: Request, method: str, path: str, body: bytes | None = None) -> Response:
    """What the app proxy answers to this, asked as the caller."""
    status, content = _apps(request).ask(caller_of(request), method, path, body)
    return Response(content, status, media_type="application/json")


def _path(name: str, version: str) -> str:
    if not NAME.fullmatch(name) or not NAME.fullmatch(version):
        raise UnknownNameError(f"there is no app {name[:60]!r}, version {version[:60]!r}", where="name", hint="bdc app list")
    return f"/{name}/{version}"


def _apps(request: Request) -> Apps:
    found = services_of(request).apps
    if found is None:
        raise UnknownNameError("this controller has no app pool")
    return found
