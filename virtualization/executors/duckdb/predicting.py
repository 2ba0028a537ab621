"""``predict`` inside of DuckDB: functions of one query over Arrow arrays, made when it starts, gone when it ends."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
from duckdb.func import PythonUDFType

from virtualization.duckdb_sql.kinds import kind_of_text
from virtualization.duckdb_sql.statements import Translated
from virtualization.errors import CancelledError, UnsupportedError
from virtualization.plan import QueryContext
from virtualization.predictions import Call, Model, Models

_numbers = itertools.count(1)
Function = Callable[..., "pa.Array[Any]"]


class CalledFunctions:
    """Those of one query."""

    def __init__(self, cursor: Any, context: QueryContext) -> None:  # noqa: ANN401 duckdb is untyped
        self._cursor = cursor
        self.context = context
        self._names: list[str] = []
        self.error: Exception | None = None
        """What the first call that failed said: the engine would only repeat its text."""

    def add(self, model: Model, call: Call) -> str:
        """Its name in the query's text."""
        name = f"bdc_predict_{next(_numbers)}"
        _create(self._cursor, name, model, self._guarded(call))
        self._names.append(name)
        return name

    def _guarded(self, call: Call) -> Function:
        def guarded(*columns: Any) -> pa.Array[Any]:  # noqa: ANN401 chunked arrays
            if self.context.cancelled:
                raise CancelledError("canceling statement due to user request")
            try:
                return call(columns)
            except Exception as error:
                self.error = self.error or error
                raise

        return guarded

    def close(self) -> None:
        """Harmless when repeated."""
        while self._names:
            self._cursor.remove_function(self._names.pop())


class Predicting:
    """Of one instance of DuckDB."""

    def __init__(self, models: Models | None) -> None:
        self._models = models
        self._lock = threading.Lock()
        self._stand_ins: dict[str, str] = {}

    def made(self, functions: CalledFunctions, translated: Translated, sql: str) -> str:
        """``sql`` with the functions of this query."""
        for placed, key in translated.functions.items():
            assert self._models is not None
            name = functions.add(self._model(key), self._models.call(key, functions.context))
            sql = sql.replace(placed, name)
        return sql

    def stood_in(self, cursor: Any, translated: Translated) -> Translated:  # noqa: ANN401 duckdb is untyped
        """What can be bound, and never run."""
        sql = translated.sql
        for placed, key in translated.functions.items():
            sql = sql.replace(placed, self._stand_in(cursor, key))
        return replace(translated, sql=sql)

    def _stand_in(self, cursor: Any, key: str) -> str:  # noqa: ANN401 duckdb is untyped
        model = self._model(key)
        shape = repr((model.inputs, model.output))
        with self._lock:
            if shape not in self._stand_ins:
                name = f"bdc_predict_like_{len(self._stand_ins)}"
                _create(cursor, name, model, lambda *columns: pa.nulls(len(columns[0])))
                self._stand_ins[shape] = name
            return self._stand_ins[shape]

    def _model(self, key: str) -> Model:
        found = self._models.model(key) if self._models is not None else None
        if found is None:
            raise UnsupportedError("the app that predict calls is not known any more", hint="Run the query again.")
        return found


def _create(cursor: Any, name: str, model: Model, function: Function) -> None:  # noqa: ANN401 duckdb is untyped
    kinds = [kind_of_text(of).duckdb for _, of in model.inputs]
    places = [inspect.Parameter(f"c{at}", inspect.Parameter.POSITIONAL_ONLY) for at in range(len(kinds))]
    function.__signature__ = inspect.Signature(places)  # type: ignore[attr-defined] # DuckDB counts them
    cursor.create_function(
        name, function, kinds, kind_of_text(model.output).duckdb, type=PythonUDFType.ARROW, null_handling="special", side_effects=True
    )
