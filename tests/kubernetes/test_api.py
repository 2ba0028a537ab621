"""The test cluster's API alone: what other tests build on."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.patience import PATIENCE
from tests.services.kubernetes import ControlPlane


def eventually(good: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for a condition; AssertionError says which."""
    deadline = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_controllers_run_beside_the_api(kubernetes_api: ControlPlane) -> None:
    kubernetes_api.kubectl("create", "namespace", "own-controllers")
    kubernetes_api.kubectl("create", "deployment", "web", "--image=none", "-n", "own-controllers")
    eventually(lambda: len(kubernetes_api.get("pods", "-n", "own-controllers")["items"]) == 1, "no pod of the Deployment")
    kubernetes_api.kubectl("delete", "namespace", "own-controllers")
    assert not kubernetes_api.kubectl("get", "namespace", "own-controllers", "--ignore-not-found")


def test_the_python_client_works_out_here(kubernetes_api: ControlPlane) -> None:
    from kubernetes.client import VersionApi

    with kubernetes_api.api() as client:
        assert VersionApi(client).get_code().git_version.startswith("v1.35.")


def test_helm_works(kubernetes_api: ControlPlane) -> None:
    assert kubernetes_api.run("helm", "list", "-A", "-o", "json").strip() == "[]"
