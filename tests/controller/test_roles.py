"""Users become PostgreSQL roles: against a real master, set up by its real job."""

from __future__ import annotations

import pathlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from controller.auth.users import Users
from controller.errors import NotReadyError
from controller.profiles import render_profile
from controller.roles import RoleSync, master_dsn, reload_configuration
from controller.spec import ClusterSpec, load_spec
from controller.spec.edit import set_value
from controller.store import FolderStore
from pools.master.workloads import MasterSettings, workloads
from tests.pools.master.substrate import run_job, started
from tests.services.postgresql import free_port, reachable_folder

PASSWORD = "correct horse battery"


@dataclass
class Master:
    spec: ClusterSpec
    port: int
    password: str

    def log_in(self, name: str, password: str, database: str = "bdc") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host="127.0.0.1", port=self.port, user=name, password=password, dbname=database, autocommit=True)


@dataclass
class Roles:
    users: Users
    sync: RoleSync
    master: Master

    def __call__(self) -> str | None:
        return self.sync(self.master.spec)


@pytest.fixture(scope="module")
def master() -> Iterator[Master]:
    port = free_port()
    settings = MasterSettings(port=port, settings={"fsync": "off"})
    values = {"master-superuser": secrets.token_urlsafe(24), "pool-password": secrets.token_urlsafe(24)}
    with reachable_folder() as folder:
        server, job = workloads(settings)
        with started(server, folder / "master", values):
            done = run_job(job, folder / "setup", values)
            assert done.returncode == 0, done.stderr
            text = set_value(render_profile("local", "demo"), "spec.ports.master", str(port))
            yield Master(load_spec(text), port, values["master-superuser"])


@pytest.fixture
def roles(master: Master, tmp_path: pathlib.Path) -> Iterator[Roles]:
    store = FolderStore(tmp_path / "store")
    users = Users(store)
    found = Roles(users, RoleSync(users, store, lambda spec: master_dsn(spec, master.password)), master)
    yield found
    for user in users.all():
        users.store.update("users.json", lambda content, name=user["name"]: _moved(content, name))
    found()


def _moved(content: dict[str, dict[str, object]], name: str) -> dict[str, dict[str, object]]:
    users = {key: value for key, value in content["users"].items() if key != name}
    return {**content, "users": users, "removed": {**content["removed"], name: 0.0}}


def test_a_user_logs_in_with_the_same_password_and_the_second_pass_does_nothing(roles: Roles) -> None:
    roles.users.add("alice", PASSWORD)
    assert roles.sync.pending() == {"alice"}
    assert roles() == "set role alice"
    assert roles.sync.pending() == frozenset()
    with roles.master.log_in("alice", PASSWORD) as connection:
        row = connection.execute("SELECT pg_has_role('bdc_user', 'member'), pg_has_role('bdc_admin', 'member')").fetchone()
        assert row == (True, False)
    assert roles() is None


def test_password_and_role_changes_follow(roles: Roles) -> None:
    roles.users.add("bob", PASSWORD)
    roles()
    roles.users.set_password("bob", "another password")
    roles.users.grant("bob", "admin")
    assert roles() == "set role bob"
    with pytest.raises(psycopg.OperationalError):
        roles.master.log_in("bob", PASSWORD)
    with roles.master.log_in("bob", "another password") as connection:
        assert connection.execute("SELECT pg_has_role('bdc_admin', 'member')").fetchone() == (True,)


def test_what_somebody_changed_at_the_master_is_put_right(roles: Roles) -> None:
    roles.users.add("carol", PASSWORD)
    roles()
    with psycopg.connect(master_dsn(roles.master.spec, roles.master.password), autocommit=True) as connection:
        connection.execute("ALTER ROLE carol NOLOGIN")
        assert roles() == "set role carol"
        connection.execute("REVOKE bdc_user FROM carol")
        assert roles() == "set role carol"
        connection.execute("DROP OWNED BY carol")
    assert roles() is None


def test_a_removed_user_is_cut_off_and_the_name_becomes_free(roles: Roles) -> None:
    roles.users.add("admin", PASSWORD, ("admin",))
    roles.users.add("dave", PASSWORD)
    roles()
    session = roles.master.log_in("dave", PASSWORD)
    roles.users.remove("dave")
    assert roles() == "dropped role dave"
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()
    with pytest.raises(psycopg.OperationalError):
        roles.master.log_in("dave", PASSWORD)
    roles.users.add("dave", PASSWORD)
    assert roles() == "set role dave"


def test_a_pass_that_died_after_the_role_is_finished_by_the_next(roles: Roles) -> None:
    roles.users.add("erin", PASSWORD)
    roles()
    (roles.users.store.folder / "roles.json").unlink()
    assert roles() == "set role erin"


def test_without_the_master_it_waits(roles: Roles) -> None:
    roles.users.add("grace", PASSWORD)
    text = set_value(render_profile("local", "demo"), "spec.ports.master", str(free_port()))
    with pytest.raises(NotReadyError) as caught:
        roles.sync(load_spec(text))
    assert "SCRAM" not in caught.value.message


def test_a_certificate_that_was_replaced_is_loaded_and_one_that_was_not_is_left_alone(master: Master) -> None:
    dsn = master_dsn(master.spec, master.password)
    assert not reload_configuration(dsn, replaced=True), "there is none"
    with psycopg.connect(dsn, autocommit=True) as session:
        (folder,) = session.execute("SELECT current_setting('data_directory')").fetchone() or ("",)
        session.execute(f"COPY (SELECT 'of now') TO '{folder}/server.crt'".encode())  # where it is looked for unless the settings say so
        assert reload_configuration(dsn, replaced=True)
        session.execute(f"COPY (SELECT 1) TO PROGRAM 'touch -d \"2 hours ago\" {folder}/server.crt'".encode())
        assert not reload_configuration(dsn, replaced=True)
        assert reload_configuration(dsn)
        session.execute(f"COPY (SELECT 1) TO PROGRAM 'rm {folder}/server.crt'".encode())
