"""Whose each Spark Connect server is, where users have servers of their own: ``spark_servers.json`` of the store, a list of names or null.

A place stays its user's while his server rests, so his address stays the same; another user who needs one takes the first that rests. Who
is no admin any more has none. The first place is the first admin's.
"""

from __future__ import annotations

from collections.abc import Collection

from controller.auth.users import Users
from controller.identity import first_admin
from controller.store import Store

FILE = "spark_servers.json"


class SparkPlaces:
    """Stateless but for the store; safe in several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def users(self) -> tuple[str | None, ...]:
        """By server, as long as they are admins."""
        admins = {user["name"] for user in Users(self._store).all() if "admin" in user["roles"]}
        return tuple(name if name in admins else None for name in self._read())

    def take(self, user: str, count: int, busy: Collection[int]) -> None:
        """Give a user who has none the first of ``count`` servers that is nobody's, or rests (is not ``busy``), if there is one."""

        def change(_before: object) -> list[str | None]:
            users = [*self.users(), *[None] * count][:count]
            free = [number for number in range(count) if users[number] is None and number not in busy]
            rest = [number for number in range(1, count) if number not in busy]
            taken = [] if user in users else [*free, *rest][:1]
            return [user if number in taken else name for number, name in enumerate(users)]

        self._store.update(FILE, change)

    def _read(self) -> list[str | None]:
        found = self._store.read(FILE)
        users = list(found) if isinstance(found, list) else []
        return users or [first_admin(self._store)]
