"""What the controller makes of what the app proxy wants, at a real proxy: kept while it does not answer, by another controller too."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from controller.app_pods import AppPods
from controller.facts import Facts
from controller.kubernetes.derived import derived
from controller.store import FolderStore
from controller.substrate import Observed, ObservedWorkload
from pools.app import wire
from pools.app.workloads import POD_TOKEN, PODS_KEY
from tests.controller.substrates.kubernetes.snapshots import spec
from tests.pools.app.conftest import cheap_hashes
from tests.pools.app.hosts import KEY, Hosts, hosts
from tests.pools.app.test_versions import app

__all__ = ["cheap_hashes"]
READY, AWAY = (Observed((ObservedWorkload("app-proxy", state, ""),)) for state in ("ready", "starting"))  # type: ignore[arg-type]
POD = Facts(listen="0.0.0.0", controller="openbdc")


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    with hosts(pathlib.Path(tmp_path_factory.mktemp("pods"))) as found:
        yield found


def test_pods_are_wanted_until_their_version_goes(pods: Hosts, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PORT", pods.port)
    store, facts = FolderStore(tmp_path / "store"), POD
    asks = AppPods(store, lambda _spec: facts, lambda _name: "127.0.0.1", lambda _name: KEY)
    assert asks.wanted(spec(), READY) == ()
    pods.create(app(tmp_path / "a", "asked", more="replicas: 2\npoolsize: 3"))
    (wanted,) = asks.wanted(spec(), READY)
    code = pods.of("asked@v1").code
    assert (wanted.name, wanted.replicas, wanted.resource) == (f"app-asked-v1-{code[:6]}", 2, "asked@v1")
    assert [secret.name for secret in wanted.secrets] == [POD_TOKEN + code]
    other = AppPods(store, lambda _spec: facts, lambda _name: "127.0.0.1", lambda _name: "another key")
    assert other.wanted(spec(), AWAY) == other.wanted(spec(), READY) == (wanted,)  # not told, and refused: as they were
    facts = replace(POD, listen="127.0.0.1")
    assert asks.wanted(spec(), READY) == ()  # on one machine there are none
    facts = POD
    pods.proxy.call("DELETE", "/api/v1/apps/asked/v1?live=true")
    assert asks.wanted(spec(), AWAY) == (wanted,)
    assert asks.wanted(spec(), READY) == ()


def test_tokens_are_made_from_the_key_and_nothing_else_is() -> None:
    names = [POD_TOKEN + "a" * 32, "master-superuser"]
    assert derived(names, {}) == {}
    assert derived(names, {PODS_KEY: KEY.encode()}) == {names[0]: wire.token(KEY, "a" * 32).encode()}
