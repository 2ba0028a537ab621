"""What the controller asks of its directory: logins, whether they may go on, passwords for SQL. There may be no directory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import islice

from controller.auth.directory.accounts import typed_name
from controller.auth.directory.asking import AskedDirectory, Gone
from controller.auth.directory.connecting import Servers
from controller.auth.directory.errors import DirectoryError, DirectorySetupError
from controller.auth.directory.escaping import canonical_dn
from controller.auth.directory.listing import newcomers
from controller.auth.directory.members import Members, Person, Secrets, asked
from controller.auth.directory.remembering import RightLogins
from controller.auth.directory.sql_login import asked_about, asks_directory
from controller.auth.users import User, Users
from controller.errors import NotReadyError, RequestError
from controller.log import Log
from controller.spec.directory import Directory
from controller.store import Store

HOUR = 3600.0
FIRST_SECONDS = 5.0
"""Between two looks whether there is a directory at all."""
AT_ONCE = 500
"""People who are entered in one round."""
SHOWN = 5
"""Problems of one round that are told."""
log = Log("directory")


class DirectoryLogins:
    """Built once; ``configure`` gives it what the spec says, at the start and whenever that changes. Safe in threads."""

    def __init__(self, users: Users, store: Store) -> None:
        self.secrets = Secrets(store)
        self.members = Members(users, self.secrets)
        self._users = users
        self._mutex = threading.Lock()
        self._settings: Directory | None = None
        self._asked: AskedDirectory | None = None
        self._right = RightLogins(0)
        self._seconds = HOUR

    def configure(self, settings: Directory, hours: int) -> None:
        """From now on: this directory, and logins that last ``hours``. Nothing happens where it is the same."""
        with self._mutex:
            self._seconds = hours * HOUR
            if settings == self._settings:
                return
            self._settings = settings
            self._renew()

    def configured(self) -> bool:
        """Whether there is a directory; NotReadyError before the spec was read."""
        with self._mutex:
            if self._settings is None:
                raise NotReadyError("the controller has just started", hint="try again in a second")
            return bool(self._settings.servers)

    def check_seconds(self) -> float:
        """How long a round of ``check`` waits for the next one."""
        return self._settings.check_seconds if self._settings is not None and self._settings.servers else FIRST_SECONDS

    def asked(self) -> AskedDirectory:
        """The directory; RequestError where there is none."""
        self.configured()
        with self._mutex:
            if self._asked is None:
                raise RequestError(
                    "this cluster has no directory", where="spec.security.directory", hint="docs/guide/login.md shows how one is set up"
                )
            return self._asked

    def set_search_password(self, password: str) -> None:
        """Of the account that searches; counts at once."""
        self.secrets.set_search_password(password)
        with self._mutex:
            self._renew()

    def key(self, typed: str) -> str:
        """What wrong passwords are counted by: one key for the spellings of one name."""
        with self._mutex:
            found = typed_name(self._settings, typed) if self._settings is not None else None
        return found.key if found is not None else typed

    def login(self, typed: str, password: str) -> User:
        """The user, entered into the user file. LoginError, DirectoryError, ConflictError, RequestError; see ``AskedDirectory``."""
        asked = self.asked()
        known = self._right.find(typed, password)
        user = self._users.find(known[0]) if known is not None else None
        if user is not None and known is not None and user["stamp"] == known[1] and "directory" in user:
            return self.members.prolong(user, self._seconds)
        person = asked.authenticated(typed, password)
        user = self.members.enter(person, self._seconds, ldap=asked_about(asked.settings, person.name, person.dn))
        self._right.note(typed, password, user["name"], user["stamp"])
        log.info("logged in", user=user["name"], entry=person.dn, roles=list(person.rights.roles), sql=list(person.rights.sql))
        return user

    def check(self, now: float) -> tuple[list[str], list[str]]:
        """Look up everybody who is logged in: (what was changed, what could not be found out), in sentences. Somebody whom the directory
        does not answer for keeps his login, until it is over."""
        changed = []
        for user in self.members.logged_in():
            if not self._lasts(user, now) and self.members.end(user["name"], "the login is over"):
                changed.append(f"{user['name']}: the login is over")
        if self._settings is None or self._asked is None:
            return changed + self._all_ended("the cluster has no directory any more"), []
        problems: list[str] = []
        for user in self.members.logged_in():
            try:
                changed += self._followed(self._asked, user)
            except DirectorySetupError as error:  # of this one: an attribute that nobody may read
                problems.append(f"{user['name']}: {error.message}")
            except DirectoryError as error:  # of all: don't wait for each
                return changed, [error.message]
        if asks_directory(self._asked.settings):
            entered, more = self._entered(self._asked)
            return changed + entered, problems + more
        return changed, problems

    def _lasts(self, user: User, now: float) -> bool:
        """A login has an end; where PostgreSQL asks the directory itself there is none but that the directory says so."""
        known, settings = user["directory"], self._settings
        if known["until"] > now:
            return True
        return asked(known) and settings is not None and asked_about(settings, user["name"], known["dn"])

    def _entered(self, directory: AskedDirectory) -> tuple[list[str], list[str]]:
        """Who may log in and never did, so that PostgreSQL knows them: at most ``AT_ONCE`` in a round, which holds up those that follow."""
        problems: list[str] = []
        try:
            people = self._newcomers(directory)
            while batch := list(islice(people, AT_ONCE)):
                entered, refused = self.members.enter_listed(batch)
                problems += refused
                if entered:
                    return [f"{person.name}: may log in to PostgreSQL" for person in entered], problems[:SHOWN]
        except DirectoryError as error:
            problems.append(error.message)
        return [], problems[:SHOWN]

    def _newcomers(self, directory: AskedDirectory) -> Iterator[Person]:
        known = {canonical_dn(user["directory"]["dn"]) for user in self.members.logged_in()}
        for entry in directory.servers.searching(lambda session: newcomers(session, directory.settings, known)):
            person = directory.newcomer(entry)
            if person is not None and asked_about(directory.settings, person.name, person.dn) and not self._is_local(person.name):
                yield person

    def _is_local(self, name: str) -> bool:
        user = self._users.find(name)
        return user is not None and "directory" not in user

    def _followed(self, directory: AskedDirectory, user: User) -> list[str]:
        known = user["directory"]
        found = directory.followed(known["typed"], user["name"], known["id"])
        if isinstance(found, Gone):
            return [f"{user['name']}: {found.reason}"] if self.members.end(user["name"], found.reason) else []
        if found is not None and self.members.follow(user["name"], found, ldap=asked_about(directory.settings, found.name, found.dn)):
            return [f"{user['name']}: other groups"]
        return []

    def _all_ended(self, reason: str) -> list[str]:
        if self._settings is None:
            return []
        return [f"{user['name']}: {reason}" for user in self.members.logged_in() if self.members.end(user["name"], reason)]

    def _renew(self) -> None:
        """With ``_mutex`` held: connections, and what was right, are of the settings before."""
        before, settings = self._asked, self._settings
        if settings is None:
            return
        self._asked = AskedDirectory(settings, Servers(settings, self.secrets.search_password)) if settings.servers else None
        self._right = RightLogins(settings.cache_seconds)
        if before is not None:
            before.servers.close()
