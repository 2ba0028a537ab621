"""An aggregation pipeline of the user's own, run as it is; the text is (extended) JSON:
``{"collection": "orders", "pipeline": [{"$match": …}, …]}``."""

from __future__ import annotations

import json
from typing import Any

import bson.json_util
import pyarrow as pa
from bson.errors import BSONError

from virtualization.connectors.mongodb.client import Client
from virtualization.connectors.mongodb.pipelines import Pipeline
from virtualization.connectors.mongodb.rows import Output
from virtualization.connectors.mongodb.types import kind
from virtualization.errors import SourceError
from virtualization.plan import Batches, QueryContext

_FORM = '{"collection": "orders", "pipeline": [{"$match": {"status": "open"}}]}'
_WRITING = frozenset({"$out", "$merge"})
_JSON = bson.json_util.JSONOptions(json_mode=bson.json_util.JSONMode.RELAXED)
_ROW = "row"


def passthrough(client: Client, source: str, text: str, context: QueryContext) -> Batches:
    """Rows as JSON objects; see ``virtualization.passthrough``. Sessions there hold nothing that could meet another query."""
    collection, stages = _read(source, text)
    wrapped = ({"$replaceWith": {_ROW: "$$ROOT"}},)
    return client.stream(Pipeline(collection, (*stages, *wrapped), (Output(_ROW, kind("text"), _ROW, finish=_shown),)), context)


def _shown(values: list[Any]) -> pa.Array[Any]:
    """One step of Python per document: nothing else knows what BSON's types are in JSON. ``remote_query`` bounds their number."""
    return pa.array([bson.json_util.dumps(value, json_options=_JSON, ensure_ascii=False) for value in values], pa.string())


def _read(source: str, text: str) -> tuple[str, tuple[dict[str, Any], ...]]:
    hint = f"For example: {_FORM}"
    try:
        given = bson.json_util.loads(text)
    except (json.JSONDecodeError, ValueError, TypeError, BSONError) as error:
        raise SourceError(f'data source "{source}": the text of bdc.remote_query is no JSON: {error}', hint=hint) from None
    right = isinstance(given, dict) and set(given) == {"collection", "pipeline"}
    collection, stages = (given["collection"], given["pipeline"]) if right else (None, None)
    if not isinstance(collection, str) or not isinstance(stages, list) or not all(isinstance(one, dict) for one in stages):
        raise SourceError(f'data source "{source}": bdc.remote_query takes a collection and a pipeline of stages', hint=hint)
    if _writes(stages):
        raise SourceError(f'data source "{source}": bdc.remote_query only reads: no {", no ".join(sorted(_WRITING))}')
    return collection, tuple(stages)


def _writes(part: Any) -> bool:  # noqa: ANN401 JSON
    if isinstance(part, dict):
        return bool(_WRITING & set(part)) or any(map(_writes, part.values()))
    return isinstance(part, list) and any(map(_writes, part))
