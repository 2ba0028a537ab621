"""The apps that a text calls by ``predict``: found, allowed, and named in its tree, before it is planned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlglot import exp

from pools.compute.errors import StatementError
from pools.compute.scoring.apps import Apps
from virtualization.errors import VirtualizationError
from virtualization.parse import parse
from virtualization.predictions import PREDICT, calls, names, with_models

T = TypeVar("T")
OnThread = Callable[[Callable[[], T]], Awaitable[T]]


def may_call(sql: str) -> bool:
    """A cheap look."""
    return PREDICT in sql.lower()


def parsed(sql: str) -> exp.Query | None:
    """The text's tree where it calls apps; None for all others, also such as can't be read: the planner says why."""
    try:
        query = parse(sql)
    except VirtualizationError:
        return None
    return query if calls(query) else None


def resolved(query: exp.Query, apps: Apps | None, user: str) -> exp.Query:
    """With the apps' models; blocks. StatementError, PredictionError."""
    models = {name: needed(apps).model_for(name, user) for name in names(query)}
    return with_models(query, models.__getitem__)


def needed(apps: Apps | None) -> Apps:
    """StatementError 0A000 where there are none."""
    return apps if apps is not None else Apps(None)


def refused(user: str) -> StatementError:
    """Of who may not call apps."""
    return StatementError("42501", f'"{user}" may not call apps: the role app-reader is missing', hint=f"bdc user grant {user} app-reader")
