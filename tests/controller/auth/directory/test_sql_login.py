"""``sqlLogin: ldap``, the controller's part: who has a role before he first comes, and for whom PostgreSQL asks the directory. slapd and
the master's PostgreSQL are real; that the master then asks shows ``tests/cluster/test_directory_sql.py``."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from controller.auth.directory import listing
from controller.auth.directory.explaining import Explanation
from controller.auth.directory.listing import newcomers
from controller.auth.directory.watching import DirectoryWatch
from controller.errors import ConflictError
from controller.spec.directory import Directory
from tests.controller.auth.directory.conftest import Ask
from tests.controller.auth.directory.test_logins import LOCAL_PASSWORD, World, master, world
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, READER, SUFFIX, Slapd

__all__ = ["master", "world"]
LDAP = {"sql_login": "ldap", "bind_templates": (f"uid={{user}},{PEOPLE}",)}
IN_ROLE = (
    "SELECT r.rolname::text FROM pg_auth_members AS m JOIN pg_roles AS r ON r.oid = m.member WHERE m.roleid = to_regrole('bdc_directory')"
)


@pytest.fixture
def group(slapd: Slapd) -> Iterator[str]:
    dn = slapd.group("sql-login", READER)
    yield dn
    slapd.remove(dn)


def asked_about(world: World) -> set[object]:
    return {row[0] for row in world.at_the_master(IN_ROLE)}


def test_who_never_came_has_a_role_with_the_rights_of_his_groups(world: World, group: str) -> None:
    inner = world.slapd.group("sql-inner", world.slapd.person("sqllena"), group)  # a circle
    world.slapd.change(group, member=[READER, inner, f"uid=nobody,{PEOPLE}"])
    world.configure(roles={"user": (group,), "sql": {"sqllena_readers": (inner,)}}, cache_seconds=0, **LDAP)
    assert world.look() == ["made the groups' roles sqllena_readers; set role sqllena"]
    assert asked_about(world) == {"sqllena"}
    role = "SELECT rolcanlogin, rolvaliduntil::text, pg_has_role(oid, 'sqllena_readers', 'member') FROM pg_roles WHERE rolname = %s"
    assert world.at_the_master(role, "sqllena") == [(True, "infinity", True)]
    assert world.look() == []

    user = world.logins.login("sqllena", PASSWORD)
    with pytest.raises(ConflictError, match="no password for SQL but the directory's"):
        world.logins.members.sql_password(user)
    world.sync(world.spec)
    assert world.logins.check(time.time() + 13 * 3600) == ([], [])  # the login is over, the account is not

    world.slapd.change(group, member=[READER])
    assert world.look() == ["set role sqllena"]
    assert asked_about(world) == set()
    assert world.look() == []


def test_back_and_forth_no_password_of_before_is_good(world: World, group: str) -> None:
    world.slapd.change(group, member=[world.slapd.person("sqlmona")])
    world.configure(roles={"user": (group,)})
    _, token, password = world.log_in("sqlmona")
    with world.master.log_in("sqlmona", password):
        pass
    world.configure(roles={"user": (group,)}, **LDAP)
    assert world.look() == ["set role sqlmona"]
    assert asked_about(world) == {"sqlmona"}
    with pytest.raises(Exception, match="authentication failed"):  # this PostgreSQL asks no directory
        world.master.log_in("sqlmona", password)
    assert world.tokens.check(token).name == "sqlmona"  # the login itself goes on
    world.configure(roles={"user": (group,)})
    assert world.look() == ["set role sqlmona"]
    assert asked_about(world) == set()
    with pytest.raises(Exception, match="authentication failed"):
        world.master.log_in("sqlmona", password)
    with world.master.log_in("sqlmona", world.log_in("sqlmona")[2]):
        pass


def test_local_users_names_of_others_and_unfit_ones_stay_out(world: World, group: str) -> None:
    world.users.add("sqlnils", LOCAL_PASSWORD)
    people = [world.slapd.person(name) for name in ("sqlnils", "sqlolga", "o,sqlolga", "Ohm'")]
    staff = world.slapd.person("sqlpaul", base=f"ou=staff,{SUFFIX}")
    world.slapd.change(group, member=[*people, staff])
    world.configure(roles={"user": (group,)}, **LDAP)
    world.logins.login("sqlolga", PASSWORD)
    world.slapd.remove(f"uid=sqlolga,{PEOPLE}")
    world.slapd.person("sqlolga")  # somebody new
    changes: list[object] = []
    watch = DirectoryWatch(world.logins, lambda: changes.append(world.sync(world.spec)))
    watch.round()
    watch.round()
    assert watch.problem is not None
    assert "belonged to another entry" in watch.problem and "can't be a name in the cluster" in watch.problem
    assert asked_about(world) == set()
    world.users.remove("sqlnils")


def test_whom_postgresql_would_take_for_another_entry_keeps_a_password_for_sql(world: World) -> None:
    """The entry has two names, and is called by the first: PostgreSQL would ask about an entry of that name, which is somebody else's."""
    dn = world.slapd.person("sqlzoe")
    world.slapd.change(dn, uid=["sqlzoe", "sqlalt"])
    world.configure(**LDAP)
    user, _, password = world.log_in("sqlzoe")
    assert user["name"] == "sqlalt" and password and "ldap" not in user["directory"]
    steps = {step.step: step for step in Explanation(world.logins.asked(), world.users, "sqlzoe", None).run()}
    assert steps["sql"].state == "note" and "bdc login" in steps["sql"].message
    world.slapd.person("sqlalt")
    DirectoryWatch(world.logins, lambda: world.sync(world.spec)).round()
    assert "sqlalt" not in asked_about(world)
    steps = {step.step: step for step in Explanation(world.logins.asked(), world.users, "sqlalt", None).run()}
    assert steps["name"].state == "failed"


@pytest.mark.parametrize("how", ["everybody", "names"])
def test_they_are_listed_in_other_ways_too(slapd: Slapd, ask: Ask, how: str) -> None:
    dn = slapd.person(f"sqlrita-{how}")
    if how == "names":
        slapd.add(f"cn=sqlposix,{GROUPS}", "posixGroup", gidNumber="1", memberUid=["sqlrita-names", "nobody", "*"])
        settings = slapd.settings(groups={"base": (GROUPS,), "member": "memberUid"}, roles={"user": (f"cn=sqlposix,{GROUPS}",)}, **LDAP)
    else:
        settings = slapd.settings(**LDAP)
    found = _listed(ask, settings)
    assert dn in found and (how == "everybody" or found == [dn])


def test_too_many_are_a_problem_that_is_told(slapd: Slapd, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    slapd.person("sam"), slapd.person("sue")
    monkeypatch.setattr(listing, "MOST", 1)
    with pytest.raises(Exception, match="more than 1 accounts may log in"):
        _listed(ask, slapd.settings(**LDAP))


def _listed(ask: Ask, settings: Directory) -> list[str]:
    return [entry.dn for entry in ask(settings).servers.searching(lambda session: newcomers(session, settings, ()))]
