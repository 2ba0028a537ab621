"""``spec.gateway``: one TLS address in front of what people use from outside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.spec.section import Section


class Gateway(Section):
    """One address, with TLS always, in front of the REST API and WebHDFS (docs/guide/gateway.md). HDFS's own ports stay on loopback: who
    comes through here is, for HDFS, who he logged in as. On Kubernetes a pod; ``kubernetes.endpoints`` says how it is reached."""

    enabled: bool = False
    """Whether it runs. HDFS restarts when this changes, since it has to be told whom it may believe."""
    bind: Annotated[str, Field(min_length=1)] | None = None
    """IP address that it listens on, on one machine. null: ``network.bind``. With another one the gateway alone is reached from other
    machines, while all else stays on loopback."""
