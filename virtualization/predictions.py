"""``predict('house@v1', a, b, …)`` in a query: a call of an app for each row, in batches.

Which apps there are, and how they are called, others know: they give ``Model``s. Before a query is bound, ``with_models`` replaces the
first argument of each call by the model's key, which names one content of one version: a plan can't mean another one later. From then on
``predict`` is a volatile function that no source knows: it stays here, is called once for each row that reaches it, and is neither merged,
moved below a filter, nor repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
from sqlglot import exp

from virtualization.errors import PredictionError
from virtualization.plan import Kept, QueryContext

PREDICT = "predict"
Columns = Sequence[Any]
"""Arrow arrays (or chunked ones) of equal length, one for each input in the model's order."""
Call = Callable[[Columns], "pa.Array[Any]"]


@dataclass(frozen=True)
class Model:
    """One output of one content of one version. ``key``: names it, without a quote; ``inputs``: names and PostgreSQL types; ``place``:
    where it runs, a sentence for EXPLAIN."""

    key: str
    label: str
    inputs: tuple[tuple[str, str], ...]
    output: str
    place: str

    @property
    def shown(self) -> str:
        """For messages: ``house@v1 takes …``."""
        return f"{self.label} takes {', '.join(f'{name} {of}' for name, of in self.inputs) or 'nothing'}"


class Models(Protocol):
    """What the executor asks; thread-safe."""

    def model(self, key: str) -> Model | None:
        """None: there is none (any more)."""
        ...

    def call(self, key: str, context: QueryContext) -> Call:
        """How it is called for the query that ``context`` is of. Raises VirtualizationError for what can't be carried out, also later."""
        ...


def calls(query: exp.Expr) -> list[exp.Anonymous]:
    """Those of ``predict`` below."""
    return [node for node in query.find_all(exp.Anonymous) if node.name.lower() == PREDICT]


def names(query: exp.Expr) -> tuple[str, ...]:
    """The apps that are called, each once, as the text names them. PredictionError where a name is no constant."""
    return tuple(dict.fromkeys(_name(call) for call in calls(query)))


def with_models(query: exp.Query, find: Callable[[str], Model]) -> exp.Query:
    """A copy in which each call has its model's key. PredictionError where the inputs are not as many as the model takes."""
    made = query.copy()
    for call in calls(made):
        model = find(_name(call))
        given = len(call.expressions) - 1
        if given != len(model.inputs):
            raise PredictionError(
                f"predict('{model.label}', …) takes {len(model.inputs)} inputs, there are {given}", hint=f"{model.shown}, in this order."
            )
        call.expressions[0].replace(exp.Literal.string(model.key))
    return made


def kept_here(residual: exp.Expr, models: Models | None) -> tuple[Kept, ...]:
    """For EXPLAIN: where each call runs."""
    found = []
    for call in calls(residual):
        model = models.model(_name(call)) if models is not None else None
        if model is not None:
            found.append(Kept(f"predict('{model.label}', …)", PREDICT, model.place))
    return tuple(dict.fromkeys(found))


def _name(call: exp.Anonymous) -> str:
    first = call.expressions[0].unnest() if call.expressions else None
    while isinstance(first, exp.Cast):
        first = first.this
    if not isinstance(first, exp.Literal) or not first.is_string:
        raise PredictionError("the first argument of predict must be the app's name, a constant", hint="predict('house@v1', …)")
    return str(first.name)
