"""``sqlLogin: ldap`` where the master's PostgreSQL can, and the refusals where it can't."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

from controller.errors import SpecError
from controller.facts import Facts, postgresql_delays, postgresql_ldap, postgresql_tls
from controller.master_login import asked_directory
from controller.spec import ClusterSpec, load_spec
from controller.workloads import all_workloads
from tests.services.directory.certificates import Authority

AUTHORITY = Authority().pem
SPEC = """apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {name: demo}
spec:
  pools: {master: {postgresql: {bin: /opt/postgresql/bin}}}
  security:
    tls: {enabled: true}
    directory:
      sqlLogin: ldap
      servers: [ldaps://dc1.example.org, ldaps://dc2.example.org]
      kind: activeDirectory
      searchUser: searcher@example.org
      users: {base: ["DC=example,DC=org"], domain: CORP}
      roles: {user: ["*"]}
"""
FACTS = Facts(postgresql_ldap=True)


def spec(text: str = SPEC, ca: str = AUTHORITY) -> ClusterSpec:
    return load_spec(text + "      ca: |\n" + "".join(f"        {line}\n" for line in ca.splitlines()))


def refused(asked: ClusterSpec, facts: Facts) -> str:
    with pytest.raises(SpecError) as caught:
        all_workloads(asked, facts)
    problem = caught.value.problems[0]
    assert problem.path == "spec.security.directory.sqlLogin" and problem.hint
    return problem.message


def test_it_is_asked_as_the_spec_says() -> None:
    found = asked_directory(spec(), FACTS)
    assert found is not None
    assert (found.servers, found.port, found.tls, found.prefix, found.suffix) == (
        ("dc1.example.org", "dc2.example.org"), 636, True, "CORP\\", "",
    )  # fmt: skip
    assert found.ca.strip() == AUTHORITY.strip()
    assert asked_directory(load_spec(SPEC.replace("sqlLogin: ldap", "sqlLogin: password")), Facts()) is None


def test_where_it_can_not_be_it_is_refused_before_anything_runs() -> None:
    no_ldap = dataclasses.replace(FACTS, postgresql_ldap=False)
    assert "the PostgreSQL in /opt/postgresql/bin is built without LDAP" in refused(spec(), no_ldap)
    own = SPEC.replace("{postgresql: {bin: /opt/postgresql/bin}}", "{}")
    assert "that comes with the product is built without LDAP" in refused(spec(own), no_ldap)
    assert "without TLS" in refused(spec(), dataclasses.replace(FACTS, postgresql_tls=False))
    in_pods = dataclasses.replace(FACTS, listen="0.0.0.0")
    assert "in clear" in refused(spec(own.replace("tls: {enabled: true}", "tls: {enabled: false}")), in_pods)
    asked = [workload for workload in all_workloads(spec(own), in_pods) if workload.outward]
    assert [(workload.name, workload.outward) for workload in asked] == [("master-0", (636,))]


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("      searchUser: searcher@example.org\n", "      bindTemplates: ['{user}@example.org']\n", "searchUser"),
        (", domain: CORP", "", "sqlLogin"),
        ("ldaps://dc2.example.org", "ldap://dc2.example.org", "servers"),
        ("ldaps://dc2.example.org", "ldaps://dc2.example.org:1636", "servers"),
        ("kind: activeDirectory", "kind: openldap", "sqlLogin"),
        ("kind: activeDirectory", "bindTemplates: ['cn={user},ou=people,dc=example,dc=org']", "sqlLogin"),
        ("kind: activeDirectory", "bindTemplates: ['uid={user},ou=\"people\",dc=example,dc=org']", "bindTemplates"),
    ],
)
def test_what_postgresql_can_not_do_is_told_when_the_spec_is_checked(before: str, after: str, path: str) -> None:
    assert before in SPEC
    with pytest.raises(SpecError) as caught:
        spec(SPEC.replace(before, after))
    assert f"spec.security.directory.{path}" in [problem.path for problem in caught.value.problems]


def test_an_authority_has_to_be_named() -> None:
    with pytest.raises(SpecError, match="trusts no authority by itself"):
        load_spec(SPEC)


def test_what_a_postgresql_was_built_with_it_says_itself(tmp_path: pathlib.Path) -> None:
    program = tmp_path / "pg_config"
    program.write_text("#!/bin/sh\necho \"'--with-ldap' '--with-ssl=openssl' 'CFLAGS=-g -O2'\"\n")
    program.chmod(0o755)
    assert postgresql_ldap(str(tmp_path)) and postgresql_tls(str(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    assert not postgresql_ldap(str(other)) and not postgresql_ldap(None) and not postgresql_tls(None)
    assert postgresql_delays(None) and not postgresql_delays(str(tmp_path)) and not postgresql_delays(str(other))
