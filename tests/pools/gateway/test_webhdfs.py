"""Whose name a request to WebHDFS carries, whatever its query says."""

from __future__ import annotations

import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pools.gateway.errors import RefusalError
from pools.gateway.settings import Hdfs
from pools.gateway.webhdfs import PREFIXES, call, redirected, redirected_json

HDFS = Hdfs("127.0.0.1:50070", "127.0.0.1:9000", ("127.0.0.1:9864", "127.0.0.1:9867"), "proxy")
NOBODYS = ("user.name", "USER.NAME", "User.Name", "doas", "doAs", "DOAS", "delegation", "Token", "namenoderpcaddress", "NamenodeRpcAddress")


def sent(target: str, caller: str = "alice") -> dict[str, list[str]]:
    return urllib.parse.parse_qs(call(HDFS, "gw:30443", target, caller).target.partition("?")[2], keep_blank_values=True)


@pytest.mark.parametrize("name", [*NOBODYS, "do%61s", "%64o%61%73", "user%2Ename"])
def test_the_clients_names_are_dropped(name: str) -> None:
    found = sent(f"/webhdfs/v1/tmp?op=OPEN&{name}=admin&offset=3")
    assert found == {"op": ["OPEN"], "offset": ["3"], "user.name": ["proxy"], "doas": ["alice"]}


def test_semicolons_separate_nothing_behind_us_either() -> None:
    made = call(HDFS, "gw:30443", "/webhdfs/v1/a;doas=admin/b?op=OPEN;doas=admin", "alice")
    assert ";" not in made.target
    assert made.target.startswith("/webhdfs/v1/a%3Bdoas%3Dadmin/b?op=OPEN%3Bdoas%3Dadmin&")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/webhdfs/v1/../../jmx", "'.', '..'"),
        ("/webhdfs/v1/%2e%2e/%2E%2E/conf", "'.', '..'"),
        ("/webhdfs/v1/..%2f..%2flogs", "'.', '..'"),
        ("/webhdfs/v1/..;x/..;x/jmx", "'.', '..'"),
        ("/webhdfs/v1/a\\..\\b", "'.', '..'"),
        ("/webhdfs/v1/./a", "'.', '..'"),
        ("/webhdfs/v1/a%00b", "control character"),
        ("/webhdfs/v1/a?op=OPEN&op=DELETE", "op is given twice"),
        ("/webhdfs/v1/a?op=OPEN&OP=DELETE", "given twice"),
        ("/webhdfs/v1/a?op=OPEN&doa%C5%BF=admin", "WebHDFS does not have"),
        ("/webhdfs/v1/a?op=OPEN&datanode=2", "no such DataNode"),
        ("/webhdfs/v1/a?op=OPEN&datanode=-1", "no such DataNode"),
        ("/webhdfs/v1/a?op=OPEN&datanode=127.0.0.1:22", "no such DataNode"),
        ("/webhdfs/v1/a?" + "&".join(f"a{number}=1" for number in range(41)), "more than 40"),
    ],
)
def test_what_is_refused(target: str, message: str) -> None:
    with pytest.raises(RefusalError, match=message) as refused:
        call(HDFS, "gw:30443", target, "alice")
    assert refused.value.status == 400


@pytest.mark.parametrize("authority", ["", "a b", "a/b", "a@b", "a\r\nb"])
def test_a_host_that_is_none_makes_no_redirects(authority: str) -> None:
    with pytest.raises(RefusalError, match="Host"):
        call(HDFS, authority, "/webhdfs/v1/a?op=OPEN", "alice")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_redirect_comes_back_here_and_goes_on_to_the_datanode(prefix: str) -> None:
    made = call(HDFS, "gw:30443", f"{prefix}/tmp/%C3%A4%20b?op=OPEN", "alice")
    assert made.server == HDFS.namenode
    location = "http://127.0.0.1:9867/webhdfs/v1/tmp/ä%20b?op=OPEN&user.name=proxy&doas=alice&namenoderpcaddress=127.0.0.1:9000&offset=0"
    back = redirected(HDFS, made, location)
    assert back == f"https://gw:30443{prefix}/tmp/%C3%A4%20b?op=OPEN&offset=0&datanode=1"
    again = call(HDFS, "gw:30443", back.removeprefix("https://gw:30443"), "bob")
    assert again.server == "127.0.0.1:9867"
    found = urllib.parse.parse_qs(again.target.partition("?")[2])
    assert found["doas"] == ["bob"]
    assert found["namenoderpcaddress"] == [HDFS.rpc]
    assert redirected_json(HDFS, made, b'{"Location": "http://127.0.0.1:9864/webhdfs/v1/a?op=OPEN"}').endswith(b'?op=OPEN&datanode=0"}')


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1:9864/webhdfs/v1/a",
        "/webhdfs/v1/a",
        "",
        "http://127.0.0.1:9865/x",
        "http://[::1/x",
        "http://127.0.0.1:9864/a?b=\ud800",
    ],
)
def test_a_redirect_to_anywhere_else_is_none(location: str) -> None:
    made = call(HDFS, "gw:30443", "/webhdfs/v1/a?op=OPEN", "alice")
    with pytest.raises(RefusalError, match="does not know") as refused:
        redirected(HDFS, made, location)
    assert refused.value.status == 502


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"Location": 3}', b'{"FileStatus": {}}'])
def test_other_answers_stay_as_they_are(body: bytes) -> None:
    assert redirected_json(HDFS, call(HDFS, "gw", "/webhdfs/v1/a?op=OPEN", "a"), body) == body


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=120), st.text(min_size=1, max_size=30))
def test_whatever_is_asked_nobody_but_the_caller_is_named(rest: str, caller: str) -> None:
    try:
        made = call(HDFS, "gw:30443", f"/webhdfs/v1/{rest}", caller)
    except RefusalError as refused:
        assert 400 <= refused.status < 500
        return
    path, _, query = made.target.partition("?")
    pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
    assert [value for name, value in pairs if name.lower() == "doas"] == [caller]
    assert [value for name, value in pairs if name.lower() == "user.name"] == ["proxy"]
    assert not {";", "\\"} & set(made.target)
    assert not {".", ".."} & set(urllib.parse.unquote(path).split("/"))
    assert path.startswith("/webhdfs/v1/")
