"""The controller's REST API ``/api/v1``, one method per route."""

from __future__ import annotations

import time
import urllib.parse
from dataclasses import dataclass

from bdc.contexts import Session
from bdc.errors import InternalError
from bdc.names import route_segment
from bdc.rest import JsonClient, object_of, objects_of

Json = dict[str, object]
SPARK = "/api/v1/bdc/services/spark"


@dataclass(frozen=True)
class Token:
    """A token and until when it may be used (seconds since the epoch)."""

    value: str
    expires: float


def request_token(base: str, username: str, password: str, timeout: float = 30.0) -> Token:
    """Log in at the controller at ``base``. AuthenticationError when name and password don't fit."""
    answer = object_of(
        JsonClient(base, timeout=timeout).request("POST", "/api/v1/token", body={"username": username, "password": password}), "token"
    )
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or not isinstance(seconds, int | float):
        raise InternalError("the controller's answer to a login holds no token", where=base)
    return Token(value, time.time() + seconds)


class Controller:
    """The controller as one logged-in user sees it."""

    def __init__(self, base: str, token: str, timeout: float = 30.0) -> None:
        self._client = JsonClient(base, token, timeout)

    @classmethod
    def of(cls, session: Session, timeout: float = 30.0) -> Controller:
        """For a context; AuthenticationError when its session has ended."""
        return cls(session.controller, session.require_token(), timeout)

    def cluster(self) -> Json:
        """Name, id, spec and state."""
        return object_of(self._client.get("/api/v1/bdc"), "bdc")

    def status(self, service: str | None = None, resource: str | None = None, *, everything: bool = False) -> Json:
        """The status tree, or the part of one service or one of its resources; ``everything``: with instances."""
        path = "/api/v1/bdc/status"
        if service is not None:
            path = f"/api/v1/bdc/services/{route_segment(service, 'service')}/status"
            if resource is not None:
                path = path.replace("/status", f"/resources/{route_segment(resource, 'resource')}/status")
        return object_of(self._client.get(path, all=everything or None), "status")

    def endpoints(self) -> list[Json]:
        """``[{name, description, endpoint, protocol}]``"""
        return objects_of(self._client.get("/api/v1/bdc/endpoints"), "endpoints")

    def endpoint(self, name: str) -> Json:
        """One of them; NotFoundError."""
        return object_of(self._client.get(f"/api/v1/bdc/endpoints/{route_segment(name, 'endpoint')}"), "endpoint")

    def log(self, workload: str, lines: int) -> list[str]:
        """The last ``lines`` lines of a workload's log."""
        return _lines(self._client.get(f"/api/v1/bdc/logs/{route_segment(workload, 'workload')}", lines=lines))

    def spark_start(self) -> Json:
        """Ask for one's Spark Connect server; its ``name`` in the status, and the name of its ``endpoint``."""
        return object_of(self._client.request("POST", SPARK + "/start"), "spark/start")

    def spark_stop(self) -> Json:
        """Let it rest."""
        return object_of(self._client.request("POST", SPARK + "/stop"), "spark/stop")

    def spark_token(self) -> str:
        """What clients present to one's Spark Connect server; for admins."""
        found = object_of(self._client.get(SPARK + "/token"), "spark/token").get("token")
        if not isinstance(found, str):
            raise InternalError("the controller's answer to 'spark/token' holds no token")
        return found

    def spark_jobs(self) -> list[Json]:
        """All jobs that are kept, the newest first."""
        return objects_of(self._client.get(SPARK + "/jobs"), "spark/jobs")

    def spark_job(self, number: int) -> Json:
        """One of them; NotFoundError."""
        return object_of(self._client.get(f"{SPARK}/jobs/{number}"), "spark/jobs")

    def spark_submit(self, job: Json) -> Json:
        """Have a program run once: ``file`` (a URL), ``arguments``, ``main_class``, ``conf``, ``py_files``, ``jars``."""
        return object_of(self._client.request("POST", SPARK + "/jobs", body=job), "spark/jobs")

    def spark_kill(self, number: int) -> Json:
        """End a job."""
        return object_of(self._client.request("DELETE", f"{SPARK}/jobs/{number}"), "spark/jobs")

    def spark_log(self, number: int, lines: int) -> list[str]:
        """The last lines that a job wrote."""
        return _lines(self._client.get(f"{SPARK}/jobs/{number}/log", lines=lines))

    def whoami(self) -> Json:
        """Name, roles and expiry of the token's owner."""
        return object_of(self._client.get("/api/v1/whoami"), "whoami")

    def users(self) -> list[Json]:
        """All users with their roles."""
        return objects_of(self._client.get("/api/v1/users"), "users")

    def add_user(self, name: str, password: str, roles: list[str]) -> Json:
        """Make a user, and the PostgreSQL role of the same name; ConflictError when the name is taken."""
        return object_of(self._client.request("POST", "/api/v1/users", body={"name": name, "password": password, "roles": roles}), "users")

    def remove_user(self, name: str) -> None:
        """Remove a user, its sessions and its PostgreSQL role."""
        self._client.request("DELETE", _user(name))

    def set_password(self, name: str, password: str, old: str | None = None) -> None:
        """Set a password; ``old`` is needed unless the caller is an admin."""
        body = {"password": password} if old is None else {"password": password, "old_password": old}
        self._client.request("PUT", _user(name) + "/password", body=body)

    def grant(self, name: str, role: str) -> None:
        """Give a user a role: ``admin`` or ``user``."""
        self._client.request("POST", _user(name) + "/roles/" + _quote(role))

    def revoke(self, name: str, role: str) -> None:
        """Take a role from a user."""
        self._client.request("DELETE", _user(name) + "/roles/" + _quote(role))


def _lines(body: object) -> list[str]:
    found = object_of(body, "logs").get("lines")
    if not isinstance(found, list):
        raise InternalError("the controller's answer to 'logs' holds no lines")
    return [str(line) for line in found]


def _quote(text: str) -> str:
    # '.' is not quoted by quote(): a name of dots would walk up the path
    return urllib.parse.quote(text, safe="").replace(".", "%2E")


def _user(name: str) -> str:
    return "/api/v1/users/" + _quote(name)
