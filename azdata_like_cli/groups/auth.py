"""Logins: ``auth test|token|password``."""

from __future__ import annotations

import os

import click

from azdata_like_cli import exits, output, passwords
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, pass_settings

COLUMNS = {"step": "Step", "state": "", "message": "What was found"}


@click.group("auth", cls=BdcGroup)
def auth() -> None:
    """Logins: their token, and those with a directory account (LDAP, Active Directory)."""


@auth.command("test", examples=["bdc auth test alice", "bdc auth test 'CORP\\alice' --password", "bdc auth test alice -o json"])
@click.argument("user")
@click.option("--password", "ask", is_flag=True, help="Ask for the password (or take BDC_TEST_PASSWORD), and see whether it fits.")
@pass_settings
def test(settings: Settings, user: str, ask: bool) -> Records:
    """Go through the login of USER step by step: servers, search account, entry, account, groups with the way to them, roles that follow.

    Ends with 1 when USER could not log in. For admins.
    """
    controller = settings.session().controller
    password = None
    if ask:
        password = os.environ.get("BDC_TEST_PASSWORD") or passwords.prompt(f"Password of {user}", variable="BDC_TEST_PASSWORD")
    found = controller.auth_test(user, password)
    steps = found["steps"]
    assert isinstance(steps, list)
    if not found["may_log_in"]:
        click.get_current_context().call_on_close(lambda: output.message(f"bdc: {user} could not log in"))
    return Records(rows=steps, columns=COLUMNS, exit_code=exits.OK if found["may_log_in"] else exits.USER_ERROR)


@auth.command("token", examples=["bdc auth token", "bdc auth token -o json -q expires_at"])
@pass_settings
def token(settings: Settings) -> Value:
    """Print the login's token, for programs that ask the gateway or the controller by themselves.

    It is good for minutes (`spec.security.login.accessMinutes`) and opens what the login does: treat it as a password.
    """
    session = settings.session()
    found = session.access_token()
    return Value(data={"token": found, "expires_at": session.context.token_expires}, sentence=found)


@auth.command("password", examples=["bdc auth password", "printf '%s\\n' \"$PASSWORD\" | bdc auth password --password-stdin"])
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@pass_settings
def password(settings: Settings, password_stdin: bool) -> Value:
    """Set the password of the account that searches the directory (`spec.security.directory.searchUser`). For admins.

    It comes from standard input, BDC_DIRECTORY_PASSWORD or a prompt, goes to the controller over its (TLS) address, and is kept there in a
    file of mode 0600 (a Secret on Kubernetes); nobody can read it back.
    """
    controller = settings.session().controller
    if password_stdin:
        given = passwords.from_stdin()
    else:
        given = os.environ.get("BDC_DIRECTORY_PASSWORD") or passwords.prompt(
            "Password of the search account", variable="BDC_DIRECTORY_PASSWORD", confirm=True
        )
    controller.set_search_password(given)
    return Value(data={"set": True}, sentence="The search account's password is set.")
