"""From groups to rights: the cluster's roles and the PostgreSQL roles that follow from a membership. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.users import Role
from controller.spec.directory import Directory
from controller.spec.directory_rules import EVERYBODY


@dataclass(frozen=True)
class Rights:
    """``roles``: of the cluster, empty: may not come in; ``sql``: PostgreSQL roles."""

    roles: tuple[Role, ...] = ()
    sql: tuple[str, ...] = ()


def wanted_groups(settings: Directory) -> tuple[str, ...]:
    """Every group that the spec names, once."""
    roles = settings.roles
    named = [*roles.admin, *roles.user, *(dn for groups in roles.sql.values() for dn in groups)]
    return tuple(dict.fromkeys(dn for dn in named if dn != EVERYBODY))


def rights_of(settings: Directory, holds: Callable[[str], bool]) -> Rights:
    """``holds(dn)``: is the person in this group? PostgreSQL roles only for who may come in."""
    admin = any(map(holds, settings.roles.admin))
    user = admin or any(dn == EVERYBODY or holds(dn) for dn in settings.roles.user)
    if not user:
        return Rights()
    sql = tuple(sorted(name for name, groups in settings.roles.sql.items() if any(map(holds, groups))))
    return Rights(("admin", "user") if admin else ("user",), sql)
