"""Runs ``kubectl`` for one place (a kubeconfig context and a namespace); what it says when it fails becomes one of our errors.

The client has no Kubernetes library: kubectl knows every way to log in to a cluster, and whoever has a cluster has kubectl. Reads and
writes go by path (``--raw``), so none of them asks the server for its list of resources first.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess

from bdc.contexts import Place
from bdc.errors import (
    AuthenticationError,
    BdcError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    ServiceError,
    UnreachableError,
    UserError,
)

Json = dict[str, object]

REQUEST_SECONDS = 20
"""After which kubectl gives a request up: an API server that is there answers in milliseconds."""
INSTALL = {
    "kubectl": "install kubectl (https://kubernetes.io/docs/tasks/tools) and put it on the PATH",
    "helm": "install Helm 3.14 or later (https://helm.sh/docs/intro/install) and put it on the PATH",
}

_BY_REASON: dict[str, type[BdcError]] = {
    "NotFound": NotFoundError,
    "Forbidden": ForbiddenError,
    "AlreadyExists": ConflictError,
    "Conflict": ConflictError,
    "Invalid": UserError,
    "BadRequest": UserError,
    "Unauthorized": AuthenticationError,
}
_FROM_SERVER = re.compile(r"Error from server(?: \((\w+)\))?: (.*)", re.DOTALL)
_INVALID = re.compile(r"^The \S+ \"[^\"]*\" is invalid: ?(.*)", re.DOTALL)
_NO_CONTEXT = re.compile(r"context \"[^\"]*\" does not exist|no context exists|current-context (is not set|must exist)")
_LOGIN = re.compile(r"Unauthorized|must be logged in|getting credentials|provide credentials|certificate has expired")
_SILENT = re.compile(
    r"Unable to connect|was refused|right host or port|i/o timeout|deadline exceeded|no such host|connection reset|Client\.Timeout|EOF"
)


def program(name: str) -> str:
    """The path of ``kubectl`` or ``helm``; UserError that says where it comes from."""
    found = shutil.which(name)
    if found is None:
        raise UserError(f"there is no program {name!r}", why="clusters on Kubernetes are reached with it", hint=INSTALL[name])
    return found


def command(place: Place, *words: str) -> list[str]:
    """The command line of kubectl for ``place``."""
    chosen = ["--context", place.context] if place.context else []
    return [program("kubectl"), *chosen, "--namespace", place.namespace, *words]


def call(place: Place, *words: str, stdin: str | None = None) -> str:
    """Run kubectl and return its output. ``stdin``: where documents with secrets go, never the arguments."""
    limited = command(place, f"--request-timeout={REQUEST_SECONDS}s", *words)
    done = subprocess.run(
        limited, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise failure(place, done.stderr)
    return done.stdout


def read(place: Place, path: str) -> Json | None:
    """The object (or list) at an API path; None when it, or its kind, is not there."""
    try:
        found: Json = json.loads(call(place, "get", "--raw", path))
    except NotFoundError:
        return None
    return found


def create(place: Place, path: str, document: Json) -> Json:
    """Send a new object to the collection at ``path``; ConflictError when it is there already."""
    made: Json = json.loads(call(place, "create", "--raw", path, "--filename", "-", stdin=json.dumps(document)))
    return made


def apply(place: Place, document: Json) -> None:
    """Server-side apply as field manager ``bdc``; ConflictError names who else owns a field that would change."""
    words = ("apply", "--server-side", "--field-manager=bdc", "--filename", "-")
    call(place, *words, stdin=json.dumps(document))


def failure(place: Place, stderr: str) -> BdcError:
    """kubectl's words as an error: by the server's reason where it gave one, else by what kubectl says about the way there."""
    text = stderr.strip() or "kubectl failed without a word"
    where = f"kubeconfig context {place.context or '(current)'}, namespace {place.namespace}"
    last = text.splitlines()[-1].removeprefix("error: ")
    if _NO_CONTEXT.search(text):
        hint = "'kubectl config get-contexts' shows them; KUBECONFIG says which files are read; --kube-context chooses one"
        return UserError(f"the kubeconfig has no such context: {last}", where=where, hint=hint, code="no_context")
    said = _FROM_SERVER.search(text)
    if said is not None and said[1] in _BY_REASON:
        return _BY_REASON[said[1]](_short(said[2]), where=where, hint=_hint(said[1], place), code=_code(said[1]))
    invalid = _INVALID.match(text)
    if invalid is not None:
        return UserError("the API server refused the object", where=where, why=_short(invalid[1]), code="refused")
    if _LOGIN.search(text):
        return AuthenticationError(
            "the Kubernetes API server did not let kubectl in", where=where, why=_short(last), hint="log in to it anew"
        )
    if _SILENT.search(text):
        hint = "'kubectl cluster-info' asks the same server"
        return UnreachableError("the Kubernetes API server does not answer", where=where, why=_short(last), hint=hint)
    return ServiceError("kubectl could not do it", where=where, why=_short(said[2] if said else last))


def _short(text: str) -> str:
    return " ".join(text.split())[:600]


def _code(reason: str) -> str:
    return re.sub(r"(?<=.)([A-Z])", r"_\1", reason).lower()


def _hint(reason: str, place: Place) -> str | None:
    if reason == "Forbidden":
        return f"an administrator can grant it; 'kubectl auth can-i --list --namespace {place.namespace}' shows what you may"
    if reason == "Conflict":
        return "somebody else (kubectl, GitOps) set these fields: change them there"
    return None
