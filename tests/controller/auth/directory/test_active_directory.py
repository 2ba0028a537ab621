"""What is Active Directory's own, against a Samba domain controller over LDAPS."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import psycopg
import pytest

from controller.auth.directory.asking import AskedDirectory, Gone
from controller.auth.directory.connecting import Servers
from controller.auth.directory.explaining import Explanation
from controller.auth.directory.listing import newcomers
from controller.auth.directory.sql_login import asked_about, bind_template, ldap_of
from controller.auth.users import Users
from controller.errors import LoginError
from controller.store import FolderStore
from pools.postgresql import PostgresqlServer, server_workload
from tests.cluster.test_debian_postgresql import programs
from tests.pools.master.substrate import started
from tests.services.directory.samba import PASSWORD, REALM, SUFFIX, Samba, missing, samba_server
from tests.services.postgresql import free_port, reachable_folder

WRONG = "wrong user name or password"


@pytest.fixture(scope="module")
def samba() -> Iterator[Samba]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with samba_server() as server:
        server.person("searcher")
        yield server


def directory(samba: Samba, **changed: object) -> AskedDirectory:
    settings = samba.settings(search_user=f"searcher@{REALM.lower()}", **changed)
    return AskedDirectory(settings, Servers(settings, lambda: PASSWORD))


def refused(asked: AskedDirectory, name: str, password: str = PASSWORD) -> str:
    with pytest.raises(LoginError) as caught:
        asked.authenticated(name, password)
    return caught.value.message


def test_names_and_groups_within_groups(samba: Samba) -> None:
    dn = samba.person("Alice")
    inner = samba.group("inner", dn)
    outer = samba.group("outer", samba.group("middle", inner))
    other = samba.group("other")
    samba.change(inner, member=[dn, outer])  # a circle
    everyone = f"CN=Domain Users,CN=Users,{SUFFIX}"
    roles = {"user": (outer,), "admin": (other,), "sql": {"direct": (inner.upper(),), "all": (everyone,), "none": (other,)}}
    asked = directory(samba, roles=roles)
    for typed in ("alice", "ALICE", "CORP\\alice", "corp\\Alice", f"alice@{REALM.lower()}", f"Alice@{REALM}"):
        person = asked.authenticated(typed, PASSWORD)
        assert (person.name, person.rights.roles, person.rights.sql) == ("alice", ("user",), ("all", "direct"))
    for typed in ("OTHER\\alice", "alice@other.example", "al*", "alice)(cn=*"):
        assert refused(asked, typed) == WRONG
    template = directory(samba, roles=roles, bind_templates=(f"{{user}}@{REALM.lower()}",))
    assert template.authenticated("alice", PASSWORD) == asked.authenticated("alice", PASSWORD)
    steps = Explanation(asked, Users(FolderStore(samba.folder / "nowhere")), "alice", PASSWORD).run()
    assert {step.step: step.state for step in steps} | {"group": "ok"} == dict.fromkeys(
        ("server", "entry", "name", "account", "password", "group", "roles"), "ok"
    )
    asked.servers.close()
    template.servers.close()


@pytest.mark.parametrize(
    ("name", "attributes", "ends"),
    [
        ("disabled", {"userAccountControl": ["514"]}, "the account is disabled"),
        ("expired", {"accountExpires": ["131000000000000000"]}, "the account has expired"),
        ("mustchange", {"pwdLastSet": ["0"]}, None),
    ],
)
def test_accounts_that_may_not_be_used(samba: Samba, name: str, attributes: dict[str, list[str]], ends: str | None) -> None:
    dn = samba.person(name)
    asked = directory(samba)
    person = asked.authenticated(name, PASSWORD)
    samba.change(dn, **attributes)
    assert refused(asked, name) != ""
    assert refused(asked, name, "wrong") == WRONG
    found = asked.followed(name, name, person.id)
    assert found == Gone(ends) if ends is not None else found == person
    asked.servers.close()


def test_an_account_that_is_locked_keeps_what_it_has(samba: Samba) -> None:
    """Who guesses wrongly for somebody else must not end his work."""
    samba.person("locked")
    asked = directory(samba)
    person = asked.authenticated("locked", PASSWORD)
    samba.change(SUFFIX, lockoutThreshold=["2"], lockoutDuration=["-18000000000"], lockOutObservationWindow=["-18000000000"])
    try:
        for _ in range(3):
            assert refused(asked, "locked", "wrong") == WRONG
        assert refused(asked, "locked") == WRONG
        assert asked.followed("locked", "locked", person.id) == person
    finally:
        samba.change(SUFFIX, lockoutThreshold=["0"])
    asked.servers.close()


def test_postgresql_asks_for_the_account_s_own_name_and_everybody_is_listed(samba: Samba) -> None:
    """As ``sqlLogin: ldap`` does: DOMAIN\\name is bound to sAMAccountName, also where somebody else has userPrincipalName name@domain."""
    person = samba.person("Wanda")
    samba.person("other-wanda", userPrincipalName=f"wanda@{REALM.lower()}-x")
    group = samba.group("sql-people", samba.group("sql-inner", person))
    everyone = f"CN=Domain Users,CN=Users,{SUFFIX}"
    for door, most in ((group, 1), (everyone, None)):
        asked = directory(samba, roles={"user": (door,)}, sql_login="ldap")
        template = bind_template(asked.settings)
        assert template == "CORP\\{user}"
        assert asked.servers.proves(template.replace("{user}", "wanda"), PASSWORD) is None
        assert asked.servers.proves(template.replace("{user}", "wanda"), "wrong") is not None
        listed = asked.servers.searching(lambda session, asked=asked: newcomers(session, asked.settings, ()))  # type: ignore[misc]
        assert person in [entry.dn for entry in listed] and (most is None or len(listed) == most)
        found = asked.newcomer(next(entry for entry in listed if entry.dn == person))
        assert found is not None and found.name == "wanda" and asked_about(asked.settings, found.name, found.dn)
        assert sql_step(asked) == ("ok", "PostgreSQL asks the directory about CORP\\wanda")
        asked.servers.close()
    elsewhere = directory(samba, sql_login="ldap", users={"base": (SUFFIX,), "domain": "CROP"})
    assert sql_step(elsewhere)[0] == "note"
    elsewhere.servers.close()


def sql_step(asked: AskedDirectory) -> tuple[str, str]:
    steps = Explanation(asked, Users(FolderStore(pathlib.Path("/nowhere"))), "wanda", PASSWORD).run()
    return next((step.state, step.message) for step in steps if step.step == "sql")


def test_a_real_postgresql_asks_the_domain(samba: Samba, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_TEST_POSTGRESQL_BIN", str(programs()))
    dn = samba.person("Wendy")
    asked = samba.settings(sql_login="ldap", answer_seconds=30)
    port, version = free_port(), int(programs().parent.name)
    described = PostgresqlServer("master-0", "master", "master", "bdc_controller", "first", port, version=version, ldap=ldap_of(asked))
    login = {"host": "127.0.0.1", "port": port, "dbname": "postgres"}
    with reachable_folder() as folder, started(server_workload(described), folder / "master", {"first": PASSWORD}) as running:
        with psycopg.connect(**login, user="bdc_controller", password=PASSWORD, autocommit=True) as session:  # type: ignore[arg-type]
            session.execute("CREATE ROLE bdc_directory; CREATE ROLE wendy LOGIN IN ROLE bdc_directory; CREATE ROLE local LOGIN")

        def gets_in(user: str, password: str) -> bool:
            try:
                psycopg.connect(**login, user=user, password=password).close()  # type: ignore[arg-type]
            except psycopg.OperationalError:
                return False
            return True

        assert gets_in("wendy", PASSWORD), running.log[-2000:]
        assert not gets_in("wendy", "Wrong-horse-1") and not gets_in("local", PASSWORD)
        samba.change(dn, userAccountControl=["514"])  # disabled
        assert not gets_in("wendy", PASSWORD)
        assert "Wrong-horse-1" not in running.log and PASSWORD not in running.log
