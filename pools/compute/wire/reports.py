"""Exceptions as ErrorResponses. What is not one of ours becomes XX000 with a reference into the log, never a traceback."""

from __future__ import annotations

import secrets

import structlog

from pools.compute.errors import ServiceError
from pools.compute.wire import backend
from virtualization.errors import InternalError, VirtualizationError

log = structlog.get_logger()


def error_response(error: BaseException, *, fatal: bool = False) -> bytes:
    """The bytes for the client; internal errors are logged in full. ``fatal``: the connection ends with it whatever it is."""
    if isinstance(error, ServiceError):
        return backend.error(error.code, error.message, detail=error.detail, hint=error.hint, fatal=fatal or error.fatal)
    if isinstance(error, VirtualizationError) and not isinstance(error, InternalError):
        return backend.error(error.code, error.message, detail=error.detail, hint=error.hint, fatal=fatal)
    reference = secrets.token_hex(4)
    log.error("internal error", reference=reference, kind=type(error).__name__, exc_info=error)
    message = error.message if isinstance(error, InternalError) else "internal error of the compute pool"
    return backend.error("XX000", message, detail=f"Reference in the pool's log: {reference}.", hint="Please report it.", fatal=fatal)


def is_fatal(error: BaseException) -> bool:
    """Does the connection end with it?"""
    return isinstance(error, ServiceError) and error.fatal
