"""Routes that concern the caller and the keys: token, whoami, JWKS, sealing key, health."""

from __future__ import annotations

from fastapi import Request, Response

from controller.api import bodies
from controller.api.access import caller_of, guarded_router
from controller.api.auditing import note, note_refresh
from controller.api.passwords import check_password
from controller.api.services import services_of
from controller.auth.keys import AHEAD_SECONDS
from controller.auth.sessions import session_named
from controller.auth.tokens import Pair
from controller.errors import ControllerError

router = guarded_router("login")


@router.get("/healthz", summary="Whether the controller answers")
async def healthz() -> bodies.Health:
    """200 as soon as the API serves; needs no token."""
    return bodies.Health()


@router.get("/.well-known/jwks.json", summary="Keys that verify tokens")
def jwks(request: Request, response: Response) -> dict[str, list[dict[str, str]]]:
    """The public keys, as RFC 7517. May be cached for minutes; a new key appears here before it signs."""
    response.headers["Cache-Control"] = f"public, max-age={AHEAD_SECONDS}"
    return services_of(request).keys.jwks()


@router.post("/api/v1/token", summary="Log in")
def token(request: Request, response: Response, body: bodies.TokenRequest) -> bodies.TokenAnswer:
    """A token for one audience, and a refresh token. 401 whatever was wrong; 429 after too many wrong passwords in a row."""
    services = services_of(request)
    note(request.state, rule="password")
    try:
        user = check_password(services, body.username, body.password)
    except ControllerError:
        if services.users.find(body.username) is not None:  # a name that nobody has may be a password
            note(request.state, user=body.username)
        raise
    pair = services.tokens.begin(user, body.audience)
    note(request.state, user=pair.username, session=session_named(pair.refresh), objects=(f"audience={body.audience}",))
    return _answer(response, pair)


@router.post("/api/v1/token/refresh", summary="Go on with a login")
def refresh(request: Request, response: Response, body: bodies.RefreshRequest) -> bodies.TokenAnswer:
    """The next access token and the next refresh token, with the roles held now. 401 when the login has ended; a refresh token that was
    used before ends it."""
    note_refresh(request.state, body.refresh_token)
    pair = services_of(request).tokens.renew(body.refresh_token, body.audience)
    note(request.state, user=pair.username, objects=(f"audience={body.audience}",))
    return _answer(response, pair)


@router.delete("/api/v1/token", status_code=204, summary="Log out")
def log_out(request: Request) -> Response:
    """End the login that the token belongs to, with all its tokens."""
    services_of(request).tokens.sessions.end(caller_of(request).session)
    return Response(status_code=204)


@router.get("/api/v1/whoami", summary="Who the token says you are")
def whoami(request: Request) -> bodies.Caller:
    """Name, roles and the end of the token."""
    caller = caller_of(request)
    return bodies.Caller(name=caller.name, roles=list(caller.roles), expires_at=caller.expires_at)


@router.get("/api/v1/keys/sealing", summary="Public key for sealing secrets of data sources")
def sealing(request: Request) -> bodies.SealingKey:
    """Seal credentials with it before they go into SQL; only the compute pool can open them."""
    return bodies.SealingKey(public_key=services_of(request).sealing_key())


def _answer(response: Response, pair: Pair) -> bodies.TokenAnswer:
    response.headers["Cache-Control"] = "no-store"
    return bodies.TokenAnswer(
        access_token=pair.access,
        expires_in=pair.seconds,
        refresh_token=pair.refresh,
        refresh_expires_in=pair.refresh_seconds,
        username=pair.username,
        source=pair.source,
    )
