"""The proxy's own errors, beside those of ``apps.errors``."""

from __future__ import annotations

from apps.errors import AppError, StartError


class UnknownAppError(AppError):
    """No version of that name."""

    code = "not_found"
    status = 404


class ConflictError(AppError):
    """It exists already, or is being changed."""

    code = "conflict"
    status = 409


class MissingSecretError(StartError):
    """The app asks for a secret that is not set."""

    code = "secret_missing"
    status = 409


class NotReadyError(AppError):
    """It does not serve (yet)."""

    code = "not_ready"
    status = 503


class TooLargeError(AppError):
    """The body is larger than is taken."""

    code = "too_large"
    status = 413


class SlowBodyError(AppError):
    """The body did not arrive in time."""

    code = "too_slow"
    status = 408


class KeepError(AppError):
    """What must survive a restart can't be written."""

    code = "not_kept"
    status = 507


class RequestError(AppError):
    """Such a request can't be answered."""

    code = "invalid_request"
    status = 400
