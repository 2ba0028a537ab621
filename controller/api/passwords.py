"""Checking a user's password for a request: locked out or not, counted, and not too many at once."""

from __future__ import annotations

from controller.api.services import Services
from controller.auth.directory.errors import DirectoryError
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.users import User
from controller.errors import ControllerError, LoginError


def check_password(services: Services, name: str, password: str) -> User:
    """The user, or LoginError (wrong) or RateLimitError (locked out). Takes the same time for unknown names."""
    try:
        user = _checked(services, name, password)
    except ControllerError as error:
        if error.category == "user":  # a directory that is away says nothing about the password
            services.meters.login(error)
        raise
    services.meters.login(None)
    return user


def check_remembered(services: Services, name: str, password: str) -> User:
    """The same, at no cost where the password was right a moment ago: for who sends it with each request."""
    user = services.users.find(name)
    if user is not None and services.remembered.holds(user, password):
        return user
    user = check_password(services, name, password)
    services.remembered.note(user, password)
    return user


def _checked(services: Services, name: str, password: str) -> User:
    directory = _directory_for(services, name)
    if directory is not None:
        return _checked_there(services, directory, name, password)
    known = services.users.find(name)
    services.throttle.check(name, "" if known is None else known["stamp"])
    with services.hashing:
        user = services.users.verify(name, password)
    if user is None:
        raise LoginError("wrong user name or password", hint="an admin can set a new password: bdc user passwd NAME")
    services.throttle.succeeded(name)
    return user


def _directory_for(services: Services, name: str) -> DirectoryLogins | None:
    """Where the password is to be checked: a local user wins over an account of the same name; None: here."""
    if services.directory is None:
        return None
    user = services.users.find(name)
    if user is not None and "directory" not in user:
        return None
    return services.directory if services.directory.configured() else None


def _checked_there(services: Services, directory: DirectoryLogins, name: str, password: str) -> User:
    key = directory.key(name)
    services.throttle.check(key, hint="")  # the password is the directory's: waiting is all there is
    try:
        user = directory.login(name, password)
    except DirectoryError:
        services.throttle.withdrawn(key)
        raise
    services.throttle.succeeded(key)
    return user
