"""Loads over Flight, as Spark's driver and tasks do them: attempts that are cut, repeated and not named, drivers that vanish."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyarrow as pa
from pyarrow import flight

from tests.pools.data_pool_faults.lanes import Lane, Rows
from tests.pools.data_pool_faults.stage import BROKEN, client, outcome_unknown, own, patiently, spread, sqlstate
from tests.services.data_pool import Client, DataPool

DECIDED = ("committed", "aborted")


@dataclass
class Loader:
    """One operation of a lane. ``said``: the SQLSTATE of its error, empty without one."""

    pool: DataPool
    lane: Lane
    user: str
    random: Random
    said: str = ""
    load_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def write(self, table: str, mode: str, brought: Rows) -> bool:
        """The lane's ``table`` afterwards is what ``mode`` makes of ``brought``; has it happened?"""
        before = {} if mode in ("overwrite", "truncate") else self.lane.state[table]
        proposal = self.lane.propose({table: {**before, **brought}})
        begun: dict[str, Any] | None = None
        winners: list[Any] = []
        try:
            begun, winners = self._staged(table, mode, brought)
            done = self._committed(begun, winners)
        except BROKEN as error:
            self.said = sqlstate(error)
            done = begun is not None and outcome_unknown(error) and patiently(lambda: self._asked(begun, winners))
        self.lane.resolve(proposal, done)
        return done

    def _staged(self, table: str, mode: str, brought: Rows) -> tuple[dict[str, Any], list[Any]]:
        """Begun, and all rows on the shards. A driver that dies meanwhile is followed by one with the same ``load_id``."""
        asked = {"table": f"public.{table}", "mode": mode, "load_id": self.load_id, "client": "storm"}
        for _ in range(2 if self.random.random() < 0.15 else 1):
            driver = client(self.pool, self.user, self.random)
            try:
                begun = driver.ask("begin", asked, 30)
                winners = [] if mode == "truncate" else self._tasks(driver, begun, brought)
            finally:
                driver.close()
        return begun, winners

    def _tasks(self, driver: Client, begun: Mapping[str, Any], brought: Rows) -> list[Any]:
        ids = list(brought)
        parts = self.random.randint(1, 3)
        winners = []
        for partition in range(parts):
            rows = {one: brought[one] for one in ids[partition::parts]}
            given = spread(begun, self.lane.number, rows, self.random)
            if self.random.random() < 0.2:  # an executor dies in the middle of its task, or after it
                self._lost_attempt(driver, begun, given, partition)
            relay = self.random.random() < 0.2
            winner = driver.put(begun, given, partition, 1, relay=relay)
            if self.random.random() < 0.2:  # the answer was lost: sent again
                assert driver.put(begun, given, partition, 1, relay=relay) == winner
            if self.random.random() < 0.2:  # a speculative duplicate, later than the winner
                driver.put(begun, given, partition, 2)
            winners.append(winner)
        return winners

    def _lost_attempt(self, driver: Client, begun: Mapping[str, Any], given: Mapping[int, pa.Table], partition: int) -> None:
        if self.random.random() < 0.5:
            driver.put(begun, given, partition, 0)
            return
        for shard in begun["shards"]:
            if shard["number"] in given:
                _cut(shard, given[shard["number"]], partition)

    def _committed(self, begun: Mapping[str, Any], winners: list[Any]) -> bool:
        seconds = self.random.uniform(0.002, 0.1) if self.random.random() < 0.1 else 40.0  # or the driver vanishes
        driver = client(self.pool, self.user, self.random)
        try:
            driver.ask("commit", {"load": begun["load"], "winners": winners}, seconds)
        finally:
            driver.close()
        return True

    def _asked(self, begun: Mapping[str, Any] | None, winners: list[Any]) -> bool:
        """The next driver finds out: it commits again, or gives the load up."""
        assert begun is not None
        driver = client(self.pool, self.user, self.random)
        try:
            if self.random.random() < 0.5:
                driver.ask("commit", {"load": begun["load"], "winners": winners}, 40)
                return True
            state = driver.ask("abort", {"load": begun["load"], "reason": "the driver has vanished"}, 40)["state"]
        except BROKEN as error:
            if outcome_unknown(error):
                raise
            state = driver.ask("status", {"load": begun["load"]}, 40)["state"]
        finally:
            driver.close()
        if state not in DECIDED:
            raise flight.FlightServerError(f"the load is {state}")
        return bool(state == "committed")


def _cut(shard: Mapping[str, Any], rows: pa.Table, partition: int) -> None:
    """A stream that ends before its count."""
    command = {"ticket": shard["ticket"], "partition": partition, "attempt": 0}
    with flight.FlightClient(shard["address"]) as direct:
        writer, _ = direct.do_put(flight.FlightDescriptor.for_command(json.dumps(command).encode()), rows.schema)
        try:
            writer.write_table(rows)
            writer.close()
        except BROKEN as error:
            assert sqlstate(error) in ("08P01", "broken"), error


def random_load(loader: Loader, first: int) -> tuple[str, bool]:
    """A load of any kind, new ids from ``first`` on; its name and whether it has happened."""
    random, lane = loader.random, loader.lane
    new = {first + n: random.randrange(1000) for n in range(random.randint(1, 40))}
    mode = random.choices(("append", "upsert", "overwrite", "truncate"), (5, 4, 2, 1))[0]
    if mode == "append":
        return mode, loader.write(random.choice(("by_key", "by_turn", "everywhere", own(lane.number))), mode, new)
    if mode == "upsert":
        table = random.choice(("by_key", "everywhere", own(lane.number)))
        ids = list(lane.state[table])
        older = random.sample(ids, min(len(ids), 30))
        return mode, loader.write(table, mode, {one: random.randrange(1000, 2000) for one in older} | new)
    return mode, loader.write(own(lane.number), mode, new if mode == "overwrite" else {})
