"""The FastAPI app: routers, the access table over all of them, the border around it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request

from controller.api import (
    app_secrets,
    apps,
    audit,
    certificates,
    cluster,
    directory,
    keys,
    login,
    metrics,
    operations,
    people,
    settings,
    spark,
)
from controller.api.access import ACCESS, check_table, guarded_router
from controller.api.border import Border, install_handlers
from controller.api.services import Services

VERSION = "v1"
DESCRIPTION = """REST API of an OpenBDC cluster's controller.

Log in with `POST /api/v1/token` and send the token as `Authorization: Bearer …`. Every answer carries `X-Request-Id`;
everything that is no success has the body `{"error": {"code", "message", "where", "hint"}, "request_id"}`."""
TAGS = [
    {"name": "login", "description": "Tokens and keys"},
    {"name": "keys", "description": "Rotation of keys"},
    {"name": "cluster", "description": "Spec, status, endpoints, logs"},
    {"name": "operations", "description": "Plans, and what changes the cluster"},
    {"name": "certificates", "description": "TLS"},
    {"name": "spark", "description": "Spark Connect server and jobs"},
    {"name": "apps", "description": "Scripts and models as services"},
    {"name": "directory", "description": "Logins with a directory account"},
    {"name": "audit", "description": "Who did what"},
    {"name": "users", "description": "Users and their roles"},
    {"name": "service", "description": "This description"},
]

description = guarded_router("service")


@description.get("/api/v1/openapi.json", summary="This description")
def openapi(request: Request) -> dict[str, Any]:
    """OpenAPI 3.1 of this API."""
    return document(request.app)


ROUTERS = (
    login.router,
    keys.router,
    cluster.router,
    certificates.router,
    metrics.router,
    operations.router,
    settings.router,
    spark.router,
    apps.router,
    app_secrets.router,
    directory.router,
    people.router,
    audit.router,
    description,
)


def create_app(services: Services | None) -> FastAPI:
    """The app. ``services`` None: only to print the OpenAPI; its routes can't be called."""
    app = FastAPI(
        title="OpenBDC controller",
        version=VERSION,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        routes=[route for router in ROUTERS for route in router.routes],
        redirect_slashes=False,
    )
    app.state.services = services
    check_table(app)
    install_handlers(app)
    app.add_middleware(Border)
    return app


def document(app: FastAPI | None = None) -> dict[str, Any]:
    """The OpenAPI document, with each route's access rule in words and as security."""
    content = (app or create_app(None)).openapi()
    content.setdefault("components", {})["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "basic": {"type": "http", "scheme": "basic"},
    }
    for (method, path), rule in ACCESS.items():
        operation = content["paths"][path][method.lower()]
        operation["x-access"] = rule
        operation["security"] = [] if rule == "public" else [{"bearer": []}, *([{"basic": []}] if rule == "scraper" else [])]
    return content
