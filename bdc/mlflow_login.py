"""``MLFLOW_TRACKING_AUTH=bdc``: MLflow's client asks the cluster's server as who is logged in, for as long as the login lasts.

An entry point of this distribution (``mlflow.request_auth_provider``), which MLflow finds by itself; nothing of MLflow's is imported.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from bdc.errors import UserError
from bdc.registry import ENDPOINT

if TYPE_CHECKING:
    from bdc.session import Session


class Request(Protocol):
    """What ``requests`` is about to send."""

    url: str
    headers: dict[str, str]


class BdcAuth:
    """As MLflow wants it (``mlflow.tracking.request_auth.RequestAuthProvider``)."""

    def __init__(self) -> None:
        self._login = Login()

    def get_name(self) -> str:
        """Of ``MLFLOW_TRACKING_AUTH``."""
        return "bdc"

    def get_auth(self) -> Login:
        """Asked for each request."""
        return self._login


class Login:
    """Adds the login's token, a new one where the old one is about to end; UserError for a request to any other server."""

    @cached_property
    def _session(self) -> Session:
        from bdc.session import connect

        return connect()

    @cached_property
    def _server(self) -> str:
        found = {str(one["name"]): str(one["endpoint"]) for one in self._session.controller.endpoints()}
        if ENDPOINT not in found:
            raise UserError("the cluster has no MLflow tracking", hint="spec.pools.app.tracking.enabled; docs/guide/mlflow.md")
        return found[ENDPOINT].rstrip("/")

    def __call__(self, request: Request) -> Request:
        """As ``requests`` calls it."""
        if not request.url.startswith(f"{self._server}/"):
            raise UserError(
                f"MLFLOW_TRACKING_AUTH=bdc is for the cluster's own server, {self._server}",
                where="MLFLOW_TRACKING_URI",
                hint=f"export MLFLOW_TRACKING_URI={self._server}",
            )
        request.headers["Authorization"] = f"Bearer {self._session.access_token()}"
        return request
