"""Who may log in, listed by the directory: so that people have a PostgreSQL role before they first come (``sqlLogin: ldap``).

Groups are read downwards, each once, so that circles end; whom the cluster knows already is not read again. Who is not found so (the
members of a primary group within a group, people whom ``users.filter`` finds by another attribute than their name) gets the role by
`bdc login`.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable

from controller.auth.directory.accounts import FILTERS, Typed, attributes_of, find_entries, name_attribute
from controller.auth.directory.errors import DirectorySetupError
from controller.auth.directory.escaping import canonical_dn, filter_value
from controller.auth.directory.groups import IN_CHAIN, nesting
from controller.auth.directory.session import Entry, Session
from controller.spec.directory import Directory
from controller.spec.directory_rules import EVERYBODY

MOST = 10_000
"""Members of all groups together."""


def newcomers(session: Session, settings: Directory, known: Collection[str]) -> list[Entry]:
    """Entries of people whom a group, or ``*``, lets in, but those ``known`` (canonical names). Whether they really may come in is for the
    caller to ask. DirectorySetupError beyond ``MOST``."""
    roles = settings.roles
    doors = [dn for dn in dict.fromkeys((*roles.user, *roles.admin)) if dn != EVERYBODY]
    if EVERYBODY in roles.user:
        found = _people(session, settings, "")
    elif nesting(settings) == "chain":
        found = [entry for dn in doors for entry in _people(session, settings, _within(session, dn))]
    else:
        found = _Walk(session, settings, known).people(doors)
    fresh = {name: entry for entry in found if (name := canonical_dn(entry.dn)) not in known}
    return list(fresh.values())


def _people(session: Session, settings: Directory, within: str) -> list[Entry]:
    """Everybody whom a login could find, and of whom ``within`` (a filter) holds too."""
    everybody = (settings.users.filter or FILTERS[settings.kind]).replace("{user}", "*")
    condition = f"(&{everybody}{within})" if within else everybody
    found = [entry for base in settings.users.base for entry in session.search(base, condition, attributes_of(settings), most=MOST)]
    _limit(len(found))
    return found


def _within(session: Session, group: str) -> str:
    """Whose group it is within groups, or whose primary one."""
    sid = next((entry.octets("objectSid") for entry in _entry(session, group, ("objectSid",))), None)
    primary = f"(primaryGroupID={struct.unpack('<I', sid[-4:])[0]})" if sid is not None else ""
    return f"(|(memberOf:{IN_CHAIN}:={filter_value(group)}){primary})"


class _Walk:
    """From groups down to people."""

    def __init__(self, session: Session, settings: Directory, known: Collection[str]) -> None:
        self._session = session
        self._settings = settings
        self._known = known
        self._attribute = settings.groups.member
        self._bases = [canonical_dn(base) for base in settings.users.base]
        self._seen: set[str] = set()

    def people(self, groups: Iterable[str]) -> list[Entry]:
        """Those whom the groups hold, to any depth unless the settings say ``none``."""
        holding = [entry for dn in groups for entry in self._read(dn)]
        if self._attribute == "memberUid":
            return [entry for name in self._members(holding) for entry in find_entries(self._session, self._settings, Typed(name, name))]
        found: list[Entry] = []
        while holding:
            entries = [entry for dn in self._members(holding) for entry in self._read(dn)]
            found += [entry for entry in entries if entry.text(name_attribute(self._settings)) is not None and self._placed(entry.dn)]
            holding = [] if nesting(self._settings) == "none" else [entry for entry in entries if entry.octets(self._attribute) is not None]
        return found

    def _members(self, groups: list[Entry]) -> list[str]:
        """Those not seen before."""
        fresh: dict[str, str] = {}
        for value in (value for group in groups for value in group.attributes.get(self._attribute.lower(), [])):
            text = value.decode("utf-8", "replace")
            if (name := canonical_dn(text)) not in self._seen:
                fresh[name] = text
        self._seen |= fresh.keys()
        _limit(len(self._seen))
        return [text for name, text in fresh.items() if name not in self._known]

    def _read(self, dn: str) -> list[Entry]:
        return _entry(self._session, dn, (self._attribute, *attributes_of(self._settings)))

    def _placed(self, dn: str) -> bool:
        name = canonical_dn(dn)
        return any(name == base or name.endswith(f",{base}") for base in self._bases)


def _entry(session: Session, dn: str, attributes: tuple[str, ...]) -> list[Entry]:
    """None, where there is no such entry."""
    try:
        return session.search(dn, "(objectClass=*)", attributes, most=1, only_base=True)
    except DirectorySetupError:
        return []


def _limit(count: int) -> None:
    if count > MOST:
        raise DirectorySetupError(
            f"more than {MOST} accounts may log in, so PostgreSQL roles are made only for who runs 'bdc login'",
            where="spec.security.directory.roles.user",
            hint="name groups with fewer members, or sqlLogin: password",
        )
