"""Whether this cluster's master can ask the directory of its spec about passwords."""

from __future__ import annotations

from controller.auth.directory.sql_login import asks_directory, ldap_of
from controller.certificates.policy import encrypted
from controller.errors import Problem, SpecError
from controller.facts import Facts
from controller.spec import ClusterSpec
from pools.ldap import Ldap
from pools.postgresql import is_loopback

PLACE = "spec.security.directory.sqlLogin"


def asked_directory(spec: ClusterSpec, facts: Facts) -> Ldap | None:
    """None: it asks none. SpecError where its PostgreSQL can't: it would not start."""
    directory, given = spec.spec.security.directory, spec.spec.pools.master.postgresql.bin
    if not asks_directory(directory):
        return None
    if not (is_loopback(facts.listen) or encrypted(spec, facts.listen)):
        raise _refused("ldap: passwords would cross the network in clear", "spec.security.tls.enabled: true, or sqlLogin: password")
    if not facts.postgresql_ldap:
        named = "the PostgreSQL that comes with the product" if given is None else f"the PostgreSQL in {given}"
        wanted = "name a system one in spec.pools.master.postgresql.bin whose 'pg_config --configure' shows --with-ldap (Debian's does)"
        raise _refused(f"ldap: {named} is built without LDAP", f"{wanted}, or sqlLogin: password")
    if encrypted(spec, facts.listen) and not facts.postgresql_tls:
        raise _refused(f"ldap: the PostgreSQL in {given} is built without TLS", "name one that is built with both, or sqlLogin: password")
    return ldap_of(directory)


def _refused(why: str, hint: str) -> SpecError:
    return SpecError((Problem(PLACE, why, hint=hint),))
