"""Programs on another machine, which know an address of the gateway and whom to trust: HTTP, Arrow Flight and Spark Connect."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pyarrow import flight

from tests.services import spark as spark_tests
from tests.services.data_pool import Client
from tests.services.kubernetes.product import Json

SECONDS = 600.0
"""A JVM takes 15 s of computing to begin, on a machine that may be busy."""
COUNT = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(json.load(sys.stdin)["remote"]).getOrCreate()
print("rows:", spark.range(1000).where("id % 10 = 3").count())
"""


@dataclass(frozen=True)
class Outside:
    """``url``: of the gateway; ``authority``: a file."""

    url: str
    authority: Path

    @property
    def netloc(self) -> str:
        """Host and port."""
        return urllib.parse.urlsplit(self.url).netloc

    def ask(self, path: str, token: str | None = None, body: object = None) -> Json:
        """JSON there and back. urllib.error.HTTPError."""
        headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        data = None if body is None else json.dumps(body).encode()
        trust = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=60, context=trust) as answer:
            return cast(Json, json.load(answer))

    def token(self, username: str, password: str, audience: str = "controller") -> str:
        """Of a login."""
        login = {"username": username, "password": password, "audience": audience}
        return str(self.ask("/api/v1/token", body=login)["access_token"])

    def flight(self, token: str) -> Client:
        """A client of the data pool."""
        return LoggedIn(self, token)

    def spark(self, token: str) -> subprocess.CompletedProcess[str]:
        """PySpark's own client counts something."""
        remote = json.dumps({"remote": f"sc://{self.netloc}/;use_ssl=true;token={token}"})
        trusting = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.authority)}
        client = [str(spark_tests.install()), "-c", COUNT]
        return subprocess.run(client, input=remote, env=trusting, text=True, capture_output=True, timeout=SECONDS, check=False)


class LoggedIn(Client):
    """With a login's token."""

    def __init__(self, at: Outside, token: str) -> None:
        self.flight = flight.FlightClient(f"grpc+tls://{at.netloc}", tls_root_certs=at.authority.read_text())
        self.headers = [(b"bdc-database", b"bdc"), (b"authorization", f"Bearer {token}".encode())]
        self.options = flight.FlightCallOptions(headers=self.headers, timeout=120)
