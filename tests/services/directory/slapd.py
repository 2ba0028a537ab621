"""A real OpenLDAP server for tests: an unprivileged user of its own, loopback only, random ports, its database in memory where it fits."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ldap3

from controller.auth.directory.escaping import dn_value
from controller.spec.directory import Directory
from tests.services.debian import why_not
from tests.services.directory.certificates import Authority, Issued
from tests.services.mariadb import _folder as quick_folder
from tests.services.postgresql import free_port, unprivileged

PACKAGES = ("slapd",)
READY_SECONDS = STOP_SECONDS = 60
SUFFIX = "dc=example,dc=org"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
ADMIN, READER = f"cn=admin,{SUFFIX}", f"cn=reader,{SUFFIX}"
PASSWORD = "correct horse battery"
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/pid
TLSCertificateFile {folder}/server.crt
TLSCertificateKeyFile {folder}/server.key
loglevel none
database mdb
maxsize 2147483648
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {folder}/data
dbnosync
index objectClass,uid,entryUUID,memberUid eq
index member,uniqueMember eq
overlay ppolicy
limits dn.exact="{reader}" size.soft=500 size.hard=500 size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,{suffix}" by * none
access to * by dn.exact="{reader}" read by users read by * none
"""


@dataclass
class Slapd:
    """Where it listens. ``add``, ``change`` and ``remove`` write as its administrator."""

    folder: pathlib.Path
    port: int
    tls_port: int
    authority: Authority
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def starttls(self) -> str:
        """To be encrypted by StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldaps(self) -> str:
        """Encrypted from the start."""
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def settings(self, **changed: Any) -> Directory:
        """The spec's section for it, parts replaced."""
        parts: dict[str, Any] = {
            "servers": (self.ldaps,),
            "ca": self.authority.pem,
            "search_user": READER,
            "users": {"base": (PEOPLE,)},
            "groups": {"base": (GROUPS,)},
            "roles": {"user": ("*",)},
        }
        return Directory(**{**parts, **changed})

    def asked_by_postgresql(self, *servers: str) -> dict[str, Any]:
        """The section as a spec has it, with ``sqlLogin: ldap``: the group ``company`` may come, ``analysts`` is a role. ``servers``: its
        addresses, where others than ``ldaps`` lead to it."""
        return {
            "sqlLogin": "ldap",
            "servers": list(servers or (self.ldaps,)),
            "ca": self.authority.pem,
            "searchUser": READER,
            "bindTemplates": [f"uid={{user}},{PEOPLE}"],
            "users": {"base": [PEOPLE]},
            "groups": {"base": [GROUPS]},
            "roles": {"user": [f"cn=company,{GROUPS}"], "sql": {"analysts": [f"cn=analysts,{GROUPS}"]}},
            "checkSeconds": 5,
            "cacheSeconds": 0,
        }

    def start(self) -> None:
        """Start it, wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            command = [self.folder / "slapd", "-d", "0", "-f", self.folder / "slapd.conf"]
            self.process = subprocess.Popen(
                [*map(str, command), "-h", f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"],
                stdout=log, stderr=log, cwd=self.folder, **unprivileged(),  # type: ignore[call-overload]
            )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"slapd did not start:\n{(self.folder / 'server.log').read_text()[-3000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @contextmanager
    def showing(self, issued: Issued) -> Iterator[None]:
        """With another certificate."""
        before = Issued((self.folder / "server.crt").read_text(), (self.folder / "server.key").read_text())
        self._restart(issued)
        try:
            yield
        finally:
            self._restart(before)

    def _restart(self, issued: Issued) -> None:
        self.stop()
        self._lay(issued)
        self.start()

    def load(self, entries: Iterable[tuple[str, Mapping[str, Sequence[str] | str]]]) -> None:
        """Many at once, while it is stopped."""
        path = self.folder / "entries.ldif"
        with path.open("w") as file:
            for dn, attributes in entries:
                file.write(f"dn: {dn}\n")
                for name, values in attributes.items():
                    file.writelines(f"{name}: {value}\n" for value in ([values] if isinstance(values, str) else values))
                file.write("\n")
        path.chmod(0o644)
        done = subprocess.run(
            ["/usr/sbin/slapadd", "-q", "-f", self.folder / "slapd.conf", "-l", path],
            capture_output=True, text=True, cwd=self.folder, **unprivileged(),  # type: ignore[call-overload]
        )  # fmt: skip
        path.unlink()
        if done.returncode:
            raise RuntimeError(f"slapadd ended with {done.returncode}: {done.stderr[-2000:]}")

    def add(self, dn: str, kind: str, **attributes: Any) -> str:
        """An entry; its name."""
        self._as_admin("add", dn, kind, attributes)
        return dn

    def change(self, dn: str, **attributes: list[str]) -> None:
        """Attributes replaced; an empty list takes one away."""
        self._as_admin("modify", dn, {name: [(ldap3.MODIFY_REPLACE, values)] for name, values in attributes.items()})

    def rename(self, dn: str, rdn: str) -> None:
        """Another name in the same place."""
        self._as_admin("modify_dn", dn, rdn)

    def remove(self, dn: str) -> None:
        """Take an entry away; no error when there is none."""
        with self._admin() as connection:
            connection.delete(dn)

    def person(self, uid: str, *, base: str = PEOPLE, **attributes: Any) -> str:
        """Somebody with PASSWORD."""
        given = {"cn": uid, "sn": uid, "uid": uid, "userPassword": PASSWORD, **attributes}
        return self.add(f"uid={dn_value(uid)},{base}", "inetOrgPerson", **given)

    def group(self, name: str, *members: str) -> str:
        """A group of these entries."""
        return self.add(f"cn={dn_value(name)},{GROUPS}", "groupOfNames", member=list(members) or [ADMIN])

    def _as_admin(self, verb: str, *arguments: Any) -> None:
        with self._admin() as connection:
            if not getattr(connection, verb)(*arguments):
                raise RuntimeError(f"{verb} {arguments[0]}: {connection.result}")

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        server = ldap3.Server("127.0.0.1", self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, ADMIN, PASSWORD, auto_bind=True, check_names=False)
        try:
            yield connection
        finally:
            connection.unbind()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.tls_port), 1).close()
        except OSError:
            return False
        return True

    def _lay(self, issued: Issued) -> None:
        for name, text in (("server.crt", issued.certificate), ("server.key", issued.key)):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o644)


def missing() -> str | None:
    """Why there can't be one here."""
    return why_not(*PACKAGES)


def first_entries() -> list[tuple[str, Mapping[str, Sequence[str] | str]]]:
    """The tree's top, and who searches."""
    units = [(f"ou={name},{SUFFIX}", {"objectClass": "organizationalUnit", "ou": name}) for name in ("people", "staff", "groups", "hidden")]
    reader = {"objectClass": ["organizationalRole", "simpleSecurityObject"], "cn": "reader", "userPassword": PASSWORD}
    return [(SUFFIX, {"objectClass": ["dcObject", "organization"], "dc": "example", "o": "Example"}), *units, (READER, reader)]


@contextmanager
def slapd_server(more: Iterable[tuple[str, Mapping[str, Sequence[str] | str]]] = ()) -> Iterator[Slapd]:
    """Start one (0.3 s), stop it and remove it at the end. ``more``: entries besides the tree's top."""
    with quick_folder() as folder:
        (folder / "data").mkdir()
        authority = Authority()
        found = Slapd(folder, free_port(), free_port(), authority)
        found._lay(authority.server("127.0.0.1"))  # and not for localhost
        values = {"folder": folder, "suffix": SUFFIX, "admin": ADMIN, "reader": READER, "password": f'"{PASSWORD}"'}
        (folder / "slapd.conf").write_text(CONFIGURATION.format(**values))
        shutil.copy2("/usr/sbin/slapd", folder / "slapd")  # where AppArmor's profile does not keep it from this folder
        if os.geteuid() == 0:
            for path in (folder, folder / "data"):
                shutil.chown(path, "nobody", "nogroup")
        found.load([*first_entries(), *more])
        found.start()
        try:
            yield found
        finally:
            found.stop()
