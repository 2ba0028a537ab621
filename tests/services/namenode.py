"""Stands in for a NameNode with TLS, where the question is what it is told and who believes it: a real HDFS takes ten seconds to start."""

from __future__ import annotations

import json
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.services.certificates import Laid

STATUS = {"type": "DIRECTORY", "length": 0, "owner": "nobody", "group": "supergroup", "permission": "755"}


@dataclass
class NameNode:
    """``asked``: operation, path and the header Authorization of each request."""

    port: int
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


@contextmanager
def namenode(certificates: Laid) -> Iterator[NameNode]:
    """Says of every path that it is a folder, and does whatever it is asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.files.certificate, certificates.files.key)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            operation = urllib.parse.parse_qs(parts.query)["op"][0]
            made.asked.append((operation, parts.path, self.headers.get("Authorization")))
            body = json.dumps({"FileStatus": STATUS} if operation == "GETFILESTATUS" else {"boolean": True}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_GET  # noqa: N815 (its name there)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Who does not believe it goes away in the middle of a handshake."""

    with Quiet(("127.0.0.1", 0), Answers) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        made = NameNode(int(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
