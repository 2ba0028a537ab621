"""Bodies of requests and answers. Their docstrings and examples are the OpenAPI's."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["admin", "user", "app-owner", "app-reader"]
SparkFile = Annotated[str, Field(pattern=r"^(hdfs|https?)://[^\s,\x00-\x1f]+$", max_length=4096)]


class Body(BaseModel):
    """Unknown keys are refused, so that a misspelt one is not taken for absent."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class TokenRequest(Body):
    """A log-in."""

    username: str = Field(max_length=256, examples=["alice"])
    """The user's name."""
    password: str = Field(max_length=1024, examples=["correct horse battery staple"])
    """The user's password."""
    audience: str = Field("controller", max_length=64)
    """The service the token is for: controller, compute, storage, data or app."""


class AppSecret(Body):
    """A secret of an app."""

    value: str = Field(min_length=1, max_length=32768)
    """Text. It is never shown again."""


class AppToken(Body):
    """A token with which apps are called."""

    access_token: str
    """For the app proxy only."""
    expires_in: int
    """Seconds."""
    endpoint: str
    """The app proxy's address."""


class RefreshRequest(Body):
    """A renewal."""

    refresh_token: str = Field(max_length=256)
    """The newest one of the login. Each is good for one use; one that was used before ends the login."""
    audience: str = Field("controller", max_length=64)
    """The service the token is for."""


class TokenAnswer(Body):
    """A token to send as ``Authorization: Bearer``."""

    access_token: str
    """JWT, signed with EdDSA."""
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 (no secret)
    """How to send it."""
    expires_in: int = Field(examples=[1800])
    """Seconds until it ends."""
    refresh_token: str
    """For ``POST /api/v1/token/refresh``, once."""
    refresh_expires_in: int = Field(examples=[43200])
    """Seconds until the login ends, and with it every token of it."""
    username: str
    """Who logged in, as the cluster calls them: a directory account may be typed in several ways."""
    source: Literal["local", "directory"]
    """Where the password was checked; ``directory``: SQL has a password of its own (``POST /api/v1/auth/sql-password``)."""


class Caller(Body):
    """Who sent the request."""

    name: str
    """The user's name."""
    roles: list[Role]
    """Roles held now, as far as the token names them."""
    expires_at: int
    """End of the token, Unix seconds."""


class TokenKey(Body):
    """A key that signs or signed tokens."""

    kid: str
    """Its id: the RFC 7638 thumbprint."""
    created_at: float
    """Unix seconds."""
    signs_from: float
    """Unix seconds; published before."""
    state: Literal["next", "signing", "verifying"]
    """next: published, signs soon; signing: signs now; verifying: replaced, kept for the tokens that it signed."""


class KeyRotation(Body):
    """What to do with the keys in use."""

    compromised: bool = False
    """A key was stolen: the new one signs at once and alone, and everybody logs in again."""


class LoginTest(Body):
    """Whose login to go through."""

    username: str = Field(max_length=256, examples=["alice"])
    """As it would be typed."""
    password: str | None = Field(None, max_length=1024)
    """Whether it fits is a step too; without it that step is skipped."""


class LoginStep(Body):
    """One step of a login."""

    step: str
    """server, search account, entry, name, account, password, group, roles or directory."""
    state: Literal["ok", "failed", "skipped", "note"]
    """failed: with this the login is refused; note: worth knowing; skipped: not looked at."""
    message: str
    """What was found."""


class LoginSteps(Body):
    """A login gone through."""

    username: str
    """As it was typed."""
    may_log_in: bool
    """Whether no step failed."""
    steps: list[LoginStep]
    """In their order."""


class SearchPassword(Body):
    """Of ``spec.security.directory.searchUser``."""

    password: str = Field(min_length=1, max_length=1024)
    """The new one."""


class SqlPassword(Body):
    """How somebody who logged in with a directory account logs in to PostgreSQL."""

    username: str
    """The PostgreSQL role."""
    method: Literal["password", "ldap"]
    """ldap: the master asks the directory about the password; ``password`` is empty."""
    password: str
    """For this role, at the master and the compute pool."""
    valid_until: float
    """End of the login, Unix seconds."""
    roles: list[str]
    """PostgreSQL roles by the person's groups."""
    sql_role: Literal["ready", "pending"]
    """pending: the master has not been told yet."""


class NewUser(Body):
    """A user to make."""

    name: str = Field(max_length=256, examples=["alice"])
    """Lower-case letters, digits, '_', '.', '-'; at most 31 characters."""
    password: str = Field(max_length=1024, examples=["correct horse battery staple"])
    """8 to 256 characters."""
    roles: list[Role] = Field(default_factory=list)
    """Further roles; every user has ``user``."""


class UserAnswer(Body):
    """A user."""

    name: str
    """The user's name."""
    roles: list[Role]
    """Roles held."""
    created_at: float
    """Unix seconds."""
    sql_role: Literal["ready", "pending"]
    """Whether the PostgreSQL role follows already; ``pending`` while the master is not ready."""
    source: Literal["local", "directory"]
    """Where the password is checked."""
    login: str
    """Of a directory user: ``open``, or why there is none any more; ``-`` for a local one."""


class NewPassword(Body):
    """A password change."""

    password: str = Field(max_length=1024, examples=["correct horse battery staple"])
    """The new one."""
    old_password: str | None = Field(None, max_length=1024)
    """The old one; needed to change one's own, not for an admin changing somebody else's."""


class SealingKey(Body):
    """What secrets of data sources are sealed with."""

    algorithm: Literal["sealed:v2"] = "sealed:v2"
    """X25519, HKDF-SHA256, ChaCha20-Poly1305."""
    public_key: str
    """X25519 public key, base64."""


class Cluster(Body):
    """The cluster in short."""

    name: str
    """Its name."""
    id: str
    """Its id; tokens name it as issuer ``openbdc:<id>``."""
    state: str
    """ready, starting, unready, stopped or error."""
    health: str
    """healthy, unhealthy or unknown."""
    details: str
    """A sentence: what is not ready, and why."""
    spec: dict[str, Any]
    """The spec in force, as in ``bdc.yaml``."""


class LogLines(Body):
    """The end of a log."""

    lines: list[str]
    """Oldest first."""


class SparkServer(Body):
    """A Spark Connect server."""

    name: str
    """The instance's name in the status of the service ``spark``."""
    endpoint: str
    """The name of its address among the endpoints."""
    user: str
    """Who it is in HDFS."""


class SparkToken(Body):
    """What clients of a Spark Connect server present."""

    token: str
    """Goes into the address: ``sc://localhost:PORT/;token=…``."""


class NewSparkJob(Body):
    """A program to run once."""

    file: SparkFile = Field(examples=["hdfs:///user/ann/count.py"])
    """URL that Spark can read (hdfs, http, https): a Python program or a jar. Never a path of the cluster's machine."""
    arguments: list[str] = Field(default_factory=list, max_length=1000)
    """Handed to the program. Other users of the machine can see them, so no secrets."""
    main_class: str | None = Field(None, max_length=1000)
    """Class to run, for a jar."""
    conf: dict[str, str] = Field(default_factory=dict)
    """More of Spark's settings."""
    py_files: list[SparkFile] = Field(default_factory=list, max_length=100)
    """URLs of .py, .zip or .egg files for the program to import."""
    jars: list[SparkFile] = Field(default_factory=list, max_length=100)
    """URLs of jars."""


class Health(Body):
    """The controller answers."""

    status: Literal["ok"] = "ok"
    """Always ok; the cluster's health is in its status."""


class ErrorInside(Body):
    """What went wrong."""

    code: str = Field(examples=["not_found"])
    """A stable word."""
    message: str = Field(examples=["there is no user 'bob'"])
    """What was wrong."""
    where: str | None
    """The place: a field, a name, a path."""
    hint: str | None = Field(examples=["list them with: bdc user list"])
    """What to do next."""


class ErrorAnswer(Body):
    """Every answer that is no success."""

    error: ErrorInside
    """What went wrong."""
    request_id: str
    """Also in the header ``X-Request-Id``, and in the controller's log."""
