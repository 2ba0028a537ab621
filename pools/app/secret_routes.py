"""``/api/v1/app-secrets/APP[/NAME]``: which secrets an app has, a new value, none any more. No answer ever holds a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pools.app.errors import RequestError
from pools.app.exchange import Exchange

if TYPE_CHECKING:
    from pools.app.proxy import Proxy

MOST_BYTES = 256 * 1024


async def show(proxy: Proxy, exchange: Exchange, app: str, _name: str) -> None:
    """Names, since when, by whom, and which versions ask for them."""
    await exchange.answer(200, {"app": app, "secrets": await proxy.handing.told(app)})


async def keep(proxy: Proxy, exchange: Exchange, app: str, name: str) -> None:
    """The body: ``{"value"}``. Versions that ask for it are started anew beside the old ones, which answer until then."""
    caller = await proxy.tokens.check(exchange.authorization)
    body = await exchange.body(MOST_BYTES)
    try:
        value = json.loads(body)["value"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RequestError('the body must be {"value": "…"}', where="body") from None
    restarted = await proxy.handing.keep(app, name, value, caller.name)
    await exchange.answer(200, {"app": app, "name": name, "restarted": restarted})


async def drop(proxy: Proxy, exchange: Exchange, app: str, name: str) -> None:
    """409 while a version asks for it."""
    caller = await proxy.tokens.check(exchange.authorization)
    await proxy.handing.drop(app, name, caller.name)
    await exchange.answer(200, {"app": app, "name": name})
