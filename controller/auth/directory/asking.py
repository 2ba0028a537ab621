"""One directory as the spec describes it: is this password right, who is that, what may they do?"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from controller.auth.directory.accounts import (
    Account,
    Typed,
    account_of,
    bind_names,
    bind_reason,
    find_entries,
    read_entry,
    typed_name,
)
from controller.auth.directory.connecting import Servers
from controller.auth.directory.errors import DirectorySetupError, TooManyGroupsError
from controller.auth.directory.groups import Parents, membership
from controller.auth.directory.mapping import rights_of, wanted_groups
from controller.auth.directory.members import Person
from controller.auth.directory.session import Entry, Refused, Session
from controller.errors import LoginError
from controller.log import Log
from controller.spec.directory import Directory

WRONG = "wrong user name or password"
HINT = "an admin can see why: bdc auth test NAME"
log = Log("directory")


class AmbiguousError(LoginError):
    """Several entries have the name. Who asks is told no more than of a wrong password; ``dns`` are for admins."""

    def __init__(self, dns: list[str]) -> None:
        super().__init__(WRONG, hint=HINT)
        self.dns = dns


@dataclass(frozen=True)
class Gone:
    """Why somebody who is logged in may be so no longer."""

    reason: str


class AskedDirectory:
    """Asks; keeps connections, and for a minute which groups hold a group. Every method may raise DirectoryError."""

    def __init__(self, settings: Directory, servers: Servers) -> None:
        self.settings = settings
        self.servers = servers
        self._parents = Parents(min(settings.cache_seconds, settings.check_seconds))

    def authenticated(self, name: str, password: str) -> Person:
        """Who logs in so. LoginError: wrong, ambiguous, or (told only to who knows the password) why not."""
        typed = typed_name(self.settings, name)
        if typed is None or not password:
            raise wrong()
        if self.settings.bind_templates:
            return self._by_template(typed, password)
        return self._admitted(self._by_search(typed, password), typed, None)

    def followed(self, typed: str, name: str, unique: str) -> Person | Gone | None:
        """The same person now; None where nobody can be asked without a password."""
        if self.settings.search_user is None:
            return None
        asked = typed_name(self.settings, typed)
        entries = [] if asked is None else self.servers.searching(lambda session: self.entries(session, asked))
        accounts = [account_of(self.settings, entry) for entry in entries]
        account = next((one for one in accounts if one.id == unique), None)
        if account is None:
            return Gone("was removed from the directory, or is called otherwise now")
        if account.name != name:
            return Gone(f"is called {account.name} in the directory now")
        if account.standing.ends:
            return Gone(account.standing.reason)
        try:
            person = self._person(account, typed, None)
        except TooManyGroupsError as error:
            return Gone(error.message)
        return person if person.rights.roles else Gone("is in no group any more that may log in")

    def newcomer(self, entry: Entry) -> Person | None:
        """Somebody who was listed, looked up as at a login; None: may not come in, or is found by another name."""
        try:
            account = account_of(self.settings, entry)
            found = self.followed(account.name, account.name, account.id)
        except DirectorySetupError:
            return None  # what must be known of this one can't be read
        return found if isinstance(found, Person) else None

    def entries(self, session: Session, typed: Typed) -> list[Entry]:
        """What has the name: by the templates that are distinguished names, else by the filter."""
        names = [name for name in bind_names(self.settings, typed) if "=" in name]
        if not names:
            return find_entries(session, self.settings, typed)
        return [entry for name in names if (entry := read_entry(session, self.settings, name)) is not None]

    def _admitted(self, account: Account, typed: Typed, session: Session | None) -> Person:
        """Who has proven the password, and may come in; LoginError says why not."""
        if not account.standing.may_log_in:
            raise LoginError(f"you can't log in: {account.standing.reason}", hint="ask who keeps the directory")
        person = self._person(account, typed.text, session)
        if not person.rights.roles:
            raise LoginError(
                "your account is in no group that may log in to this cluster",
                hint=f"an admin can see which are: bdc auth test {person.name}",
            )
        return person

    def _person(self, account: Account, typed: str, session: Session | None) -> Person:
        wanted = wanted_groups(self.settings)

        def look(searching: Session) -> Person:
            found = membership(searching, self.settings, account, wanted, self._parents)
            return Person(account.name, account.id, account.entry.dn, typed, rights_of(self.settings, found.holds))

        if not wanted:
            return Person(account.name, account.id, account.entry.dn, typed, rights_of(self.settings, lambda dn: False))
        return look(session) if session is not None else self.servers.searching(look)

    def _by_search(self, typed: Typed, password: str) -> Account:
        entries = self.servers.searching(lambda session: self.entries(session, typed))
        if not entries:
            # the same work as for a name that there is, so that time does not tell which there are
            self.servers.proves(f"cn={secrets.token_hex(4)},{self.settings.users.base[0]}", password)
            raise wrong()
        entry = self._only(entries, typed)
        answer = self.servers.proves(entry.dn, password)
        if answer is not None:
            raise refused(answer)
        return account_of(self.settings, entry)

    def _by_template(self, typed: Typed, password: str) -> Person:
        last: Refused | None = None
        for name in bind_names(self.settings, typed):
            found = self.servers.as_user(name, password, self._as_himself(name, typed))
            if isinstance(found, Person):
                return found
            if isinstance(found, Account):
                return self._admitted(found, typed, None)
            last = found
        raise refused(last) if last is not None else wrong()

    def _as_himself(self, name: str, typed: Typed) -> Callable[[Session], Account | Person]:
        """What is looked up on the person's own connection: all of it where nobody else may search."""

        def look(session: Session) -> Account | Person:
            account = account_of(self.settings, self._only(self._own_entry(session, name), typed))
            return self._admitted(account, typed, session) if self.settings.search_user is None else account

        return look

    def _own_entry(self, session: Session, name: str) -> list[Entry]:
        """Of who has logged in as ``name``, which is searched for as the directory understood it, not as it was typed."""
        if "=" in name:
            entry = read_entry(session, self.settings, name)
            return [] if entry is None else [entry]
        return find_entries(session, self.settings, Typed(name, name))

    def _only(self, entries: list[Entry], typed: Typed) -> Entry:
        if len(entries) == 1:
            return entries[0]
        dns = sorted(entry.dn for entry in entries)
        log.warning("a name is refused: not exactly one entry has it", name=typed.text, entries=dns)
        raise AmbiguousError(dns)


def wrong() -> LoginError:
    """One sentence whatever was wrong."""
    return LoginError(WRONG, hint=HINT)


def refused(answer: Refused) -> LoginError:
    """More than that only where the directory itself tells it to nobody but who knows the password."""
    reason, proven = bind_reason(answer.diagnosis)
    return LoginError(f"you can't log in: {reason}", hint="ask who keeps the directory") if reason and proven else wrong()
