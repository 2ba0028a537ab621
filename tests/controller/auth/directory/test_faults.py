"""A directory that is away, slow or not to be trusted, and one with very many groups."""

from __future__ import annotations

import datetime
import socket
import time
from collections.abc import Iterator

import pytest

from controller.auth.directory.errors import DirectoryError, TooManyGroupsError
from controller.auth.directory.session import LostError
from tests.controller.auth.directory.conftest import Ask
from tests.services.directory.certificates import Authority
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, Slapd, missing, slapd_server
from tests.services.postgresql import free_port

HOUR = datetime.timedelta(hours=1)
QUICK = {"connect_seconds": 1, "answer_seconds": 1}


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def problem(ask: Ask, slapd: Slapd, **changed: object) -> str:
    with pytest.raises(DirectoryError) as caught:
        ask(slapd.settings(**changed)).authenticated("somebody", PASSWORD)
    assert PASSWORD not in caught.value.message
    return caught.value.message


def test_one_server_after_the_other(slapd: Slapd, ask: Ask, silent: int) -> None:
    slapd.person("lena")
    servers = (f"ldaps://127.0.0.1:{free_port()}", f"ldap://127.0.0.1:{silent}", slapd.starttls)
    directory = ask(slapd.settings(servers=servers, answer_seconds=5))
    assert directory.authenticated("lena", PASSWORD).name == "lena"
    assert directory.servers.order()[0] == slapd.starttls  # asked first now: the silent one would take its time at each login


def test_all_of_them_away(slapd: Slapd, ask: Ask, silent: int) -> None:
    port = free_port()
    said = problem(ask, slapd, servers=(f"ldaps://127.0.0.1:{port}", f"ldap://127.0.0.1:{silent}", f"ldaps://127.0.0.1:{silent}"), **QUICK)
    assert said.startswith("the directory does not answer: ")
    assert f"ldaps://127.0.0.1:{port}: nobody listens there" in said
    assert said.count("did not answer in time") == 2


def test_certificates_that_do_not_fit(slapd: Slapd, ask: Ask) -> None:
    for server in (slapd.ldaps, slapd.starttls):
        assert "certificate is not to be trusted" in problem(ask, slapd, servers=(server,), ca=Authority().pem)
        assert "certificate is not to be trusted" in problem(ask, slapd, servers=(server,), ca=None)
        other = server.replace("127.0.0.1", "localhost")
        assert "Hostname mismatch" in problem(ask, slapd, servers=(other,))
    with slapd.showing(slapd.authority.server("127.0.0.1", valid=-HOUR)):
        assert "certificate has expired" in problem(ask, slapd)


def test_a_connection_that_was_kept_and_broke_is_made_anew(slapd: Slapd, ask: Ask) -> None:
    slapd.person("mona")
    directory = ask(slapd.settings())
    directory.authenticated("mona", PASSWORD)
    slapd.stop()
    slapd.start()
    assert directory.authenticated("mona", PASSWORD).name == "mona"


def test_a_connection_on_which_passwords_are_tried_is_kept_for_that_alone(slapd: Slapd, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, right and wrong ones, each is the directory's answer of now; no password stays in memory with it."""
    slapd.person("nora")
    slapd.person("olaf")
    servers = ask(slapd.settings()).servers
    opened, made = list[str](), servers._connected

    def connected(url: str, name: str | None, password: str | None) -> object:
        opened.append(f"{url} {name} {password}")
        return made(url, name, password)

    monkeypatch.setattr(servers, "_connected", connected)

    def right(uid: str, password: str) -> bool:
        return servers.proves(f"uid={uid},{PEOPLE}", password) is None

    assert [right("nora", PASSWORD), right("nora", "wrong"), right("olaf", PASSWORD), right("olaf", ""), right("nobody", PASSWORD)] == [
        True, False, True, False, False,
    ]  # fmt: skip
    slapd.change(f"uid=olaf,{PEOPLE}", userPassword=["another one"])
    assert [right("olaf", PASSWORD), right("olaf", "another one")] == [False, True]
    assert len(opened) == 1 and PASSWORD not in str(opened)
    (kept,) = servers._binders
    assert kept._connection.user is None and kept._connection.password is None
    assert servers._idle == []  # nobody searches with somebody else's rights
    slapd.stop()
    slapd.start()
    assert right("nora", PASSWORD) and len(opened) == 2


def test_a_kept_connection_that_was_closed_is_not_opened_again_in_clear(slapd: Slapd, ask: Ask) -> None:
    slapd.person("pia")
    servers = ask(slapd.settings(servers=(slapd.starttls,))).servers
    assert servers.proves(f"uid=pia,{PEOPLE}", PASSWORD) is None
    (kept,) = servers._binders
    kept._connection.strategy.close()
    with pytest.raises(LostError, match="was closed"):
        kept.bind(f"uid=pia,{PEOPLE}", PASSWORD)
    assert servers.proves(f"uid=pia,{PEOPLE}", PASSWORD) is None and servers._binders[0] is not kept


def test_no_encryption_no_password(slapd: Slapd, ask: Ask) -> None:
    """A server that can't StartTLS is told nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(30)
        directory = ask(slapd.settings(servers=(f"ldap://127.0.0.1:{listener.getsockname()[1]}",), **QUICK))
        with pytest.raises(DirectoryError):
            directory.authenticated("somebody", PASSWORD)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(30)
            said = connection.recv(65536)
    assert b"1.3.6.1.4.1.1466.20037" in said  # StartTLS, and nothing else
    assert PASSWORD.encode() not in said


@pytest.mark.full
def test_a_hundred_thousand_groups(ask: Ask) -> None:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    dns = [f"uid=u{number},{PEOPLE}" for number in range(2)]
    people = [(dn, {"objectClass": "inetOrgPerson", "uid": dn[4:6], "cn": "x", "sn": "x", "userPassword": PASSWORD}) for dn in dns]
    groups = (
        (f"cn=g{number},{GROUPS}", {"objectClass": "groupOfNames", "cn": f"g{number}", "member": dns[: 2 if number < 3000 else 1]})
        for number in range(100_000)
    )
    with slapd_server([*people, *groups]) as slapd:
        roles = {"user": (f"cn=g2999,{GROUPS}",)}
        begun = time.monotonic()
        assert ask(slapd.settings(roles=roles)).authenticated("u1", PASSWORD).rights.roles == ("user",)
        with pytest.raises(TooManyGroupsError):
            ask(slapd.settings(roles=roles)).authenticated("u0", PASSWORD)
        assert time.monotonic() - begun < 60
