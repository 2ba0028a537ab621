"""Who may call what: one row per route. A route without a row is refused, and the app does not even start with one."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute

from controller.api import bodies
from controller.api.auditing import note
from controller.api.passwords import check_remembered
from controller.api.services import services_of
from controller.auth.basic import credentials
from controller.auth.tokens import Caller
from controller.errors import ForbiddenError, TokenError

Rule = Literal["public", "user", "self", "admin", "scraper", "app-reader", "app-owner"]
"""public: nobody needs to log in; user: any valid token; self: the user named in the path, or an admin; admin: admins; scraper: any valid
token, or any user's name and password (HTTP Basic); app-reader: who holds it or app-owner, or an admin; app-owner: who holds it, or an
admin."""

ACCESS: dict[tuple[str, str], Rule] = {
    ("GET", "/healthz"): "public",
    ("GET", "/.well-known/jwks.json"): "public",
    ("GET", "/api/v1/openapi.json"): "public",
    ("GET", "/metrics"): "scraper",
    ("GET", "/api/v1/bdc/metrics"): "scraper",
    ("POST", "/api/v1/token"): "public",
    ("POST", "/api/v1/token/refresh"): "public",
    ("DELETE", "/api/v1/token"): "user",
    ("GET", "/api/v1/whoami"): "user",
    ("GET", "/api/v1/audit"): "admin",
    ("GET", "/api/v1/keys/sealing"): "user",
    ("GET", "/api/v1/keys/tokens"): "admin",
    ("POST", "/api/v1/keys/tokens/rotate"): "admin",
    ("POST", "/api/v1/keys/pools/rotate"): "admin",
    ("GET", "/api/v1/bdc"): "user",
    ("GET", "/api/v1/bdc/status"): "user",
    ("GET", "/api/v1/bdc/services/{service}/status"): "user",
    ("GET", "/api/v1/bdc/services/{service}/resources/{resource}/status"): "user",
    ("GET", "/api/v1/bdc/endpoints"): "user",
    ("GET", "/api/v1/bdc/endpoints/{name}"): "user",
    ("GET", "/api/v1/bdc/logs/{workload}"): "admin",
    ("POST", "/api/v1/bdc/services/spark/start"): "admin",
    ("POST", "/api/v1/bdc/services/spark/stop"): "admin",
    ("GET", "/api/v1/bdc/services/spark/token"): "admin",
    ("GET", "/api/v1/bdc/services/spark/jobs"): "admin",
    ("POST", "/api/v1/bdc/services/spark/jobs"): "admin",
    ("GET", "/api/v1/bdc/services/spark/jobs/{number}"): "admin",
    ("DELETE", "/api/v1/bdc/services/spark/jobs/{number}"): "admin",
    ("GET", "/api/v1/bdc/services/spark/jobs/{number}/log"): "admin",
    ("POST", "/api/v1/bdc/plan"): "admin",
    ("GET", "/api/v1/bdc/doctor"): "admin",
    ("GET", "/api/v1/bdc/certificates"): "admin",
    ("POST", "/api/v1/bdc/certificates/rotate"): "admin",
    ("GET", "/api/v1/bdc/certificates/ca"): "public",
    ("GET", "/api/v1/bdc/settings"): "admin",
    ("PUT", "/api/v1/bdc/settings"): "admin",
    ("DELETE", "/api/v1/bdc/settings"): "admin",
    ("POST", "/api/v1/bdc/settings/apply"): "admin",
    ("POST", "/api/v1/bdc/apply"): "admin",
    ("POST", "/api/v1/bdc/upgrade"): "admin",
    ("POST", "/api/v1/bdc/scale"): "admin",
    ("GET", "/api/v1/bdc/operations"): "admin",
    ("GET", "/api/v1/bdc/operations/{number}"): "admin",
    ("DELETE", "/api/v1/bdc/operations/{number}"): "admin",
    ("POST", "/api/v1/apps/token"): "app-reader",
    ("GET", "/api/v1/apps"): "app-reader",
    ("POST", "/api/v1/apps"): "app-owner",
    ("PUT", "/api/v1/apps"): "app-owner",
    ("GET", "/api/v1/apps/{name}/{version}"): "app-reader",
    ("GET", "/api/v1/apps/{name}/{version}/history"): "app-reader",
    ("DELETE", "/api/v1/apps/{name}/{version}"): "app-owner",
    ("GET", "/api/v1/apps/{name}/{version}/log"): "app-owner",
    ("POST", "/api/v1/apps/{name}/{version}/promote"): "app-owner",
    ("POST", "/api/v1/apps/{name}/{version}/canary"): "app-owner",
    ("POST", "/api/v1/apps/{name}/live/rollback"): "app-owner",
    ("GET", "/api/v1/app-secrets/{name}"): "app-owner",
    ("PUT", "/api/v1/app-secrets/{name}/{secret}"): "app-owner",
    ("DELETE", "/api/v1/app-secrets/{name}/{secret}"): "app-owner",
    ("POST", "/api/v1/auth/test"): "admin",
    ("PUT", "/api/v1/auth/search-password"): "admin",
    ("POST", "/api/v1/auth/sql-password"): "user",
    ("GET", "/api/v1/users"): "admin",
    ("POST", "/api/v1/users"): "admin",
    ("GET", "/api/v1/users/{name}"): "self",
    ("DELETE", "/api/v1/users/{name}"): "admin",
    ("PUT", "/api/v1/users/{name}/password"): "self",
    ("DELETE", "/api/v1/users/{name}/sessions"): "self",
    ("POST", "/api/v1/users/{name}/roles/{role}"): "admin",
    ("DELETE", "/api/v1/users/{name}/roles/{role}"): "admin",
}


ERRORS: dict[int | str, dict[str, Any]] = {"default": {"model": bodies.ErrorAnswer, "description": "Everything that is no success"}}


def guarded_router(tag: str, prefix: str = "") -> APIRouter:
    """A router whose routes all pass ``authorize``."""
    return APIRouter(prefix=prefix, tags=[tag], dependencies=[Depends(authorize)], responses=ERRORS)


def authorize(request: Request) -> None:
    """Runs before every route: leaves the Caller in ``request.state.caller`` or raises TokenError or ForbiddenError."""
    route = request.scope["route"]
    rule = ACCESS.get((request.method, route.path))
    if rule is None:
        raise ForbiddenError(f"{request.method} {route.path} has no access rule")
    note(request.state, rule=rule)
    if rule == "public":
        return
    if rule == "scraper" and (given := credentials(request.headers.get("authorization", ""))) is not None:
        check_remembered(services_of(request), *given)
        return
    caller = services_of(request).tokens.check(_bearer(request))
    request.state.caller = caller
    if not _allowed(rule, caller, request.path_params.get("name")):
        wanted = rule if rule.startswith("app-") else "admin"
        raise ForbiddenError(
            f"{caller.name!r} lacks the role {wanted!r}" if "admin" not in caller.roles else "not allowed",
            where=f"{request.method} {request.url.path}",
            hint=f"ask an admin to do it, or to grant it: bdc user grant NAME {wanted}",
        )


def check_table(app: FastAPI) -> None:
    """RuntimeError when a route lacks a rule or a rule has no route: forgetting one must not pass."""
    routes = {(method, route.path) for route in app.routes if isinstance(route, APIRoute) for method in route.methods or ()}
    others = [getattr(route, "path", repr(route)) for route in app.routes if not isinstance(route, APIRoute)]
    missing, unused = sorted(routes - ACCESS.keys()), sorted(ACCESS.keys() - routes)
    if missing or unused or others:
        raise RuntimeError(f"access table: routes without a rule {missing}, rules without a route {unused}, unguarded routes {others}")


def caller_of(request: Request) -> Caller:
    """Who calls a route that is not public."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


def _allowed(rule: Rule, caller: Caller, named: str | None) -> bool:
    if caller.has("admin"):
        return True
    if not caller.has("user"):
        return False
    if rule in ("app-reader", "app-owner"):
        return caller.has("app-owner") or (rule == "app-reader" and caller.has("app-reader"))
    return rule in ("user", "scraper") or (rule == "self" and named == caller.name)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("no bearer token was sent", where="header Authorization", hint="log in first: bdc login")
    return token.strip()
