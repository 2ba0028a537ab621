"""From where the clients of the master's sessions come, for the audit trail: asked of the master when a session first comes here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from pools.compute.queries import Origin

REMEMBERED = 10_000
"""Sessions; of older ones the trail says that they came through the master."""

Ask = Callable[[Origin, str], Awaitable[str | None]]
"""Who says that he is which session → its address; None: not known, or not his."""


class Clients:
    """Of one event loop."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._of: OrderedDict[tuple[str, str], asyncio.Future[str | None]] = OrderedDict()

    def look(self, origin: Origin, session: str) -> None:
        """Begin to ask, where nobody has."""
        key = (origin.user, session)
        if key not in self._of:
            self._of[key] = asyncio.ensure_future(self._ask(origin, session))
            while len(self._of) > REMEMBERED:
                self._of.popitem(last=False)

    def then(self, origin: Origin, session: str | None, do: Callable[[str | None], None]) -> None:
        """``do`` it with the address: now, or when the master has answered."""
        asked = self._of.get((origin.user, session)) if session is not None else None
        if asked is None:
            do(None)
        elif asked.done():
            do(_found(asked))
        else:
            asked.add_done_callback(lambda _: do(_found(asked)))


def _found(asked: asyncio.Future[str | None]) -> str | None:
    return None if asked.cancelled() or asked.exception() is not None else asked.result()
