"""What the gateway answers by itself: one JSON error of the form that the controller has.

RefusalError  4xx  the request can't be carried out as it stands
         5xx  what is behind the gateway does not answer
"""

from __future__ import annotations

import json


class RefusalError(Exception):
    """``status``: of HTTP; ``code``: stable, for programs; ``hint``: what to do next. Never holds a token."""

    def __init__(self, status: int, code: str, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.where = where
        self.hint = hint

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Those that belong to the status."""
        return [(b"www-authenticate", b"Bearer")] if self.status == 401 else []

    def body(self, request_id: str) -> bytes:
        """JSON."""
        inner = {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}
        return json.dumps({"error": inner, "request_id": request_id}).encode()
