"""``bdc auth test``: a login gone through step by step with what each step found, so that nobody has to guess why it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from controller.auth.directory.accounts import Account, account_of, bind_names, bind_reason, typed_name
from controller.auth.directory.asking import AskedDirectory
from controller.auth.directory.errors import DirectoryError
from controller.auth.directory.groups import Membership, membership, nesting, path_to
from controller.auth.directory.mapping import Rights, rights_of, wanted_groups
from controller.auth.directory.session import Entry, Refused, Session
from controller.auth.directory.sql_login import asked_about, asks_directory, bind_template
from controller.auth.users import Users, check_name
from controller.errors import ControllerError, RequestError

State = Literal["ok", "failed", "skipped", "note"]


@dataclass(frozen=True)
class Step:
    """``state``: failed: with this nobody logs in; note: worth knowing; skipped: can't be told without what is missing."""

    step: str
    state: State
    message: str


class Explanation:
    """Of one name at one directory. ``password`` None: whether it fits is not looked at."""

    def __init__(self, asked: AskedDirectory, users: Users, name: str, password: str | None) -> None:
        self._asked = asked
        self._settings = asked.settings
        self._users = users
        self._name = name
        self._password = password
        self.steps: list[Step] = []

    def run(self) -> list[Step]:
        """All steps, until one fails that the next ones need. No error of the directory leaves it."""
        try:
            self._servers()
            entry = self._entry()
            account = self._account(entry) if entry is not None else None
            if account is not None and entry is not None:
                self._password_fits(entry)
                self._rights(account)
        except ControllerError as error:
            self._say("directory", "failed", error.message)
        return self.steps

    def _say(self, step: str, state: State, message: str) -> None:
        self.steps.append(Step(step, state, message))

    def _servers(self) -> None:
        account = self._settings.search_user
        for url in self._settings.servers:
            reason = self._asked.servers.reach(url)
            how = "TLS" if url.startswith("ldaps") else "StartTLS"
            who = f", the search account {account} is let in" if account is not None else ""
            self._say("server", "ok" if reason is None else "note", f"{url}: " + (reason or f"reached, its certificate fits ({how}){who}"))
        if account is None:
            self._say("search account", "note", "none: everybody searches with his own rights, so the steps below need the password")

    def _entry(self) -> Entry | None:
        typed = typed_name(self._settings, self._name)
        if typed is None:
            self._say("name", "failed", f"{self._name[:60]!r} can be nobody's name here (another domain, or characters that can't be seen)")
            return None
        if self._settings.search_user is None:
            self._say("entry", "skipped", f"would log in as {', '.join(bind_names(self._settings, typed))}")
            return None
        entries = self._asked.servers.searching(lambda session: self._asked.entries(session, typed))
        if len(entries) != 1:
            found = "; ".join(sorted(entry.dn for entry in entries))
            where = "; ".join(self._settings.users.base)
            self._say("entry", "failed", f"several entries have this name: {found}" if entries else f"no entry of this name below {where}")
            return None
        self._say("entry", "ok", entries[0].dn)
        return entries[0]

    def _account(self, entry: Entry) -> Account:
        account = account_of(self._settings, entry)
        self._say("name", *self._name_here(account))
        self._say("account", "ok" if account.standing.may_log_in else "failed", account.standing.reason)
        return account

    def _name_here(self, account: Account) -> tuple[State, str]:
        try:
            check_name(account.name)
        except RequestError as error:
            return "failed", f"{error.message}; {error.hint}"
        user = self._users.find(account.name)
        if user is None:
            return "ok", f"is {account.name} in the cluster, and has not logged in yet"
        if "directory" not in user:
            return "failed", f"{account.name} is a local user too, who wins: the directory is not asked for the password"
        if user["directory"]["id"] != account.id:
            return "failed", f"the name belonged to another entry ({user['directory']['dn']}): bdc user remove {account.name}"
        ended = user["directory"]["ended"]
        return "ok", f"is {account.name} in the cluster, " + ("is logged in" if ended is None else f"was logged in ({ended})")

    def _password_fits(self, entry: Entry) -> None:
        if self._password is None:
            self._say("password", "skipped", "none was given (--password asks for it)")
            return
        answer = self._asked.servers.as_user(entry.dn, self._password, lambda session: None)
        if isinstance(answer, Refused):
            reason, _ = bind_reason(answer.diagnosis)
            self._say("password", "failed", f"the directory refused it: {reason or answer.diagnosis or f'result {answer.code}'}")
        else:
            self._say("password", "ok", "the directory takes it")

    def _rights(self, account: Account) -> None:
        wanted = wanted_groups(self._settings)

        def look(session: Session) -> Callable[[str], bool]:
            found = membership(session, self._settings, account, wanted)
            for dn in wanted:
                self._say("group", "ok" if found.holds(dn) else "note", self._group(session, found, dn))
            return found.holds

        before = len(self.steps)

        def once(session: Session) -> Callable[[str], bool]:
            del self.steps[before:]  # on another server it begins anew
            return look(session)

        holds = self._asked.servers.searching(once) if wanted else lambda dn: False
        rights = rights_of(self._settings, holds)
        self._say("roles", *_words(rights))
        if rights.roles and asks_directory(self._settings):
            self._say("sql", *self._sql(account))

    def _sql(self, account: Account) -> tuple[State, str]:
        if not asked_about(self._settings, account.name, account.entry.dn):
            return "note", "the entry is elsewhere than bindTemplates says: PostgreSQL takes the password that 'bdc login' makes"
        asked = (bind_template(self._settings) or "").replace("{user}", account.name)
        if self._password is not None and self._asked.servers.proves(asked, self._password) is not None:
            return "note", f"PostgreSQL asks the directory about {asked}, which does not take the password so: is users.domain right?"
        return "ok", f"PostgreSQL asks the directory about {asked}"

    def _group(self, session: Session, found: Membership, dn: str) -> str:
        if not found.holds(dn):
            return f"{dn}: not a member"
        if nesting(self._settings) == "chain":
            return f"{dn}: member (the directory followed groups within groups)"
        try:
            path = path_to(session, self._settings, found, dn)
        except DirectoryError:
            path = []
        return f"{dn}: member" + (f" through {' < '.join(path[:-1])}" if len(path) > 1 else " itself")


def _words(rights: Rights) -> tuple[State, str]:
    if not rights.roles:
        return "failed", "none: no group that may log in holds this account"
    sql = f"; PostgreSQL roles: {', '.join(rights.sql)}" if rights.sql else ""
    return "ok", f"{', '.join(rights.roles)}{sql}"
