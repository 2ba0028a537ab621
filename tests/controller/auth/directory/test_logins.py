"""From a login with a directory account to a PostgreSQL session and back: what ends, and what others see of it. slapd and the master's
PostgreSQL are real."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from controller.auth.directory.logins import DirectoryLogins
from controller.auth.directory.watching import DirectoryWatch
from controller.auth.keys import TokenKeys
from controller.auth.tokens import Tokens
from controller.auth.users import User, Users
from controller.errors import ConflictError, LoginError, RequestError, RoleSyncError, TokenError
from controller.roles import RoleSync, master_dsn
from controller.spec import ClusterSpec
from controller.spec.directory import Directory
from controller.store import FolderStore
from tests.controller.test_roles import Master, master
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, READER, Slapd

__all__ = ["master"]
LOCAL_PASSWORD = "another horse battery"


@dataclass
class World:
    users: Users
    logins: DirectoryLogins
    tokens: Tokens
    master: Master
    sync: RoleSync
    slapd: Slapd
    spec: ClusterSpec

    def configure(self, **changed: object) -> None:
        settings: Directory = self.slapd.settings(**changed)
        self.logins.configure(settings, 12)
        security = self.spec.spec.security.model_copy(update={"directory": settings})
        self.spec = self.spec.model_copy(update={"spec": self.spec.spec.model_copy(update={"security": security})})

    def log_in(self, name: str, password: str = PASSWORD) -> tuple[User, str, str]:
        """User, access token, password for SQL; the master knows him."""
        user = self.logins.login(name, password)
        self.sync(self.spec)
        return user, self.tokens.begin(user).access, self.logins.members.sql_password(user)

    def look(self) -> list[str]:
        """One round of the watch, and the pass that follows."""
        changes: list[str] = []
        watch = DirectoryWatch(self.logins, lambda: changes.append(self.sync(self.spec) or ""))
        watch.round()
        assert watch.problem is None
        return changes

    def at_the_master(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(master_dsn(self.spec, self.master.password), autocommit=True) as connection:
            return connection.execute(statement, values).fetchall()

    def sessions(self, user: str) -> int:
        return len(self.at_the_master("SELECT FROM pg_stat_activity WHERE usename = %s", user))


@pytest.fixture
def world(master: Master, slapd: Slapd, tmp_path: pathlib.Path) -> Iterator[World]:
    store = FolderStore(tmp_path / "store")
    users = Users(store)
    logins = DirectoryLogins(users, store)
    logins.set_search_password(PASSWORD)
    sync = RoleSync(users, store, lambda spec: master_dsn(spec, master.password))
    found = World(users, logins, Tokens("test", TokenKeys(store), users, 12), master, sync, slapd, master.spec)
    found.configure()
    yield found
    found.logins.asked().servers.close()
    for user in users.all():
        if "directory" in user:
            users.remove(user["name"])
    sync(found.spec)


def test_sql_with_a_password_that_ends_with_the_login(world: World) -> None:
    world.slapd.person("ada")
    _, token, password = world.log_in("Ada")
    assert world.tokens.check(token).name == "ada"
    with world.master.log_in("ada", password) as connection:
        assert connection.execute("SELECT current_user, pg_has_role('bdc_user', 'member')").fetchone() == ("ada", True)
    assert [row[0] for row in world.at_the_master("SELECT rolvaliduntil > now() + '11 hours' FROM pg_roles WHERE rolname = 'ada'")] == [
        True
    ]
    with pytest.raises(psycopg.OperationalError):
        world.master.log_in("ada", PASSWORD)  # the directory's password opens nothing here
    assert world.log_in("ada")[2] == password  # another machine: the same password

    assert world.logins.check(time.time() + 13 * 3600)[0] == ["ada: the login is over"]
    world.sync(world.spec)
    with pytest.raises(psycopg.OperationalError):
        world.master.log_in("ada", password)
    with pytest.raises(TokenError):
        world.tokens.check(token)
    assert world.log_in("ada")[2] != password


def test_groups_become_roles_and_stay_in_step(world: World) -> None:
    dn = world.slapd.person("ben")
    group = world.slapd.group("bens", world.slapd.group("ben-inner", dn))
    roles = {"user": ("*",), "admin": (group,), "sql": {"ben_readers": (group,), "ben_writers": (READER,)}}
    world.configure(roles=roles, cache_seconds=0)  # which group holds which is asked at each look
    user, _, password = world.log_in("ben")
    assert user["roles"] == ["admin", "user"]
    with world.master.log_in("ben", password) as connection:
        ask = "SELECT pg_has_role('ben_readers', 'member'), pg_has_role('ben_writers', 'member'), pg_has_role('bdc_admin', 'member')"
        assert connection.execute(ask).fetchone() == (True, False, True)
        world.slapd.change(group, member=[READER])
        assert world.look() == ["set role ben"]
        assert connection.execute(ask).fetchone() == (False, False, False)  # in the session that is open
    assert world.look() == []


@pytest.mark.parametrize("how", ["removed", "expired", "renamed", "no group"])
def test_who_may_no_longer_is_cut_off_everywhere(world: World, how: str) -> None:
    uid = f"eve-{how.replace(' ', '-')}"
    dn = world.slapd.add(f"uid={uid},{PEOPLE}", ["inetOrgPerson", "shadowAccount"], cn=uid, sn=uid, uid=uid, userPassword=PASSWORD)
    group = world.slapd.group(f"group-{uid}", dn)
    world.configure(roles={"user": (group,)})
    _, token, password = world.log_in(uid)
    session = world.master.log_in(uid, password)
    assert world.look() == []
    assert world.sessions(uid) == 1
    if how == "removed":
        world.slapd.remove(dn)
    elif how == "expired":
        world.slapd.change(dn, shadowExpire=["100"])
    elif how == "renamed":
        world.slapd.rename(dn, f"uid={uid}-2")
    else:
        world.slapd.change(group, member=[READER])
    assert world.look() == [f"set role {uid}"]
    assert world.sessions(uid) == 0
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    session.close()
    with pytest.raises(psycopg.OperationalError):
        world.master.log_in(uid, password)
    with pytest.raises(TokenError, match="revoked"):
        world.tokens.check(token)
    with pytest.raises(LoginError):
        world.logins.login(uid, PASSWORD)  # what was right a moment ago is not believed either


def test_a_local_user_wins_and_a_name_stays_with_its_entry(world: World) -> None:
    world.users.add("fred", LOCAL_PASSWORD)
    world.slapd.person("fred")
    with pytest.raises(ConflictError, match="is a local user"):
        world.logins.login("fred", PASSWORD)
    with pytest.raises(ConflictError, match="exists already"):
        world.slapd.person("gina")
        world.log_in("gina")
        world.users.add("gina", LOCAL_PASSWORD)
    for refused in (lambda: world.users.set_password("gina", LOCAL_PASSWORD), lambda: world.users.grant("gina", "admin")):
        with pytest.raises(ConflictError, match="logs in with a directory account"):
            refused()
    world.slapd.remove(f"uid=gina,{PEOPLE}")
    world.look()
    world.slapd.person("gina")  # somebody new
    with pytest.raises(ConflictError, match="belonged to another entry"):
        world.logins.login("gina", PASSWORD)
    world.users.remove("gina")
    world.sync(world.spec)
    assert world.log_in("gina")[0]["name"] == "gina"
    world.users.remove("fred")


def test_a_name_that_can_not_be_one_here(world: World) -> None:
    world.slapd.person("o'brien")
    with pytest.raises(RequestError, match="can't be a name in the cluster"):
        world.logins.login("o'brien", PASSWORD)
    assert world.users.find("o'brien") is None


def test_a_right_login_is_believed_for_a_while_without_the_directory(world: World, slapd: Slapd) -> None:
    slapd.person("hans")
    world.log_in("hans")
    slapd.stop()
    try:
        assert world.logins.login("hans", PASSWORD)["name"] == "hans"
        with pytest.raises(Exception, match="the directory does not answer"):
            world.logins.login("hans", "wrong")
    finally:
        slapd.start()
    store = world.users.store
    assert isinstance(store, FolderStore)
    for path in store.folder.iterdir():
        assert path.name == "directory.json" or PASSWORD not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0


def test_a_role_for_groups_is_never_somebodys_own(world: World) -> None:
    """Neither gets the other's rights, whichever came first."""
    dn = world.slapd.person("kim")
    roles = {"user": ("*",), "sql": {"ivan": (world.slapd.group("ivans", dn),), "jan": (f"cn=jans,{GROUPS}",)}}
    world.users.add("ivan", LOCAL_PASSWORD)
    world.sync(world.spec)
    world.configure(roles=roles)
    with pytest.raises(RoleSyncError, match="'ivan' is a user, and a PostgreSQL role for groups too"):
        world.log_in("kim")
    assert world.at_the_master("SELECT pg_has_role('kim', 'ivan', 'member')") == [(False,)]
    world.users.add("jan", LOCAL_PASSWORD)
    with pytest.raises(RoleSyncError, match="'jan' is a user"):
        world.sync(world.spec)
    assert world.at_the_master("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'jan'") == [(False,)]
    for name in ("ivan", "jan"):
        world.users.remove(name)
    world.configure()
    world.sync(world.spec)
