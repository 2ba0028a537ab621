"""Routes over the users. A change wakes the reconcile loop, which carries it to the PostgreSQL roles."""

from __future__ import annotations

from fastapi import Request, Response

from controller.api import bodies
from controller.api.access import caller_of, guarded_router
from controller.api.auditing import note
from controller.api.passwords import check_password
from controller.api.services import Services, services_of
from controller.auth.users import User
from controller.errors import RequestError

router = guarded_router("users", "/api/v1/users")


@router.get("", summary="All users")
def users(request: Request) -> list[bodies.UserAnswer]:
    """Every user with roles, by name."""
    services = services_of(request)
    return [_answer(services, user) for user in services.users.all()]


@router.post("", status_code=201, summary="Add a user")
def add(request: Request, body: bodies.NewUser) -> bodies.UserAnswer:
    """409 when the name is taken. The PostgreSQL role follows at once when the master is ready, else as soon as it is."""
    services = services_of(request)
    note(request.state, objects=(f"name={body.name}", f"roles={','.join(body.roles)}"))
    with services.hashing:
        user = services.users.add(body.name, body.password, tuple(body.roles))
    services.view.users_changed()
    return _answer(services, user)


@router.get("/{name}", summary="One user")
def user(request: Request, name: str) -> bodies.UserAnswer:
    """The user of that name; oneself, or any for an admin."""
    services = services_of(request)
    return _answer(services, services.users.get(name))


@router.delete("/{name}", status_code=204, summary="Remove a user")
def remove(request: Request, name: str) -> Response:
    """Tokens end at once, and the PostgreSQL role's sessions with the next pass. 409 for the last admin."""
    services = services_of(request)
    services.users.remove(name)
    services.view.users_changed()
    return Response(status_code=204)


@router.put("/{name}/password", status_code=204, summary="Set a password")
def password(request: Request, name: str, body: bodies.NewPassword) -> Response:
    """One's own with ``old_password``; an admin may set another's without. All tokens of the user end; a lock-out ends too."""
    services = services_of(request)
    if caller_of(request).name == name:
        if body.old_password is None:
            raise RequestError("the old password is needed to change one's own", where="old_password")
        check_password(services, name, body.old_password)
    with services.hashing:
        services.users.set_password(name, body.password)
    services.throttle.succeeded(name)
    services.view.users_changed()
    return Response(status_code=204)


@router.delete("/{name}/sessions", status_code=204, summary="End a user's logins")
def end_sessions(request: Request, name: str) -> Response:
    """All of them, also the one that asks: for who lost a laptop. The password stays; SQL sessions are PostgreSQL's."""
    services = services_of(request)
    services.users.get(name)
    services.tokens.sessions.end_all(name)
    return Response(status_code=204)


@router.post("/{name}/roles/{role}", summary="Grant a role")
def grant(request: Request, name: str, role: str) -> bodies.UserAnswer:
    """No error when the user has it. A new token is needed to use it."""
    services = services_of(request)
    services.users.grant(name, role)
    services.view.users_changed()
    return _answer(services, services.users.get(name))


@router.delete("/{name}/roles/{role}", summary="Revoke a role")
def revoke(request: Request, name: str, role: str) -> bodies.UserAnswer:
    """Counts at once, also for tokens given out before. 409 for the last admin."""
    services = services_of(request)
    services.users.revoke(name, role)
    services.view.users_changed()
    return _answer(services, services.users.get(name))


def _answer(services: Services, user: User) -> bodies.UserAnswer:
    pending = services.view.role_pending(user["name"])
    known = user.get("directory")
    return bodies.UserAnswer(
        name=user["name"],
        roles=list(user["roles"]),
        created_at=user["created_at"],
        sql_role="pending" if pending else "ready",
        source="directory" if known is not None else "local",
        login="-" if known is None else known["ended"] or "open",
    )
