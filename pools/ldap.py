"""PostgreSQL's own LDAP method, as lines of pg_hba.conf and libldap's environment. Pure.

Only by a *simple bind*: the name is put between a prefix and a suffix, and that is who is asked about with the password typed. The
other way, searching first, needs the search account's password in pg_hba.conf, which PostgreSQL shows in ``pg_hba_file_rules`` and, with
``log_error_verbosity`` at its default, in its log at each wrong password. PostgreSQL does not escape the name; so it asks about members of
``DIRECTORY`` only, whose names the controller has checked.
"""

from __future__ import annotations

from dataclasses import dataclass

CA_FILE = "directory-ca.pem"
DIRECTORY = "bdc_directory"
"""The PostgreSQL role whose members' passwords the directory checks; it has no rights."""


@dataclass(frozen=True)
class Ldap:
    """``servers``: hosts, the next one when one does not answer, all with the same ``port``. ``tls``: from the start (LDAPS), else
    by StartTLS. ``ca``: PEM text of who may sign their certificates. ``prefix``, ``suffix``: around the role's name."""

    servers: tuple[str, ...]
    port: int
    tls: bool
    prefix: str
    suffix: str
    ca: str
    connect_seconds: int
    answer_seconds: int

    def __post_init__(self) -> None:
        """ValueError for what would end a quoted text in pg_hba.conf."""
        for text in (*self.servers, self.prefix, self.suffix):
            if '"' in text or not text.isprintable():
                raise ValueError(f"{text!r} can't stand in pg_hba.conf")

    def line(self, network: str, *, plain: bool) -> str:
        """For clients of a network; ``plain``: also without TLS. On the way to the master the password is not hidden by anything else."""
        options = {
            "ldapserver": " ".join(self.servers),
            "ldapscheme": "ldaps" if self.tls else "ldap",
            "ldapport": str(self.port),
            "ldaptls": "0" if self.tls else "1",
            "ldapprefix": self.prefix,
            "ldapsuffix": self.suffix,
        }
        told = " ".join(f'{name}="{value}"' for name, value in options.items() if value)
        return f"{'host' if plain else 'hostssl'} all +{DIRECTORY} {network} ldap {told}"

    def environment(self) -> dict[str, str]:
        """libldap's settings: the directory's authority and no other, certificates must fit, referrals are not followed."""
        return {
            "LDAPTLS_CACERT": "{config}/" + CA_FILE,
            "LDAPTLS_REQCERT": "demand",
            "LDAPTLS_PROTOCOL_MIN": "3.3",
            "LDAPREFERRALS": "off",
            "LDAPNETWORK_TIMEOUT": str(self.connect_seconds),
            "LDAPTIMEOUT": str(self.answer_seconds),
        }
