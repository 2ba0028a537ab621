"""The API served by a real uvicorn over a stand-in view of the cluster."""

from __future__ import annotations

import json
import pathlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
import yaml

from controller.api.app import create_app
from controller.api.services import Services
from controller.apps import Apps
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.keys import TokenKeys
from controller.auth.throttle import Throttle
from controller.auth.tokens import Caller, Tokens
from controller.auth.users import Users, create_first_admin
from controller.errors import UnknownNameError
from controller.facts import Facts
from controller.identity import issuer, remember_first_admin
from controller.jobs import Jobs, NewJob
from controller.metrics import Meters
from controller.metrics_cluster import ClusterMetrics, Ways
from controller.on_demand import Demand
from controller.operations.assembly import Operating
from controller.profiles import render_profile
from controller.spark import Spark
from controller.spark_places import SparkPlaces
from controller.spec import ClusterSpec, load_spec
from controller.spec.directory import Directory
from controller.status import ClusterStatus, EndpointStatus, cluster_status
from controller.store import FolderStore, Store
from controller.substrate import Observed, ObservedWorkload
from controller.workloads import spark_settings
from pools.storage.spark import SparkSettings
from tests.controller.operations.world import World
from tests.controller.substrate import StandInSubstrate, workload
from tests.patience import PATIENCE
from tests.services.postgresql import free_port

CLUSTER_ID = "test-id"
ISSUER = issuer(CLUSTER_ID)
ADMIN, USER, PASSWORD = "root.admin", "alice", "correct horse battery"
DESIRED = (workload("master-0"), workload("compute-0", "master-0"))


@dataclass
class StandInView:
    """A cluster whose master is ready and whose compute pool starts."""

    changes: int = 0
    boom: bool = False
    pending: set[str] = field(default_factory=set)

    spark_servers: int = 1
    more_endpoints: list[EndpointStatus] = field(default_factory=list)

    def spec(self) -> ClusterSpec:
        spec = yaml.safe_load(render_profile("local", "demo"))
        spec["spec"].setdefault("pools", {}).setdefault("storage", {})["spark"] = {"servers": self.spark_servers}
        return load_spec(yaml.safe_dump(spec))

    def status(self) -> ClusterStatus:
        if self.boom:
            raise RuntimeError("a secret detail")
        return cluster_status("demo", DESIRED, Observed((ObservedWorkload("master-0", "ready", "x"),)), time.time())

    def endpoints(self) -> list[EndpointStatus]:
        return [{"name": "controller", "description": "d", "endpoint": "http://127.0.0.1:1", "protocol": "http"}, *self.more_endpoints]

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        if name != "master-0":
            raise UnknownNameError("there is no such workload")
        return tuple(f"line {number}" for number in range(lines))

    def users_changed(self) -> None:
        self.changes += 1

    def role_pending(self, name: str) -> bool:
        return name in self.pending


@dataclass(frozen=True)
class Service:
    """A served API."""

    services: Services
    view: StandInView
    client: httpx.Client

    def token(self, name: str, password: str = PASSWORD) -> str:
        answer = self.client.post("/api/v1/token", json={"username": name, "password": password})
        assert answer.status_code == 200, answer.text
        found: str = answer.json()["access_token"]
        return found

    def call(self, method: str, path: str, token: str | None = None, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]


class StandInApps(Apps):
    """An app pool without apps."""

    def ask(self, caller: Caller, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        return 200, json.dumps({"asked": f"{method} {path}", "by": caller.name, "bytes": len(body or b"")}).encode()


def _spark(store: Store, view: StandInView) -> Spark:
    """With one job, submitted by ``ADMIN``."""
    remember_first_admin(store, ADMIN)
    places = SparkPlaces(store)

    def settings(spec: ClusterSpec) -> SparkSettings | None:
        return spark_settings(spec, Facts(spark_users=places.users()))

    jobs = Jobs(store, settings)
    jobs.submit(NewJob("hdfs:///count.py"), ADMIN, 1.0)
    return Spark(Demand(store), places, jobs, StandInSubstrate(), view.spec, settings, lambda: "spark's token", view.users_changed)


def _operating(folder: pathlib.Path) -> Operating:
    """Of a cluster of its own, with one operation that is over."""
    found = World(folder / "operating").operating
    found.operations.keep(found.operations.begin("apply", ADMIN, {"text": ""}).ended("done", "the cluster is what the spec says"))
    return found


def made(folder: pathlib.Path) -> tuple[Services, StandInView]:
    """What the API stands on; users ``ADMIN`` and ``USER`` with ``PASSWORD``."""
    store, view = FolderStore(folder / "store"), StandInView()
    users, keys, meters = Users(store), TokenKeys(store), Meters()
    create_first_admin(store, ADMIN, PASSWORD)
    users.add(USER, PASSWORD)
    directory = DirectoryLogins(users, store)
    directory.configure(Directory(), 12)
    tokens = Tokens(CLUSTER_ID, keys, users, 12)
    services = Services(
        cluster_id=CLUSTER_ID,
        users=users,
        keys=keys,
        tokens=tokens,
        throttle=Throttle(5, 30),
        directory=directory,
        view=view,
        sealing_key=lambda: "c2VhbGluZyBrZXk=",
        spark=_spark(store, view),
        apps=StandInApps(tokens, lambda: ("127.0.0.1", 30778)),
        operating=_operating(folder),
        metrics=ClusterMetrics(meters, Ways(lambda name: "127.0.0.1", lambda: "host=127.0.0.1 port=1"), view.status, lambda: DESIRED),
        meters=meters,
    )
    return services, view


@contextmanager
def served(folder: pathlib.Path) -> Iterator[Service]:
    """Serve on a free port until the end of the block."""
    services, view = made(folder)
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(create_app(services), host="127.0.0.1", port=port, log_config=None, lifespan="off", loop="asyncio", http="h11")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE) as client:
            yield Service(services, view, client)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
