"""Errors of this program: every ControllerError, and one that also carries why and the last lines of a log."""

from __future__ import annotations

from controller.errors import Category, ControllerError

EXIT_BY_CATEGORY: dict[Category, int] = {"user": 1, "service": 3, "internal": 5}
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class LocalError(ControllerError):
    """``code``: name_taken, not_found, incomplete, busy, not_ready, not_owner, interrupted, leftovers, program_missing, secret_lost,
    start_failed."""

    def __init__(  # noqa: PLR0913 - each is one field of the error event
        self,
        code: str,
        message: str,
        *,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
        log: tuple[str, ...] = (),
        category: Category = "user",
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.local_code = code
        self.why = why
        self.log = log
        self.local_category: Category = category


def event(error: ControllerError) -> dict[str, object]:
    """The content of the error event."""
    if isinstance(error, LocalError):
        more = {"code": error.local_code, "why": error.why, "log": list(error.log), "category": error.local_category}
    else:
        more = {"why": None, "log": [], "category": error.category}
    return {**error.envelope(), **more}


def exit_code(error: ControllerError) -> int:
    """As the CLI's."""
    category = error.local_category if isinstance(error, LocalError) else error.category
    return EXIT_INTERRUPTED if isinstance(error, LocalError) and error.local_code == "interrupted" else EXIT_BY_CATEGORY[category]
