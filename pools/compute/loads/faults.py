"""Errors as Flight carries them: one JSON object ``{"sqlstate", "message", "detail"?, "hint"?}`` is the Flight error's message."""

from __future__ import annotations

import json

from pyarrow import flight

from pools.compute.errors import ServiceError
from virtualization.errors import VirtualizationError

TEXT_CHARACTERS = 1500
"""Of a message, a detail, a hint: gRPC carries 8 KB of them in all."""


def flight_error(error: ServiceError | VirtualizationError) -> flight.FlightError:
    """Its class tells clients without our JSON whether to log in, to try again, or to give up."""
    said = {"sqlstate": error.code, "message": error.message, "detail": error.detail, "hint": error.hint}
    text = json.dumps({name: value[:TEXT_CHARACTERS] for name, value in said.items() if value}, ensure_ascii=False)
    if error.code.startswith("28"):
        return flight.FlightUnauthenticatedError(text)
    if error.code in ("08006", "57P03", "53300"):
        return flight.FlightUnavailableError(text)
    return flight.FlightServerError(text)
