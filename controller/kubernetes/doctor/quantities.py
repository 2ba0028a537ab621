"""Kubernetes' quantities: ``1408Mi``, ``500m``, ``2`` as numbers, and back for people. Pure."""

from __future__ import annotations

import re

FACTORS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
QUANTITY = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})")


def number(text: object) -> float:
    """Bytes, cores, or how many. ValueError for what is no quantity."""
    found = QUANTITY.fullmatch(str(text))
    if found is None or found[2] not in FACTORS:
        raise ValueError(f"{text!r} is no quantity")
    return float(found[1]) * FACTORS[found[2]]


def size(amount: float) -> str:
    """Of bytes: ``1.4 GiB``, ``512 MiB``."""
    return f"{amount / 2**30:.1f} GiB" if amount >= 2**30 else f"{amount / 2**20:.0f} MiB"


def cores(amount: float) -> str:
    """``0.3 CPU``."""
    return f"{round(amount, 2):g} CPU"
