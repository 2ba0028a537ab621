"""Who talks to which cluster: ``login``, ``logout``, ``whoami``, ``context list|set|delete``."""

from __future__ import annotations

import os
import pathlib
import time

import click

from azdata_like_cli import meeting, output, passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcCommand, BdcGroup, Settings, argument, legacy_option, pass_settings
from azdata_like_cli.kubernetes import places
from azdata_like_cli.kubernetes.places import place_options
from bdc import contexts, machine, passfile
from bdc.errors import AuthenticationError, BdcError, UserError
from bdc.names import cluster_name, context_name
from bdc.session import ControllerAddress, Session
from bdc.session import login as open_session


def remember(
    name: str | None,
    controller: str | ControllerAddress,
    username: str,
    password: str,
    *,
    keep_sql: bool = True,
    authority: str = "",
) -> contexts.Session:
    """Log in and save the context as the active one."""
    session = open_session(name, controller, username, password, keep_sql=keep_sql, authority=authority)
    with contexts.editing() as box:
        box[0] = box[0].with_session(session)
    return session


def when(seconds: float) -> str:
    """A time as people read it, local."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


@click.command(
    "login",
    cls=BdcCommand,
    examples=[
        "bdc login",
        "bdc login demo -u alice",
        "BDC_PASSWORD=… bdc login -e http://127.0.0.1:30080 -u admin",
        "bdc login sales --kubernetes --kube-context prod",
        "bdc login --no-sql",
    ],
)
@argument("cluster", "--namespace", "-ns", needed=False)
@click.option("--endpoint", "-e", metavar="URL", help="Address of the controller. Default: that of CLUSTER, or of this machine's only one.")
@click.option("--kubernetes", is_flag=True, help="CLUSTER runs on Kubernetes (`--kube-context`, `--kube-namespace`).")
@place_options("--kube-namespace")
@click.option("--username", "-u", envvar=["BDC_USERNAME", "AZDATA_USERNAME"], metavar="NAME", help="Whose login. Default: admin.")
@click.option("--name", metavar="CONTEXT", help="Save it under this name. Default: the cluster's name.")
@click.option("--sql/--no-sql", "keep_sql", default=True, help="Whether `bdc sql` may log in from this session without asking again.")
@click.option("--ca", metavar="FILE", type=click.Path(path_type=pathlib.Path), help="Certificate (PEM) that signs the controller's.")
@click.option("--fingerprint", metavar="SHA256", help="Trust the authority that the controller names, if it has this fingerprint.")
@legacy_option("--accept-eula", "-a")
@click.option("--auth", type=click.Choice(["basic"]), hidden=True, expose_value=False, help="The original's; there is one kind here.")
@pass_settings
def login(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    cluster: str | None,
    endpoint: str | None,
    kubernetes: bool,
    username: str | None,
    name: str | None,
    keep_sql: bool,
    ca: pathlib.Path | None,
    fingerprint: str | None,
) -> Value:
    """Log in to CLUSTER, of this machine or (--kubernetes, or known from an earlier login) on Kubernetes, or to the one whose controller
    is at --endpoint. Without CLUSTER: to that of the active context if it is on Kubernetes, else to this machine's only one.

    The password comes from BDC_PASSWORD (or AZDATA_PASSWORD) or a prompt, and is not stored. Kept in the context file (mode 0600) are the
    controller's tokens and, unless --no-sql, two keys derived from the password that open SQL sessions of this user at this master until
    the login ends or the password changes.
    """
    name = context_name(name) if name is not None else None
    address = endpoint or _on_kubernetes(settings, cluster, kubernetes) or find_local(cluster).controller
    user = username or "admin"
    password = passwords.from_environment() or passwords.prompt(f"Password of {user}")
    address = meeting.speaking(address)
    authority = meeting.authority(address, meeting.Given(ca, fingerprint))
    session = remember(name, address, user, password, keep_sql=keep_sql, authority=authority)
    data = {
        "context": session.name,
        "cluster": session.cluster,
        "username": session.username,
        "controller": session.controller,
        "expires": when(session.expires),
    }
    kept = session.sql is not None or session.directory_sql or not keep_sql
    sql = "" if kept else "; the master was not reached, so `bdc sql` will ask for the password"
    said = f"Logged in to {session.cluster} as {session.username} until {data['expires']}{sql}."
    if keep_sql and (reached := _connection_string(session)) is not None:
        data["sql"] = reached
        said += f"\nSQL from any tool: psql '{reached}'"
    return Value(data=data, sentence=said)


def _connection_string(session: contexts.Session) -> str | None:
    """For other tools, where a login made a password for SQL: it stands in the file that the text names; or where the master takes the
    directory's. None: neither, or the master is reached through this command only (Kubernetes)."""
    path = passfile.path_of(session.name)
    if session.kubernetes is not None or not (session.directory_sql or path.exists()):
        return None
    with Session(session) as opened:
        found = opened.sql_address()
    parts = {"host": found.host, "port": found.port, "dbname": found.database, "user": found.user}
    if found.root is not None:
        parts |= {"sslmode": "verify-full", "sslrootcert": found.root}
    if not session.directory_sql:
        parts |= {"passfile": path}
    return " ".join(f"{name}={value}" for name, value in parts.items())


def _on_kubernetes(settings: Settings, cluster: str | None, asked: bool) -> ControllerAddress | None:
    """Where the controller is of a cluster on Kubernetes: of the options, or of an earlier login. None: it is not on Kubernetes."""
    if asked or places.option("kube_context") or places.option("kube_namespace"):
        wanted = cluster or places.option("kube_namespace")
        if wanted is None:
            raise click.UsageError("Missing argument 'CLUSTER'.")
        return places.controller_of(places.place_of(cluster_name(wanted) if cluster else wanted))
    if cluster is not None and any(found.name == cluster for found in machine.clusters()):
        return None
    found = places.saved(cluster, settings.context)
    return ControllerAddress(found.controller, found.kubernetes) if found is not None else None


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
    """End the login of the active context (or of --context) at the controller, and forget its tokens and SQL keys; the context stays."""
    told = _tell_controller(settings)
    with contexts.editing() as box:
        session = box[0].find(settings.context)
        box[0] = box[0].with_session(session.ended(), activate=False)
    passfile.remove(session.name)
    return Value(data={"context": session.name}, sentence=f"Logged out of {session.name}.{told}")


def _tell_controller(settings: Settings) -> str:
    """What to add for people when the controller could not be told: the copy here is forgotten all the same."""
    try:
        settings.session().controller.log_out()
    except AuthenticationError:
        return ""  # it has ended already
    except BdcError as error:
        return f" The controller was not told ({error.message}): tokens that were copied are good until they expire."
    return ""


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
            "controller": _where(session),
            "session": f"until {when(session.expires)}" if session.logged_in else ("expired" if session.token else "logged out"),
        }
        for name, session in sorted(saved.sessions.items())
        if not active or name == saved.active
    ]
    columns = {"active": "", "name": "Name", "cluster": "Cluster", "username": "Username", "controller": "Controller", "session": "Session"}
    return Records(rows=rows, columns=columns)


def _where(session: contexts.Session) -> str:
    place = session.kubernetes
    return session.controller if place is None else f"kubernetes {place.context}/{place.namespace}"


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
    passfile.remove(wanted)
    return Value(data={"deleted": wanted}, sentence=f"Context {wanted} is forgotten.")


def forget_cluster(controller: str | ControllerAddress) -> None:
    """Drop the contexts of a cluster that was deleted."""
    at = ControllerAddress(controller) if isinstance(controller, str) else controller
    if not (contexts.folder() / contexts.FILE).exists():
        return
    with contexts.editing() as box:
        for name, session in list(box[0].sessions.items()):
            if session.kubernetes == at.kubernetes and (at.kubernetes is not None or session.controller == at.url):
                box[0] = box[0].without(name)


def sign_in_after_create(controller: str | ControllerAddress, username: str, password: str) -> None:
    """Log in to a new cluster so that the next command works at once; where that fails, say how to do it."""
    if os.environ.get("BDC_NO_LOGIN"):
        return
    try:
        at = meeting.speaking(controller)
        session = remember(None, at, username, password, authority=meeting.authority(at))
    except BdcError as error:
        output.message(f"bdc: the cluster is there, but logging in failed: {error.message}; run 'bdc login'")
    else:
        output.message(f"Logged in as {username} (context {session.name}).")
