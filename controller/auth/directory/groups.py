"""In which of the groups that matter a person is, directly or through other groups.

``walk`` asks level by level for the groups that hold those of the level below: any directory can do that; a group that was seen is not
asked for again, so circles end. Which groups hold a group is remembered for a minute at most (``Parents``), which hold a person never.
``chain`` lets Active Directory do it in one search. Neither reads a group's list of members.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from controller.auth.directory.accounts import Account, name_attribute
from controller.auth.directory.errors import TooManyGroupsError
from controller.auth.directory.escaping import canonical_dn, filter_octets, filter_value
from controller.auth.directory.session import Session
from controller.spec.directory import Directory

IN_CHAIN = "1.2.840.113556.1.4.1941"
PER_SEARCH = 100
"""Names in one filter."""
ALONE = 20
"""So many groups are asked for one by one, which can be remembered; more in one search."""
REMEMBERED = 100_000
"""Groups, at most."""


class Parents:
    """The groups that hold a group, believed for ``seconds``: most people are in the same few. Safe in threads."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._mutex = threading.Lock()
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    def get(self, dn: str) -> tuple[str, ...] | None:
        """None: it has to be asked for."""
        with self._mutex:
            until, parents = self._known.get(canonical_dn(dn), (0.0, ()))
            return parents if self._clock() < until else None

    def put(self, dn: str, parents: Iterable[str]) -> None:
        """As the directory said just now."""
        with self._mutex:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[canonical_dn(dn)] = (self._clock() + self.seconds, tuple(parents))


@dataclass
class Membership:
    """``levels``: the groups by distance from the person, each {canonical name: name as the directory writes it}. With ``chain`` there is
    one level, since the directory does not tell the way."""

    levels: list[dict[str, str]] = field(default_factory=list)

    def holds(self, dn: str) -> bool:
        """Whether the person is in the group."""
        name = canonical_dn(dn)
        return any(name in level for level in self.levels)

    def count(self) -> int:
        """How many groups were found."""
        return sum(map(len, self.levels))


def membership(
    session: Session, settings: Directory, account: Account, wanted: Sequence[str], parents: Parents | None = None
) -> Membership:
    """Membership in the groups ``wanted`` (others may be in the answer too). TooManyGroupsError beyond ``groups.limit``."""
    if not wanted:
        return Membership()
    if nesting(settings) == "chain":
        return _chained(session, settings, account, wanted)
    return _walked(session, settings, account, wanted, parents or Parents(0))


def nesting(settings: Directory) -> str:
    """``auto`` resolved."""
    if settings.groups.nested != "auto":
        return settings.groups.nested
    return "chain" if settings.kind == "activeDirectory" else "walk"


def path_to(session: Session, settings: Directory, found: Membership, dn: str) -> list[str]:
    """The groups from the person's own one up to ``dn``, by asking each level's groups whether the one above holds them; empty when the
    person is not in it."""
    name = canonical_dn(dn)
    level = next((number for number, groups in enumerate(found.levels) if name in groups), None)
    if level is None:
        return []
    path = [found.levels[level][name]]
    for below in reversed(found.levels[:level]):
        step = next((child for child in below.values() if session.holds(path[-1], settings.groups.member, child)), None)
        if step is None:
            return path[::-1]
        path.append(step)
    return path[::-1]


def _walked(session: Session, settings: Directory, account: Account, wanted: Sequence[str], parents: Parents) -> Membership:
    missing = {canonical_dn(dn) for dn in wanted}
    seen: set[str] = set()
    found = Membership()
    by_name = settings.groups.member == "memberUid"  # such groups hold people only
    frontier = [account.entry.text(name_attribute(settings)) or account.name] if by_name else [account.entry.dn]
    holding = _holding(session, settings, frontier, 0)
    while True:
        level = {name: dn for name, dn in holding.items() if name not in seen}
        if not level:
            break
        found.levels.append(level)
        seen |= level.keys()
        missing -= level.keys()
        _limit(settings, len(seen))
        if not missing or nesting(settings) == "none" or by_name:
            break
        holding = _above(session, settings, level, len(seen), parents)
    return found


def _above(session: Session, settings: Directory, level: dict[str, str], before: int, parents: Parents) -> dict[str, str]:
    """The groups that hold any of a level's groups."""
    found: dict[str, str] = {}
    unknown = []
    for dn in level.values():
        known = parents.get(dn)
        if known is None:
            unknown.append(dn)
        else:
            found |= {canonical_dn(one): one for one in known}
    if len(unknown) > ALONE or parents.seconds <= 0:
        return found | _holding(session, settings, unknown, before)
    for dn in unknown:
        holding = _holding(session, settings, [dn], before)
        parents.put(dn, holding.values())
        found |= holding
    return found


def _holding(session: Session, settings: Directory, members: Sequence[str], before: int) -> dict[str, str]:
    """The groups that hold any of ``members``."""
    attribute, found = settings.groups.member, {}
    for start in range(0, len(members), PER_SEARCH):
        parts = [f"({attribute}={filter_value(member)})" for member in members[start : start + PER_SEARCH]]
        condition = parts[0] if len(parts) == 1 else f"(|{''.join(parts)})"
        for dn in _names(session, settings, condition):
            found[canonical_dn(dn)] = dn
        _limit(settings, before + len(found))
    return found


def _chained(session: Session, settings: Directory, account: Account, wanted: Sequence[str]) -> Membership:
    only = "".join(f"(distinguishedName={filter_value(dn)})" for dn in wanted)
    starts = [account.entry.dn, *_primary(session, settings, account)]
    found = {canonical_dn(dn): dn for dn in starts[1:]}
    for start in starts:
        condition = f"(&(|{only})({settings.groups.member}:{IN_CHAIN}:={filter_value(start)}))"
        found |= {canonical_dn(dn): dn for dn in _names(session, settings, condition)}
    return Membership([found])


def _primary(session: Session, settings: Directory, account: Account) -> Iterable[str]:
    """A person's primary group (Domain Users, as a rule) does not list its members; its SID is the domain's with the group's number."""
    sid, number = account.entry.octets("objectSid"), account.entry.octets("primaryGroupID")
    if sid is None or number is None or not number.isdigit():
        return []
    return _names(session, settings, f"(objectSid={filter_octets(sid[:-4] + struct.pack('<I', int(number)))})")


def _names(session: Session, settings: Directory, condition: str) -> list[str]:
    bases = settings.groups.base or settings.users.base
    return [entry.dn for base in bases for entry in session.search(base, condition, (), most=settings.groups.limit)]


def _limit(settings: Directory, count: int) -> None:
    if count > settings.groups.limit:
        raise TooManyGroupsError(
            f"this account is in more than {settings.groups.limit} groups",
            where="spec.security.directory.groups.limit",
            hint="raise the limit, or narrow groups.base",
        )
