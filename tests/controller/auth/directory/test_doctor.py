"""`bdc doctor` of a real directory, well and in each way unwell: every finding names the server and the fix, none the password."""

from __future__ import annotations

import datetime

import pytest

from controller.auth.directory.examining import directory_checks
from controller.auth.directory.logins import DirectoryLogins
from controller.operations.doctor import Finding, examined
from controller.spec.directory import Directory
from tests.services.directory.certificates import Authority
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, SUFFIX, Slapd
from tests.services.postgresql import free_port


def doctor(logins: DirectoryLogins, settings: Directory) -> list[Finding]:
    logins.configure(settings, 12)
    found = examined(directory_checks(logins))
    assert PASSWORD not in str(found)
    if settings.servers:
        logins.asked().servers.close()
    return found


def test_a_directory_that_is_well(slapd: Slapd, logins: DirectoryLogins) -> None:
    group = slapd.group("doctors", slapd.person("doctor"))
    settings = slapd.settings(servers=(slapd.ldaps, slapd.starttls), roles={"user": ("*",), "admin": (group,)})
    (found,) = doctor(logins, settings)
    assert (found.check, found.state) == ("directory", "ok"), found
    assert found.message.startswith("2 servers of the directory")


def test_no_directory_says_nothing_and_a_controller_that_has_just_started_says_so(logins: DirectoryLogins) -> None:
    assert [one.state for one in examined(directory_checks(logins))] == ["unknown"]
    assert doctor(logins, Directory()) == []


@pytest.mark.parametrize(("how", "said", "fix"), [
    ("away", "nobody listens there", "firewall"),
    ("no host", "there is no such host", "DNS"),
    ("authority", "certificate is not to be trusted", "spec.security.directory.ca"),
    ("name", "mismatch", "as its certificate does"),
    ("account", "does not let the search account", "bdc auth password"),
])  # fmt: skip
def test_what_is_wrong_with_all_servers_is_a_problem_with_its_fix(
    slapd: Slapd, logins: DirectoryLogins, how: str, said: str, fix: str
) -> None:
    changed: dict[str, object] = {
        "away": {"servers": (f"ldaps://127.0.0.1:{free_port()}",)},
        "no host": {"servers": ("ldaps://no-such-host.invalid",)},
        "authority": {"ca": Authority().pem},
        "name": {"servers": (slapd.ldaps.replace("127.0.0.1", "localhost"),)},
        "account": {"search_user": f"cn=nobody,{SUFFIX}"},
    }[how]  # type: ignore[assignment]
    (found,) = doctor(logins, slapd.settings(**changed))
    assert (found.state, found.message.endswith("nobody can log in with an account of the directory")) == ("problem", True)
    assert said in found.message, found
    assert found.fix is not None and fix in found.fix


def test_an_expired_certificate_and_a_password_that_was_never_set(slapd: Slapd, logins: DirectoryLogins) -> None:
    with slapd.showing(slapd.authority.server("127.0.0.1", valid=-datetime.timedelta(hours=1))):
        (found,) = doctor(logins, slapd.settings(answer_seconds=9))
    assert found.state == "problem" and "expired" in found.message and "renews" in str(found.fix)
    logins.set_search_password("")
    (found,) = doctor(logins, slapd.settings(servers=(slapd.ldaps, slapd.starttls)))
    assert (found.state, found.fix) == ("problem", "bdc auth password") and "never set" in found.message


def test_one_of_two_servers_and_names_that_are_not_there_are_warnings(slapd: Slapd, logins: DirectoryLogins) -> None:
    away, group = f"ldaps://127.0.0.1:{free_port()}", f"cn=mistyped,{GROUPS}"
    settings = slapd.settings(servers=(away, slapd.ldaps), roles={"user": ("*",), "app_reader": (group,)})
    found = doctor(logins, settings)
    assert [one.state for one in found] == ["warning", "warning"]
    assert found[0].message == f"{away}: nobody listens there; the others are asked instead"
    assert group in found[1].message and "roles" in str(found[1].fix)
    base = f"ou=nowhere,{SUFFIX}"
    (lost,) = doctor(logins, slapd.settings(users={"base": (PEOPLE, base)}))
    assert lost.state == "problem" and base in lost.message and "users.base" in str(lost.fix)
