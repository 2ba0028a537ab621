"""The section ``spec.security.directory``: an LDAP directory whose people log in."""

from __future__ import annotations

import urllib.parse
from typing import Annotated, Literal

from pydantic import Field

from controller.spec.section import Section

ServerUrl = Annotated[str, Field(pattern=r"^ldaps?://[^/?#@\s]+/?$")]
Name = Annotated[str, Field(min_length=1, max_length=2048)]
Names = Annotated[tuple[Name, ...], Field(strict=False, max_length=100)]


def server_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a ``ServerUrl``."""
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (636 if parts.scheme == "ldaps" else 389)


class DirectoryUsers(Section):
    """Whose accounts count, and how they are found."""

    base: Names = ()
    """Distinguished names below which people are searched, each with all that is below it. A name found twice is refused."""
    filter: Annotated[str, Field(pattern=r"^\(.*\{user\}.*\)$")] | None = None
    """LDAP filter that finds one person; ``{user}`` stands for what was typed, escaped. null: by ``kind``: sAMAccountName or
    userPrincipalName in Active Directory, else uid."""
    name_attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] | None = None
    """Attribute whose value, in lower case, is the person's name in the cluster (PostgreSQL role, HDFS user). null: by ``kind``:
    sAMAccountName or uid."""
    domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """Short name of the domain, for logins as ``DOMAIN\\user``. null: none is taken."""


class DirectoryGroups(Section):
    """Where groups are, and how memberships are followed."""

    base: Names = ()
    """Distinguished names below which groups are searched. Empty: those of ``users.base``."""
    member: Literal["member", "uniqueMember", "memberUid"] = "member"
    """Attribute of a group that holds its members: their distinguished names, or (memberUid) their names."""
    nested: Literal["auto", "chain", "walk", "none"] = "auto"
    """How groups within groups are followed: ``chain``: the directory does it (Active Directory's LDAP_MATCHING_RULE_IN_CHAIN);
    ``walk``: level by level, in any directory; ``none``: direct members only; ``auto``: by ``kind``."""
    limit: Annotated[int, Field(ge=10, le=1000000)] = 10000
    """Groups of one person that are looked at, at most; somebody who is in more is refused with an error that says so."""


class DirectoryRoles(Section):
    """What follows from groups. Groups are given by their distinguished names, so that nobody can make a group of the same short name
    elsewhere."""

    admin: Names = ()
    """Groups whose members are administrators of the cluster."""
    user: Names = ()
    """Groups whose members may log in. ``*``: everybody who has an account. Empty: nobody but the members of ``admin``."""
    app_owner: Names = ()
    """Groups whose members may also create, change and delete apps, and call them. Only who may log in: see ``user``."""
    app_reader: Names = ()
    """Groups whose members may also call apps. ``*``: everybody who may log in. Only who may log in: see ``user``."""
    sql: dict[str, Names] = Field(default={})
    """PostgreSQL role → groups whose members are in it. The controller makes the roles (without login) and keeps the memberships of
    directory users in them as the groups are; rights are granted to them with GRANT."""


class Directory(Section):
    """An LDAP directory whose people log in. Local users stay beside it, and win where both have a name."""

    servers: Annotated[tuple[ServerUrl, ...], Field(strict=False, max_length=20)] = ()
    """Servers of one directory, asked in this order; the next one when one does not answer. ``ldaps://host[:636]``, or
    ``ldap://host[:389]``, which is encrypted by StartTLS before anything else is said. Empty: there is no directory."""
    kind: Literal["activeDirectory", "openldap"] = "openldap"
    """Which defaults hold below, and which flags say that an account is disabled, locked or expired: ``activeDirectory`` (also
    Samba) or ``openldap`` (also 389 Directory Server and others)."""
    ca: Annotated[str, Field(min_length=1, max_length=65536)] | None = None
    """Certificates (PEM text) that may sign the servers' certificates, and no others. null: those that the machine trusts."""
    search_user: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """Who searches: a distinguished name, or ``name@domain`` in Active Directory. Its password is set with `bdc auth password`. null:
    whoever logs in searches with his own rights (needs ``bindTemplates``); a removed account is then noticed only when its login ends."""
    bind_templates: Annotated[tuple[Name, ...], Field(strict=False, max_length=10)] = ()
    """Names to log in with, instead of searching first: ``uid={user},ou=people,dc=example,dc=org`` or ``{user}@example.org``."""
    users: DirectoryUsers = DirectoryUsers()
    """Whose accounts count."""
    groups: DirectoryGroups = DirectoryGroups()
    """Where groups are."""
    roles: DirectoryRoles = DirectoryRoles()
    """What follows from groups."""
    sql_login: Literal["password", "ldap"] = "password"
    """With what directory users log in at the master: ``password``: with one that each login (`bdc login`) makes, good until that is over;
    ``ldap``: with the directory's own, from any tool, also who never ran `bdc login`. ``ldap`` needs a PostgreSQL that is built with LDAP
    (``pools.master.postgresql.bin``, Debian's is; in pods it is built so, and ``tls`` must be enabled), ``searchUser``, ``ca``, and either
    Active Directory with ``users.domain``, or one ``bindTemplates`` that is a distinguished name."""
    cache_seconds: Annotated[int, Field(ge=0, le=3600)] = 300
    """Seconds for which a login that was right is believed again without asking the directory. 0: always ask."""
    check_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """Seconds after which everybody who is logged in is looked up again: who was removed or disabled is cut off, changed groups count."""
    connect_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """Seconds in which a server must take the connection."""
    answer_seconds: Annotated[int, Field(ge=1, le=120)] = 10
    """Seconds in which a server must answer; then the next one is asked."""
