"""``GET /api/v1/apps/NAME/VERSION/history``: what became of the runs of its schedule. Times are as RFC 3339, in UTC."""

from __future__ import annotations

import datetime
import time
from typing import TYPE_CHECKING, Any

from pools.app.exchange import Exchange, number_of
from pools.app.planning import begun, missed

if TYPE_CHECKING:
    from pools.app.proxy import Proxy
    from pools.app.version import Version

MAX_LINES = 10_000
TIMES = ("planned", "until", "started", "ended")


async def show(proxy: Proxy, exchange: Exchange, name: str, number: str) -> None:
    """The last runs (``?lines=100``), the newest last: one that is under way, and what is being missed, at the end."""
    lines, version = number_of(exchange, "lines", "100", 1, MAX_LINES), proxy.versions.get(name, number)
    found, state = version.history.tail(lines), version.history.state
    if state is not None:
        found += [missed(state.gap)] if state.gap is not None else []
        found += [{**begun(state.running), "result": "running"}] if state.running is not None else []
    await exchange.answer(200, {**summary(version), "runs": [_told(line) for line in found[-lines:]]})


def summary(version: Version) -> dict[str, Any]:
    """``next_run`` None: it has no schedule, or that does not act, because another version is live."""
    history = version.history
    schedule = version.spec.schedule if version.spec is not None else history.schedule
    acts = history.state is not None and history.schedule == schedule and schedule is not None
    coming = schedule.next(max(time.time(), history.state.handled)) if acts and schedule and history.state else None
    return {"schedule": schedule.json() if schedule else None, "next_run": _time(coming)}


def _told(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, **{name: _time(line[name]) for name in TIMES if name in line}}


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
