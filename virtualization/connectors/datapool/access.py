"""What the connector is given by whoever holds the keys: addresses of shards, and signed tickets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Sign = Callable[[Mapping[str, Any]], str]
"""Claims (without audience, operation and times) → a signed read ticket. Called for each statement: it must be fast."""


@dataclass(frozen=True)
class ShardAccess:
    """``locations``: of shards by number, ``grpc://host:port``. ``memory_bytes``, ``spill_folder``, ``threads``: of the DuckDB that merges
    what several shards answer."""

    locations: Mapping[int, str]
    sign: Sign
    memory_bytes: int = 1 << 30
    spill_folder: str = tempfile.gettempdir()
    threads: int = 2
    authority: Any = None
    """PEM certificates (bytes) that verify shards which speak TLS; pyarrow's stub calls them a text."""
