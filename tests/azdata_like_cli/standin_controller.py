"""A stand-in for the controller: the routes of docs/architecture.md over a dictionary, so that the CLI is tested without a cluster.

``python -m pytest tests/azdata_like_cli`` uses it; what the real controller does is tested in tests/controller.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PASSWORD = "s3cret-of-admin"
SQL_PASSWORD = "of-the-login"


def instance(name: str) -> dict[str, Any]:
    return {"name": name, "state": "ready", "health": "healthy", "details": f"{name} is ready", "pid": 42, "restarts": 0}


def resource(name: str) -> dict[str, Any]:
    return {"name": name, "state": "ready", "health": "healthy", "details": f"{name} is healthy", "instances": [instance(f"{name}-0")]}


AUDIT = {
    "entries": [
        {
            "n": 3, "at": "2026-11-22T08:00:00.000+00:00", "service": "control", "action": "users.add", "outcome": "refused",
            "rule": "admin", "why": "forbidden", "user": "alice", "origin": "127.0.0.1", "session": "s1", "objects": ["name=eve"],
        }
    ],
    "services": [
        {"service": "control", "lost": 2, "problem": None},
        {"service": "compute-0", "lost": 0, "problem": "it does not answer"},
    ],
}  # fmt: skip


@dataclass
class StandinController:
    """What it knows and what it was asked."""

    endpoints: dict[str, str] = field(default_factory=dict)
    database: str = "postgres"
    token: str = "token-1"
    expires_in: int = 3600
    """Of the login."""
    access_seconds: int = 1800
    renewals: int = 0
    source: str = "local"
    """Where ``alice``'s password is; of others it does not matter."""
    sql_method: str = "password"
    """What the master takes of her: a password for SQL, or (``ldap``) the directory's."""
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    certificates: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=lambda: ["first", "second \x1b[31mred"])
    given: dict[str, Any] = field(default_factory=dict)
    """Path → what a GET of it answers, beside what is below."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, target: str, body: Any, token: str | None) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = parts.path
        self.requests.append((method, target, body))
        if path == "/healthz":
            return 200, {"status": "ok"}
        if (method, path) == ("POST", "/api/v1/token"):
            if body["password"] != PASSWORD:
                return 401, error("unauthenticated", "name or password is wrong")
            return 200, self._tokens()
        if path == "/api/v1/token/refresh":
            if body["refresh_token"] != f"refresh-{self.renewals}":
                return 401, error("invalid_token", "the session was ended: its refresh token was used twice")
            self.renewals += 1
            return 200, self._tokens()
        if token != f"Bearer {self.token}":
            return 401, error("unauthenticated", "the token is not valid", hint="run 'bdc login'")
        if (method, path) == ("DELETE", "/api/v1/token"):
            self.token = "ended"
            return 204, None
        if method == "GET" and path in self.given:
            return 200, self.given[path]
        return self._authorised(method, path, parse_qs(parts.query), body)

    def _tokens(self) -> dict[str, Any]:
        return {
            "access_token": self.token,
            "token_type": "bearer",
            "expires_in": self.access_seconds,
            "refresh_token": f"refresh-{self.renewals}",
            "refresh_expires_in": self.expires_in,
            **({"username": "alice", "source": "directory"} if self.source == "directory" else {}),
        }

    def _authorised(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:  # noqa: C901
        if path == "/api/v1/bdc":
            return 200, {
                "name": "demo",
                "id": "1",
                "state": "ready",
                "spec": {"spec": {"pools": {"master": {"databases": [self.database]}}}},
            }
        if path == "/api/v1/bdc/status":
            services = [
                {**instance("sql"), "resources": [resource("master"), resource("compute-0")]},
                {**instance("hdfs"), "resources": []},
            ]
            return 200, {"name": "demo", "state": "ready", "health": "healthy", "details": "all is ready", "services": services}
        if path.startswith("/api/v1/bdc/services/"):
            words = path.split("/")
            if words[5] != "sql":
                return 404, error("not_found", f"no service {words[5]}")
            if "resources" in words:
                return 200, resource(words[7])
            return 200, {**instance("sql"), "resources": [resource("master")]}
        if path.startswith("/api/v1/bdc/endpoints"):
            listed = [{"name": name, "description": name.title(), "endpoint": url, "protocol": "x"} for name, url in self.endpoints.items()]
            name = path.removeprefix("/api/v1/bdc/endpoints").strip("/")
            found = [entry for entry in listed if entry["name"] == name]
            return (200, listed) if not name else (200, found[0]) if found else (404, error("not_found", f"no endpoint {name}"))
        if path.startswith("/api/v1/bdc/logs/"):
            return 200, {"lines": self.log[-int(query["lines"][0]) :]}
        if path == "/api/v1/whoami":
            return 200, {"name": "admin", "roles": ["admin"], "expires_at": time.time() + 60}
        if path.startswith("/api/v1/bdc/certificates"):
            return 200, self.certificates if method == "GET" else {"done": ["a new certificate for master-0"]}
        if path.startswith("/api/v1/keys/tokens"):
            return 200, [{"kid": "new", "created_at": 1.0, "signs_from": 301.0, "state": "next"}]
        if path.startswith("/api/v1/auth/"):
            return self._directory(path.rpartition("/")[2], body)
        if path == "/broken":
            return 500, {}
        return self._people(method, path, body)

    def _directory(self, what: str, body: Any) -> tuple[int, Any]:
        if what == "sql-password":
            known = {"username": "alice", "valid_until": time.time() + 60, "roles": [], "sql_role": "ready"}
            return 200, {**known, "method": self.sql_method, "password": SQL_PASSWORD if self.sql_method == "password" else ""}
        if what == "search-password":
            return 204, None
        found = body["username"] == "alice"
        step = {"step": "entry", "state": "ok" if found else "failed", "message": "uid=alice" if found else "no entry of this name"}
        return 200, {"username": body["username"], "may_log_in": found, "steps": [step]}

    def _people(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/api/v1/audit":
            return 200, AUDIT
        if path == "/api/v1/keys/pools/rotate":
            return 200, {"done": ["it is done"]}
        words = [unquote(word) for word in path.split("/")]
        if path == "/api/v1/users" and method == "GET":
            return 200, list(self.users.values())
        if path == "/api/v1/users":
            if body["name"] in self.users:
                return 409, error("conflict", f"there is a user {body['name']} already", hint="choose another name")
            self.users[body["name"]] = {"name": body["name"], "roles": body["roles"], "created_at": "now", "sql_role": "ready"}
            return 201, self.users[body["name"]]
        user = self.users.get(words[4])
        if user is None:
            return 404, error("not_found", f"there is no user {words[4]}")
        if words[5:6] == ["roles"]:
            roles = set(user["roles"])
            user["roles"] = sorted(roles | {words[6]} if method == "POST" else roles - {words[6]})
            return 200, user
        if method == "DELETE":
            del self.users[words[4]]
        return 204, None


def error(code: str, message: str, **more: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "where": None, **more}, "request_id": "r-1"}


@contextmanager
def standin_controller(**settings: Any) -> Iterator[StandinController]:
    controller = StandinController(**settings)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = controller.answer(self.command, self.path, body, self.headers.get("Authorization"))
            payload = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    controller.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield controller
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
