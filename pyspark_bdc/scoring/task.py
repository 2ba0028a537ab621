"""What a worker of Spark is told of an app, and its rows with the outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pyspark_bdc.scoring.columns import ARROW, checked


@dataclass(frozen=True)
class Task:
    """``inputs``, ``outputs``: name → type of the spec; ``places``: which column is which input; ``model``: the name of its file among
    ``SparkFiles``, None where the app proxy at ``url`` is asked."""

    label: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    places: Sequence[int]
    timeout: float
    model: str | None = None
    url: str = ""
    path: str = ""
    authority: str = ""
    token: str = field(default="", repr=False)


def scored(given: Mapping[str, Any], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """For ``mapInArrow``: each batch with the outputs as further columns. ScoreError ends the task."""
    task = Task(**given)
    with contextlib.ExitStack() as ends:
        score: Callable[[pa.RecordBatch], list[Any]] | None = None
        for batch in batches:
            inputs = checked(task.label, task.inputs, [batch.column(at) for at in task.places])
            if not batch.num_rows:
                outputs: list[Any] = [pa.array([], ARROW[kind]) for kind in task.outputs.values()]
            else:
                if score is None:  # a partition without rows needs no model
                    score = _scoring(task, ends)
                outputs = score(inputs)
            yield pa.RecordBatch.from_arrays([*batch.columns, *outputs], names=[*batch.schema.names, *task.outputs])


def _scoring(task: Task, ends: contextlib.ExitStack) -> Callable[[pa.RecordBatch], list[Any]]:
    if task.model is None:
        from pyspark_bdc.scoring.proxy import Proxy

        proxy = Proxy(task)
        ends.callback(proxy.close)
        return proxy.score
    from pyspark_bdc.scoring.model import loaded

    return loaded(task).score
