"""Changed bytes at the gateway's door: targets, tokens, whole requests. A fresh seed each time; what fails tells it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import jwt
import pytest

from pools.bearer import Keys, Tokens
from pools.gateway import tokens
from pools.gateway.errors import RefusalError
from pools.gateway.record import Told
from pools.gateway.server import Limits
from pools.gateway.webhdfs import call, prefix_of, redirected, redirected_json
from tests.fuzz.mutations import mutated
from tests.patience import PATIENCE
from tests.pools.gateway.running import ISSUER, USER, Running, gateway
from tests.pools.gateway.test_webhdfs import HDFS

INPUTS = int(os.environ.get("BDC_GATEWAY_INPUTS", "4000"))
REQUESTS = int(os.environ.get("BDC_GATEWAY_REQUESTS", "40"))
TARGETS = [
    b"/webhdfs/v1/tmp/a%20b?op=OPEN&user.name=root&doas=admin&offset=3&noredirect=true",
    b"/gateway/default/webhdfs/v1/user/x/..;/y?op=CREATE&datanode=1&namenoderpcaddress=10.0.0.1:8020",
    b"/webhdfs/v1/?OP=LISTSTATUS&delegation=abc&Token=%64oas&doAs=hdfs",
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway"), HDFS, Limits(header_seconds=1.0, idle_seconds=1.0, linger_seconds=0.05)) as found:
        yield found


def test_targets_and_redirects() -> None:
    seed = random.randrange(1 << 32)
    chance, taken = random.Random(seed), 0
    for _ in range(INPUTS):
        target = mutated(TARGETS, chance).decode("latin-1")
        if prefix_of(target.partition("?")[0]) is None:
            continue
        with suppress(RefusalError):
            made = call(HDFS, "gw:30443", target, "alice")
            pairs = urllib.parse.parse_qsl(made.target.partition("?")[2], keep_blank_values=True)
            names = [name.lower() for name, _ in pairs]
            assert [value for name, value in pairs if name.lower() in ("doas", "user.name")] == ["proxy", "alice"], (seed, target)
            assert len(set(names)) == len(names), (seed, target)
            assert made.server in (HDFS.namenode, *HDFS.datanodes), (seed, target)
            assert made.target.isascii() and made.target.isprintable() and " " not in made.target, (seed, target)
            taken += 1
            redirected_json(HDFS, made, b'{"Location": "http://127.0.0.1:9864' + target.encode("latin-1") + b'"}')
            back = redirected(HDFS, made, f"http://127.0.0.1:9864{target}")
            assert back.startswith("https://gw:30443/") and "doas" not in back.partition("?")[2].lower().split("="), (seed, target)
    assert taken > INPUTS // 20


def test_tokens(running: Running) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    good = [running.token(USER).encode(), running.token(USER, "compute").encode(), running.changed(USER, roles=[]).encode()]
    content = jwt.decode(good[0], options={"verify_signature": False})
    judge = Tokens(Keys(lambda: json.dumps(running.api.services.keys.jwks()).encode()), ISSUER, tokens.AUDIENCES)

    async def all_of_them() -> None:
        for _ in range(INPUTS):
            token = mutated(good, chance).decode("latin-1")
            with suppress(RefusalError):
                await tokens.check(judge, f"Bearer {token}".encode("latin-1"), Told("127.0.0.1"))
                assert jwt.decode(token.strip(), options={"verify_signature": False}) == content, (seed, token)

    asyncio.run(all_of_them())


def test_whole_requests(running: Running) -> None:
    seed = random.randrange(1 << 32)
    chance, token = random.Random(seed), running.token(USER).encode()
    heads = [
        b"GET %b HTTP/1.1\r\nHost: gw:30443\r\nConnection: close\r\nAuthorization: Bearer %b\r\n\r\n" % (TARGETS[0], token),
        b"PUT %b HTTP/1.1\r\nHost: gw:30443\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        % TARGETS[1],
        b"POST /api/v1/token HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nContent-Length: 33\r\n\r\n"
        + b'{"username": "a", "password": ""}',
    ]
    context = running.context

    def answered(data: bytes) -> None:
        answer = b""
        with (
            suppress(ConnectionError),
            socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            wrapped.sendall(data)
            while part := wrapped.recv(65536):
                answer += part
        assert b" 500 " not in answer[:20], (seed, data)
        assert not answer or answer.startswith(b"HTTP/1.1 "), (seed, data)

    with ThreadPoolExecutor(16) as together:
        for _ in together.map(answered, [mutated(heads, chance) for _ in range(REQUESTS)]):
            pass
    defects = [line for line in running.lines if line["event"].startswith("defect")]
    assert not defects, (seed, defects)
    assert token.decode() not in str(running.lines)
    with running.client() as client:
        assert client.get("/healthz").status_code == 200
