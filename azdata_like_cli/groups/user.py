"""Users: ``user add|passwd|list|remove|grant|revoke`` through the controller, ``recover-admin`` on the machine itself."""

from __future__ import annotations

import click

from azdata_like_cli import local, passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, confirm, pass_settings
from azdata_like_cli.groups.session import find_local, when
from azdata_like_cli.kubernetes import places
from azdata_like_cli.kubernetes.places import place_options
from bdc.errors import InvalidNameError
from bdc.names import cluster_name

ROLES = click.Choice(["admin", "user", "app-owner", "app-reader"])
COLUMNS = {"name": "Name", "roles": "Roles", "source": "Source", "login": "Login", "sql_role": "Sql", "created_at": "Created"}


@click.group("user", cls=BdcGroup)
def user() -> None:
    """Users and their roles."""


def new_password(name: str, stdin: bool) -> tuple[str, bool]:
    """A password for ``name`` from standard input, BDC_NEW_PASSWORD, a prompt; else generated (then True)."""
    import os

    if stdin:
        return passwords.from_stdin(), False
    given = os.environ.get("BDC_NEW_PASSWORD")
    if given:
        return given, False
    if passwords.can_ask():
        return passwords.prompt(f"New password of {name}", variable="BDC_NEW_PASSWORD", confirm=True), False
    return passwords.generated(), True


def _checked(name: str) -> str:
    if not name.strip() or name != name.strip() or any(ord(sign) < 32 or ord(sign) == 127 for sign in name):
        raise InvalidNameError(f"{name!r} can't be a user's name", why="empty, with blanks at its ends, or with control characters")
    return name


def _with_password(name: str, data: dict[str, object], password: str, generated: bool, sentence: str) -> Value:
    if generated:
        return Value(data={**data, "password": password}, sentence=f"{sentence} Password (shown once): {password}")
    return Value(data=data, sentence=sentence)


@user.command(
    "add",
    examples=["bdc user add alice", "printf '%s\\n' \"$PASSWORD\" | bdc user add alice --password-stdin", "bdc user add bob --role admin"],
)
@click.argument("name")
@click.option("--role", "roles", type=ROLES, multiple=True, help="A role to begin with; may be given twice. Default: user.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@pass_settings
def add(settings: Settings, name: str, roles: tuple[str, ...], password_stdin: bool) -> Value:
    """Add the user NAME, and the PostgreSQL role of that name.

    The password comes from standard input, BDC_NEW_PASSWORD or a prompt; without any of them one is generated and shown once.
    """
    controller = settings.session().controller
    password, generated = new_password(_checked(name), password_stdin)
    made = controller.add_user(name, password, list(roles) or ["user"])
    return _with_password(name, made, password, generated, f"User {name} is there.")


@user.command("passwd", examples=["bdc user passwd", "bdc user passwd alice"])
@click.argument("name", required=False)
@click.option("--password-stdin", is_flag=True, help="Read the new password from standard input.")
@pass_settings
def passwd(settings: Settings, name: str | None, password_stdin: bool) -> Value:
    """Set the password of NAME (admins), or your own: then the old one is needed, from BDC_PASSWORD or a prompt."""
    session = settings.session()
    mine = name is None or name == session.context.username
    target = _checked(name or session.context.username)
    controller = session.controller
    old = (passwords.from_environment() or passwords.prompt("Old password")) if mine else None
    password, generated = new_password(target, password_stdin)
    controller.set_password(target, password, old)
    ending = " Log in again." if mine else ""
    return _with_password(target, {"name": target}, password, generated, f"The password of {target} is changed.{ending}")


@user.command("list", examples=["bdc user list", "bdc user list -o json -q '[].name'"])
@pass_settings
def list_users(settings: Settings) -> Records:
    """List the users, their roles, and whether their PostgreSQL role is in step."""
    rows = [{**found, "created_at": _time(found.get("created_at"))} for found in settings.session().controller.users()]
    return Records(rows=rows, columns=COLUMNS)


def _time(value: object) -> object:
    return when(value) if isinstance(value, int | float) else value


@user.command("remove", examples=["bdc user remove alice", "bdc user remove alice --yes"])
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_settings
def remove(settings: Settings, name: str, yes: bool) -> Value:
    """Remove the user NAME: the sessions end, the PostgreSQL role goes."""
    controller = settings.session().controller
    if not yes:
        confirm(f"Remove the user {name}?")
    controller.remove_user(_checked(name))
    return Value(data={"removed": name}, sentence=f"User {name} is removed.")


@user.command("grant", examples=["bdc user grant alice admin"])
@click.argument("name")
@click.argument("role", type=ROLES)
@pass_settings
def grant(settings: Settings, name: str, role: str) -> Value:
    """Give the user NAME the ROLE admin, user, app-owner (changes apps and calls them) or app-reader (calls them)."""
    settings.session().controller.grant(_checked(name), role)
    return Value(data={"name": name, "granted": role}, sentence=f"{name} has the role {role}.")


@user.command("revoke", examples=["bdc user revoke alice admin"])
@click.argument("name")
@click.argument("role", type=ROLES)
@pass_settings
def revoke(settings: Settings, name: str, role: str) -> Value:
    """Take the ROLE from the user NAME."""
    settings.session().controller.revoke(_checked(name), role)
    return Value(data={"name": name, "revoked": role}, sentence=f"{name} no longer has the role {role}.")


@user.command(
    "recover-admin",
    examples=[
        "sudo bdc user recover-admin demo",
        "bdc user recover-admin demo --username admin",
        "bdc user recover-admin sales --kubernetes",
    ],
)
@click.argument("cluster", required=False)
@click.option("--username", "-u", default="admin", show_default=True, help="The admin to make or to give a new password.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--kubernetes", is_flag=True, help="CLUSTER is one on Kubernetes, not of this machine.")
@place_options("--namespace", "--kube-namespace")
@pass_settings
def recover_admin(settings: Settings, cluster: str | None, username: str, password_stdin: bool, kubernetes: bool) -> Value:
    """When no admin can log in any more: set an admin's password on the machine itself, as the OS user that owns CLUSTER; on Kubernetes
    as somebody who may run commands in the controller's pod."""
    there = places.named(cluster_name(cluster) if cluster is not None else None, kubernetes)
    name = there or find_local(cluster).name
    password, generated = new_password(_checked(username), password_stdin)
    if there is not None:
        from azdata_like_cli.kubernetes.recovering import recover

        recover(places.place_of(there), there, username, password)
    else:
        local.run("recover-admin", name, secrets={"username": username, "password": password}, debug=settings.debug)
    return _with_password(username, {"name": username}, password, generated, f"{username} is an admin of {name} and has a new password.")
