"""The controller's service: ``python -m controller.main --cluster-folder F [--secrets-folder S]``.

One process: the REST API in the main thread's event loop, the reconcile loop in a thread of its own. It can be stopped and killed at any
time; pools go on without it, and the next one picks up from the store and what the substrate reports.
"""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
from dataclasses import dataclass

import uvicorn

from controller.accepted import spec_in_force
from controller.api.app import create_app
from controller.api.services import Services
from controller.auth.keys import TokenKeys
from controller.auth.throttle import Throttle
from controller.auth.tokens import Tokens
from controller.auth.users import Users
from controller.errors import ControllerError
from controller.facts import facts, sealing_key
from controller.identity import cluster_id
from controller.jobs import Jobs
from controller.log import Log, configure
from controller.loop import WAKE_WAIT, Loop
from controller.on_demand import Demand
from controller.reconcile import Parts
from controller.roles import RoleSync, master_dsn
from controller.spark import Spark
from controller.spark_places import SparkPlaces
from controller.spec import ClusterSpec, port_numbers
from controller.store import Store
from controller.substrate import Substrate
from controller.workloads import MASTER_PASSWORD_FILE, SPARK_TOKEN_FILE, all_workloads, spark_settings
from pools.storage.spark import SparkSettings

STOP_SECONDS = 8
IDLE_CONNECTION_SECONDS = 30
CONNECTIONS = 200
log = Log("controller")


@dataclass(frozen=True)
class Controller:
    """The parts of a running controller."""

    spec: ClusterSpec
    loop: Loop
    services: Services


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 1 with one sentence on standard error when it can't start."""
    parser = argparse.ArgumentParser(prog="python -m controller.main", description=__doc__)
    parser.add_argument("--cluster-folder", type=pathlib.Path, required=True, help="holds bdc.yaml and store/")
    parser.add_argument("--secrets-folder", type=pathlib.Path, help="where the substrate lays the controller's secrets")
    options = parser.parse_args(arguments)
    configure()
    try:
        from controller.substrates.local.substrate import LocalSubstrate

        folder: pathlib.Path = options.cluster_folder
        secrets: pathlib.Path = options.secrets_folder or folder / "workloads" / "control" / "secrets"
        built = build(folder, secrets, LocalSubstrate(folder))
    except ControllerError as error:
        log.error("can't start", code=error.code, message=error.message, hint=error.hint)
        sys.stderr.write(f"{error.message}\n")
        return 1
    return serve(built)


def build(folder: pathlib.Path, secrets: pathlib.Path, substrate: Substrate) -> Controller:
    """Put the parts together; nothing runs yet. The spec decides what can't change while running: port, address, log-in limits."""
    store = Store(folder / "store")
    spec = spec_in_force(folder)
    users, keys, login = Users(store), TokenKeys(store), spec.spec.security.login
    roles = RoleSync(users, store, lambda current: master_dsn(current, secrets / MASTER_PASSWORD_FILE))

    def settings(current: ClusterSpec) -> SparkSettings | None:
        return spark_settings(current, facts(folder, current))

    jobs = Jobs(store, settings)
    parts = Parts(folder / "bdc.yaml", store, substrate, lambda current: all_workloads(current, facts(folder, current)), roles, jobs.wanted)
    loop = Loop(parts, roles.pending)
    spark = Spark(
        Demand(store), SparkPlaces(store), jobs, substrate, loop.spec, settings, secrets / SPARK_TOKEN_FILE, lambda: loop.wake(WAKE_WAIT)
    )
    identity = cluster_id(store)
    services = Services(
        cluster_id=identity,
        users=users,
        keys=keys,
        tokens=Tokens(identity, keys, users, login.token_hours),
        throttle=Throttle(login.attempts, login.lockout_seconds),
        view=loop,
        sealing_key=lambda: sealing_key(folder),
        spark=spark,
    )
    keys.all()
    return Controller(spec, loop, services)


def serve(controller: Controller) -> int:
    """Serve until a signal; the running pass is finished first."""
    network = controller.spec.spec.network
    config = uvicorn.Config(
        create_app(controller.services),
        host=network.bind,
        port=port_numbers(controller.spec).controller,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS // 2,
        limit_concurrency=CONNECTIONS,
        ssl_certfile=network.tls.certificate,
        ssl_keyfile=network.tls.key,
    )
    # uvicorn raises the signal again once it has shut down; then nothing more is to happen than to return from here
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    controller.loop.start()
    log.info("started", name=controller.spec.name, port=config.port)
    try:
        uvicorn.Server(config).run()
    except SystemExit:
        log.error("can't listen", address=network.bind, port=config.port)
        return 1
    finally:
        stopped = controller.loop.stop(STOP_SECONDS)
        log.info("stopped", in_order=stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
