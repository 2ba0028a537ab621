"""The one error of the supervisor; it crosses the socket as ``{"error": {"code", "message", "hint"}}``."""

from __future__ import annotations


class SupervisorError(Exception):
    """``code`` is a stable word: invalid_workload, invalid_request, unknown_workload, shutting_down, forbidden, locked,
    cannot_start, supervisor_unreachable."""

    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def envelope(self) -> dict[str, str | None]:
        """The inner object of the answer."""
        return {"code": self.code, "message": self.message, "hint": self.hint}
