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
    named = [*roles.admin, *roles.user, *roles.app_owner, *roles.app_reader, *(dn for groups in roles.sql.values() for dn in groups)]
    return tuple(dict.fromkeys(dn for dn in named if dn != EVERYBODY))


def rights_of(settings: Directory, holds: Callable[[str], bool]) -> Rights:
    """``holds(dn)``: is the person in this group? PostgreSQL roles, and those for apps, only for who may come in."""
    roles = settings.roles

    def in_one(groups: tuple[str, ...]) -> bool:
        return any(map(holds, groups))

    admin = in_one(roles.admin)
    if not (admin or EVERYBODY in roles.user or in_one(roles.user)):
        return Rights()
    reader = EVERYBODY in roles.app_reader or in_one(roles.app_reader)
    held: dict[Role, bool] = {"admin": admin, "user": True, "app-owner": in_one(roles.app_owner), "app-reader": reader}
    sql = tuple(sorted(name for name, groups in roles.sql.items() if in_one(groups)))
    return Rights(tuple(role for role in held if held[role]), sql)
