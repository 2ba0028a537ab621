"""Routes over the directory: a test of it, the search account's password, and the password for SQL of who logged in with it."""

from __future__ import annotations

from fastapi import Request, Response

from controller.api import bodies
from controller.api.access import caller_of, guarded_router
from controller.api.services import Services, services_of
from controller.auth.directory.explaining import Explanation
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.directory.members import asked
from controller.errors import RequestError

router = guarded_router("directory", "/api/v1/auth")


@router.post("/test", summary="Go through a login step by step")
def test(request: Request, body: bodies.LoginTest) -> bodies.LoginSteps:
    """What each step finds: servers, entry, account, password (where one is sent), groups with the way to them, roles that follow."""
    services = services_of(request)
    directory = _directory(services)
    if body.password is not None:
        services.throttle.check(directory.key(body.username), hint="")  # an admin's guesses count too
    steps = Explanation(directory.asked(), services.users, body.username, body.password).run()
    if body.password is not None and any(step.step == "password" and step.state == "ok" for step in steps):
        services.throttle.succeeded(directory.key(body.username))
    may = not any(step.state == "failed" for step in steps)
    answer = [bodies.LoginStep(step=step.step, state=step.state, message=step.message) for step in steps]
    return bodies.LoginSteps(username=body.username, may_log_in=may, steps=answer)


@router.put("/search-password", status_code=204, summary="Set the password of the account that searches the directory")
def search_password(request: Request, body: bodies.SearchPassword) -> Response:
    """Kept in the controller's store (0600), shown to nobody. Counts at once."""
    _directory(services_of(request)).set_search_password(body.password)
    return Response(status_code=204)


@router.post("/sql-password", summary="A password for SQL, for who logged in with a directory account")
def sql_password(request: Request, response: Response) -> bodies.SqlPassword:
    """For the PostgreSQL role of one's name, until the login is over; the same one on all machines of a person. 409 for local users, who
    have their own. Where PostgreSQL asks the directory (``method`` ldap) there is none but the directory's."""
    services = services_of(request)
    user = services.users.get(caller_of(request).name)
    ldap = "directory" in user and asked(user["directory"])
    password = "" if ldap else _directory(services).members.sql_password(user)
    if services.view.role_pending(user["name"]):
        services.view.users_changed()
    response.headers["Cache-Control"] = "no-store"
    pending = services.view.role_pending(user["name"])
    return bodies.SqlPassword(
        username=user["name"],
        method="ldap" if ldap else "password",
        password=password,
        valid_until=user["directory"]["until"],
        roles=user["directory"]["sql"],
        sql_role="pending" if pending else "ready",
    )


def _directory(services: Services) -> DirectoryLogins:
    if services.directory is None:
        raise RequestError("this controller has no way to a directory", where="spec.security.directory")
    return services.directory
