"""``sqlLogin: ldap``: how PostgreSQL itself asks the directory about a password, and for whom. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from controller.auth.directory.accounts import name_attribute
from controller.auth.directory.escaping import DnError, canonical_dn, dn_value, parse_dn
from controller.spec.directory import Directory, server_of
from pools.ldap import Ldap

PLACE = "{user}"
Objection = tuple[tuple[str, ...], str, str]
"""Path below the section, what is wrong, what to do."""


def asks_directory(settings: Directory) -> bool:
    """Whether passwords for SQL are the directory's."""
    return bool(settings.servers) and settings.sql_login == "ldap"


def ldap_of(settings: Directory) -> Ldap | None:
    """For the master's PostgreSQL; None: it asks no directory. Only of settings without ``objections``."""
    if not asks_directory(settings) or (template := bind_template(settings)) is None:
        return None
    found = [server_of(url) for url in settings.servers]
    prefix, _, suffix = template.partition(PLACE)
    scheme, _, port = found[0]
    return Ldap(
        servers=tuple(f"[{host}]" if ":" in host else host for _, host, _ in found),
        port=port,
        tls=scheme == "ldaps",
        prefix=prefix,
        suffix=suffix,
        ca=settings.ca or "",
        connect_seconds=settings.connect_seconds,
        answer_seconds=settings.answer_seconds,
    )


def bind_template(settings: Directory) -> str | None:
    """What PostgreSQL makes of a role's name to ask for it: ``DOMAIN\\name`` in Active Directory (a userPrincipalName may be another
    person's), else the distinguished name of ``bindTemplates``. None: there is no such way."""
    if settings.kind == "activeDirectory" and settings.users.domain is not None and name_attribute(settings).lower() == "samaccountname":
        return f"{settings.users.domain}\\{PLACE}"
    names = [template for template in settings.bind_templates if "=" in template]
    return names[0] if len(names) == 1 and len(settings.bind_templates) == 1 and _names_the_person(settings, names[0]) else None


def asked_about(settings: Directory, name: str, dn: str) -> bool:
    """Whether PostgreSQL, asking for ``name``, would ask for the entry ``dn`` and no other: what it may log in as is that person's."""
    template = bind_template(settings)
    if not asks_directory(settings) or template is None:
        return False
    return "=" not in template or canonical_dn(template.replace(PLACE, dn_value(name))) == canonical_dn(dn)


def objections(settings: Directory) -> Iterator[Objection]:
    """Why the master can't ask this directory."""
    if settings.sql_login != "ldap":
        return
    if not settings.servers:
        yield ("servers",), "sqlLogin: ldap needs a directory", "name its servers, or leave sqlLogin out"
        return
    if len({(scheme, port) for scheme, _, port in map(server_of, settings.servers)}) > 1:
        yield ("servers",), "with sqlLogin: ldap all servers have one scheme and one port: PostgreSQL takes no more", "name those that do"
    if settings.ca is None:
        yield ("ca",), "sqlLogin: ldap needs it: PostgreSQL trusts no authority by itself", "the text of the authority's certificate (PEM)"
    if settings.search_user is None:
        hint = "name an account that may read, then: bdc auth password"
        yield ("searchUser",), "sqlLogin: ldap needs it: nobody could look up who may have a role, and who no longer", hint
    if bind_template(settings) is None:
        wanted = "Active Directory with users.domain, or one bindTemplates like uid={user},ou=people,dc=example,dc=org"
        why = "sqlLogin: ldap: PostgreSQL logs in at the directory by the name alone, since searching needs a password in pg_hba.conf"
        yield ("sqlLogin",), why, f"{wanted} (begun by the attribute of names)"
    elif any('"' in sign or not sign.isprintable() for sign in bind_template(settings) or ""):
        yield ("bindTemplates",), "holds a quotation mark or a character that can't be seen", "sqlLogin: password does without"


def _names_the_person(settings: Directory, template: str) -> bool:
    """The entry's own level is the attribute that names are taken from."""
    try:
        own = parse_dn(template.replace(PLACE, "someone"))[0]
    except (DnError, IndexError):
        return False
    return own == ((name_attribute(settings).lower(), "someone"),)
