"""Pipelines of the user's own, by ``bdc.remote_query``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.mongodb import MongodbServer
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.errors import RemoteObjectError, SourceError
from virtualization.plan import QueryContext

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def connector(mongodb: MongodbServer) -> Iterator[MongodbConnector]:
    mongodb.client[mongodb.database].own_words.insert_many([{"_id": n, "n": n % 3, "deep": {"t": ["ä", None]}} for n in range(10)])
    made = MongodbConnector(mongodb.source())
    yield made
    made.close()


def rows(connector: MongodbConnector, text: Any) -> list[Any]:
    batches = connector.passthrough(text if isinstance(text, str) else json.dumps(text), QueryContext())
    try:
        return [json.loads(row) for batch in batches for row in batch.column(0).to_pylist()]
    finally:
        batches.close()


def test_documents_are_json(connector: MongodbConnector) -> None:
    text = {"collection": "own_words", "pipeline": [{"$match": {"n": 1}}, {"$sort": {"_id": -1}}, {"$limit": 2}]}
    assert rows(connector, text) == [{"_id": n, "n": 1, "deep": {"t": ["ä", None]}} for n in (7, 4)]
    assert rows(connector, {"collection": "own_words", "pipeline": [{"$match": {"n": 5}}]}) == []
    grouped = {"collection": "own_words", "pipeline": [{"$group": {"_id": "$n", "k": {"$sum": 1}}}, {"$sort": {"_id": 1}}]}
    assert rows(connector, grouped) == [{"_id": 0, "k": 4}, {"_id": 1, "k": 3}, {"_id": 2, "k": 3}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "a collection and a pipeline"),
        ({"collection": "own_words", "pipeline": {}}, "a collection and a pipeline"),
        ({"collection": "own_words", "pipeline": [], "database": "admin"}, "a collection and a pipeline"),
        ({"collection": "own_words", "pipeline": [{"$out": "made"}]}, "only reads"),
        ({"collection": "own_words", "pipeline": [{"$facet": {"a": [{"$merge": {"into": "made"}}]}}]}, "only reads"),
    ],
)
def test_what_a_text_may_not(connector: MongodbConnector, text: Any, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        rows(connector, text)
    assert "src" in caught.value.message


def test_the_sources_own_words_for_what_is_wrong(connector: MongodbConnector) -> None:
    with pytest.raises(RemoteObjectError, match="nowhere"):
        rows(connector, {"collection": "nowhere", "pipeline": []})
    with pytest.raises(SourceError, match="nope"):
        rows(connector, {"collection": "own_words", "pipeline": [{"$nope": 1}]})
