"""WebHDFS as the gateway passes it on: whose name it carries, and where its redirects lead. Pure.

HDFS believes the names in a query (``user.name``, ``doas``). So nothing of a client's query is passed on as it was written: it is taken
apart, what names somebody is dropped, and the rest is written anew, once. Hadoop's servers read queries in different ways (the NameNode
without regard to case, DataNodes with ``;`` as a separator too); what is written anew reads the same everywhere.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass

from pools.gateway.errors import RefusalError
from pools.gateway.settings import Hdfs

PREFIXES = ("/webhdfs/v1", "/gateway/default/webhdfs/v1")
"""The second one is where the original product has it."""
INNER = "/webhdfs/v1"
DATANODE = "datanode"
"""Parameter of a rewritten redirect: the number of the DataNode that it leads to."""
DROPPED = frozenset({"user.name", "doas", "delegation", "token", "namenoderpcaddress", DATANODE})
"""Names of parameters, in lower case, that are never the client's to give."""
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
AUTHORITY = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
MOST_PARAMETERS = 40
METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD"})


@dataclass(frozen=True)
class Call:
    """A request to WebHDFS: to ``server`` (``host:port``), as ``target``. ``base`` and ``path``: what redirects are made of. ``op`` and
    ``destination``: what is asked for, as it was given."""

    server: str
    target: str
    base: str
    path: str
    as_json: bool
    op: str = ""
    destination: str = ""


def prefix_of(path: str) -> str | None:
    """Under which of ``PREFIXES`` a path lies; None: under none."""
    return next((prefix for prefix in PREFIXES if path == prefix or path.startswith(prefix + "/")), None)


def call(hdfs: Hdfs, authority: str, target: str, caller: str) -> Call:
    """``authority``: the ``Host`` under which the client reached the gateway; ``target``: path and query as they came, the path under one
    of ``PREFIXES``. RefusalError 400."""
    given, _, query = target.partition("?")
    prefix = prefix_of(given)
    assert prefix is not None
    if not AUTHORITY.fullmatch(authority):
        raise RefusalError(400, "invalid_request", "the header Host names no server", where="header Host")
    path = _path(given.removeprefix(prefix))
    found = _pairs(query)
    names = {name.lower(): value for name, value in found}
    kept = [(name, value) for name, value in found if name.lower() not in DROPPED]
    kept += [("user.name", hdfs.proxy_user), ("doas", caller)]
    server = hdfs.namenode
    if DATANODE in names:
        server = _datanode(hdfs, names[DATANODE])
        kept.append(("namenoderpcaddress", hdfs.rpc))
    whole = f"{INNER}{path}?{urllib.parse.urlencode(kept)}"
    as_json = names.get("noredirect", "").lower() == "true"
    return Call(server, whole, f"https://{authority}{prefix}", path, as_json, names.get("op", ""), names.get("destination", ""))


def redirected(hdfs: Hdfs, made: Call, location: str) -> str:
    """Where the client is sent instead of to the DataNode of ``location``. RefusalError 502 for a place that is no DataNode of ours."""
    try:
        parts = urllib.parse.urlsplit(location)
        number = hdfs.datanodes.index(parts.netloc)
        pairs = urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        kept = [(name, value) for name, value in pairs if name.lower() not in DROPPED]
        return f"{made.base}{made.path}?{urllib.parse.urlencode([*kept, (DATANODE, str(number))])}"
    except ValueError:  # also for what is no URL, or no text
        why = "HDFS sends to a DataNode that the gateway does not know"
        raise RefusalError(502, "bad_answer", why, where="webhdfs", hint="bdc status --service hdfs") from None


def redirected_json(hdfs: Hdfs, made: Call, body: bytes) -> bytes:
    """The answer to ``noredirect=true``: ``{"Location": …}`` with the gateway's address; other answers as they are."""
    try:
        content = json.loads(body)
    except ValueError:
        return body
    if not isinstance(content, dict) or not isinstance(content.get("Location"), str):
        return body
    return json.dumps({**content, "Location": redirected(hdfs, made, content["Location"])}).encode()


def _path(given: str) -> str:
    """Written anew; a path that climbs would reach the NameNode's other pages."""
    raw = urllib.parse.unquote_to_bytes(given)
    steps = [step.partition(b";")[0] for step in re.split(rb"[/\\]", raw)]
    if b"." in steps or b".." in steps or any(sign < 0x20 or sign == 0x7F for sign in raw):
        raise RefusalError(400, "invalid_request", "the path holds '.', '..' or a control character", where="path", hint="write it out")
    return urllib.parse.quote(raw, safe="/")


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        found = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise RefusalError(400, "invalid_request", f"the query has more than {MOST_PARAMETERS} parameters", where="query") from None
    seen: set[str] = set()
    for name, _ in found:
        if not NAME.fullmatch(name):
            raise RefusalError(400, "invalid_request", "the query holds a parameter that WebHDFS does not have", where="query")
        if name.lower() in seen:
            raise RefusalError(400, "invalid_request", f"the parameter {name} is given twice", where="query", hint="give it once")
        seen.add(name.lower())
    return found


def _datanode(hdfs: Hdfs, number: str) -> str:
    if not number.isascii() or not number.isdigit() or len(number) > 4 or int(number) >= len(hdfs.datanodes):
        raise RefusalError(400, "invalid_request", "there is no such DataNode", where=DATANODE, hint="begin again without this parameter")
    return hdfs.datanodes[int(number)]
