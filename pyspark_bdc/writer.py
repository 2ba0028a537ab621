"""Writing a DataFrame, into the data pool or a local table: begun and committed by the driver, sent by the tasks, whole or
not at all.

Spark plans a write in one Python worker (where the load is begun), runs ``write`` in the executors' workers, and ``commit`` or
``abort`` in another worker on the driver; what they share is this pickled writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql.datasource import DataSourceArrowWriter, DataSourceStreamArrowWriter, WriterCommitMessage

from pyspark_bdc import streams
from pyspark_bdc.errors import WriteError
from pyspark_bdc.load import Load
from pyspark_bdc.task import Account, Task, keep_imports

if TYPE_CHECKING:
    from pyspark_bdc.local import LocalLoad, Staged


@dataclass
class Sent(WriterCommitMessage):
    """What one task brought; None where nothing was to be sent."""

    account: Account | None


class LoadWriter(DataSourceArrowWriter):
    """One batch write. A load that was committed before (same ``loadId``), or is to be ignored, sends nothing."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """In a task."""
        if self._task.load.state != "open":
            return Sent(None)
        context = TaskContext.get()
        if context is None:
            return Sent(self._task.send(0, iterator))
        sent = Sent(self._task.send(context.partitionId(), iterator))
        keep_imports()
        return sent

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver: names the attempts that count; all others are dropped."""
        load = self._task.load
        if load.state != "open":
            return
        accounts = [message.account for message in messages if isinstance(message, Sent) and message.account is not None]
        if len(accounts) != len(messages):
            raise WriteError(f"{len(messages) - len(accounts)} of {len(messages)} tasks gave no account of what they wrote")
        load.commit([(one.partition, one.attempt, one.rows) for one in accounts if one.rows])

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver."""
        if self._task.load.state == "open":
            self._task.load.abort("Spark ended the job")


@dataclass
class Copied(WriterCommitMessage):
    """What one task staged for a local table."""

    staged: Staged


class LocalWriter(DataSourceArrowWriter):
    """One batch write into a table of the master."""

    def __init__(self, load: LocalLoad) -> None:
        self._load = load

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """In a task."""
        return Copied(self._load.send(iterator))

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver."""
        staged = [message.staged for message in messages if isinstance(message, Copied)]
        if len(staged) != len(messages):
            raise WriteError(f"{len(messages) - len(staged)} of {len(messages)} tasks gave no account of what they wrote")
        self._load.commit(staged)

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver."""
        self._load.abort()


@dataclass
class Joined(WriterCommitMessage):
    """What one task of a micro-batch brought, and into which load."""

    load: Load
    account: Account


class StreamWriter(DataSourceStreamArrowWriter):
    """A stream into the data pool; see ``streams``."""

    def __init__(self, stream: streams.Stream) -> None:
        self._stream = stream

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """In a task."""
        context = TaskContext.get()
        task = self._stream.join(_micro_batch(context))
        partition = context.partitionId() if context is not None else 0
        if task.load.state != "open":
            return Joined(task.load, Account(partition, 0, {}))
        return Joined(task.load, task.send(partition, iterator))

    def commit(self, messages: list[WriterCommitMessage | None], batchId: int) -> None:  # noqa: N803 - Spark's name
        """On the driver."""
        sent = [(message.load, message.account) for message in messages if isinstance(message, Joined)]
        if len(sent) != len(messages):
            raise WriteError(f"{len(messages) - len(sent)} of {len(messages)} tasks gave no account of what they wrote")
        streams.commit(sent)

    def abort(self, messages: list[WriterCommitMessage | None], batchId: int) -> None:  # noqa: N803 - Spark's name
        """On the driver. A load that no message tells of ends when the batch is tried again, or by itself."""
        streams.abort([message.load for message in messages if isinstance(message, Joined)])


def _micro_batch(context: TaskContext | None) -> streams.MicroBatch:
    names = ("sql.streaming.queryId", "spark.jobGroup.id", "streaming.sql.batchId")
    query, run, number = (context.getLocalProperty(name) if context is not None else None for name in names)
    if not (query and run and number):
        raise WriteError("Spark does not say which query and batch a task belongs to", "use foreachBatch with an option loadId")
    return streams.MicroBatch(query, run, number)
