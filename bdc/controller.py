"""The controller's REST API ``/api/v1``, one method per route."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass

from bdc.errors import InternalError
from bdc.names import route_segment
from bdc.rest import JsonClient, object_of, objects_of

Json = dict[str, object]
SPARK = "/api/v1/bdc/services/spark"


@dataclass(frozen=True)
class Token:
    """What a login or its renewal gives; times are seconds since the epoch.

    value, expires          the access token, and until when it may be used
    refresh, session_ends   what makes the next one, once; and the end of the login
    username                what the cluster calls who logged in; empty: as typed
    source                  where the password was checked: ``local`` or ``directory``
    """

    value: str
    expires: float
    refresh: str
    session_ends: float
    username: str = ""
    source: str = "local"


def request_token(base: str, username: str, password: str, timeout: float = 30.0, authority: str = "") -> Token:
    """Log in at the controller at ``base``. AuthenticationError when name and password don't fit."""
    return _token(base, "/api/v1/token", {"username": username, "password": password}, timeout, authority)


def renew_token(base: str, refresh: str, timeout: float = 30.0, authority: str = "") -> Token:
    """The login's next token; AuthenticationError when the login has ended. ``refresh`` is used up."""
    return _token(base, "/api/v1/token/refresh", {"refresh_token": refresh}, timeout, authority)


def _token(base: str, path: str, body: Json, timeout: float, authority: str) -> Token:
    answer = object_of(JsonClient(base, timeout=timeout, authority=authority).request("POST", path, body=body), "token")
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    refresh, lasts = answer.get("refresh_token"), answer.get("refresh_expires_in")
    if not (isinstance(value, str) and isinstance(seconds, int | float) and isinstance(refresh, str) and isinstance(lasts, int | float)):
        raise InternalError("the controller's answer to a login holds no tokens", where=base)
    now = time.time()
    who, source = str(answer.get("username") or ""), str(answer.get("source") or "local")
    return Token(value, now + seconds, refresh, now + lasts, who, source)


class Controller:
    """The controller as one logged-in user sees it. ``token``: what gives the access token to send now."""

    def __init__(self, base: str, token: Callable[[], str], timeout: float = 30.0, authority: str = "") -> None:
        self._client = JsonClient(base, token, timeout, authority)

    def log_out(self) -> None:
        """End the login, with all its tokens."""
        self._client.request("DELETE", "/api/v1/token")

    def auth_test(self, username: str, password: str | None) -> Json:
        """``{username, may_log_in, steps: [{step, state, message}]}``: a login with a directory account, gone through."""
        return object_of(self._client.request("POST", "/api/v1/auth/test", body={"username": username, "password": password}), "auth/test")

    def set_search_password(self, password: str) -> None:
        """Of the account that searches the directory."""
        self._client.request("PUT", "/api/v1/auth/search-password", body={"password": password})

    def sql_password(self) -> Json:
        """``{username, method, password, valid_until, roles, sql_role}`` for who logged in with a directory account; ``method`` ldap: the
        master takes the directory's password, and there is no other."""
        return object_of(self._client.request("POST", "/api/v1/auth/sql-password"), "auth/sql-password")

    def audit(self, **asked: object) -> Json:
        """``{entries: [...], services: [{service, lost, problem}]}``: who did what, the newest first. ``asked``: user, since (ISO 8601),
        action, outcome, session, limit."""
        given = {name: str(value) for name, value in asked.items() if value is not None}
        return object_of(self._client.get("/api/v1/audit?" + urllib.parse.urlencode(given)), "audit")

    def token_keys(self) -> list[Json]:
        """``[{kid, created_at, signs_from, state}]``, the newest first."""
        return objects_of(self._client.get("/api/v1/keys/tokens"), "keys/tokens")

    def rotate_token_key(self, *, compromised: bool) -> list[Json]:
        """A new key for tokens; ``compromised``: at once, and without the others."""
        return objects_of(self._client.request("POST", "/api/v1/keys/tokens/rotate", body={"compromised": compromised}), "keys/tokens")

    def rotate_pool_key(self, kind: str, *, compromised: bool) -> list[str]:
        """A new key for ``tickets`` or ``sealing``; what was done, a sentence each."""
        body = {"kind": kind, "compromised": compromised}
        done = object_of(self._client.request("POST", "/api/v1/keys/pools/rotate", body=body), "keys/pools").get("done")
        return [str(sentence) for sentence in done] if isinstance(done, list) else []

    def end_sessions(self, name: str) -> None:
        """End every login of a user."""
        self._client.request("DELETE", f"/api/v1/users/{route_segment(name, 'user')}/sessions")

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

    def plan(self, spec: str | None) -> Json:
        """What a spec's text would change; None: what runs against the spec in force."""
        return object_of(self._client.request("POST", "/api/v1/bdc/plan", body={"spec": spec}), "plan")

    def apply(self, spec: str, base: str | None, seconds: int) -> Json:
        """``{"plan", "operation"}``; ConflictError while another operation is under way, or when ``base`` is not the spec any more."""
        return object_of(self._client.request("POST", "/api/v1/bdc/apply", body={"spec": spec, "base": base, "seconds": seconds}), "apply")

    def scale(self, pool: str, count: int, seconds: int) -> Json:
        """``{"plan", "operation"}``, as ``apply``."""
        body = {"pool": pool, "count": count, "seconds": seconds}
        return object_of(self._client.request("POST", "/api/v1/bdc/scale", body=body), "scale")

    def upgrade(self, tag: str | None, registry: str | None, seconds: int) -> Json:
        """``{"plan", "operation"}``, as ``apply``: other images of the pools, on Kubernetes. None: the controller's version, the same
        registry."""
        body = {"tag": tag, "registry": registry, "seconds": seconds}
        return object_of(self._client.request("POST", "/api/v1/bdc/upgrade", body=body), "upgrade")

    def operations(self, limit: int = 20) -> list[Json]:
        """The latest first."""
        return objects_of(self._client.get("/api/v1/bdc/operations", limit=limit), "operations")

    def operation(self, number: int) -> Json:
        """How far one is."""
        return object_of(self._client.get(f"/api/v1/bdc/operations/{number}"), "operations")

    def cancel_operation(self, number: int) -> Json:
        """End one where it stands."""
        return object_of(self._client.request("DELETE", f"/api/v1/bdc/operations/{number}"), "operations")

    def settings(self) -> list[Json]:
        """``[{name, value, default, pending}]``"""
        return objects_of(self._client.get("/api/v1/bdc/settings"), "settings")

    def set_settings(self, values: dict[str, str]) -> Json:
        """Have them pending; all that is pending then."""
        return object_of(self._client.request("PUT", "/api/v1/bdc/settings", body={"values": values}), "settings")

    def revert_settings(self) -> Json:
        """Forget what is pending; what it was."""
        return object_of(self._client.request("DELETE", "/api/v1/bdc/settings"), "settings")

    def apply_settings(self, seconds: int) -> Json:
        """``{"plan", "operation"}``, as ``apply``."""
        return object_of(self._client.request("POST", "/api/v1/bdc/settings/apply", body={"seconds": seconds}), "settings/apply")

    def doctor(self) -> list[Json]:
        """``[{check, state, message, fix}]``: what the controller can say of its cluster."""
        return objects_of(self._client.get("/api/v1/bdc/doctor"), "doctor")

    def certificates(self) -> list[Json]:
        """The authorities, then what they issued, with what is served now."""
        return objects_of(self._client.get("/api/v1/bdc/certificates"), "certificates")

    def rotate_certificates(self, names: list[str], *, authority: bool = False, at_once: bool = False) -> list[str]:
        """New certificates (no names: all), or a new authority; a sentence each."""
        body = {"names": names, "authority": authority, "at_once": at_once}
        found = object_of(self._client.request("POST", "/api/v1/bdc/certificates/rotate", body=body), "certificates/rotate").get("done")
        return [str(sentence) for sentence in found] if isinstance(found, list) else []

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
