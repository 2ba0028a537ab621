"""A DataFrame through an app: what does not fit is refused here, before anything runs; rows go through it in Spark's own workers.

A model (runtime onnx) is fetched once by its digest and handed to Spark, which brings it to each executor once; the plan then holds no
token. Other apps are called at the app proxy by the executors, with a token of the user's that is good for apps alone and lives as long
as the login's access tokens do.
"""

from __future__ import annotations

import atexit
import functools
import pathlib
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bdc.errors import ConflictError, UserError
from bdc.names import kind_of
from bdc.session import Session, connect
from bdc.spark.asking import Access, App, named

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_INTEGERS = frozenset({"byte", "short", "integer", "long"})
_TAKES: Mapping[str, frozenset[str]] = {
    "float": _INTEGERS | {"float", "double", "decimal"},
    "int": _INTEGERS,
    "str": frozenset({"string", "char", "varchar"}),
    "bool": frozenset({"boolean"}),
    "date": frozenset({"date"}),
}
"""Type of an input → Spark's types that it takes."""
_PARTS = frozenset({"array", "map", "struct"})
SPARK = {
    "float": "double", "int": "bigint", "str": "string", "bool": "boolean", "date": "date", "bytes": "binary",
    "list": "string", "dict": "string", "dataframe": "string",
}  # fmt: skip
"""Type of the spec → Spark's; lists and objects are JSON."""
INSTALL = "pip install --upgrade 'pyspark-bdc[onnx]' where Spark's Python runs"
_lock = threading.Lock()
_added: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()
"""Spark session → models that it has."""


def score(df: DataFrame, app: str, *, session: Session | None = None) -> DataFrame:
    """``df`` with the outputs of ``app`` ("house@v1", "house@live") as further columns, for classic Spark and Spark Connect.

    Columns are inputs by their names, upper and lower case alike where no name is just the same. The version, and what is live, is that
    of now. ``session``: of ``bdc.connect()``; None: the active login. Nothing runs before an action.

    UserError: a column is missing or of another type; NotFoundError, ForbiddenError (the role app-reader is missing), ServiceError (not
    ready). A row that the app can't take fails the action: NULL, NaN, or what the app itself refuses.
    """
    if not hasattr(df, "mapInArrow"):
        raise UserError(f"a DataFrame of Spark is wanted, this is a {kind_of(df)}", hint="other rows: session.apps.score")
    wanted = named(app)
    if session is not None:
        return _scored(df, wanted, session)
    with connect() as own:
        return _scored(df, wanted, own)


def _scored(df: DataFrame, wanted: str, session: Session) -> DataFrame:
    access = Access.of(session)
    app = access.find(wanted)
    fields = df.schema.fields
    places = matched(app, [Column(field.name, field.dataType.typeName()) for field in fields])
    told: dict[str, Any] = {
        "label": app.label, "inputs": dict(app.inputs), "outputs": dict(app.outputs), "places": places, "timeout": app.timeout,
    }  # fmt: skip
    if app.model is not None:
        told["model"] = _handed_over(df.sparkSession, access, app)
    elif df.isStreaming:
        raise UserError(
            f"{app.label} is called at the app proxy with a token that ends: a stream can't be scored with it",
            hint="use foreachBatch and score each batch, or an app of runtime onnx",
        )
    else:
        told |= {"url": access.endpoint, "path": f"{app.path}/batch", "token": access.token, "authority": access.authority}
    return _mapped(df, _work(told), _with_outputs(df, app))


@dataclass(frozen=True)
class Column:
    """``kind``: Spark's ``typeName()``."""

    name: str
    kind: str


def matched(app: App, columns: Sequence[Column]) -> list[int]:
    """Which column is which input. UserError: missing, ambiguous, another type, a type that no column has, an output that is there."""
    names = [column.name for column in columns]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"the DataFrame has several columns {twice!r}", where=twice, hint="rename one of them, or drop it")
    lower = [name.lower() for name in names]
    for output in app.outputs:
        if output.lower() in lower:
            raise UserError(
                f"the DataFrame has a column {output!r} already, which is an output of {app.label}",
                where=output,
                hint="rename it, or drop it",
            )
    return [_place(app, name, kind, columns) for name, kind in app.inputs.items()]


def _place(app: App, name: str, kind: str, columns: Sequence[Column]) -> int:
    if kind not in _TAKES:
        raise UserError(
            f"input {name} of {app.label} is a {kind}: a DataFrame gives {', '.join(_TAKES)} only", where=name, hint="call it by REST"
        )
    found = [at for at, column in enumerate(columns) if column.name == name] or [
        at for at, column in enumerate(columns) if column.name.lower() == name.lower()
    ]
    if len(found) != 1:
        known = ", ".join(f"{one} {SPARK.get(of, of)}" for one, of in app.inputs.items())
        problem = "no column" if not found else "several columns"
        raise UserError(f"the DataFrame has {problem} {name}, which {app.label} takes", where=name, hint=f"{app.label} takes {known}")
    column = columns[found[0]]
    if column.kind not in _TAKES[kind]:
        raise UserError(
            f"input {name} of {app.label} is {SPARK[kind]}, the DataFrame's column is {column.kind}",
            where=name,
            hint=_cast(column, SPARK[kind]),
        )
    return found[0]


def _cast(column: Column, wanted: str) -> str:
    name, inside = column.name, "[…]" if column.kind in _PARTS else ""
    what = f"take one value out of the {column.kind}: " if inside else ""
    return f"{what}df.withColumn({name!r}, df[{name!r}]{inside}.cast({wanted!r}))"


def _with_outputs(df: DataFrame, app: App) -> Any:  # noqa: ANN401 - a StructType
    from pyspark.sql.types import StructType

    schema = StructType(list(df.schema.fields))
    for name, kind in app.outputs.items():
        schema = schema.add(name, {"bigint": "long"}.get(SPARK[kind], SPARK[kind]))  # as a schema's JSON says it
    return schema


def _mapped(df: DataFrame, work: Callable[[Iterator[Any]], Iterator[Any]], schema: Any) -> DataFrame:  # noqa: ANN401 - a StructType
    from pyspark.errors import PySparkNotImplementedError

    try:
        return df.mapInArrow(work, schema)
    except PySparkNotImplementedError:
        lost = next((field for field in df.schema.fields if not _carried(field.dataType)), None)
        if lost is None:
            raise
        raise UserError(
            f"column {lost.name} is {lost.dataType.simpleString()}, which Spark gives to no Python",
            where=lost.name,
            hint=f"df.drop({lost.name!r}), or df.withColumn({lost.name!r}, df[{lost.name!r}].cast('string'))",
        ) from None


def _carried(kind: Any) -> bool:  # noqa: ANN401 - a DataType
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import to_arrow_type

    try:
        to_arrow_type(kind)
    except (PySparkException, TypeError):
        return False
    return True


def _work(told: Mapping[str, Any]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What Spark's workers run. Being local it is sent whole: they have ``pyspark_bdc``, not this package."""

    def bdc_score(batches: Iterator[Any]) -> Iterator[Any]:
        try:
            from pyspark_bdc.scoring.task import scored
        except ImportError as error:
            raise RuntimeError(f"pyspark-bdc is missing on this executor, or older than the client ({error}): {INSTALL}") from None
        return scored(told, batches)

    return bdc_score


def _handed_over(spark: Any, access: Access, app: App) -> str:  # noqa: ANN401 - a session, classic or Connect
    """The name of the model's file among ``SparkFiles``."""
    file = f"bdc-{app.model}.onnx"
    with _lock:
        known = _added.setdefault(spark, set())
        if file not in known:
            path = _folder() / file
            if not path.exists():
                content = access.model(app)
                if content is None:
                    raise ConflictError(f"{app.label} was updated just now", hint="score again")
                whole = path.with_suffix(".part")
                whole.write_bytes(content)
                whole.rename(path)
            spark.addArtifacts(str(path), file=True)
            known.add(file)
    return file


@functools.cache
def _folder() -> pathlib.Path:
    """Of this process: classic Spark reads its files from there as long as it runs."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="bdc-models-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
