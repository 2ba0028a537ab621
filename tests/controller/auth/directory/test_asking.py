"""Who logs in, against a real OpenLDAP."""

from __future__ import annotations

import pytest

from controller.auth.directory.asking import AmbiguousError, AskedDirectory, Gone
from controller.auth.directory.errors import DirectoryAccountError, DirectorySetupError, TooManyGroupsError
from controller.auth.directory.members import Person
from controller.errors import LoginError
from tests.controller.auth.directory.conftest import Ask
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, READER, SUFFIX, Slapd

WRONG = "wrong user name or password"
STAFF = f"ou=staff,{SUFFIX}"


def refused(directory: AskedDirectory, name: str, password: str = PASSWORD) -> str:
    with pytest.raises(LoginError) as caught:
        directory.authenticated(name, password)
    return caught.value.message


def test_password_and_name(slapd: Slapd, ask: Ask) -> None:
    dn = slapd.person("alice")
    directory = ask(slapd.settings())
    person = directory.authenticated("ALICE", PASSWORD)
    assert (person.name, person.dn, person.rights.roles, person.rights.sql) == ("alice", dn, ("user",), ())
    assert refused(directory, "alice", "wrong") == WRONG
    assert refused(directory, "nobody") == WRONG


@pytest.mark.parametrize("password", ["", "\0"])
def test_a_blank_password_is_never_sent(slapd: Slapd, ask: Ask, password: str) -> None:
    """Without a password a bind is anonymous, and succeeds."""
    slapd.person(uid := f"blank{len(password)}")
    assert refused(ask(slapd.settings()), uid, password) == WRONG
    by_template = slapd.settings(bind_templates=(f"uid={{user}},{PEOPLE}",))
    assert refused(ask(by_template), uid, password) == WRONG


NAMES = [
    "star*",
    "par(en)",
    "back\\slash",
    "comma,name",
    "#hash",
    "equal=s",
    "pl+us",
    'quo"te',
    "jörg",
    "日本",
    "semi;colon",
    "a<b>c",
    "amp&or|not!",
]


def test_names_of_every_kind_find_their_own_entry_only(slapd: Slapd, ask: Ask) -> None:
    directory = ask(slapd.settings())
    template = ask(slapd.settings(bind_templates=(f"uid={{user}},{PEOPLE}",)))
    dns = {name: slapd.person(name) for name in NAMES}
    for name, dn in dns.items():
        if "\\" not in name:  # typed like DOMAIN\user
            assert directory.authenticated(name, PASSWORD).id == template.authenticated(name, PASSWORD).id
            assert refused(directory, name, "x") == WRONG
        slapd.remove(dn)


INJECTIONS = [
    "*",
    "alice*",
    "a*e",
    "*)(uid=*",
    "alice)(|(uid=*",
    "alice)(&",
    "\\2a",
    f"alice,{PEOPLE}",
    "alice\0",
    "alice#",
    "uid=alice",
    " ",
    "",
]


@pytest.mark.parametrize("typed", INJECTIONS)
def test_injections_are_names_of_nobody(slapd: Slapd, ask: Ask, typed: str) -> None:
    slapd.remove(f"uid=alice,{PEOPLE}")
    slapd.person("alice")
    assert refused(ask(slapd.settings()), typed) == WRONG
    assert refused(ask(slapd.settings(bind_templates=(f"uid={{user}},{PEOPLE}",))), typed) == WRONG


def test_a_name_in_two_trees_is_refused_with_both(slapd: Slapd, ask: Ask) -> None:
    first, second = slapd.person("twin"), slapd.person("twin", base=STAFF)
    with pytest.raises(AmbiguousError) as caught:
        ask(slapd.settings(users={"base": (PEOPLE, STAFF)})).authenticated("twin", PASSWORD)
    assert caught.value.message == WRONG
    assert caught.value.dns == sorted([first, second])
    # a tree within the other is no second one
    assert ask(slapd.settings(users={"base": (PEOPLE, f"uid=twin,{PEOPLE}")})).authenticated("twin", PASSWORD).dn == first


def test_bind_template_without_anybody_who_searches(slapd: Slapd, ask: Ask) -> None:
    dn = slapd.person("tom")
    group = slapd.group("toms", dn)
    settings = slapd.settings(
        bind_templates=(f"uid={{user}},{STAFF}", f"uid={{user}},{PEOPLE}"), search_user=None, roles={"admin": (group,)}
    )
    directory = ask(settings)
    found = directory.authenticated("tom", PASSWORD)
    assert found.rights.roles == ("admin", "user")
    assert refused(directory, "tom", "x") == WRONG
    assert directory.followed("tom", "tom", found.id) is None


def test_groups_within_groups_and_the_roles_that_follow(slapd: Slapd, ask: Ask) -> None:
    dn = slapd.person("nina")
    inner = slapd.group("nina-inner", dn)
    outer = slapd.group("nina-outer", slapd.group("nina-middle", inner))
    other = slapd.group("nina-other")
    roles = {"user": (outer,), "admin": (other,), "sql": {"analysts": (inner, other), "readers": (outer.upper(),), "writers": (other,)}}
    assert ask(slapd.settings(roles=roles)).authenticated("nina", PASSWORD).rights.sql == ("analysts", "readers")
    direct = slapd.settings(roles=roles, groups={"base": (GROUPS,), "nested": "none"})
    assert "in no group" in refused(ask(direct), "nina")


def test_the_roles_for_apps(slapd: Slapd, ask: Ask) -> None:
    """Of groups, of groups within groups; never for somebody who may not log in, whatever groups hold him."""
    dn = slapd.person("odette")
    inner = slapd.group("app-inner", dn)
    outer, other = slapd.group("app-outer", inner), slapd.group("app-other", READER)

    def roles(**given: tuple[str, ...]) -> tuple[str, ...]:
        return ask(slapd.settings(roles=given)).authenticated("odette", PASSWORD).rights.roles

    assert roles(user=("*",), app_owner=(outer,), app_reader=(other,)) == ("user", "app-owner")
    assert roles(user=("*",), app_owner=(other,), app_reader=(inner,)) == ("user", "app-reader")
    assert roles(user=(outer,), app_owner=(), app_reader=("*",)) == ("user", "app-reader")
    assert roles(admin=(inner,), app_owner=(), app_reader=("*",)) == ("admin", "user", "app-reader")
    with pytest.raises(LoginError, match="group"):
        roles(user=(other,), app_owner=(outer,), app_reader=("*",))


def test_circles_of_groups_end(slapd: Slapd, ask: Ask) -> None:
    dn = slapd.person("carl")
    first = slapd.group("circle-a", dn, f"cn=circle-c,{GROUPS}", f"cn=circle-a,{GROUPS}")
    last = slapd.group("circle-c", slapd.group("circle-b", first))
    roles = {"user": (last,), "sql": {"never": (f"cn=nowhere,{GROUPS}",)}}
    assert ask(slapd.settings(roles=roles)).authenticated("carl", PASSWORD).rights.roles == ("user",)


def test_groups_that_hold_names(slapd: Slapd, ask: Ask) -> None:
    slapd.person("petra")
    dn = slapd.add(f"cn=posix,{GROUPS}", "posixGroup", gidNumber="100", memberUid=["petra"])
    settings = slapd.settings(roles={"user": (dn,)}, groups={"base": (GROUPS,), "member": "memberUid"})
    assert ask(settings).authenticated("petra", PASSWORD).rights.roles == ("user",)


def test_more_groups_than_one_page_and_more_than_allowed(slapd: Slapd, ask: Ask) -> None:
    dn = slapd.person("many")
    slapd.stop()
    slapd.load(
        (f"cn=many{number},{GROUPS}", {"objectClass": "groupOfNames", "cn": f"many{number}", "member": dn}) for number in range(1200)
    )
    slapd.start()
    roles = {"user": (f"cn=many1199,{GROUPS}",)}
    assert ask(slapd.settings(roles=roles)).authenticated("many", PASSWORD).rights.roles == ("user",)
    with pytest.raises(TooManyGroupsError, match="more than 1100 groups"):
        ask(slapd.settings(roles=roles, groups={"base": (GROUPS,), "limit": 1100})).authenticated("many", PASSWORD)


@pytest.mark.parametrize(
    ("uid", "attributes", "reason"),
    [
        ("expired1", {"object_class": ["inetOrgPerson", "shadowAccount"], "shadowExpire": "100"}, "expired"),
        ("locked1", {"pwdAccountLockedTime": "000001010000Z"}, "disabled"),
        ("ends1", {"pwdEndTime": "20200101000000Z"}, "expired"),
    ],
)
def test_accounts_that_may_not_be_used(slapd: Slapd, ask: Ask, uid: str, attributes: dict[str, object], reason: str) -> None:
    attributes = dict(attributes)
    classes = attributes.pop("object_class", ["inetOrgPerson"])
    dn = slapd.add(f"uid={uid},{PEOPLE}", classes, cn=uid, sn=uid, uid=uid, userPassword=PASSWORD)
    directory = ask(slapd.settings())
    person = directory.authenticated(uid, PASSWORD)
    slapd.change(dn, **{name: [value] for name, value in attributes.items()})
    assert reason in refused(directory, uid)
    assert refused(directory, uid, "x") == WRONG  # told to who knows the password only
    assert isinstance(directory.followed(uid, uid, person.id), Gone)


def test_followed_while_logged_in(slapd: Slapd, ask: Ask) -> None:
    dn = slapd.person("frieda")
    group = slapd.group("friedas", dn)
    directory = ask(slapd.settings(roles={"user": (group,)}))
    found = directory.authenticated("frieda", PASSWORD)
    assert directory.followed("frieda", "frieda", found.id) == found

    slapd.change(group, member=[READER])
    assert isinstance(directory.followed("frieda", "frieda", found.id), Gone)
    slapd.change(group, member=[dn])
    assert isinstance(directory.followed("frieda", "frieda", found.id), Person)
    slapd.rename(dn, "uid=frida")
    assert isinstance(directory.followed("frieda", "frieda", found.id), Gone)
    slapd.rename(f"uid=frida,{PEOPLE}", "uid=frieda")
    slapd.remove(dn)
    slapd.person("frieda")  # another person with the old name
    assert isinstance(directory.followed("frieda", "frieda", found.id), Gone)


def test_a_base_that_is_not_there_and_an_account_that_is_not_let_in(slapd: Slapd, ask: Ask) -> None:
    with pytest.raises(DirectorySetupError, match="no entry 'ou=nowhere"):
        ask(slapd.settings(users={"base": (f"ou=nowhere,{SUFFIX}",)})).authenticated("alice", PASSWORD)
    with pytest.raises(DirectoryAccountError, match="search account 'cn=nobody"):
        ask(slapd.settings(search_user=f"cn=nobody,{SUFFIX}")).authenticated("alice", PASSWORD)
