"""The audit trails of all services put together: the controller's own file, and what each replica of the compute pool answers.

A replica is asked over its SQL port as ``fdw:bdc_owner``, with the secret that the master itself shows there: the one login that may send
requests to the pool. So it needs no port or secret of its own, and works the same on one machine and on Kubernetes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from controller.api.auditing import Auditing
from controller.errors import ControllerError
from controller.log import Log
from controller.operations.tables import master_errors
from pools.audit import Trail
from pools.audit_reading import Line, Wanted, found, merged

ASK_SECONDS = 10
AT_ONCE = 8
OWNER = "bdc_owner"
MAPPING = """
    SELECT o.option_value FROM pg_user_mappings AS m, pg_options_to_table(m.umoptions) AS o
    WHERE m.srvname = 'compute_pool' AND m.usename = 'bdc_owner' AND o.option_name = 'password'
"""
REQUEST = "SELECT response FROM bdc.compute_request WHERE request = '{}'::text"
log = Log("audit")


@dataclass(frozen=True)
class Replica:
    """One of the compute pool; ``parameters``: libpq's, without user and password."""

    name: str
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Told:
    """What a service said; ``problem``: why it did not."""

    service: str
    entries: Sequence[Line] = ()
    lost: int = 0
    problem: str | None = None


@dataclass(frozen=True)
class AuditServices:
    """``replicas`` and ``dsn`` (of the master's superuser) raise ControllerError while they are unknown."""

    own: Auditing = field(default_factory=lambda: Auditing(Trail(None, "control")))
    replicas: Callable[[], tuple[Replica, ...]] = tuple
    dsn: Callable[[], str] = str

    def find(self, wanted: Wanted) -> tuple[list[Line], list[Told]]:
        """The newest first, and who was asked."""
        told = [self._controllers(wanted), *self._pools(wanted)]
        return merged([list(one.entries) for one in told], wanted.limit), told

    def _controllers(self, wanted: Wanted) -> Told:
        trail = self.own.trail
        if trail.file is None:
            return Told(trail.service, problem="this controller keeps no trail")
        try:
            return Told(trail.service, found(trail.file, wanted), trail.lost, trail.problem)
        except OSError as error:
            return Told(trail.service, (), trail.lost, error.strerror)

    def _pools(self, wanted: Wanted) -> list[Told]:
        try:
            replicas = self.replicas()
        except ControllerError as error:
            return [Told("compute", problem=error.message)]
        if not replicas:
            return []
        try:
            secret = self._secret()
        except ControllerError as error:
            return [Told(one.name, problem=error.message) for one in replicas]
        with ThreadPoolExecutor(min(AT_ONCE, len(replicas)), "audit") as threads:
            return list(threads.map(lambda one: _asked(one, secret, wanted), replicas))

    def _secret(self) -> str:
        from pools.master.databases import connect

        with master_errors(), closing(connect(self.dsn())) as connection:
            row = connection.execute(MAPPING).fetchone()
        if row is None:
            raise ControllerError("the master has no login at the compute pool yet")
        return str(row[0])


def _asked(replica: Replica, secret: str, wanted: Wanted) -> Told:
    import psycopg

    text = json.dumps({"action": "audit", "wanted": wanted.json()}).replace("'", "''")
    options: dict[str, Any] = {**replica.parameters, "user": f"fdw:{OWNER}", "password": secret, "connect_timeout": ASK_SECONDS}
    try:
        with psycopg.connect(autocommit=True, **options) as connection:
            connection.execute(f"SET statement_timeout = {ASK_SECONDS * 1000}")
            rows = connection.pgconn.exec_(REQUEST.format(text).encode())
            if rows.error_message:
                raise psycopg.OperationalError(rows.error_message.decode(errors="replace"))
            content = json.loads(rows.get_value(0, 0) or b"{}")
    except psycopg.Error as error:
        log.warning("no audit entries", service=replica.name, why=type(error).__name__)
        said = (error.diag.message_primary or str(error).splitlines()[0] if str(error) else "it does not answer").strip()
        return Told(replica.name, problem=f"it does not answer: {said}"[:300])
    return Told(replica.name, content.get("entries") or (), int(content.get("lost") or 0), content.get("problem"))
