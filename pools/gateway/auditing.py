"""The gateway's audit trail: what is done to files, and whom the gateway itself refuses, by whatever route. What it passes on to the
controller, the apps' proxy, the compute pool or Spark's start is in their trails, as the same login.

Never tokens, contents, or more of a query than the operation and where a file is renamed to.
"""

from __future__ import annotations

import json
import urllib.parse

from pools.audit_entries import TEXT_CHARACTERS, Entry, Outcome
from pools.audit_often import Often
from pools.gateway.record import Told
from pools.gateway.webhdfs import Call

READ, WRITE, STATUS = "files.read", "files.write", "files.status"
ACTIONS = {
    **dict.fromkeys(("OPEN",), READ),
    **dict.fromkeys(("CREATE", "APPEND", "CONCAT", "TRUNCATE", "CREATESYMLINK"), WRITE),
    **dict.fromkeys(("LISTSTATUS", "LISTSTATUS_BATCH"), "files.list"),
    **dict.fromkeys(("MKDIRS",), "files.mkdir"),
    **dict.fromkeys(("RENAME",), "files.rename"),
    **dict.fromkeys(("DELETE",), "files.delete"),
    **dict.fromkeys(("ALLOWSNAPSHOT", "CREATESNAPSHOT", "DELETESNAPSHOT", "DISALLOWSNAPSHOT", "RENAMESNAPSHOT"), "files.snapshot"),
    **dict.fromkeys(("GETDELEGATIONTOKEN", "GETDELEGATIONTOKENS", "RENEWDELEGATIONTOKEN", "CANCELDELEGATIONTOKEN"), "files.token"),
    **dict.fromkeys(
        ("MODIFYACLENTRIES", "REMOVEACL", "REMOVEACLENTRIES", "REMOVEDEFAULTACL", "SETACL", "SETOWNER", "SETPERMISSION"),
        "files.permissions",
    ),
}
"""WebHDFS's operations; others are ``OTHERS``."""
OTHERS = {"GET": STATUS, "HEAD": STATUS, "DELETE": "files.delete"}
"""By method; ``files.change`` are all others (times, replication, attributes, policies, quotas)."""
PERMISSIONS = "HDFS permissions"
DENIED = frozenset({"AccessControlException", "AuthorizationException", "SecurityException"})
"""HDFS says 403 for other faults too: a file that exists, a folder that is not empty."""
NAME = 100


def asked(told: Told, made: Call, method: str) -> None:
    """Something of WebHDFS, by somebody who is known."""
    op = made.op.upper()
    told.action = ACTIONS.get(op) or OTHERS.get(method, "files.change")
    told.rule = PERMISSIONS
    path = urllib.parse.unquote(made.path)[:TEXT_CHARACTERS] or "/"
    told.objects = (path, f"to={made.destination[:TEXT_CHARACTERS]}") if op.startswith("RENAME") and made.destination else (path,)


def failed(told: Told, body: bytes) -> None:
    """HDFS answered with an error: it names an exception."""
    try:
        name = json.loads(body)["RemoteException"]["exception"]
    except (ValueError, LookupError, TypeError):
        return
    if isinstance(name, str) and name.isidentifier():
        told.why = name[:NAME]


def note(often: Often, told: Told) -> None:
    """A request is over."""
    outcome = _outcome(told)
    if outcome is None:
        return
    often.note(
        Entry(
            told.action or f"gateway.{told.route}",
            outcome,
            told.rule or "",
            user=told.user,
            origin=told.address,
            objects=told.objects,
            session=told.session,
            why=_why(told) if outcome != "allowed" else None,
            request=told.request_id,
            bytes=_bytes(told) if outcome == "allowed" else None,
        )
    )


def _outcome(told: Told) -> Outcome | None:
    """None: it is no entry."""
    if told.rule is None:
        return None
    if told.action is None:
        return "refused" if told.status in (401, 403) else None
    if told.why in DENIED:
        return "refused"
    if not 0 < told.status < 400:
        return "failed"
    return None if told.redirected or told.action == STATUS else "allowed"


def _why(told: Told) -> str:
    return told.why or told.refused or (str(told.status) if told.status else "the client was gone")


def _bytes(told: Told) -> int | None:
    return {READ: told.content_sent, WRITE: told.content_received}.get(told.action or "")
