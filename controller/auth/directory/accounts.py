"""One person's entry: how it is found, what the person is called here, and whether the account may be used.

A *standing* says whether a new login is let in, and whether logins that there are end. Somebody who is locked for a while (by guesses of
somebody else, perhaps) keeps what he has; who is disabled or expired does not.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from controller.auth.directory.errors import DirectorySetupError
from controller.auth.directory.escaping import canonical_dn, dn_value, filter_value
from controller.auth.directory.session import Entry, Session
from controller.spec.directory import Directory

FILTERS = {
    "activeDirectory": "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName={user})(userPrincipalName={user})))",
    "openldap": "(uid={user})",
}
NAMES = {"activeDirectory": "sAMAccountName", "openldap": "uid"}
IDS = {"activeDirectory": "objectGUID", "openldap": "entryUUID"}
FLAGS = {
    "activeDirectory": ("userAccountControl", "msDS-User-Account-Control-Computed", "accountExpires", "objectSid", "primaryGroupID"),
    "openldap": ("pwdAccountLockedTime", "pwdEndTime", "shadowExpire", "nsAccountLock", "loginDisabled"),
}
MAX_TYPED = 256
DISABLED, LOCKED, PASSWORD_EXPIRED = 0x2, 0x10, 0x800000
NEVER = (0, 0x7FFFFFFFFFFFFFFF)
FILETIME_EPOCH = 11644473600
BY_ADMIN = b"000001010000Z"
"""OpenLDAP's ppolicy: locked by hand, for ever."""
SUBCODE = re.compile(r"data ([0-9a-f]{3,4})\b")
REASONS = {
    "530": "may not log in at this hour",
    "531": "may not log in from here",
    "532": "the password has expired",
    "533": "the account is disabled",
    "701": "the account has expired",
    "773": "the password must be changed first",
    "775": "the account is locked",
}
"""Active Directory's reasons for refusing a bind."""
PROVEN = frozenset({"530", "531", "532", "701", "773"})
"""Those that it gives only to who knows the password, who therefore may be told."""


@dataclass(frozen=True)
class Standing:
    """``may_log_in``; ``ends``: what there is of logins ends too; ``reason``: why not."""

    may_log_in: bool = True
    ends: bool = False
    reason: str = "the account is in order"


@dataclass(frozen=True)
class Account:
    """A person's entry. ``name``: in the cluster; ``id``: stays when the entry is renamed or moved."""

    entry: Entry
    name: str
    id: str
    standing: Standing


@dataclass(frozen=True)
class Typed:
    """What somebody typed as the user's name. ``text``: as it is searched for; ``key``: for counting wrong passwords: one for the spellings
    of one name."""

    text: str
    key: str


def typed_name(settings: Directory, typed: str) -> Typed | None:
    """``user``, ``user@domain`` or ``DOMAIN\\user``; None when it can be nobody's name (another domain's, empty, control characters)."""
    text = typed.strip()
    if not text or len(text) > MAX_TYPED or not text.isprintable():
        return None
    domain, backslash, user = text.partition("\\")
    if backslash:
        if settings.users.domain is None or domain.casefold() != settings.users.domain.casefold() or not user:
            return None
        text = user
    return Typed(text, text.partition("@")[0].casefold() or text.casefold())


def attributes_of(settings: Directory) -> tuple[str, ...]:
    """What is read of a person's entry."""
    return (name_attribute(settings), IDS[settings.kind], *FLAGS[settings.kind])


def name_attribute(settings: Directory) -> str:
    """Whose value is the person's name here."""
    return settings.users.name_attribute or NAMES[settings.kind]


def find_entries(session: Session, settings: Directory, typed: Typed) -> list[Entry]:
    """Every entry of that name, in all trees; more than one is for the caller to refuse."""
    found: dict[str, Entry] = {}
    for condition in conditions(settings, typed.text):
        for base in settings.users.base:
            for entry in session.search(base, condition, attributes_of(settings), most=5):
                found[canonical_dn(entry.dn)] = entry  # bases may lie within each other
        if found:
            break
    return list(found.values())


def conditions(settings: Directory, text: str) -> list[str]:
    """Filters to try in turn. Active Directory takes ``user@domain`` also for who has no such userPrincipalName, where the domain is its
    own."""
    template = settings.users.filter or FILTERS[settings.kind]
    filled = [template.replace("{user}", filter_value(text))]
    user, at, domain = text.rpartition("@")
    if at and settings.kind == "activeDirectory" and domain.casefold() in {_dns_domain(base) for base in settings.users.base}:
        filled.append(template.replace("{user}", filter_value(user)))
    return filled


def read_entry(session: Session, settings: Directory, dn: str) -> Entry | None:
    """An entry by its distinguished name; None when it is gone."""
    try:
        found = session.search(dn, "(objectClass=*)", attributes_of(settings), most=1, only_base=True)
    except DirectorySetupError:
        return None
    return found[0] if found else None


def bind_names(settings: Directory, typed: Typed) -> list[str]:
    """What to log in as by ``bindTemplates``, in turn; a name goes into a distinguished name escaped, else only when it is a plain one."""
    plain = re.fullmatch(r"[\w.-]+", typed.text) is not None
    return [
        template.replace("{user}", dn_value(typed.text) if "=" in template else typed.text)
        for template in settings.bind_templates
        if "=" in template or plain
    ]


def account_of(settings: Directory, entry: Entry, now: float | None = None) -> Account:
    """What the entry says. DirectorySetupError when it lacks a name or an id: the search account may not read them."""
    attribute, identity = name_attribute(settings), IDS[settings.kind]
    name, unique = entry.text(attribute), entry.octets(identity)
    if name is None or unique is None:
        missing = attribute if name is None else identity
        raise DirectorySetupError(
            f"the entry {entry.dn!r} shows the search account no attribute {missing}",
            where="spec.security.directory.users.nameAttribute",
            hint="let it read the attribute, or name another one",
        )
    key = unique.hex() if settings.kind == "activeDirectory" else unique.decode("ascii", "replace").lower()
    return Account(entry, name.lower(), key, standing_of(settings, entry, time.time() if now is None else now))


def standing_of(settings: Directory, entry: Entry, now: float) -> Standing:
    """From the entry's flags."""
    return _active_directory(entry, now) if settings.kind == "activeDirectory" else _openldap(entry, now)


def bind_reason(diagnosis: str) -> tuple[str | None, bool]:
    """Active Directory's reason for a refused password, if it is none of the password's, and whether the person may be told."""
    found = SUBCODE.search(diagnosis)
    code = found[1] if found else ""
    return REASONS.get(code), code in PROVEN


def _active_directory(entry: Entry, now: float) -> Standing:
    flags, computed = _number(entry, "userAccountControl"), _number(entry, "msDS-User-Account-Control-Computed")
    expires = _number(entry, "accountExpires")
    if flags & DISABLED:
        return Standing(False, True, "the account is disabled")
    if expires not in NEVER and expires / 10_000_000 - FILETIME_EPOCH <= now:
        return Standing(False, True, "the account has expired")
    if computed & LOCKED:
        return Standing(False, False, "the account is locked")
    if computed & PASSWORD_EXPIRED:
        return Standing(False, False, "the password has expired")
    return Standing()


def _openldap(entry: Entry, now: float) -> Standing:
    locked = entry.octets("pwdAccountLockedTime")
    if locked == BY_ADMIN or _true(entry, "nsAccountLock") or _true(entry, "loginDisabled"):
        return Standing(False, True, "the account is disabled")
    ends, days = _generalized_time(entry.octets("pwdEndTime")), _number(entry, "shadowExpire", -1)
    if (ends is not None and ends <= now) or (days >= 0 and days * 86400 <= now):
        return Standing(False, True, "the account has expired")
    if locked is not None:
        return Standing(True, False, "the account was locked after wrong passwords; the directory decides at the login")
    return Standing()


def _number(entry: Entry, name: str, otherwise: int = 0) -> int:
    value = entry.octets(name)
    try:
        return otherwise if value is None else int(value)
    except ValueError:
        return otherwise


def _true(entry: Entry, name: str) -> bool:
    return (entry.octets(name) or b"").upper() == b"TRUE"


def _generalized_time(value: bytes | None) -> float | None:
    try:
        return None if value is None else datetime.strptime(value.decode()[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _dns_domain(base: str) -> str:
    return ".".join(part.partition("=")[2] for part in canonical_dn(base).split(",") if part.startswith("dc="))
