"""Fixtures that several folders of tests share (the real services), and the rules that an unexpected skip is a failure, and that nothing
is left when the run ends."""

from __future__ import annotations

import atexit
import fnmatch
import os
import pathlib
import signal
import sys
import tomllib
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from controller.auth import passwords
from tests.leftovers import Watch
from tests.services.certificates import laid
from tests.services.cluster import Stage
from tests.services.cluster import cluster as running_cluster
from tests.services.data_pool import DataPool
from tests.services.data_pool import data_pool as running_data_pool
from tests.services.forkserver import Forks, fork_servers
from tests.services.hdfs import HdfsServer, hdfs_server
from tests.services.kubernetes import ControlPlane, Node
from tests.services.postgresql import PostgresqlServer, postgresql_server
from tests.services.spark import SparkScripts, spark_scripts
from tests.sharing import Sharing

hypothesis_settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("shared machine")

ALLOWED_SKIPS = pathlib.Path(__file__).parent / "allowed_skips.toml"
_skipped: list[tuple[str, str]] = []
_watch = Watch()
_left: list[str] = []
_session: list[pytest.Session] = []


def pytest_configure(config: pytest.Config) -> None:
    """Shared services end when nobody needs them any more."""
    config.pluginmanager.register(Sharing())


def pytest_sessionstart(session: pytest.Session) -> None:
    """A run that is told to end stops what it started: also one in the background of a shell (which ignores SIGINT), and when the test
    under way takes the interrupt for its own."""

    def told(number: int, frame: FrameType | None) -> None:
        session.shouldstop = f"told to end by {signal.Signals(number).name}"
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)


@pytest.fixture
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For tests that log in again and again, and are not about what a guess costs."""
    monkeypatch.setattr(passwords, "N", 2**8)
    monkeypatch.setattr(passwords, "P", 1)
    passwords._nobody.cache_clear()
    yield
    passwords._nobody.cache_clear()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One PostgreSQL for the whole run; make databases of your own in it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def hdfs() -> Iterator[HdfsServer]:
    """One HDFS for the whole run; make what you like in it, and leave it empty, with both DataNodes."""
    with hdfs_server() as server:
        yield server


@pytest.fixture(scope="module")
def hdfs_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HdfsServer]:
    """Another one, whose WebHDFS speaks TLS. Each module has its own: three more Java programs would else idle beside half of the run."""
    with hdfs_server(laid(tmp_path_factory.mktemp("hdfs-tls"))) as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[Stage]:
    """One whole cluster for the run; make databases, schemas, folders and users of your own in it, and leave it healthy."""
    with running_cluster() as stage:
        yield stage


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """For shards and compute replicas that tests start again and again."""
    with fork_servers() as servers:
        yield servers


@pytest.fixture(scope="session")
def data_pool(forks: Forks) -> Iterator[DataPool]:
    """One small data pool (master, two shards, one compute replica) for the run; make tables of your own in it, and leave it healthy."""
    with running_data_pool(forks=forks) as pool:
        yield pool


@pytest.fixture(scope="session")
def kubernetes_api() -> Iterator[ControlPlane]:
    """One Kubernetes API for the run, without a node (pods stay Pending); make a namespace of your own in it."""
    with ControlPlane() as plane:
        yield plane


@pytest.fixture(scope="session")
def kubernetes_node() -> Iterator[Node]:
    """One Kubernetes with a node that runs pods, for tests marked ``kubernetes``; make a namespace of your own in it."""
    with Node() as node:
        yield node


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkScripts]:
    """One JVM for the scripts of the whole run."""
    with spark_scripts() as scripts:
        yield scripts


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each skip that is not listed (strict xfails are no skips)."""
    if report.skipped and not hasattr(report, "wasxfail"):
        allowed = tomllib.loads(ALLOWED_SKIPS.read_text()).get("skip", [])
        if not any(fnmatch.fnmatch(report.nodeid, entry["test"]) for entry in allowed):
            _skipped.append((report.nodeid, str(report.longrepr)))


@pytest.hookimpl(trylast=True)  # an interrupted run has its fixtures ended in this hook
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """An unexpected skip is a failure, and so is what is left behind."""
    _session[:] = [session]
    _left.extend(_watch.left())
    if (_skipped or _left) and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which skips were not expected, and what was left."""
    for sentence in _left:
        terminalreporter.write_line(f"LEFT BEHIND {sentence}", red=True)
    for node, reason in _skipped:
        terminalreporter.write_line(f"UNEXPECTED SKIP {node}: {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """The run's result is its exit code. CPython before 3.14 ends threads that are inside of C++ (DuckDB, Arrow, gRPC) by unwinding them
    when it ends itself, which now and then aborts a process whose tests have all passed ("exception not rethrown")."""
    if _session:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_session[0].exitstatus)
