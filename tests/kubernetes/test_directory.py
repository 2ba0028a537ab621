"""A cluster in pods whose people are a directory's: they log in with its password, at the API, and at the master from any SQL tool, since
PostgreSQL asks the directory itself; who is gone is cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, Slapd, missing, slapd_server
from tests.services.kubernetes import Node
from tests.services.kubernetes.namespaces import NODE_IP
from tests.services.kubernetes.product import SMALL, Json, Product, product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with slapd_server() as server, server.showing(server.authority.server("127.0.0.1", NODE_IP)):
        server.group("analysts", server.person("ada"))
        server.group("company", server.person("eva"), f"cn=analysts,{GROUPS}")
        server.person("ulla")
        yield server


def spec(slapd: Slapd, node: Node) -> Json:
    host, port = node.expose(slapd.tls_port)
    directory = slapd.asked_by_postgresql(f"ldaps://{host}:{port}")
    pools = {**SMALL["pools"], "storage": {"enabled": False}}
    return {**SMALL, "pools": pools, "security": {"tls": {"enabled": True}, "directory": directory}}


@pytest.fixture(scope="module")
def firm(kubernetes_node: Node, slapd: Slapd) -> Iterator[Product]:
    with product(kubernetes_node, "firm") as made:
        made.install()
        made.apply(spec(slapd, kubernetes_node))
        made.wait_ready()
        made.login()
        made.bdc("auth", "password", "--password-stdin", output=None, secret=f"{PASSWORD}\n")
        yield made


@pytest.fixture(scope="module")
def authority(firm: Product) -> Path:
    return firm.authority()


def enters(firm: Product, authority: Path, name: str, password: str = PASSWORD) -> bool:
    """Whether the master lets somebody in, who is then himself, over TLS."""
    try:
        with firm.sql(user=name, password=password, sslmode="verify-full", sslrootcert=str(authority)) as session:
            return session.execute("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (name, True)
    except psycopg.OperationalError:
        return False


def test_the_directorys_password_opens_the_master(firm: Product, authority: Path) -> None:
    """Nobody of them ever came to the API."""
    for name in ("eva", "ada"):
        firm.until(lambda name=name: enters(firm, authority, name), f"{name} gets in")  # type: ignore[misc]
        assert not enters(firm, authority, name, "wrong-password")
    assert not enters(firm, authority, "ulla")  # of none of the groups
    assert not enters(firm, authority, "reader")
    with firm.sql(user="ada", password=PASSWORD, sslmode="require") as session:
        assert session.execute("SELECT pg_has_role('analysts', 'member')").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        firm.sql(user="ada", password=PASSWORD, sslmode="disable")


def test_the_admin_needs_no_directory(firm: Product, authority: Path) -> None:
    assert enters(firm, authority, "admin", firm.password)
    assert not enters(firm, authority, "admin", PASSWORD)


def test_who_may_is_explained(firm: Product) -> None:
    told = firm.bdc("auth", "test", "eva", output=None)
    assert "eva" in told and "PostgreSQL" in told


def test_who_is_gone_is_cut_off(firm: Product, authority: Path, slapd: Slapd) -> None:
    with firm.sql(user="eva", password=PASSWORD, sslmode="require") as session:
        slapd.remove(f"uid=eva,{PEOPLE}")

        def ended() -> bool:
            try:
                session.execute("SELECT 1")
            except psycopg.OperationalError:
                return True
            return False

        firm.until(ended, "her session ends")
    assert not enters(firm, authority, "eva")
    assert enters(firm, authority, "ada")
