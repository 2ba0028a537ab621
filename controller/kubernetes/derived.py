"""Secrets that are made from another one: what the pods of apps show. Pure; apart from ``controller/secret_values.py``, which the
supervisor of one machine reads too, without all that apps import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pools.app.wire import token
from pools.app.workloads import POD_TOKEN, PODS_KEY

DERIVED = (POD_TOKEN,)
"""What secrets' names begin with that are made from another one, and go when nobody wants them any more."""


def derived(names: Iterable[str], values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of ``names`` that are made from one of ``values``: what pods of apps show."""
    key = values.get(PODS_KEY)
    if key is None:
        return {}
    return {name: token(key.decode(), name.removeprefix(POD_TOKEN)).encode() for name in names if name.startswith(DERIVED)}
