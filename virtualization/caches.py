"""How often each cache of this process had what was asked for: counted where the caches hold their locks, read by whoever asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Use:
    """Of all caches of one kind."""

    hits: int = 0
    misses: int = 0


PLANS = Use()
"""Plans, by their text."""

TEMPLATES = Use()
"""Plans that texts share which differ in integers only."""

FILE_LAYOUTS = Use()
"""Headers, schemas and footers of files in HDFS."""

FILE_RANGES = Use()
"""Bytes of files in HDFS, by reads: a hit needed none from HDFS."""

USES = {"plans": PLANS, "plan templates": TEMPLATES, "file layouts": FILE_LAYOUTS, "file ranges": FILE_RANGES}
