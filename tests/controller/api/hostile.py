"""Requests whose names try to leave where they belong, generated from the OpenAPI document: every path and body parameter."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass

VALUES = ("../../etc/passwd", "/etc/passwd", "a/../../b", "..\\..\\b", "..", "a\0b", "a\nb", "%2e%2e%2fb", "x" * 5000)
RAW = ("..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc", "%00")
"""Of paths, as they stand in the request line."""

FILLED = {
    "service": "sql",
    "resource": "master-0",
    "name": "alice",
    "role": "admin",
    "workload": "master-0",
    "version": "v1",
    "secret": "TOKEN",
}
GOOD = {"username": "alice", "password": "correct horse battery", "name": "mallory", "audience": "controller", "value": "planted"}
FREE = ("password", "value")
"""Whatever is in them names nothing: passwords, values of secrets."""

Json = dict[str, object]


@dataclass(frozen=True)
class Hostile:
    """One request; ``target``: path as sent."""

    method: str
    target: str
    body: Json | None
    what: str


def requests(document: Json) -> Iterator[Hostile]:
    """Each parameter of each operation with each value; passwords name nothing."""
    paths = document["paths"]
    assert isinstance(paths, dict)
    for path, operations in paths.items():
        for method, operation in operations.items():
            names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
            reference = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
            if not reference:
                yield from _in_path(method.upper(), path, names, None)
                continue
            properties = _properties(document, reference)
            good: Json = {name: GOOD[name] for name in properties if name in GOOD}
            yield from _in_path(method.upper(), path, names, good)
            yield from _in_body(method.upper(), _filled(path, names), properties, good)


def _filled(path: str, names: list[str]) -> str:
    return path.format(**{name: FILLED[name] for name in names})


def _in_path(method: str, path: str, names: list[str], body: Json | None) -> Iterator[Hostile]:
    for name in names:
        for value in (*(urllib.parse.quote(value, safe="") for value in VALUES), *RAW):
            target = path.format(**{other: value if other == name else FILLED[other] for other in names})
            yield Hostile(method, target, body if method == "PUT" else None, name)


def _properties(document: Json, reference: str) -> dict[str, Json]:
    schemas = document["components"]["schemas"]  # type: ignore[index,call-overload]
    found: dict[str, Json] = schemas[reference.rpartition("/")[2]]["properties"]
    return found


def _in_body(method: str, target: str, properties: dict[str, Json], good: Json) -> Iterator[Hostile]:
    for name, schema in properties.items():
        if name.endswith(FREE):
            continue
        for value in VALUES:
            yield Hostile(method, target, {**good, name: [value] if schema.get("type") == "array" else value}, name)


def send(host: str, port: int, request: Hostile, token: str) -> tuple[int, bytes]:
    """Status and body, over a connection of its own: nothing on the way tidies the path."""
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(request.method, request.target, None if request.body is None else json.dumps(request.body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def problem(status: int, body: bytes) -> str | None:
    """What is wrong with an answer; None for one clear refusal."""
    if status not in (400, 401, 403, 404, 405, 409, 422, 429):
        return f"status {status}"
    if b"root:" in body:
        return "shows a file"
    error = json.loads(body).get("error", {})
    return None if error.get("message") and error.get("code") != "internal" else f"no clear error: {body[:200]!r}"
