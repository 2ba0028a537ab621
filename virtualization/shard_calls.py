"""What all who call shards over Arrow Flight have in common: how the connection behaves, how an error is read. Imports nothing heavy."""

from __future__ import annotations

import json
from typing import Any

CHANNEL: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 250),
]
"""gRPC's own back-off grows to two minutes: a shard that was restarted would be away for so long. The second is, whatever its name says,
how long taking up a connection may last; who is refused does not wait for it."""

MANY = b"many"
"""A shard's message where the rows of a brief question are too many for one: they are to be had as a stream (DoGet)."""


def said(text: str) -> dict[str, Any] | None:
    """The JSON object ``{"sqlstate", "message", …}`` in a Flight error's text; None when it is another's error."""
    start = text.find("{")
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError:
        return None
    return found if isinstance(found, dict) and "message" in found else None
