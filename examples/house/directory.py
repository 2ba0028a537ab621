"""An LDAP directory of this machine for step 2: OpenLDAP's server with one person, where it is installed. It is the one of the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from console import BDC, bdc
from steps import check, left_out

SLAPD = Path("/usr/sbin/slapd")
PERSON = "ann"
Section = dict[str, Any]
"""``spec.security.directory``."""


@contextmanager
def directory() -> Iterator[Section | None]:
    """Running; None: there is none here."""
    if not SLAPD.exists():
        yield None
        return
    from tests.services.directory.slapd import GROUPS, PEOPLE, READER, slapd_server

    with slapd_server() as server:
        group = server.group("bdc", server.person(PERSON))
        yield {
            "servers": [server.ldaps],
            "ca": server.authority.pem,
            "searchUser": READER,
            "users": {"base": [PEOPLE]},
            "groups": {"base": [GROUPS]},
            "roles": {"user": [group]},
        }


def login_of_a_person(cluster: str, section: Section | None) -> None:
    """Who has an account there logs in with it."""
    if section is None:
        left_out(2, "a user of an LDAP directory", "apt-get install slapd brings one: docs/guide/login.md, tests/controller/auth/directory")
        return
    from tests.services.directory.slapd import PASSWORD

    bdc("auth", "password", "--password-stdin", secret=PASSWORD)
    for password, code in (("wrong", 4), (PASSWORD, 0)):
        print(f"$ bdc login {cluster} --username {PERSON}", flush=True)
        command = [BDC, "login", cluster, "--username", PERSON, "--name", PERSON]
        done = subprocess.run(command, env={**os.environ, "BDC_PASSWORD": password}, check=False)
        check(2, f"exit code of {'a wrong' if code else 'the'} password of an account of the directory", code, done.returncode)
    bdc("whoami", "--context", PERSON)
    bdc("logout", "--context", PERSON, quiet=True)
