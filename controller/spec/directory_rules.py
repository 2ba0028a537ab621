"""Rules over ``spec.security.directory``: what would only show at the first login is told when the spec is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from controller.auth.directory.escaping import DnError, dn_value, parse_dn
from controller.spec.directory import Directory
from controller.spec.model import ClusterSpec

Finding = tuple[tuple[str, ...], str, str | None]
PLACE = ("spec", "security", "directory")
SQL_ROLE = re.compile(r"[a-z_][a-z0-9_.-]{0,58}")
RESERVED = re.compile(r"bdc_.*|pg_.*|fdw:.*|postgres|public|none|user|current_user|session_user|current_role")
EVERYBODY = "*"
FOR_EVERYBODY = (("roles", "user"), ("roles", "appReader"))


def directory_is_whole(spec: ClusterSpec) -> Iterator[Finding]:
    """With servers there is a way to find people, and somebody who may come in."""
    directory = spec.spec.security.directory
    if not directory.servers:
        return
    if not directory.users.base:
        yield (*PLACE, "users", "base"), "is needed where there are servers", "for example [ou=people,dc=example,dc=org]"
    if directory.search_user is None and not directory.bind_templates:
        yield (
            (*PLACE, "searchUser"),
            "nobody may search: there is neither searchUser nor bindTemplates",
            "name an account that may read, then set its password with: bdc auth password",
        )
    roles = directory.roles
    if not roles.user and not roles.admin:
        yield (
            (*PLACE, "roles", "user"),
            "nobody may log in: no group is named for 'user' or 'admin'",
            f"name groups, or {EVERYBODY!r} for everybody who has an account",
        )


def directory_names_parse(spec: ClusterSpec) -> Iterator[Finding]:
    """Distinguished names are some, and templates have a place for the name."""
    directory = spec.spec.security.directory
    for path, index, text in _names(directory):
        try:
            parse_dn(text)
        except DnError as error:
            yield (*PLACE, *path, str(index)), str(error), "for example ou=people,dc=example,dc=org"
    for index, template in enumerate(directory.bind_templates):
        path = (*PLACE, "bindTemplates", str(index))
        if template.count("{user}") != 1:
            yield path, "{user} must stand in it once", "for example uid={user},ou=people,dc=example,dc=org"
        elif "=" in template:
            try:
                parse_dn(template.replace("{user}", dn_value("someone")))
            except DnError as error:
                yield path, str(error), None


def _names(directory: Directory) -> Iterator[tuple[tuple[str, ...], int, str]]:
    fields: dict[tuple[str, ...], tuple[str, ...]] = {
        ("users", "base"): directory.users.base,
        ("groups", "base"): directory.groups.base,
        ("roles", "admin"): directory.roles.admin,
        ("roles", "user"): directory.roles.user,
        ("roles", "appOwner"): directory.roles.app_owner,
        ("roles", "appReader"): directory.roles.app_reader,
        **{("roles", "sql", name): groups for name, groups in directory.roles.sql.items()},
    }
    for path, names in fields.items():
        for index, text in enumerate(names):
            if not (text == EVERYBODY and path in FOR_EVERYBODY):
                yield path, index, text


def directory_roles_are_free(spec: ClusterSpec) -> Iterator[Finding]:
    """The PostgreSQL roles of groups are none of the system's."""
    for name in spec.spec.security.directory.roles.sql:
        path = (*PLACE, "roles", "sql", name)
        if RESERVED.fullmatch(name):
            yield path, f"{name!r} is reserved for the system", "choose another name"
        elif not SQL_ROLE.fullmatch(name):
            yield path, f"{name[:80]!r} can't be a role", "lower-case letters, digits, '_', '.', '-', at most 59"


def directory_ca_is_readable(spec: ClusterSpec) -> Iterator[Finding]:
    """``ca`` holds certificates."""
    text = spec.spec.security.directory.ca
    if text is None:
        return
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(text.encode())
    except ValueError:
        yield (*PLACE, "ca"), "holds no certificate that can be read", "the text of a PEM file, from -----BEGIN CERTIFICATE----- on"


def directory_can_be_asked_by_postgresql(spec: ClusterSpec) -> Iterator[Finding]:
    """``sqlLogin: ldap`` where PostgreSQL's method can do it."""
    from controller.auth.directory.sql_login import objections

    for path, reason, hint in objections(spec.spec.security.directory):
        yield (*PLACE, *path), reason, hint


DIRECTORY_RULES = (
    directory_is_whole,
    directory_names_parse,
    directory_roles_are_free,
    directory_ca_is_readable,
    directory_can_be_asked_by_postgresql,
)
