"""What of MLflow's API passes, and what it takes."""

from __future__ import annotations

import pytest

from pools.app.tracking.rights import needed

API = "/api/2.0/mlflow"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/static-files/static/js/main.js"),
        ("GET", "/version"),
        ("GET", "/get-artifact"),
        ("POST", "/graphql"),
        ("GET", f"{API}/runs/get"),
        ("HEAD", f"{API}/experiments/get-by-name"),
        ("POST", f"{API}/runs/search"),
        ("POST", "/ajax-api/2.0/mlflow/experiments/search"),
        ("POST", f"{API}/logged-models/search"),
        ("POST", "/api/3.0/mlflow/traces/search"),
        ("GET", f"{API}/registered-models/alias"),
        ("GET", "/api/3.0/mlflow/server-info"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/model/MLmodel"),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts"),
    ],
)
def test_what_readers_may(method: str, path: str) -> None:
    assert needed(method, path) == "read"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{API}/runs/create"),
        ("POST", f"{API}/runs/log-batch"),
        ("POST", f"{API}/runs/search/x"),
        ("DELETE", f"{API}/runs/search"),
        ("POST", f"{API}/experiments/create"),
        ("POST", f"{API}/registered-models/alias"),
        ("DELETE", f"{API}/registered-models/delete"),
        ("PATCH", f"{API}/logged-models/m-1"),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/x.bin"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/a"),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/1/a"),
        ("POST", "/v1/traces"),
    ],
)
def test_what_takes_an_owner(method: str, path: str) -> None:
    assert needed(method, path) == "write"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{API}/gateway-proxy"),
        ("GET", "/api/3.0/mlflow/gateway/secrets/list"),
        ("POST", f"{API}/webhooks"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("PATCH", "/ajax-api/3.0/mlflow/jobs/cancel/1"),
        ("GET", "/ajax-api/3.0/jobs/1"),
        ("POST", "/gateway/x/invocations"),
        ("POST", "/api/3.0/mlflow/mcp-servers"),
        ("GET", "/metrics"),
        ("POST", "/"),
        ("POST", "/static-files/x"),
        ("OPTIONS", f"{API}/runs/search"),
        ("CONNECT", "/"),
        ("GET", f"{API}/experiments/../gateway-proxy"),
        ("GET", "/static-files/../gateway/x"),
        ("GET", "//api/2.0/mlflow/runs/get"),
        ("GET", f"{API}/runs\n/get"),
        ("GET", "/api/4.0/mlflow/runs/get"),
    ],
)
def test_what_nobody_may(method: str, path: str) -> None:
    assert needed(method, path) is None
