"""What `bdc doctor` says of the directory: each server (reached, to be trusted, lets the search account in), and whether what the spec
names is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from controller.auth.directory.asking import AskedDirectory
from controller.auth.directory.errors import DirectoryError, DirectorySetupError
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.directory.mapping import wanted_groups
from controller.auth.directory.session import LostError, Session
from controller.operations.doctor import Check, Finding, ok, problem, warning

AT_ONCE = 8
SERVERS = "spec.security.directory.servers"
FIXES = {
    "expired": "whoever keeps the directory renews its certificate; the clock of this machine, too, must be right",
    "mismatch": f"name the server in {SERVERS} as its certificate does",
    "certificate": "spec.security.directory.ca must hold the certificate (PEM) of who signed the server's: bdc apply",
    "no such host": f"correct {SERVERS} (bdc apply), or the names that this machine's DNS knows",
    "not encrypted": "the server must offer LDAPS or StartTLS: whoever keeps the directory turns it on",
}
"""By what the words of a server that can't be used hold."""
REACH = f"is it up, and does a firewall let the controller through? Else correct {SERVERS} (bdc apply)"


def directory_checks(directory: DirectoryLogins) -> dict[str, Check]:
    """Nothing is said where there is no directory."""
    return {"directory": lambda: _directory(directory)}


def _directory(directory: DirectoryLogins) -> Iterator[Finding]:
    if not directory.configured():
        return
    asked = directory.asked()
    urls = asked.settings.servers
    with ThreadPoolExecutor(min(AT_ONCE, len(urls)), "doctor") as threads:
        failed = {
            url: found for url, found in zip(urls, threads.map(lambda url: _tried(asked, url), urls), strict=True) if found is not None
        }
    if len(failed) == len(urls):
        for message, fix in dict.fromkeys(failed.values()):
            yield problem(f"{message}; nobody can log in with an account of the directory", fix)
        return
    for message, fix in failed.values():
        yield warning(f"{message}; the others are asked instead", fix)
    bad = list(_named(asked))
    yield from bad
    if not failed and not bad:
        account = asked.settings.search_user
        who = f"let the search account {account} in" if account is not None else "reached (there is no search account)"
        yield ok(f"{len(urls)} servers of the directory, trusted and {who}; all that the spec names is there")


def _tried(asked: AskedDirectory, url: str) -> tuple[str, str] | None:
    """What is wrong with a server, and the fix."""
    try:
        asked.servers.probe(url)
    except LostError as error:
        fix = next((fix for words, fix in FIXES.items() if words in error.words.lower()), REACH)
        return f"{url}: {error.words}", fix
    except DirectoryError as error:
        return error.message, error.hint or "bdc auth test"
    return None


def _named(asked: AskedDirectory) -> Iterator[Finding]:
    """Bases and groups that the spec names and the directory does not have, or does not show."""
    settings = asked.settings
    if settings.search_user is None:
        return
    bases = dict.fromkeys((*settings.users.base, *settings.groups.base))
    lost: dict[str, Finding] = {}

    def look(session: Session) -> None:
        lost.clear()  # on another server it begins anew
        for dn in bases:
            if not _is_there(session, dn):
                where = "users.base or groups.base"
                lost[dn] = problem(
                    f"{dn} can't be searched: {_absent(settings.search_user)}", f"correct {where} in spec.security.directory"
                )
        for dn in wanted_groups(settings):
            if dn not in lost and not _is_there(session, dn):
                lost[dn] = warning(
                    f"nobody gets a role by the group {dn}: {_absent(settings.search_user)}",
                    "correct spec.security.directory.roles (bdc apply)",
                )

    try:
        asked.servers.searching(look)
    except DirectoryError as error:
        yield problem(error.message, error.hint or "bdc auth test")
    yield from lost.values()


def _is_there(session: Session, dn: str) -> bool:
    try:
        return bool(session.search(dn, "(objectClass=*)", (), most=1, only_base=True))
    except DirectorySetupError:
        return False


def _absent(account: str | None) -> str:
    return f"the directory has no such entry, or does not show it to {account}"
