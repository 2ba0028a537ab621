"""What a session asks about catalogs, logins and rights, as a Protocol: ``master.Master`` is the real one."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import dataclass
from typing import Protocol

from pools.compute.snapshot import Snapshot
from virtualization.placement import ReadState


@dataclass(frozen=True)
class Identity:
    """Who is logged in: ``mapping`` is True for the master's own connections (``fdw:<user>``), whose rights the master checked."""

    user: str
    database: str
    mapping: bool

    @property
    def login(self) -> str:
        """The name given at login."""
        return f"fdw:{self.user}" if self.mapping else self.user


class Catalogs(Protocol):
    """Per database of the master."""

    def current(self, database: str) -> Snapshot:
        """What is known now; never blocks."""
        ...

    async def refresh(self, database: str) -> Snapshot:
        """Read it again; what was known, while the master is away. StatementError 57P03 when nothing was ever known."""
        ...

    def confirm(self, database: str) -> Awaitable[ReadState | None] | None:
        """Ends when ``current`` is at least as new as this call, or the master is away; None where nothing is followed. Its result is
        the state of the data pool then; None without such tables, or with the master away."""
        ...

    async def forbidden(self, identity: Identity, tables: Collection[tuple[str, str]]) -> tuple[str, str] | None:
        """The first table that the user may not select from, or None."""
        ...

    async def may_call_apps(self, identity: Identity) -> bool:
        """Has the user a role that may call apps? StatementError 57P03 while the master can't be asked."""
        ...

    async def verifier(self, identity: Identity) -> str | None:
        """The SCRAM verifier of a user who may log in now; None: there is none, or it is no longer valid. StatementError 57P03 when that
        can't be asked, and this user was never seen."""
        ...

    async def exists(self, database: str) -> bool:
        """Is there such a user database?"""
        ...
