"""A real Active Directory domain controller (Debian's Samba) for tests: LDAPS on loopback with certificates of a test authority.

It is provisioned anew (7 s) in a folder of its own. Only its LDAP server runs: no DNS, Kerberos or file shares, so that no ports below 1024
but LDAP's own are needed, and those are taken on an address of loopback that nobody else has.
"""

from __future__ import annotations

import os
import pathlib
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ldap3

from controller.spec.directory import Directory
from tests.services.debian import why_not
from tests.services.directory.certificates import Authority
from tests.services.postgresql import reachable_folder

PACKAGES = ("samba", "samba-ad-dc", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "winbind", "krb5-user")
READY_SECONDS, STOP_SECONDS = 300, 90
REALM, DOMAIN = "CORP.EXAMPLE.ORG", "CORP"
SUFFIX = "DC=corp,DC=example,DC=org"
PEOPLE = f"CN=Users,{SUFFIX}"
PASSWORD = "Correct-horse-1"


@dataclass
class Samba:
    """Where it listens. ``connection``: of its administrator."""

    folder: pathlib.Path
    host: str
    authority: Authority
    connection: Any = None

    @property
    def ldaps(self) -> str:
        """Encrypted from the start."""
        return f"ldaps://{self.host}:636"

    def settings(self, **changed: Any) -> Directory:
        """The spec's section for it, parts replaced."""
        parts: dict[str, Any] = {
            "servers": (self.ldaps,),
            "kind": "activeDirectory",
            "ca": self.authority.pem,
            "search_user": f"Administrator@{REALM.lower()}",
            "users": {"base": (SUFFIX,), "domain": DOMAIN},
            "roles": {"user": ("*",)},
        }
        return Directory(**{**parts, **changed})

    def person(self, name: str, **attributes: Any) -> str:
        """Somebody with PASSWORD whose account is enabled."""
        dn = f"CN={name},{PEOPLE}"
        given = {"sAMAccountName": name, "userPrincipalName": f"{name}@{REALM.lower()}", "unicodePwd": f'"{PASSWORD}"'.encode("utf-16-le")}
        self._done("add", dn, "user", {**given, "userAccountControl": "512", **attributes})
        return dn

    def group(self, name: str, *members: str) -> str:
        """A group of these entries."""
        dn = f"CN={name},{PEOPLE}"
        self._done("add", dn, "group", {"sAMAccountName": name, "member": list(members)} if members else {"sAMAccountName": name})
        return dn

    def change(self, dn: str, **attributes: list[str]) -> None:
        """Attributes replaced; an empty list takes one away."""
        self._done("modify", dn, {name: [(ldap3.MODIFY_REPLACE, values)] for name, values in attributes.items()})

    def _done(self, verb: str, *arguments: Any) -> None:
        if not getattr(self.connection, verb)(*arguments):
            raise RuntimeError(f"{verb} {arguments[0]}: {self.connection.result}")


def missing() -> str | None:
    """Why there can't be one here."""
    if os.geteuid() != 0:
        return "a domain controller listens on ports below 1024 and owns its files: root only"
    return why_not(*PACKAGES)


def _free_address() -> str:
    """An address of loopback on which nobody has LDAP's ports."""
    for _ in range(50):
        host = f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(250)}.{secrets.randbelow(250) + 2}"
        with socket.socket() as probe:
            if probe.connect_ex((host, 636)) != 0:
                return host
    raise RuntimeError("no free address of loopback")


@contextmanager
def samba_server() -> Iterator[Samba]:
    """Provision and start one (15 s), stop it and remove it at the end."""
    with reachable_folder() as folder:
        host, authority = _free_address(), Authority()
        found = Samba(folder, host, authority)
        administrator = f"Aa1-{secrets.token_urlsafe(12)}"
        _provision(folder, host, administrator)
        issued = authority.server(host, "dc1.corp.example.org")
        for name, text, mode in (("ca.pem", authority.pem, 0o644), ("dc.pem", issued.certificate, 0o644), ("dc.key", issued.key, 0o600)):
            (folder / name).write_text(text)
            (folder / name).chmod(mode)
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                ["/usr/sbin/samba", "--foreground", "--no-process-group", f"--configfile={folder / 'smb.conf'}"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, start_new_session=True,
            )  # fmt: skip
        try:
            found.connection = _wait(found, administrator, process)
            try:
                yield found
            finally:
                found.connection.unbind()
        finally:
            _stop(process)


def _provision(folder: pathlib.Path, host: str, administrator: str) -> None:
    options = [
        "ldap server require strong auth = no", "server services = ldap", "bind interfaces only = yes", f"interfaces = {host}/8",
        f"tls cafile = {folder}/ca.pem", f"tls certfile = {folder}/dc.pem", f"tls keyfile = {folder}/dc.key", f"pid directory = {folder}",
        f"lock directory = {folder}/lock", f"state directory = {folder}/state", f"cache directory = {folder}/cache",
        f"private dir = {folder}/private", f"ncalrpc dir = {folder}/ncalrpc", f"log file = {folder}/samba.log",
        f"posix:eadb = {folder}/eadb.tdb", f"ntp signd socket directory = {folder}/ntp", f"binddns dir = {folder}/dns",
    ]  # fmt: skip
    for name in ("lock", "state", "cache", "private", "ncalrpc", "ntp", "dns"):
        (folder / name).mkdir()
    command = [
        "samba-tool", "domain", "provision", f"--realm={REALM}", f"--domain={DOMAIN}", "--server-role=dc", "--dns-backend=NONE",
        "--host-name=dc1", f"--host-ip={host}", f"--targetdir={folder}", "--option=vfs objects = dfs_samba4 acl_xattr xattr_tdb",
        *(f"--option={option}" for option in options),
    ]  # fmt: skip
    done = subprocess.run([*command, f"--adminpass={administrator}"], capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise RuntimeError(f"samba-tool ended with {done.returncode}:\n{done.stderr[-3000:]}")
    configuration = next(folder.rglob("smb.conf"))
    lines = configuration.read_text().splitlines()
    place = lines.index("[global]") + 1
    lines[place:place] = [f"\t{option}" for option in options]
    (folder / "smb.conf").write_text("\n".join(lines) + "\n")


def _wait(found: Samba, password: str, process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        server = ldap3.Server(found.host, 636, use_ssl=True, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, f"Administrator@{REALM.lower()}", password, check_names=False)
        try:
            if connection.bind():
                return connection
        except ldap3.core.exceptions.LDAPExceptionError:
            if connection.socket is not None:
                connection.socket.close()
        if process.poll() is not None or time.monotonic() > deadline:
            logs = "".join(path.read_text(errors="replace")[-3000:] for path in found.folder.glob("*.log"))
            raise RuntimeError(f"Samba did not start:\n{logs}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The parent and its children, which are in its session."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(STOP_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            process.wait()
            return
