"""A stream into the data pool: one load per micro-batch, named after query and batch, so that a repeated batch is not written twice.

Spark tells the driver's side which batch it is only when it commits, so the tasks begin the load themselves: the first of them begins
it, the others join. Those of another run of the query (the checkpoint was taken up again) take its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark_bdc.begin import begin_with
from pyspark_bdc.coordinator import Login
from pyspark_bdc.errors import WriteError
from pyspark_bdc.load import Load
from pyspark_bdc.targets import Field
from pyspark_bdc.task import Account, Task
from pyspark_bdc.write_options import WriteOptions

_MADE_MEANWHILE = "42P07"


@dataclass(frozen=True)
class MicroBatch:
    """``query`` is the checkpoint's own id, ``run`` one life of the query, ``number`` the batch."""

    query: str
    run: str
    number: str


@dataclass(frozen=True)
class Stream:
    """Travels to the tasks, with the login."""

    login: Login
    options: WriteOptions
    fields: tuple[Field, ...]

    def join(self, batch: MicroBatch) -> Task:
        """In a task. A batch that is in the table already comes as a load that is ``committed``. OptionError, WriteError."""
        load_id = f"{batch.query}/{batch.number}/{self.options.table}"
        more = {"load_id": load_id, "client": f"pyspark_bdc {batch.run}", "join": True}
        try:
            return begin_with(self.login, self.options, self.fields, more)
        except WriteError as error:
            if error.sqlstate != _MADE_MEANWHILE:
                raise
        return begin_with(self.login, self.options, self.fields, more)  # another task has made the table


def commit(sent: Sequence[tuple[Load, Account]]) -> None:
    """On the driver: the tasks of one batch. Nothing to do where it was committed before. WriteError."""
    loads = {load.id: load for load, _ in sent}
    if len(loads) > 1:
        raise WriteError(f"the tasks of one batch wrote into {len(loads)} loads: the query runs twice", "stop the other run")
    for load in loads.values():
        if load.state == "open":
            load.commit([(account.partition, account.attempt, account.rows) for _, account in sent if account.rows])


def abort(loads: Sequence[Load]) -> None:
    """On the driver: what is known of a batch that failed."""
    for load in {load.id: load for load in loads if load.state == "open"}.values():
        load.abort("Spark ended the batch")
