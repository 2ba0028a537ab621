"""Lines of pg_hba.conf for who is asked about at a directory. That PostgreSQL reads them as meant shows
``tests/cluster/test_directory_sql.py``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pools.ldap import Ldap
from pools.master.workloads import MasterSettings, workloads
from pools.postgresql import Tls
from pools.workload import Workload

LDAP = Ldap(("dc1.example.org", "[::1]"), 636, True, "CORP\\", "", "the authority", 5, 10)


def server(**more: object) -> Workload:
    return workloads(MasterSettings(ldap=LDAP, **more))[0]  # type: ignore[arg-type]


def lines(workload: Workload) -> list[str]:
    return next(file.content for file in workload.files if file.path == "pg_hba.conf").splitlines()


def test_its_members_come_before_everybody_else_and_beyond_loopback_by_tls() -> None:
    asked = 'ldap ldapserver="dc1.example.org [::1]" ldapscheme="ldaps" ldapport="636" ldaptls="0" ldapprefix="CORP\\"'
    assert lines(server()) == [
        "local all all scram-sha-256",
        f"host all +bdc_directory 127.0.0.1/32 {asked}",
        "host all all 127.0.0.1/32 scram-sha-256",
        f"host all +bdc_directory ::1/128 {asked}",
        "host all all ::1/128 scram-sha-256",
    ]
    beyond = lines(server(addresses=("10.0.0.1",), networks=("0.0.0.0/0", "127.0.0.1/32"), tls=Tls("c", "k")))
    assert [line.split()[0] for line in beyond] == ["local", "hostssl", "hostssl", "hostssl", "hostssl"]
    guarded = lines(server(addresses=("10.0.0.1",), networks=("0.0.0.0/0",), guarded=True))
    assert [line.split()[0] for line in guarded] == ["local", "hostssl", "host"]


def test_starttls_and_what_libldap_is_told() -> None:
    assert 'ldapscheme="ldap" ldapport="389" ldaptls="1"' in replace(LDAP, tls=False, port=389).line("127.0.0.1/32", plain=True)
    workload = server()
    assert workload.environment["LDAPTLS_CACERT"] == "{config}/directory-ca.pem"
    assert workload.environment["LDAPTLS_REQCERT"] == "demand"
    assert ("directory-ca.pem", "the authority", True) in [(file.path, file.content, file.literal) for file in workload.files]
    without = workloads(MasterSettings())[0]
    assert not any(name.startswith("LDAP") for name in without.environment)
    assert not any("ldap" in line for line in lines(without))


@pytest.mark.parametrize("text", ['uid="', "uid=\n", "uid=\0"])
def test_nothing_ends_a_quoted_text(text: str) -> None:
    with pytest.raises(ValueError, match="can't stand in"):
        replace(LDAP, prefix=text)
