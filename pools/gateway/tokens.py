"""Who calls: the login's token, as ``pools.bearer`` judges it, and the roles that open files. What the gateway passes on to the controller
or the apps' proxy is judged there."""

from __future__ import annotations

from pools.bearer import BadTokenError, Caller, KeysAwayError, Tokens
from pools.gateway.errors import RefusalError
from pools.gateway.record import Told

AUDIENCES = ("gateway",)
ADMIN, USER = "admin", "user"
ADMINS = frozenset({ADMIN})
ROLES = frozenset({ADMIN, USER})
LOGIN = "log in again: bdc login"
HEADER = "header Authorization"


async def check(tokens: Tokens, authorization: bytes | None, told: Told, roles: frozenset[str] = ROLES) -> Caller:
    """``told`` gets the caller, once he is known. RefusalError 401 for a token that is not good here, 403 for one without a role, 503 while
    nobody can be known."""
    told.rule = "token"
    try:
        caller = await tokens.caller(authorization)
    except BadTokenError as error:
        raise RefusalError(401, "invalid_token", str(error), where=HEADER, hint=LOGIN) from None
    except KeysAwayError as error:
        raise RefusalError(503, "not_ready", str(error), hint="'bdc start' on the cluster's machine starts it") from None
    least = USER if USER in roles else ADMIN
    told.user, told.session, told.rule = caller.name, caller.session, least
    if not caller.roles & roles:
        raise RefusalError(403, "forbidden", f"{caller.name!r} has no role here", hint=f"ask an admin: bdc user grant NAME {least}")
    told.rule = None
    return caller
