"""What the master's procedures ask of the pool: ``SELECT … FROM bdc.compute_request WHERE request = '<json>'``.

Recognised by its tokens (the form that postgres_fdw ships), carried out on threads, answered with JSON, one object per row.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pools.audit import Trail
from pools.compute import snapshot
from pools.compute.auditing import AUDIT, Auditing
from pools.compute.errors import StatementError
from pools.compute.explaining import EXPLAIN, kept_rows
from pools.compute.history import History
from pools.compute.lexer import tokens
from pools.compute.queries import Queries
from pools.compute.remote_queries import REMOTE_QUERY
from pools.compute.runner import QueryRunner
from pools.compute.scoring.score import SCORE, SCORE_COLUMNS
from pools.compute.sealing import Opener
from pools.compute.verification import VERIFY
from virtualization.analysis import analyzed
from virtualization.catalog import DataSource
from virtualization.errors import DefinitionError
from virtualization.plan import OutputColumn
from virtualization.statistics import SAMPLE_ROWS

CALLER = "bdc_owner"
"""Only this role's mapping may ask: the procedures' owner."""

MERGE = "merge"

_TABLE = ["bdc", ".", "compute_request"]
_COLUMNS = {"ordinal": "integer", "response": "text", "request": "text"}


@dataclass(frozen=True)
class Request:
    """``columns``: those that the master wants; ``text``: the JSON."""

    columns: tuple[str, ...]
    text: str


def recognise(sql: str) -> Request | None:
    """None when it is no request; StatementError 0A000 for a form that the pool does not know."""
    if "compute_request" not in sql:
        return None
    all_tokens = list(tokens(sql))
    words = [token.folded for token in all_tokens if token.text not in ("(", ")")]
    kinds = [token.kind for token in all_tokens if token.text not in ("(", ")")]
    if words[:1] != ["select"] or "from" not in words:
        return None
    start = words.index("from")
    if words[start + 1 : start + 4] != _TABLE:
        return None
    columns = tuple(word for word in words[1:start] if word != ",")
    rest = [(word, kind) for word, kind in zip(words[start + 4 :], kinds[start + 4 :], strict=True) if word != "pg_catalog" and word != "."]
    shape = " ".join("?" if kind == "string" else word for word, kind in rest)
    if not shape.startswith(("where request = ? :: text", "where request = ?")) or not _harmless(shape):
        raise StatementError(
            "0A000", "bdc.compute_request must be read with one request", detail=f"Read: {shape}", hint="WHERE request = '{…}'"
        )
    if any(column not in _COLUMNS and column != "null" for column in columns):
        raise StatementError("42703", "bdc.compute_request has the columns request, ordinal and response")
    return Request(columns, next(word for word, kind in rest if kind == "string"))


def _harmless(shape: str) -> bool:
    rest = shape.removeprefix("where request = ?").removeprefix(" :: text")
    return rest in ("", " order by ordinal asc nulls last", " order by ordinal")


def shaped(request: Request, responses: Iterable[object]) -> tuple[tuple[OutputColumn, ...], list[tuple[object, ...]]]:
    """Responses as rows of the wanted columns."""
    columns = tuple(OutputColumn("?column?" if name == "null" else name, _COLUMNS.get(name, "text")) for name in request.columns)
    rows = []
    for ordinal, response in enumerate(responses, 1):
        values: Mapping[str, object] = {"ordinal": ordinal, "request": request.text, "response": _json(response)}
        rows.append(tuple(values.get(name) for name in request.columns))
    return columns, rows


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


@dataclass(frozen=True)
class Requests:
    """Carries requests out. ``answer`` blocks (sources are asked): call it on a thread; ``live`` must run on the event loop."""

    runner: Callable[[], QueryRunner]
    queries: Queries
    unseal: snapshot.Open
    others: frozenset[str] = frozenset()
    """Actions that another part answers (the data pool)."""

    history: History = field(default_factory=History)
    audit: Auditing = field(default_factory=lambda: Auditing(Trail(None, "compute")))

    def parse(self, request: Request) -> dict[str, Any]:
        """The JSON object; StatementError 22023 for anything else."""
        try:
            content = json.loads(request.text)
        except json.JSONDecodeError as error:
            raise StatementError("22023", f"the request is not JSON: {error}") from None
        if not isinstance(content, dict) or content.get("action") not in {*_ACTIONS, *_SESSIONS, *self.others, "queries", "kill"}:
            raise StatementError("22023", "unknown action in a request to the compute pool")
        return content

    def live(self, content: Mapping[str, Any]) -> list[object] | None:
        """Answers about running queries; None for the other actions."""
        if content["action"] == "queries":
            return [query.description() for query in self.queries.all()]
        if content["action"] == "kill":
            return [{"killed": self.queries.kill(str(content.get("id", "")))}]
        return None

    def answer(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        """One object per row."""
        try:
            return _ACTIONS[content["action"]](self, content, catalog)
        except KeyError as error:
            raise StatementError("22023", f"the request lacks {error}") from error

    def source(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> DataSource:
        """The one that the request names, or brings."""
        given = content["source"]
        if isinstance(given, str):
            return catalog.source(given)
        source = snapshot.read_source(given, catalog.database, self.unseal)
        # The definition is not in the catalog yet (perhaps never will be): a version of its own keeps its connections apart.
        return dataclasses.replace(source, version=f"request:{hash(_json(given))}")

    def _test(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        tested = self.runner().connector(self.source(content, catalog)).test()
        return [{"version": tested.version, "milliseconds": tested.milliseconds}]

    def _objects(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        found = self.runner().connector(self.source(content, catalog)).objects(content.get("schema"))
        return [{"schema": one.schema, "name": one.name, "location": one.location, "kind": one.kind} for one in found]

    def _detect(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        connector = self.runner().connector(self.source(content, catalog))
        options = {name: str(value) for name, value in (content.get("options") or {}).items()}
        found = connector.detect(content["location"], options)
        columns = [
            {"name": c.name, "type": c.type, "nullable": c.nullable, "remote": c.remote, "seen": found.seen.get(c.name)}
            for c in found.columns
        ]
        known = {name: dataclasses.asdict(one) for name, one in found.statistics.items()}
        unmapped = [list(entry) for entry in found.unmapped]
        return [{"columns": columns, "options": dict(found.options), "rows": found.rows, "unmapped": unmapped, "statistics": known}]

    def _analyze(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        table, sample = snapshot.read_table(content["table"]), int(content.get("sample") or SAMPLE_ROWS)
        found = analyzed(self.runner(), self.source(content, catalog), table, sample)
        known = {name: dataclasses.asdict(one) for name, one in found.statistics.items()}
        return [{"rows": found.rows, "statistics": known, "sampled": {name: one.listed for name, one in found.sampled.items()}}]

    def _kept_by_master(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        return kept_rows(content["plan"], content.get("format"))

    def _history(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        return list(self.history.entries())

    def _reseal(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        """For the controller, after the sealing key was replaced: sealed in, sealed out, for the same server and user."""
        if not isinstance(self.unseal, Opener):
            raise StatementError("0A000", "this replica can't seal anew")
        return [_resealed(self.unseal, entry) for entry in content["credentials"]]

    def _audit(self, content: Mapping[str, Any], catalog: snapshot.Snapshot) -> list[object]:
        return self.audit.answer(content)


def _resealed(opener: Opener, entry: Mapping[str, Any]) -> dict[str, str | None]:
    try:
        sealed = opener.resealed(str(entry["sealed"]), str(entry["location"]), entry.get("user"))
        return {"sealed": sealed, "problem": None, "key": opener.public()}
    except DefinitionError as error:
        return {"sealed": None, "problem": error.message, "key": opener.public()}


_ACTIONS: Mapping[str, Callable[[Requests, Mapping[str, Any], snapshot.Snapshot], list[object]]] = {
    "test": Requests._test,
    "objects": Requests._objects,
    "analyze": Requests._analyze,
    AUDIT: Requests._audit,
    "reseal": Requests._reseal,
    "detect": Requests._detect,
    "history": Requests._history,
    "kept_by_master": Requests._kept_by_master,
}
_SESSIONS = (MERGE, VERIFY, EXPLAIN, REMOTE_QUERY, SCORE, SCORE_COLUMNS)
"""Answered by the session that is asked, as queries of the pool."""
