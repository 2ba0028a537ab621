"""MLflow's client with the login of ``bdc login``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from bdc import session
from bdc.errors import UserError

ROOT = Path(__file__).parents[2]


@dataclass
class Request:
    url: str
    headers: dict[str, str] = field(default_factory=dict)


class StandInSession:
    """Of somebody who is logged in to a cluster with MLflow; each token is another one."""

    def __init__(self, *endpoints: dict[str, str]) -> None:
        self.controller: Any = self
        self._endpoints = endpoints
        self._given = 0

    def endpoints(self) -> list[dict[str, str]]:
        return list(self._endpoints)

    def access_token(self) -> str:
        self._given += 1
        return f"token-{self._given}"


def test_each_request_has_a_token_and_only_for_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    named = tomllib.loads((ROOT / "distributions/client/pyproject.toml").read_text())["project"]["entry-points"]
    module, _, name = named["mlflow.request_auth_provider"]["bdc"].partition(":")
    provider = getattr(import_module(module), name)()
    assert provider.get_name() == "bdc"
    monkeypatch.setattr(session, "connect", lambda: StandInSession({"name": "mlflow", "endpoint": "http://127.0.0.1:31487"}))
    for number in (1, 2):
        request = provider.get_auth()(Request("http://127.0.0.1:31487/api/2.0/mlflow/runs/create"))
        assert request.headers == {"Authorization": f"Bearer token-{number}"}
    for url in ("http://127.0.0.1:314870/api", "http://evil.example/http://127.0.0.1:31487/", "https://127.0.0.1:31487/api"):
        request = Request(url)
        with pytest.raises(UserError, match="is for the cluster's own server"):
            provider.get_auth()(request)
        assert request.headers == {}


def test_a_cluster_without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    from bdc.mlflow_login import BdcAuth

    monkeypatch.setattr(session, "connect", lambda: StandInSession({"name": "controller", "endpoint": "http://127.0.0.1:30080"}))
    with pytest.raises(UserError, match="has no MLflow tracking"):
        BdcAuth().get_auth()(Request("http://127.0.0.1:31487/"))
