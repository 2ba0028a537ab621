"""Which names are let through, decided in one place and before they become part of a path, a URL or a file.

Names of SQL objects and users are not restricted here: they may hold any character, and are quoted where they are used.
"""

from __future__ import annotations

import re

from bdc.errors import InvalidNameError

_CLUSTER = re.compile(r"[a-z](?:[a-z0-9-]{0,18}[a-z0-9])?\Z")
_CONTEXT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@-]{0,126}[A-Za-z0-9])?\Z")
_APPS = "an app is named as in 'house@v1': bdc app list shows them"
_SHOWN = {"app": _APPS, "version": _APPS, "secret": "bdc app secret list APP shows them"}
_SHOWN_ELSE = "'bdc status --all' and 'bdc endpoint list' show the names"
_SEGMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?\Z")


def cluster_name(name: str) -> str:
    """``name`` when it may name a cluster (it becomes a folder, OS users, later a Kubernetes namespace); else InvalidNameError."""
    if not _CLUSTER.match(name):
        raise InvalidNameError(
            f"{name!r} can't be the name of a cluster",
            why="it becomes a folder and OS users: lower-case letters, digits and '-', a letter first, no '-' at the end, at most 20",
            hint="choose a name like 'demo' or 'sales-2'",
        )
    return name


def context_name(name: str) -> str:
    """``name`` when it may name a context; else InvalidNameError."""
    if not _CONTEXT.match(name) or ".." in name:
        raise InvalidNameError(
            f"{name!r} can't be the name of a context",
            why="letters, digits, '.', '_', '@' and '-' are allowed, letters or digits at both ends, at most 128",
            hint="choose a name like 'demo' or 'demo-alice'",
        )
    return name


def route_segment(name: str, what: str) -> str:
    """``name`` when it may name a workload, service, resource or endpoint in a route of the controller; else InvalidNameError."""
    if not _SEGMENT.match(name) or ".." in name:
        raise InvalidNameError(f"{name!r} can't be the name of {_article(what)} {what}", hint=_SHOWN.get(what, _SHOWN_ELSE))
    return name


def kind_of(value: object) -> str:
    """A value's type in a message: ``list``, ``pandas.DataFrame``; the value itself may be large, or secret."""
    module = type(value).__module__.partition(".")[0]
    return type(value).__name__ if module == "builtins" else f"{module}.{type(value).__name__}"


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"
