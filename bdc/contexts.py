"""Contexts: which cluster, as whom, with which session. One JSON file, mode 0600, in ``BDC_CONFIG`` or ``~/.config/openbdc``.

What is kept: the tokens of the login until it ends and, where ``bdc login`` could get them, the two SCRAM keys with which libpq
proves to this one master that the user knew the password (see bdc/scram.py). The password itself is never written.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace

from bdc.errors import AuthenticationError, NotFoundError, UserError
from bdc.names import context_name

FILE = "contexts.json"
RENEW_SECONDS = 30.0
"""An access token is renewed so long before its end: calls that have begun are to end well."""


@dataclass(frozen=True)
class SqlKeys:
    """SCRAM client and server key (base64) of one user at one master, and until when they are used (seconds since the epoch)."""

    client_key: str = field(repr=False)
    server_key: str = field(repr=False)
    expires: float = 0.0


@dataclass(frozen=True)
class Place:
    """Where a cluster lies on Kubernetes: a context of the kubeconfig ("": its current one) and a namespace."""

    context: str
    namespace: str


@dataclass(frozen=True)
class Session:
    """One context: where the controller is, who the user is there, and what a login left.

    ``expires``: the end of the login; the access ``token`` is good until ``token_expires``, and ``refresh`` makes the next one, once.
    ``authority``: PEM certificates that the cluster's servers are verified by; empty: what the machine trusts, or there is no TLS.
    ``foreign_master``: the master, and the gateway, show a certificate that is not the authority's, and not of the names by which they are
    reached from here.
    ``directory_sql``: the master asks the directory about this user's password, of which nothing is kept.
    ``kubernetes`` None: its addresses are reached as they are. Else they are those inside of the Kubernetes cluster (bdc/forwards.py).
    """

    name: str
    controller: str
    username: str
    cluster: str = ""
    token: str | None = field(default=None, repr=False)
    expires: float = 0.0
    endpoints: dict[str, str] = field(default_factory=dict)
    database: str = "postgres"
    sql: SqlKeys | None = None
    kubernetes: Place | None = None
    refresh: str | None = field(default=None, repr=False)
    authority: str = field(default="", repr=False)
    token_expires: float = 0.0
    foreign_master: bool = False
    directory_sql: bool = False

    @property
    def logged_in(self) -> bool:
        """Whether the login lasts."""
        return self.token is not None and self.expires > time.time()

    def require_token(self) -> str:
        """The token, or AuthenticationError that says how to get a new one."""
        if self.token is None:
            raise AuthenticationError(f"you are not logged in to {self.name!r}", where=self.controller, hint="run 'bdc login'")
        if not self.logged_in:
            raise AuthenticationError(
                f"the session of {self.username!r} at {self.name!r} has expired",
                where=self.controller,
                why="a login lasts for some hours",
                hint="run 'bdc login' again",
                code="expired",
            )
        return self.token

    @property
    def needs_renewal(self) -> bool:
        """Whether the access token is over, or will be in a moment."""
        return self.refresh is not None and self.token_expires < time.time() + RENEW_SECONDS

    def renewed(self, token: str, token_expires: float, refresh: str, expires: float) -> Session:
        """The same login with its next tokens."""
        return replace(self, token=token, token_expires=token_expires, refresh=refresh, expires=expires)

    def ended(self) -> Session:
        """The same context without anything that lets somebody in."""
        return replace(self, token=None, refresh=None, expires=0.0, token_expires=0.0, sql=None)


@dataclass(frozen=True)
class Contexts:
    """Everything in the file: the contexts by name and the active one's name."""

    active: str | None = None
    sessions: dict[str, Session] = field(default_factory=dict)

    def find(self, name: str | None = None) -> Session:
        """The named or the active context; NotFoundError or AuthenticationError when there is none."""
        wanted = name or self.active
        if wanted is None:
            raise AuthenticationError("you are not logged in to any cluster", hint="run 'bdc login', or 'bdc create' to make a cluster")
        session = self.sessions.get(context_name(wanted))
        if session is None:
            raise NotFoundError(f"there is no context {wanted!r}", where=str(folder() / FILE), hint="'bdc context list' shows them")
        return session

    def with_session(self, session: Session, *, activate: bool = True) -> Contexts:
        """A copy with ``session`` added or replaced."""
        context_name(session.name)
        return Contexts(session.name if activate else self.active, {**self.sessions, session.name: session})

    def without(self, name: str) -> Contexts:
        """A copy without that context."""
        self.find(name)
        rest = {key: session for key, session in self.sessions.items() if key != name}
        return Contexts(None if self.active == name else self.active, rest)


def folder() -> pathlib.Path:
    """Where the contexts and the shell's history lie."""
    given = os.environ.get("BDC_CONFIG")
    if given:
        return pathlib.Path(given)
    base = os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config"
    return pathlib.Path(base) / "openbdc"


def load() -> Contexts:
    """What the file holds; empty when there is none. UserError when others can read it or it is damaged."""
    path = folder() / FILE
    try:
        with path.open(encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise UserError(
                    f"{path} can be read by others (mode {mode:04o})",
                    why="it holds your session",
                    hint=f"chmod 600 {path}; then log in again",
                )
            return _decode(json.load(file))
    except FileNotFoundError:
        return Contexts()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged", why=str(error), hint=f"remove {path} and log in again") from error


def _decode(document: dict[str, object]) -> Contexts:
    sessions = {}
    stored = document["contexts"]
    if not isinstance(stored, dict):
        raise TypeError("'contexts' is not an object")
    for name, fields in stored.items():
        keys, place = fields.pop("sql", None), fields.pop("kubernetes", None)
        sessions[name] = Session(
            name=context_name(name), sql=SqlKeys(**keys) if keys else None, kubernetes=Place(**place) if place else None, **fields
        )
    active = document.get("active")
    return Contexts(str(active) if active in sessions else None, sessions)


@contextlib.contextmanager
def editing() -> Iterator[list[Contexts]]:
    """Read, change and write back under a lock, so that two logins at once lose nothing.

    Yields a list of one: put the changed Contexts in its place. Nothing is written when the block raises.
    """
    home = folder()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        box = [load()]
        before = box[0]
        yield box
        if box[0] != before:
            _write(home, box[0])


def _write(home: pathlib.Path, contexts: Contexts) -> None:
    stored = {}
    for name, session in contexts.sessions.items():
        fields = asdict(session)
        fields.pop("name")
        stored[name] = fields
    # mkstemp makes the file 0600, and the rename puts it there whole
    handle, temporary = tempfile.mkstemp(prefix=".contexts-", dir=home)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"active": contexts.active, "contexts": stored}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        pathlib.Path(temporary).replace(home / FILE)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
