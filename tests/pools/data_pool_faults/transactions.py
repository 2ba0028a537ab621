"""SQL transactions over several tables, through the master or directly at a compute replica: INSERT, UPDATE, DELETE, TRUNCATE, merges,
savepoints, ROLLBACK, clients that vanish.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from tests.pools.data_pool_faults.lanes import Lane
from tests.pools.data_pool_faults.stage import BROKEN, KEYED, client, outcome_unknown, own, patiently, sqlstate, tables_of
from tests.services.data_pool import DataPool

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Transaction:
    """One operation of a lane; ``first``: new ids from here on."""

    pool: DataPool
    lane: Lane
    user: str
    random: Random
    first: int
    said: str = ""
    note: str = field(default_factory=lambda: str(uuid.uuid4()))
    noted: bool = False
    rows: dict[str, dict[int, int]] = field(default_factory=dict)
    """The lane's tables as the transaction has made them so far."""

    truncated: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)
    """A table is written by a merge or by statements of one transaction, not by both."""

    def run(self) -> tuple[str, bool]:
        """Its name and whether it has happened."""
        self.rows = {table: dict(rows) for table, rows in self.lane.state.items()}
        direct = self.random.random() < 0.3
        began = datetime.datetime.now(datetime.UTC)  # the master has the same clock
        try:
            connection = self._connection(direct)
        except BROKEN as error:
            self.said = sqlstate(error)
            return "sql", False
        try:
            with connection:
                done = self._performed(connection, direct, began)
        except BROKEN as error:
            self.said = sqlstate(error)
            done = False
        return ("sql direct" if direct else "sql with merge" if self.merged else "sql"), done

    def _connection(self, direct: bool) -> Connection:
        return self.pool.direct(self.user, self.random.randrange(len(self.pool.replicas))) if direct else self.pool.connect(self.user)

    def _performed(self, connection: Connection, direct: bool, began: datetime.datetime) -> bool:
        connection.execute("BEGIN")
        if not direct and self.random.random() < 0.5:
            connection.execute("INSERT INTO public.notes VALUES (%s)", [self.note])
            self.noted = True
        for _ in range(self.random.randint(1, 4)):
            if direct or not self._merge(connection):
                self._step(connection)
        if self.random.random() < 0.15:
            connection.execute("ROLLBACK")
            return False
        proposal = self.lane.propose(self.rows)
        try:
            self._commit(connection)
            done = True
        except BROKEN as error:
            self.said = sqlstate(error)
            connection.close()
            done = outcome_unknown(error) and patiently(lambda: self._asked(began))
        self.lane.resolve(proposal, done)
        return done

    def _merge(self, connection: Connection) -> bool:
        """Sometimes: the rows of the lane's own table into another one, by key."""
        source = own(self.lane.number)
        targets = sorted(KEYED - self.written - self.merged)
        if not targets or source in self.written or self.random.random() > 0.2:
            return False
        target = self.random.choice(targets)
        connection.execute(f"CALL bdc.merge('public.{target}', 'public.{source}')")
        self.rows[target].update(self.rows[source])
        self.merged.add(target)
        return True

    def _step(self, connection: Connection) -> None:
        if self.random.random() < 0.25:
            kept = {table: dict(rows) for table, rows in self.rows.items()}
            connection.execute("SAVEPOINT one")
            self._statement(connection, truncates=False)
            if self.random.random() < 0.5:
                connection.execute("ROLLBACK TO SAVEPOINT one")
                self.rows = kept
            else:
                connection.execute("RELEASE SAVEPOINT one")
        else:
            self._statement(connection)

    def _statement(self, connection: Connection, truncates: bool = True) -> None:
        number = self.lane.number
        table = self.random.choice([one for one in tables_of(number) if one not in self.merged])
        rows = self.rows[table]
        self.written.add(table)
        kind = self.random.choices(("insert", "update", "delete", "truncate"), (4, 3, 2, 1))[0]
        if kind == "truncate" and table == own(number) and truncates:
            connection.execute(f"TRUNCATE public.{table}")
            rows.clear()
            self.truncated.add(table)
        elif kind in ("update", "delete") and rows and table not in self.truncated:
            self._change(connection, kind, table, rows)
        else:
            new = {self.first + n: self.random.randrange(1000) for n in range(self.random.randint(1, 10))}
            self.first += len(new)
            values = ", ".join(f"({number}, {one}, {value})" for one, value in new.items())
            connection.execute(f"INSERT INTO public.{table}(lane, id, value) VALUES {values}")
            rows.update(new)

    def _change(self, connection: Connection, kind: str, table: str, rows: dict[int, int]) -> None:
        low, high = sorted(self.random.choices(list(rows), k=2))
        hit = [one for one in rows if low <= one <= high]
        which = f"lane = {self.lane.number} AND id BETWEEN {low} AND {high}"
        text = f"UPDATE public.{table} SET value = value + 1" if kind == "update" else f"DELETE FROM public.{table}"
        found = connection.execute(f"{text} WHERE {which}").rowcount
        if found != len(hit):
            self.lane.report("half_seen", f"{text} WHERE {which}: {found} rows instead of {len(hit)}")
            raise psycopg.DataError("wrong count")
        for one in hit:
            if kind == "update":
                rows[one] += 1
            else:
                del rows[one]

    def _commit(self, connection: Connection) -> None:
        """Sometimes the client is gone before the answer."""
        if self.random.random() < 0.1:
            copy = socket.socket(fileno=os.dup(connection.fileno()))
            vanishing = threading.Timer(self.random.uniform(0, 0.05), _vanish, [copy])
            vanishing.start()
            try:
                connection.execute("COMMIT")
            finally:
                vanishing.cancel()
                vanishing.join()
                copy.close()
        else:
            connection.execute("COMMIT")

    def _asked(self, began: datetime.datetime) -> bool:
        """How it ended: what nobody has decided is given up, as the sweep would hours later."""
        with self.pool.admin() as admin:
            name = "SELECT load::text, state FROM bdc.data_loads WHERE user_name = %s AND client IN ('sql', 'merge') AND begun_at > %s"
            admin.execute("SELECT bdc.pool_snapshot()")
            found = admin.execute(name, [self.user, began]).fetchall()
            for load, state in found:
                if state in ("open", "prepared"):
                    if state == "open":
                        self._give_up(load)
                    time.sleep(0.05)
                    raise psycopg.OperationalError(f"load {load} is {state}")
            noted = bool(admin.execute("SELECT count(*) FROM public.notes WHERE name = %s", [self.note]).fetchall()[0][0])
        done = any(state == "committed" for _, state in found)
        if len({state for _, state in found}) > 1:
            self.lane.report("half_seen", f"the loads of one transaction are {found}")
        if self.noted and found and noted != done:
            self.lane.report("half_seen", f"the master's own row is {'there' if noted else 'not there'}, the load is {found}")
        return done

    def _give_up(self, load: str) -> None:
        driver = client(self.pool, self.user, self.random)
        try:
            driver.ask("abort", {"load": load, "reason": "the client has vanished"}, 30)
        finally:
            driver.close()


def _vanish(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
