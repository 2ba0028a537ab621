"""Who talks to which cluster: ``login``, ``logout``, ``whoami``, ``context list|set|delete``."""

from __future__ import annotations

import os
import time

import click

from azdata_like_cli import output, passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcCommand, BdcGroup, Settings, argument, legacy_option, pass_settings
from bdc import contexts, machine
from bdc.errors import UserError
from bdc.names import cluster_name, context_name
from bdc.session import login as open_session


def remember(name: str | None, controller: str, username: str, password: str, *, keep_sql: bool = True) -> contexts.Session:
    """Log in and save the context as the active one."""
    session = open_session(name, controller, username, password, keep_sql=keep_sql)
    with contexts.editing() as box:
        box[0] = box[0].with_session(session)
    return session


def when(seconds: float) -> str:
    """A time as people read it, local."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@click.command(
    "login",
    cls=BdcCommand,
    examples=["bdc login", "bdc login demo -u alice", "BDC_PASSWORD=… bdc login -e http://127.0.0.1:30080 -u admin", "bdc login --no-sql"],
)
@argument("cluster", "--namespace", "-ns", needed=False)
@click.option("--endpoint", "-e", metavar="URL", help="Address of the controller. Default: that of CLUSTER, or of this machine's only one.")
@click.option("--username", "-u", envvar=["BDC_USERNAME", "AZDATA_USERNAME"], metavar="NAME", help="Whose login. Default: admin.")
@click.option("--name", metavar="CONTEXT", help="Save it under this name. Default: the cluster's name.")
@click.option("--sql/--no-sql", "keep_sql", default=True, help="Whether `bdc sql` may log in from this session without asking again.")
@legacy_option("--accept-eula", "-a")
@click.option("--auth", type=click.Choice(["basic"]), hidden=True, expose_value=False, help="The original's; there is one kind here.")
@pass_settings
def login(settings: Settings, cluster: str | None, endpoint: str | None, username: str | None, name: str | None, keep_sql: bool) -> Value:
    """Log in to CLUSTER, a cluster of this machine, or to the one whose controller is at --endpoint.

    The password comes from BDC_PASSWORD (or AZDATA_PASSWORD) or a prompt, and is not stored. Kept in the context file (mode 0600) are the
    controller's token and, unless --no-sql, two keys derived from the password that open SQL sessions of this user at this master until
    the token expires or the password changes.
    """
    name = context_name(name) if name is not None else None
    address = endpoint or find_local(cluster).controller
    user = username or "admin"
    password = passwords.from_environment() or passwords.prompt(f"Password of {user}")
    session = remember(name, address, user, password, keep_sql=keep_sql)
    data = {"context": session.name, "cluster": session.cluster, "username": user, "controller": address, "expires": when(session.expires)}
    sql = "" if session.sql is not None or not keep_sql else "; the master was not reached, so `bdc sql` will ask for the password"
    return Value(data=data, sentence=f"Logged in to {session.cluster} as {user} until {data['expires']}{sql}.")


def find_local(name: str | None) -> machine.LocalCluster:
    """The named cluster of this machine, or the only one; UserError."""
    if name is not None:
        return machine.cluster(cluster_name(name))
    found = machine.clusters()
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(
            "there is no cluster on this machine",
            where=str(machine.homes()[0]),
            hint="'bdc create demo' makes one; for another machine's: --endpoint",
        )
    raise UserError("this machine has several clusters", hint="name one: " + ", ".join(cluster.name for cluster in found))


@click.command("logout", cls=BdcCommand, examples=["bdc logout", "bdc logout --context demo"])
@pass_settings
def logout(settings: Settings) -> Value:
    """Forget the token and the SQL keys of the active context (or of --context); the context stays."""
    with contexts.editing() as box:
        session = box[0].find(settings.context)
        box[0] = box[0].with_session(session.ended(), activate=False)
    return Value(data={"context": session.name}, sentence=f"Logged out of {session.name}.")


@click.command("whoami", cls=BdcCommand, examples=["bdc whoami", "bdc whoami -o tsv -q name"])
@pass_settings
def whoami(settings: Settings) -> dict[str, object]:
    """Show who is logged in, with which roles, and until when."""
    session = settings.session()
    found = session.controller.whoami()
    expires = found.get("expires_at")
    return {
        **found,
        "expires_at": when(expires) if isinstance(expires, int | float) else expires,
        "context": session.context.name,
        "cluster": session.context.cluster,
    }


@click.group("context", cls=BdcGroup)
def context() -> None:
    """Saved clusters and sessions."""


@context.command("list", examples=["bdc context list", "bdc context list --active"])
@click.option("--active", "-a", is_flag=True, help="Only the active one.")
def list_contexts(active: bool) -> Records:
    """List the saved contexts; `*` marks the active one."""
    saved = contexts.load()
    rows = [
        {
            "active": "*" if name == saved.active else "",
            "name": name,
            "cluster": session.cluster,
            "username": session.username,
            "controller": session.controller,
            "session": f"until {when(session.expires)}" if session.logged_in else ("expired" if session.token else "logged out"),
        }
        for name, session in sorted(saved.sessions.items())
        if not active or name == saved.active
    ]
    columns = {"active": "", "name": "Name", "cluster": "Cluster", "username": "Username", "controller": "Controller", "session": "Session"}
    return Records(rows=rows, columns=columns)


@context.command("set", examples=["bdc context set demo"])
@argument("name", "--namespace", "-ns")
def set_context(name: str) -> Value:
    """Make NAME the active context."""
    with contexts.editing() as box:
        session = box[0].find(name)
        box[0] = box[0].with_session(session)
    return Value(data={"active": session.name}, sentence=f"{session.name} is the active context now.")


@context.command("delete", examples=["bdc context delete demo"])
@argument("name", "--namespace", "-ns")
def delete_context(name: str) -> Value:
    """Forget the context NAME and its session; the cluster is not touched."""
    wanted = context_name(name)
    with contexts.editing() as box:
        box[0] = box[0].without(wanted)
    return Value(data={"deleted": wanted}, sentence=f"Context {wanted} is forgotten.")


def forget_cluster(controller: str) -> None:
    """Drop the contexts of a cluster that was deleted."""
    if not (contexts.folder() / contexts.FILE).exists():
        return
    with contexts.editing() as box:
        for name, session in list(box[0].sessions.items()):
            if session.controller == controller:
                box[0] = box[0].without(name)


def sign_in_after_create(controller: str, username: str, password: str) -> None:
    """Log in to a new cluster so that the next command works at once; where that fails, say how to do it."""
    from bdc.errors import BdcError

    if os.environ.get("BDC_NO_LOGIN"):
        return
    try:
        session = remember(None, controller, username, password)
    except BdcError as error:
        output.message(f"bdc: the cluster is there, but logging in failed: {error.message}; run 'bdc login'")
    else:
        output.message(f"Logged in as {username} (context {session.name}).")
