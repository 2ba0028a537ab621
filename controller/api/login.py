"""Routes that concern the caller and the keys: token, whoami, JWKS, sealing key, health."""

from __future__ import annotations

from fastapi import Request, Response

from controller.api import bodies
from controller.api.access import caller_of, guarded_router
from controller.api.services import Services, services_of
from controller.auth.users import User
from controller.errors import LoginError

router = guarded_router("login")


@router.get("/healthz", summary="Whether the controller answers")
async def healthz() -> bodies.Health:
    """200 as soon as the API serves; needs no token."""
    return bodies.Health()


@router.get("/.well-known/jwks.json", summary="Keys that verify tokens")
def jwks(request: Request, response: Response) -> dict[str, list[dict[str, str]]]:
    """The public keys, as RFC 7517. May be cached for minutes; a new key appears here before it signs."""
    response.headers["Cache-Control"] = "public, max-age=300"
    return services_of(request).keys.jwks()


@router.post("/api/v1/token", summary="Log in")
def token(request: Request, response: Response, body: bodies.TokenRequest) -> bodies.TokenAnswer:
    """A token for one audience. 401 whatever was wrong; 429 after too many wrong passwords in a row."""
    services = services_of(request)
    user = check_password(services, body.username, body.password)
    response.headers["Cache-Control"] = "no-store"
    return bodies.TokenAnswer(access_token=services.tokens.issue(user, body.audience), expires_in=services.tokens.seconds)


@router.get("/api/v1/whoami", summary="Who the token says you are")
def whoami(request: Request) -> bodies.Caller:
    """Name, roles and the end of the token."""
    caller = caller_of(request)
    return bodies.Caller(name=caller.name, roles=list(caller.roles), expires_at=caller.expires_at)


@router.get("/api/v1/keys/sealing", summary="Public key for sealing secrets of data sources")
def sealing(request: Request) -> bodies.SealingKey:
    """Seal credentials with it before they go into SQL; only the compute pool can open them."""
    return bodies.SealingKey(public_key=services_of(request).sealing_key())


def check_password(services: Services, name: str, password: str) -> User:
    """The user, or LoginError (wrong) or RateLimitError (locked out). Takes the same time for unknown names."""
    services.throttle.check(name)
    with services.hashing:
        user = services.users.verify(name, password)
    if user is None:
        raise LoginError("wrong user name or password", hint="an admin can set a new password: bdc user passwd NAME")
    services.throttle.succeeded(name)
    return user
